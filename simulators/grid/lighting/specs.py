"""Lighting feeders as given: segments of luminaires along a cable, and when they burn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import pairwise
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from simulators.grid.lighting.lamps import LAMPS, LampType

__all__ = ["FeederSpec", "Segment", "Switching", "parse_feeders"]


@dataclass(frozen=True, slots=True)
class Segment:
    """Luminaires of one type behind one sensor."""

    lamp: LampType
    count: int


@dataclass(frozen=True, slots=True)
class Switching:
    """When the lamps burn: from ``on`` to ``off`` (UTC, ``18:30``), or from dusk to dawn.

    ``mode`` ``timetable`` or ``twilight``: then while the sun is below ``elevation_deg``.
    """

    mode: str = "twilight"
    on: str = "18:00"
    off: str = "06:00"
    elevation_deg: float = -4.0


@dataclass(frozen=True, slots=True)
class FeederSpec:
    """One feeder: a cable from ``terminal``, a luminaire each ``span_m``.

    ``phases`` are given to the luminaires in turn; impedances are those of one phase conductor
    and of the neutral, per km (default: 4 x 16 mm2 copper at 20 degC). ``age_h`` is how long
    the lamps have burnt at the start, drawn evenly between two numbers.
    """

    id: str
    terminal: str
    segments: tuple[Segment, ...]
    span_m: float = 30.0
    phases: tuple[int, ...] = (1, 2, 3)
    r_ohm_per_km: float = 1.15
    x_ohm_per_km: float = 0.09
    neutral_r_ohm_per_km: float = 1.15
    neutral_x_ohm_per_km: float = 0.09
    vn_v: float = 230.0
    age_h: tuple[float, float] = (0.0, 8_000.0)
    switching: Switching = field(default_factory=Switching)

    @property
    def count(self) -> int:
        """Number of luminaires."""
        return sum(segment.count for segment in self.segments)


def parse_feeders(items: Sequence[Mapping[str, Any]], path: str = "lighting") -> list[FeederSpec]:
    """Return the feeders sorted by identifier; ScenarioError with all that is wrong with them."""
    faults: list[Fault] = []
    found = []
    for number, item in enumerate(items):
        feeder = _feeder(dict(item), f"{path}[{number}]", faults)
        if feeder is not None:
            found.append(feeder)
    found.sort(key=lambda feeder: feeder.id.encode())
    faults += [
        Fault(path, f"{after.id} is there twice", "give each its own id")
        for before, after in pairwise(found)
        if before.id == after.id
    ]
    if faults:
        raise ScenarioError(faults)
    return found


def _feeder(item: dict[str, Any], path: str, faults: list[Fault]) -> FeederSpec | None:
    segments = item.get("segments") or []
    made = [_segment(s, f"{path}.segments[{k}]", faults) for k, s in enumerate(segments)]
    if not segments:
        faults.append(Fault(f"{path}.segments", "a feeder has at least one segment"))
    item["segments"] = tuple(segment for segment in made if segment is not None)
    if "switching" in item:
        item["switching"] = _make(Switching, item["switching"], f"{path}.switching", faults)
    for name in ("phases", "age_h"):
        if name in item:
            item[name] = tuple(item[name])
    feeder: FeederSpec | None = _make(FeederSpec, item, path, faults)
    if feeder is None or feeder.switching is None:
        return None
    faults += [Fault(f"{path}.{name}", text) for name, text in _wrong(feeder)]
    return feeder


def _segment(item: Mapping[str, Any], path: str, faults: list[Fault]) -> Segment | None:
    given = dict(item)
    kind = LAMPS.get(str(given.pop("lamp", None)))
    count = given.pop("count", 0)
    if kind is None:
        message = f"must be one of {', '.join(LAMPS)}, not {item.get('lamp')!r}"
        faults.append(Fault(f"{path}.lamp", message))
        return None
    if not (isinstance(count, int) and 1 <= count <= 1_000):
        faults.append(Fault(f"{path}.count", f"must be from 1 to 1000, not {count!r}"))
    known = {f.name for f in fields(LampType)} - {"name"}
    faults += [Fault(f"{path}.{n}", "unknown field") for n in sorted(set(given) - known)]
    given = {name: value for name, value in given.items() if name in known}
    for name, value in given.items():
        low = -1.0 if name in ("power_factor", "trend") else 0.0
        if not (isinstance(value, int | float) and math.isfinite(value) and value >= low):
            faults.append(Fault(f"{path}.{name}", f"must be a number from {low:g}, not {value!r}"))
            return None
    lamp = replace(kind, **given)
    positive = ("p_w", "warm_up_s", "life_h", "life_shape")
    faults += [
        Fault(f"{path}.{name}", "must be above 0") for name in positive if getattr(lamp, name) <= 0
    ]
    if not 0 < abs(lamp.power_factor) <= 1:
        faults.append(Fault(f"{path}.power_factor", "must be from -1 to 1, not 0"))
    return Segment(lamp, count)


def _wrong(feeder: FeederSpec) -> list[tuple[str, str]]:
    found = [
        (name, f"must be above 0, not {getattr(feeder, name)}")
        for name in ("span_m", "r_ohm_per_km", "neutral_r_ohm_per_km", "vn_v")
        if not getattr(feeder, name) > 0
    ]
    if not feeder.phases or not set(feeder.phases) <= {1, 2, 3}:
        found.append(("phases", f"must be of 1, 2, 3, not {feeder.phases}"))
    if len(feeder.age_h) != 2 or not 0 <= feeder.age_h[0] <= feeder.age_h[1]:
        found.append(("age_h", f"must be two rising numbers, not {feeder.age_h}"))
    switching = feeder.switching
    if switching.mode not in ("timetable", "twilight"):
        found.append(("switching.mode", f"must be timetable or twilight, not {switching.mode!r}"))
    found += [
        (f"switching.{name}", "must be a time of day, as 18:30")
        for name in ("on", "off")
        if minutes(getattr(switching, name)) is None
    ]
    if not -90 < switching.elevation_deg < 90:
        found.append(("switching.elevation_deg", "must be between -90 and 90"))
    return found


def minutes(text: str) -> int | None:
    """Return the minutes since midnight of ``18:30``; None for what is no time of day."""
    hours, colon, rest = str(text).partition(":")
    if not (colon and hours.isdigit() and rest.isdigit() and len(rest) == 2):
        return None
    value = int(hours) * 60 + int(rest)
    return value if int(rest) < 60 and value < 24 * 60 else None


def _make(kind: Any, item: Mapping[str, Any], path: str, faults: list[Fault]) -> Any:
    known = [f.name for f in fields(kind)]
    unknown = sorted(set(item) - set(known))
    faults += [Fault(f"{path}.{n}", "unknown field", f"known: {', '.join(known)}") for n in unknown]
    try:
        return kind(**{name: item[name] for name in known if name in item})
    except TypeError as error:
        faults.append(Fault(path, str(error).partition(") ")[2] or str(error)))
        return None
