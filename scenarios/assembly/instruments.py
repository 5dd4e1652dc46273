"""What hangs in the grid: indicators and sensors, drives, crews, and where they report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default
from fnmatch import fnmatchcase
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.taps import tap_steps
from scenarios.assembly.ground import ground
from scenarios.assembly.hierarchy import Hierarchy
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig
from scenarios.schema.instruments import (
    Crews,
    DeviceDrives,
    Indicators,
    LineSensors,
    SwitchDrives,
    TapDrives,
)

__all__ = ["Hung", "hang_instruments"]

Spec = dict[str, Any]
_TOP = "tlgmu/top"
_DRIVES = "drives"
_ORDERS = ("switch.order", "tap.order", "light.order")


@dataclass(slots=True)
class Hung:
    """What grid and field are told of it, and what a reader of the run's folder is."""

    grid: Spec = default(default_factory=dict)
    field: Spec = default(default_factory=dict)
    topology: Spec = default(default_factory=dict)


def hang_instruments(
    config: ScenarioConfig, model: GridModel, hierarchy: Hierarchy, lighting: Iterable[Spec] = ()
) -> Hung:
    """Return what a scenario hangs in the grid; its units, changed in place, get to know theirs.

    ``lighting`` are its feeders with their ``segments``. Raises ScenarioError with every place
    that the grid has not.
    """
    hanger = _Hanger(config, model, hierarchy, list(lighting))
    hanger.hang()
    if hanger.faults:
        raise ScenarioError(hanger.faults)
    return hanger.hung


class _Hanger:
    def __init__(
        self,
        config: ScenarioConfig,
        model: GridModel,
        hierarchy: Hierarchy,
        lighting: Sequence[Spec],
    ) -> None:
        self._config, self._model, self._hierarchy = config, model, hierarchy
        self._units = {unit["id"]: unit for unit in hierarchy.units}
        self._below: dict[str, str] = {}
        for area in model.areas:
            self._below.setdefault(area.parent, area.id)
        self._area = {line.id: line.area for line in model.lines}
        self._area |= {transformer.id: transformer.area for transformer in model.transformers}
        self._ends = set(self._area)
        self._area |= {switch.id: switch.area for switch in model.switches}
        segments = [segment["id"] for feeder in lighting for segment in feeder["segments"]]
        self._area |= {segment: segment.split("/")[1] for segment in segments}
        self._watchable = dict(self._area)
        self._area |= {feeder["id"]: feeder["id"].split("/")[1] for feeder in lighting}
        self._lighting = lighting
        self._places: dict[str, Spec] = {}
        self.faults: list[Fault] = []
        self.hung = Hung()

    def hang(self) -> None:
        """Do it all."""
        wanted, told = self._config.field, self.hung
        indicators = self._group("indicators", wanted.indicators, "indicator", _indicator)
        sensors = self._group("sensors", wanted.sensors, "sensor", _sensor)
        if self._places:
            told.grid["watch"] = list(self._places.values())
            told.field |= {
                "watch": list(self._places), "indicators": indicators, "sensors": sensors,
            }  # fmt: skip
            told.topology["line_instruments"] = self._described(indicators, sensors)
        if wanted.drives is not None:
            self._switches(wanted.drives)
        if wanted.contactors is not None:
            for feeder in self._lighting:
                self._drive(feeder["id"], wanted.contactors, closed=False)
        for number, taps in enumerate(wanted.taps):
            self._taps(taps, f"field.taps[{number}].at")
        if self._config.crews is not None:
            self._crews(self._config.crews)

    # -- instruments -------------------------------------------------------------------------

    def _group(self, section: str, groups: Sequence[Any], kind: str, plain: Any) -> list[Spec]:
        made: dict[str, Spec] = {}
        for number, group in enumerate(groups):
            path = f"field.{section}[{number}]"
            for element in self._found(group.at, self._watchable, f"{path}.at"):
                end = group.end if element in self._ends else 0
                name = f"{kind}/{element.partition('/')[2]}/{end}"
                if name in made:
                    what = f"{element} has one at end {end} already"
                    self.faults.append(Fault(f"{path}.at", what, "name it once"))
                    continue
                unit = self._unit(element, group.unit, f"{path}.unit")
                if unit is None:
                    continue
                unit["instruments"].append(name)
                place = f"{element}@{end}"
                self._places[place] = {"id": place, "element": element, "end": end}
                made[name] = {"id": name, "place": place, **_common(group), **plain(group)}
        return list(made.values())

    def _described(self, indicators: Sequence[Spec], sensors: Sequence[Spec]) -> list[Spec]:
        unit = {name: u["id"] for u in self._hierarchy.units for name in u["instruments"]}
        return [
            {"id": spec["id"], "kind": spec["id"].split("/")[0], "unit": unit[spec["id"]],
             **{key: self._places[spec["place"]][key] for key in ("element", "end")}}
            for spec in (*indicators, *sensors)
        ]  # fmt: skip

    def _found(self, names: Sequence[str], known: Mapping[str, Any], path: str) -> list[str]:
        """Return the elements that names and patterns stand for; note those that are none."""
        found: dict[str, None] = {}
        for number, name in enumerate(names):
            if name in known:
                found[name] = None
                continue
            fitting = [element for element in known if fnmatchcase(element, name)]
            if not fitting:
                text = f"there is no {name!r}"
                self.faults.append(Fault(f"{path}[{number}]", text, nearest(name, known)))
            found |= dict.fromkeys(sorted(fitting, key=str.encode))
        return list(found)

    def _unit(self, element: str, wanted: str | None, path: str) -> Spec | None:
        """Return the unit at an element: its area's, for what is above, that of the area below."""
        if wanted is not None:
            if wanted not in self._units:
                text = f"there is no unit {wanted!r}"
                self.faults.append(Fault(path, text, nearest(wanted, self._units)))
            return self._units.get(wanted)
        area = self._area[element]
        names = [f"{kind}/{area}" for kind in ("lvgmu", "mvgmu")]
        names += [f"{kind}/{self._below.get(area)}" for kind in ("mvgmu", "lvgmu")]
        return next((self._units[name] for name in (*names, _TOP) if name in self._units), None)

    # -- drives ------------------------------------------------------------------------------

    def _switches(self, wanted: SwitchDrives) -> None:
        known = {switch.id: switch for switch in self._model.switches}
        level = {area.id: area.kind for area in self._model.areas}
        by_hand = set(self._found(wanted.by_hand, known, "field.drives.by_hand"))
        also = set(self._found(wanted.also, known, "field.drives.also"))
        for switch in self._model.switches:
            fitting = switch.type in wanted.types and level[switch.area] in wanted.levels
            if (fitting or switch.id in also) and switch.id not in by_hand:
                self._drive(switch.id, wanted, closed=switch.closed)

    def _taps(self, wanted: TapDrives, path: str) -> None:
        rows = {trafo.id: row for row, trafo in enumerate(self._model.transformers)}
        for element in self._found(wanted.at, rows, path):
            low, high, now = tap_steps(self._model, rows[element])
            if low == high:
                self.faults.append(Fault(path, f"{element} has no taps to change", "leave it out"))
            elif any(made["target"] == element for made in self._hierarchy.actuators):
                self.faults.append(Fault(path, f"{element} has a drive already", "name it once"))
            else:
                step_ms = round(wanted.step_s * 1000)
                self._drive(element, wanted, step_ms=step_ms, steps=[low, high], position=now)

    def _drive(self, element: str, wanted: DeviceDrives, **more: Any) -> None:
        unit = self._unit(element, None, "")
        if unit is None:
            return
        address = f"{unit['id']}/{_DRIVES}"
        if address not in unit["instruments"]:
            unit["instruments"].append(address)
            unit["actuators"] |= dict.fromkeys(_ORDERS, address)
        self._hierarchy.actuators.append(
            {
                "id": f"drive/{element.partition('/')[2]}",
                "unit": unit["id"],
                "target": element,
                "group": address,
                "tells": True,
                **drive_figures(wanted),
                **more,
            }
        )

    # -- crews -------------------------------------------------------------------------------

    def _crews(self, wanted: Crews) -> None:
        places = ground(self._model)
        bus_of = {terminal.id: terminal.bus for terminal in self._model.terminals}
        places |= {feeder["id"]: places[bus_of[feeder["terminal"]]] for feeder in self._lighting}
        buses = {bus.id for bus in self._model.buses}
        depot = wanted.depot or self._busbar()
        if depot not in buses:
            text = f"there is no bus {depot!r}"
            self.faults.append(Fault("crews.depot", text, nearest(depot, buses)))
            return
        desk = f"{_TOP}/crews"
        self._units[_TOP]["instruments"].append(desk)
        self._units[_TOP]["actuators"]["crew.order"] = desk
        notice = wanted.notice_min
        steps = {
            t.id: tap_steps(self._model, r)[:2] for r, t in enumerate(self._model.transformers)
        }
        self.hung.field |= {
            "crews": {
                "count": wanted.count,
                "depot_m": list(places[depot]),
                "speed_m_per_s": wanted.speed_km_h / 3.6,
                "detour": wanted.detour,
                "dispatch_ms": round(wanted.dispatch_min * 60_000),
                "spread": wanted.spread,
            },
            "desk": {
                "id": desk,
                "unit": _TOP,
                "places": {name: list(at) for name, at in places.items()},
                "taps": {name: list(ends) for name, ends in steps.items() if ends[0] < ends[1]},
                "switch_ms": round(wanted.switch_min * 60_000),
                "repair_ms": round(wanted.repair_h * 3_600_000),
                "notice_ms": -1 if notice is None else round(notice * 60_000),
            },
        }

    def _busbar(self) -> str:
        """Return the busbar of the upper medium-voltage area, else of the upper one."""
        mv = [area for area in self._model.areas if area.kind == "mv"]
        tops = mv or [area for area in self._model.areas if not area.parent]
        return tops[0].bus


def drive_figures(wanted: DeviceDrives) -> Spec:
    """Return the figures that all drives have, as the field takes them."""
    return {
        "delay_ms": round(wanted.delay_s * 1000),
        "jitter_ms": round(wanted.jitter_s * 1000),
        "failure_probability": wanted.failure_probability,
        "misreport_probability": wanted.misreport_probability,
    }


def _common(group: Indicators | LineSensors) -> Spec:
    return {
        "clock_sd_ms": group.clock_sd_s * 1000,
        "drift_sd_ppm": group.drift_sd_ppm,
        "gap_probability": group.gap_probability,
        "gap_length": group.gap_length,
    }


def _indicator(group: Indicators) -> Spec:
    same = ("phase_a", "earth_a", "minimum_ms", "reset_by_voltage", "live_v", "directional",
            "miss_probability", "false_per_year")  # fmt: skip
    hold_ms = round(group.hold_h * 3_600_000)
    return {**{name: getattr(group, name) for name in same}, "hold_ms": hold_ms}


def _sensor(group: LineSensors) -> Spec:
    same = ("accuracy_class", "rated_a", "rise_c", "tau_s", "temperature_sd_c", "voltage_wiring",
            "current_wiring")  # fmt: skip
    times = {
        name: round(getattr(group, f"{name[:-2]}s") * 1000) for name in ("period_ms", "window_ms")
    }
    return {**{name: getattr(group, name) for name in same}, **times}
