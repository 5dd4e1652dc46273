"""Meter readings as a CIM message (IEC 61968-9 ``MeterReadings``), for meter-data tools.

Namespace and element names are those of the profile ``http://iec.ch/TC57/2011/MeterReadings#``.
A reading type is named by its eighteen numbers: bulk quantity of energy in Wh, register forward or
reverse (IEC 61968-9, annex C).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

__all__ = ["NAMESPACE", "TYPES", "meter_readings"]

NAMESPACE = "http://iec.ch/TC57/2011/MeterReadings#"
TYPES = {
    "import_wh": "0.0.0.1.1.1.12.0.0.0.0.0.0.0.0.0.72.0",
    "export_wh": "0.0.0.1.19.1.12.0.0.0.0.0.0.0.0.0.72.0",
}
Reading = tuple[str, int, int, Mapping[str, Any]]


def meter_readings(readings: Sequence[Reading], iso: Callable[[int], str]) -> str:
    """Return the message of ``(meter, time stamp [ms], received [ms], values)``, by meter."""
    ET.register_namespace("", NAMESPACE)
    root = ET.Element(_name("MeterReadings"))
    by_meter: dict[str, list[Reading]] = {}
    for reading in readings:
        by_meter.setdefault(reading[0], []).append(reading)
    for meter in sorted(by_meter):
        part = ET.SubElement(root, _name("MeterReading"))
        device = ET.SubElement(part, _name("Meter"))
        ET.SubElement(device, _name("mRID")).text = meter
        for _, stamp_ms, received_ms, values in by_meter[meter]:
            for key, kind in TYPES.items():
                one = ET.SubElement(part, _name("Readings"))
                ET.SubElement(one, _name("reportedDateTime")).text = iso(received_ms)
                ET.SubElement(one, _name("timeStamp")).text = iso(stamp_ms)
                ET.SubElement(one, _name("value")).text = repr(float(values[key]))
                ET.SubElement(one, _name("ReadingType"), {"ref": kind})
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _name(tag: str) -> str:
    return f"{{{NAMESPACE}}}{tag}"
