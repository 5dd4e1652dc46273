"""Public lighting of a scenario: its feeders, where they hang, what fails."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.points import add_points
from fernwatt.timebase import HOUR_MS
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig
from scenarios.schema.lighting import FeederDesign, Lighting
from simulators.grid.lighting import LampType, overload, parse_feeders

__all__ = ["Lights", "with_lighting"]

Spec = dict[str, Any]
_FIGURES = frozenset(field.name for field in fields(LampType)) - {"name"}


@dataclass(frozen=True, slots=True)
class Lights:
    """What the grid is told of lighting; nothing where there is none."""

    feeders: list[Spec]
    points: list[dict[str, str]]
    acts: list[Spec]

    def params(self, config: ScenarioConfig, place: tuple[float, float]) -> dict[str, Any]:
        """Return the parameter ``lighting`` of the grid; ``place`` is (latitude, longitude)."""
        if not self.feeders:
            return {}
        return {
            "lighting": {
                "feeders": self.feeders,
                "points": self.points,
                "acts": self.acts,
                "start": config.time.start,
                "end_ms": config.time.end_ms,
                "position": list(place),
                "seed": config.seed,
            }
        }

    def described(self) -> dict[str, list[Spec]]:
        """Return what a reader of the run's folder wants to know: feeders and their segments."""
        feeders = [
            {
                **{key: feeder[key] for key in ("id", "terminal", "span_m", "phases", "switching")},
                "segments": [
                    {
                        "id": f"{feeder['id']}/segment-{n + 1}",
                        "lamp": s["lamp"],
                        "count": s["count"],
                    }
                    for n, s in enumerate(feeder["segments"])
                ],
            }
            for feeder in self.feeders
        ]
        return {"lighting": feeders} if feeders else {}


def with_lighting(config: ScenarioConfig, model: GridModel) -> tuple[GridModel, Lights]:
    """Return the grid with the terminals of its lighting, and the lighting.

    Raises ScenarioError with all that is wrong with it.
    """
    planner = _Planner(config.lighting, model)
    planner.plan()
    if planner.faults:
        raise ScenarioError(list(dict.fromkeys(planner.faults)))
    feeders = sorted(planner.feeders.values(), key=lambda f: f["id"].encode())
    points = [{"id": f["terminal"], "bus": planner.bus_of[f["id"]]} for f in feeders]
    return add_points(model, points), Lights(feeders, points, planner.acts)


class _Planner:
    def __init__(self, wanted: Lighting, model: GridModel) -> None:
        self._wanted = wanted
        self._buses = {bus.id: bus for bus in model.buses}
        self._bus_of_terminal = {terminal.id: terminal.bus for terminal in model.terminals}
        self._areas = {area.id: area for area in model.areas if area.kind == "lv"}
        self.feeders: dict[str, Spec] = {}
        self.bus_of: dict[str, str] = {}
        self.acts: list[Spec] = []
        self.faults: list[Fault] = []

    def plan(self) -> None:
        """Work out everything; ``faults`` tells what cannot be."""
        named = self._wanted.areas
        areas = sorted(self._areas, key=str.encode) if named == "all" else list(named)
        for number, area in enumerate(areas):
            if area in self._areas:
                path = f"lighting.areas[{number}]"
                self._add(self._wanted.design, path, "lighting.design", "feeder-1",
                          self._areas[area].bus)  # fmt: skip
            else:
                self._wrong(f"lighting.areas[{number}]", f"there is no low-voltage area {area}",
                            nearest(area, self._areas))  # fmt: skip
        for number, feeder in enumerate(self._wanted.feeders):
            path = f"lighting.feeders[{number}]"
            bus = self._bus_of_terminal.get(feeder.at, feeder.at)
            if bus not in self._buses or self._buses[bus].area not in self._areas:
                known = [b.id for b in self._buses.values() if b.area in self._areas]
                self._wrong(f"{path}.at", f"there is no low-voltage bus {feeder.at}",
                            nearest(feeder.at, known))  # fmt: skip
            else:
                self._add(feeder, f"{path}.name", path, feeder.name, bus)
        if not self.faults:
            self._fail()

    def _wrong(self, path: str, message: str, hint: str = "") -> None:
        self.faults.append(Fault(path, message, hint))

    def _add(self, design: FeederDesign, whose: str, path: str, name: str, bus: str) -> None:
        at = self._buses[bus]
        spec = _spec(design, f"lighting/{at.area}/{name}", at.vn_v / 3**0.5)
        spec["terminal"] = f"terminal/{at.area}/lighting-{name}"
        if spec["id"] in self.feeders:
            self._wrong(whose, f"{spec['id']} is there twice", "take another name")
        elif spec["terminal"] in self._bus_of_terminal:
            self._wrong(whose, f"there is a {spec['terminal']} already", "take another name")
        else:
            known = _wrong_figures(design, path)
            places = {fault.path for fault in known}
            self.faults += known + [f for f in _refused(spec, path) if f.path not in places]
            self.feeders[spec["id"]], self.bus_of[spec["id"]] = spec, bus

    def _fail(self) -> None:
        wanted = self._wanted
        counts = {
            ident: sum(segment["count"] for segment in feeder["segments"])
            for ident, feeder in self.feeders.items()
        }
        for number, failure in enumerate(wanted.failures):
            feeder, _, lamp = failure.lamp.rpartition("/lamp-")
            count = counts.get(feeder, 0)
            if lamp not in {f"{n:03}" for n in range(count)}:
                hint = f"lamp-000 to lamp-{count - 1:03}" if count else nearest(feeder, counts)
                path = f"lighting.failures[{number}].lamp"
                self._wrong(path, f"there is no lamp {failure.lamp}", hint)
            self._act(failure.at_h, "fail", failure.lamp)
        for number, stuck in enumerate(wanted.stuck):
            self._known(f"lighting.stuck[{number}].feeder", stuck.feeder, counts)
            self._act(stuck.from_h, "stick", stuck.feeder)
            if stuck.until_h is not None:
                self._act(stuck.until_h, "mend", stuck.feeder)
        for number, cut in enumerate(wanted.cuts):
            path = f"lighting.cuts[{number}]"
            if self._known(f"{path}.feeder", cut.feeder, counts):
                count = counts[cut.feeder]
                if cut.before >= count:
                    self._wrong(f"{path}.before", f"{cut.feeder} has luminaires 0 to {count - 1}")
            self._act(cut.at_h, "cut", cut.feeder, luminaire=cut.before)
            if cut.until_h is not None:
                self._act(cut.until_h, "join", cut.feeder)

    def _known(self, path: str, feeder: str, counts: Mapping[str, int]) -> bool:
        if feeder in counts:
            return True
        self._wrong(path, f"there is no lighting feeder {feeder}", nearest(feeder, counts))
        return False

    def _act(self, at_h: float, kind: str, element: str, **more: int) -> None:
        self.acts.append({"t_ms": round(at_h * HOUR_MS), "kind": kind, "element": element, **more})


def _spec(design: FeederDesign, ident: str, vn_v: float) -> Spec:
    switching = design.switching
    return {
        "id": ident,
        "segments": [{"lamp": s.lamp, "count": s.count, **s.figures} for s in design.segments],
        "span_m": design.span_m,
        "phases": list(design.phases),
        **design.cable.model_dump(),
        "vn_v": vn_v,
        "age_h": list(design.age_h),
        "switching": {
            "mode": switching.mode,
            "on": switching.burns_from,
            "off": switching.burns_until,
            "elevation_deg": switching.elevation_deg,
        },
    }


def _wrong_figures(design: FeederDesign, path: str) -> list[Fault]:
    return [
        Fault(
            f"{path}.segments[{n}].figures.{name}", "no figure of a lamp", nearest(name, _FIGURES)
        )
        for n, segment in enumerate(design.segments)
        for name in segment.figures
        if name not in _FIGURES
    ]


def _refused(spec: Spec, path: str) -> list[Fault]:
    """Return what the lighting itself refuses, with its place in the scenario."""
    try:
        (feeder,) = parse_feeders([spec], "lighting")
    except ScenarioError as error:
        return [
            Fault(_place(fault.path, path), fault.message, fault.hint) for fault in error.faults
        ]
    reason = overload(feeder)
    hint = "take fewer or smaller lamps, shorter spans, or a thicker cable"
    return [Fault(f"{path}.segments", reason, hint)] if reason else []


def _place(inside: str, path: str) -> str:
    text = re.sub(r"^lighting\[0\]", path, inside)
    return re.sub(r"(segments\[\d+\])\.(?!lamp$|count$)", r"\1.figures.", text)
