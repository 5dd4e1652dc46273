"""What the gateway answers: who follows an event, who is out, and what was drawn meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.etree import ElementTree as ET

__all__ = ["Reply", "Usage", "create_opt", "created_event", "update_report"]

_OADR = "http://openadr.org/oadr-2.0b/2012/07"
_EI = "http://docs.oasis-open.org/ns/energyinterop/201110"
_PYLD = "http://docs.oasis-open.org/ns/energyinterop/201110/payloads"
_XCAL = "urn:ietf:params:xml:ns:icalendar-2.0"
_STRM = "urn:ietf:params:xml:ns:icalendar-2.0:stream"
_OK = 200
_GOOD, _BAD = "Quality Good - Non Specific", "Quality Bad - Non Specific"


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered on one event; ``code`` is OpenADR's response code."""

    event: str
    modification: int
    request: str
    opted_in: bool
    code: int = _OK
    text: str = "OK"


@dataclass(frozen=True, slots=True)
class Usage:
    """Energy that all below drew in a quarter of an hour, net [kWh]; whether all were heard."""

    begins: datetime
    net_kwh: float
    complete: bool


def created_event(ven: str, replies: Sequence[Reply]) -> str:
    """Return the answer to a distribution of events."""
    root, signed = _payload()
    body = ET.SubElement(
        signed, f"{{{_OADR}}}oadrCreatedEvent", {f"{{{_EI}}}schemaVersion": "2.0b"}
    )
    created = ET.SubElement(body, f"{{{_PYLD}}}eiCreatedEvent")
    response = ET.SubElement(created, f"{{{_EI}}}eiResponse")
    _text(response, _EI, "responseCode", str(_OK))
    _text(response, _EI, "responseDescription", "OK")
    _text(response, _PYLD, "requestID", replies[0].request if replies else "")
    several = ET.SubElement(created, f"{{{_EI}}}eventResponses")
    for reply in replies:
        one = ET.SubElement(several, f"{{{_EI}}}eventResponse")
        _text(one, _EI, "responseCode", str(reply.code))
        _text(one, _EI, "responseDescription", reply.text)
        _text(one, _PYLD, "requestID", reply.request)
        _qualified(one, reply)
        _text(one, _EI, "optType", "optIn" if reply.opted_in else "optOut")
    _text(created, _EI, "venID", ven)
    return _written(root)


def create_opt(ven: str, reply: Reply, out: Sequence[str], number: int, at: datetime) -> str:
    """Return the notice that the resources ``out`` do not follow an event."""
    root, signed = _payload()
    body = ET.SubElement(signed, f"{{{_OADR}}}oadrCreateOpt", {f"{{{_EI}}}schemaVersion": "2.0b"})
    _text(body, _EI, "optID", f"{reply.event}-{number}")
    _text(body, _EI, "optType", "optOut")
    _text(body, _EI, "optReason", "notParticipating")
    _text(body, _EI, "venID", ven)
    _text(body, _EI, "createdDateTime", _stamp(at))
    _text(body, _PYLD, "requestID", f"{reply.request}-{number}")
    _qualified(body, reply)
    target = ET.SubElement(body, f"{{{_EI}}}eiTarget")
    for name in out:
        _text(target, _EI, "resourceID", name)
    return _written(root)


def update_report(ven: str, reply: Reply, usages: Sequence[Usage], at: datetime) -> str:
    """Return the report (TELEMETRY_USAGE) of what was drawn while an event held."""
    root, signed = _payload()
    body = ET.SubElement(
        signed, f"{{{_OADR}}}oadrUpdateReport", {f"{{{_EI}}}schemaVersion": "2.0b"}
    )
    _text(body, _PYLD, "requestID", f"{reply.request}-usage")
    report = ET.SubElement(body, f"{{{_OADR}}}oadrReport")
    intervals = ET.SubElement(report, f"{{{_STRM}}}intervals")
    for usage in usages:
        one = ET.SubElement(intervals, f"{{{_EI}}}interval")
        _text(ET.SubElement(one, f"{{{_XCAL}}}dtstart"), _XCAL, "date-time", _stamp(usage.begins))
        _text(ET.SubElement(one, f"{{{_XCAL}}}duration"), _XCAL, "duration", "PT15M")
        payload = ET.SubElement(one, f"{{{_OADR}}}oadrReportPayload")
        _text(payload, _EI, "rID", "net-energy")
        value = ET.SubElement(payload, f"{{{_EI}}}payloadFloat")
        _text(value, _EI, "value", f"{usage.net_kwh:.6f}")
        _text(payload, _OADR, "oadrDataQuality", _GOOD if usage.complete else _BAD)
    _text(report, _EI, "eiReportID", f"{reply.event}-usage")
    _text(report, _EI, "reportRequestID", "0")  # nobody asked for it
    _text(report, _EI, "reportSpecifierID", "usage")
    _text(report, _EI, "reportName", "TELEMETRY_USAGE")
    _text(report, _EI, "createdDateTime", _stamp(at))
    _text(body, _EI, "venID", ven)
    return _written(root)


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _payload() -> tuple[ET.Element, ET.Element]:
    root = ET.Element(f"{{{_OADR}}}oadrPayload")
    return root, ET.SubElement(root, f"{{{_OADR}}}oadrSignedObject")


def _qualified(parent: ET.Element, reply: Reply) -> None:
    node = ET.SubElement(parent, f"{{{_EI}}}qualifiedEventID")
    _text(node, _EI, "eventID", reply.event)
    _text(node, _EI, "modificationNumber", str(reply.modification))


def _text(parent: ET.Element, space: str, name: str, text: str) -> None:
    ET.SubElement(parent, f"{{{space}}}{name}").text = text


def _written(root: ET.Element) -> str:
    return ET.tostring(root, encoding="unicode")
