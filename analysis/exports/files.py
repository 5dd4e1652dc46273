"""What file each interface gets, with which columns, and how they are filled.

All are built of table ``export`` alone: of each value, when it was there (``received``), its own
time stamp (``time``, by the clock of who made it), and what brought it (``source_id``). What the
network lost is missing; what came twice is there once.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.exports.readings import meter_readings

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["COMMON", "FILES", "ExportFile", "write"]

COMMON = {
    "received": "when the control centre had it, UTC",
    "time": "its time stamp, by the clock of who made it, UTC",
    "source_id": "frame or instance that brought it",
}
Row = dict[str, Any]
_PHASES = ("l1", "l2", "l3")


@dataclass(frozen=True, slots=True)
class Told:
    """One row of table ``export``, its value read."""

    received_ms: int
    source_id: str
    variable: str
    unit: str
    owner: str
    value_ms: int
    value: Any


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One file: its interface, what it is, its columns with their meaning, who fills it."""

    interface: str
    name: str
    meaning: str
    columns: Mapping[str, str]
    rows: Callable[[Sequence[Told], Callable[[int], str]], Iterator[Row]]


def write(run: Run) -> list[Path]:
    """Write the files of all interfaces that the run's scenario asks for into ``exports/``."""
    wanted = list(run.scenario.get("exports") or ())
    folder, made = run.folder / "exports", []
    for interface in wanted:
        told = _told(run, interface)
        for file in FILES:
            if file.interface == interface:
                folder.mkdir(exist_ok=True)
                path = folder / file.name
                path.write_text(_csv(file, told, run.clock.iso), "utf-8", newline="\n")
                made.append(path)
        if interface == "mdm":
            path = folder / "mdm_meter_readings.xml"
            readings = [(one.unit, one.value_ms, one.received_ms, one.value) for one in told]
            path.write_text(meter_readings(readings, run.clock.iso), "utf-8", newline="\n")
            made.append(path)
    return made


def _told(run: Run, interface: str) -> list[Told]:
    frame = run.columns(
        "export", "t_ms", "id", "interface", "variable", "unit", "owner", "value_ms", "value"
    )
    frame = frame[(frame["interface"] == interface).to_numpy()].drop(columns="interface")
    rows = zip(*(frame[name].tolist() for name in frame.columns), strict=True)
    return [
        Told(int(t), str(i), str(v), str(u), str(o), int(m), json.loads(x))
        for t, i, v, u, o, m, x in rows
    ]


def _csv(file: ExportFile, told: Sequence[Told], iso: Callable[[int], str]) -> str:
    stream = io.StringIO()
    names = [*COMMON, *file.columns]
    writer = csv.DictWriter(stream, names, lineterminator="\n", extrasaction="raise")
    writer.writeheader()
    for row in file.rows(told, iso):
        writer.writerow({name: "" if row[name] is None else row[name] for name in names})
    return stream.getvalue()


def _common(one: Told, iso: Callable[[int], str]) -> Row:
    time = iso(one.value_ms)
    return {"received": iso(one.received_ms), "time": time, "source_id": one.source_id}


# -- SCADA: measurement points -----------------------------------------------------------------


def _points(told: Sequence[Told], iso: Callable[[int], str]) -> Iterator[Row]:
    for one in told:
        for point, quantity, value, unit in _measured(one):
            if value is not None:
                yield _common(one, iso) | {
                    "point": point, "quantity": quantity, "value": value, "unit": unit,
                    "quality": "good",
                }  # fmt: skip


def _measured(one: Told) -> Iterator[tuple[str, str, Any, str]]:
    """Yield measurement points of one value: point, quantity, value, unit."""
    value = one.value
    if one.variable == "area.values":
        for key, quantity, unit in (
            ("p_w", "ActivePower", "W"), ("q_var", "ReactivePower", "var"),
            ("v_min_v", "LowestVoltage", "V"), ("v_max_v", "HighestVoltage", "V"),
            ("missing", "MissingMeters", "1"),
        ):  # fmt: skip
            yield one.unit, quantity, value[key], unit
    elif one.variable == "area.der":
        for der, state in sorted(value["units"].items()):
            yield der, "ActivePower", state["p_w"], "W"
            yield der, "ReactivePower", state["q_var"], "var"
    elif one.variable == "regulation.summary":
        yield one.unit, "RegulatingUnits", value["active"], "1"
    elif one.variable == "line.phases":
        point = f"{value['element']}@{value['end']}"
        kinds = (("v_v", "Voltage", "V"), ("i_a", "Current", "A"), ("p_w", "ActivePower", "W"),
                 ("q_var", "ReactivePower", "var"))  # fmt: skip
        for key, quantity, unit in kinds:
            for phase, number in zip(_PHASES, value[key], strict=True):
                yield f"{point}/{phase}", quantity, number, unit


# -- DMS: states of switches -------------------------------------------------------------------


def _states(told: Sequence[Told], iso: Callable[[int], str]) -> Iterator[Row]:
    for one in told:
        value, kind = one.value, one.variable.partition(".")[0]
        if kind == "switch":
            state = "closed" if value["closed"] else "open"
        elif kind == "light":
            state = "on" if value["on"] else "off"
        else:
            state = str(value["position"])
        moved = iso(int(value["t_ms"])) if value.get("t_ms") is not None else ""
        yield _common(one, iso) | {
            "equipment": value["element"], "kind": kind, "state": state, "moved": moved,
            "reported_by": one.unit,
        }  # fmt: skip


# -- OMS: interruptions ------------------------------------------------------------------------


def _outages(told: Sequence[Told], iso: Callable[[int], str]) -> Iterator[Row]:
    for one in told:
        value = one.value
        row = _common(one, iso) | {
            "place": one.unit, "kind": "", "interruptions": None, "outage_s": None,
            "after": "", "before": "", "supplies": None, "owner": one.owner,
        }  # fmt: skip
        if one.variable == "quality.summary" and value["interruptions"]:
            row |= {"kind": "area", "supplies": value["supplies"]}
            yield row | {key: value[key] for key in ("interruptions", "outage_s")}
        elif one.variable == "supply.quality":
            row |= {"kind": "supply", "outage_s": value["outage_s"], "supplies": 1}
            for after_ms, before_ms in value["interrupted_ms"]:
                ends = {"after": iso(after_ms), "before": iso(before_ms)}
                yield row | ends | {"interruptions": 1}
        elif one.variable == "fault.passage":
            yield row | {"place": f"{value['element']}@{value['end']}", "kind": "passage"}
        elif one.variable == "fault.report":
            yield row | {"place": value["element"], "kind": "fault"}


# -- MDM, market, TSO ---------------------------------------------------------------------------


def _values(told: Sequence[Told], iso: Callable[[int], str]) -> Iterator[Row]:
    names = ("import_wh", "export_wh", "p_w", "q_var", "power_factor", "demand_w", "reactive_varh")
    for one in told:
        yield (
            _common(one, iso)
            | {"meter": one.unit, "owner": one.owner}
            | {name: one.value[name] for name in names}
        )


def _tariffs(told: Sequence[Told], iso: Callable[[int], str]) -> Iterator[Row]:
    for one in told:
        if one.variable != "tariff.table":
            continue
        version, items = one.value["version"], one.value["items"]
        for name, value in sorted(items.items()):
            kind, _, what = name.partition(" ")
            row = {"version": version, "register": value if kind == "at" else what}
            row |= {"price_per_kwh": value if kind == "price" else None}
            yield _common(one, iso) | row | {"from_local_time": what if kind == "at" else None}


def _diagrams(told: Sequence[Told], iso: Callable[[int], str]) -> Iterator[Row]:
    for one in told:
        if one.variable != "load.diagram":
            continue
        value = one.value
        for slot, mean_w in enumerate(value["mean_w"]):
            if mean_w is not None:
                hours, quarter = divmod(slot, 4)
                yield _common(one, iso) | {
                    "area": one.unit, "criterion": value["criterion"],
                    "customers": value["customers"], "local_time": f"{hours:02}:{quarter * 15:02}",
                    "mean_w": mean_w, "days": value["days"],
                }  # fmt: skip


def _energies(told: Sequence[Told], iso: Callable[[int], str]) -> Iterator[Row]:
    for one in told:
        if one.variable == "area.energy":
            value = one.value
            yield _common(one, iso) | {
                "area": one.unit, "from": iso(value["t_ms"]),
                **{key: value[key] for key in ("import_wh", "export_wh", "meters", "missing")},
            }  # fmt: skip


_ENERGY = {
    "area": "unit of the area",
    "from": "begin of the quarter of an hour, UTC",
    "import_wh": "energy that its meters drew [Wh]",
    "export_wh": "energy that its meters fed in [Wh]",
    "meters": "meters that were heard",
    "missing": "meters that were not",
}
FILES = (
    ExportFile(
        "scada", "scada_points.csv", "measurement points of areas, sensors and generators",
        {
            "point": "area's unit, element@end/phase, or generator's unit",
            "quantity": "what is measured (CIM measurementType)",
            "value": "value",
            "unit": "its unit",
            "quality": "good: as it came",
        },
        _points,
    ),
    ExportFile(
        "dms", "dms_states.csv", "positions of switches and taps, states of lighting feeders",
        {
            "equipment": "switch, transformer or lighting feeder",
            "kind": "switch, tap, light",
            "state": "open, closed; tap position; on, off",
            "moved": "when it moved, by the drive's clock, UTC",
            "reported_by": "unit whose drive reports",
        },
        _states,
    ),
    ExportFile(
        "oms", "oms_interruptions.csv", "interruptions that were told of, fault passages, faults",
        {
            "place": "area's unit, meter, or element@end",
            "kind": "area (summary), supply (a customer's detail, by policy), passage, fault",
            "interruptions": "how many",
            "outage_s": "time without supply [s]",
            "after": "last reading before, UTC (supply)",
            "before": "first reading after, UTC (supply)",
            "supplies": "supplies that were heard",
            "owner": "whose the detail is",
        },
        _outages,
    ),
    ExportFile(
        "mdm", "mdm_values.csv", "registers and derived values of each meter",
        {
            "meter": "meter",
            "owner": "whose they are",
            "import_wh": "register of energy drawn (OBIS 1-0:1.8.0) [Wh]",
            "export_wh": "register of energy fed in (1-0:2.8.0) [Wh]",
            "p_w": "mean active power since the reading before [W]",
            "q_var": "mean reactive power, of two samples [var]",
            "power_factor": "of these two",
            "demand_w": "maximum demand of the day (1-0:1.6.0) [W]",
            "reactive_varh": "reactive energy since the start, of samples [varh]",
        },
        _values,
    ),
    ExportFile(
        "market", "market_tariffs.csv", "tariffs in force, by version",
        {
            "version": "version",
            "register": "tariff register",
            "price_per_kwh": "its price",
            "from_local_time": "from when in the day it counts",
        },
        _tariffs,
    ),
    ExportFile(
        "market", "market_load_diagrams.csv", "typical load diagrams of areas",
        {
            "area": "unit of the area",
            "criterion": "all, producers, consumers",
            "customers": "how many",
            "local_time": "begin of the quarter of an hour",
            "mean_w": "mean of their power together [W]",
            "days": "days that are in it",
        },
        _diagrams,
    ),
    ExportFile(
        "market", "market_energy.csv", "energy of areas by quarter-hour", _ENERGY, _energies
    ),
    ExportFile("tso", "tso_exchange.csv", "energy of all by quarter-hour", _ENERGY, _energies),
)  # fmt: skip
