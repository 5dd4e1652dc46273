"""What protective devices are: validated, immutable specifications.

A device sits at a switch, measures there, and operates it. ``kind`` tells which one it is:
``breaker`` (relay stages, with or without auto-reclosing), ``fuse``, ``sectionaliser``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from itertools import pairwise
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from simulators.grid.protection.curves import CURVES
from simulators.grid.protection.elements import Reset
from simulators.grid.protection.fuses import FuseCurve, fuse_curve, fuse_types

__all__ = ["Breaker", "Device", "Fuse", "Sectionaliser", "Stage", "parse_devices"]

_RESETS = {"instant": Reset.INSTANT, "hold": Reset.HOLD, "inverse": Reset.INVERSE}


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a relay.

    ``quantity`` is ``phase`` (the largest current) or ``earth`` (the residual current),
    ``direction`` ``any``, ``forward`` or ``reverse``. Operate time: ``tms`` times the curve, plus
    ``delay_s``, at least ``minimum_s``; a ``definite`` one is ``delay_s`` alone. ``reset`` is
    ``instant``, ``hold`` (for ``reset_s``) or ``inverse`` (the curve's). ``shots`` names the trips
    of a reclosing sequence, from 0, at which it is in use (empty: all).
    """

    pickup_a: float
    quantity: str = "phase"
    direction: str = "any"
    curve: str = "definite"
    tms: float = 1.0
    delay_s: float = 0.0
    minimum_s: float = 0.0
    dropout: float = 0.95
    reset: str = "instant"
    reset_s: float = 0.0
    shots: tuple[int, ...] = ()

    @property
    def reset_mode(self) -> Reset:
        """How it goes back."""
        return _RESETS[self.reset]


@dataclass(frozen=True, slots=True)
class Breaker:
    """A circuit breaker or recloser with its relay.

    After each trip but the last it recloses after ``dead_ms``; ``reclaim_ms`` after a closing
    that held, the sequence begins anew. ``failure_probability`` is that of not opening; then
    ``backup`` (another breaker's id) is tripped ``backup_ms`` after the trip. ``phase_deg`` and
    ``earth_deg`` are characteristic angles (see ``phasors``), ``polarising_v`` the least voltage
    that tells a direction.
    """

    id: str
    switch: str
    stages: tuple[Stage, ...]
    open_ms: int = 60
    close_ms: int = 80
    dead_ms: tuple[int, ...] = ()
    reclaim_ms: int = 30_000
    failure_probability: float = 0.0
    backup: str = ""
    backup_ms: int = 200
    phase_deg: float = 45.0
    earth_deg: float = 0.0
    polarising_v: float = 10.0


@dataclass(frozen=True, slots=True)
class Fuse:
    """Three fuse links, one in each phase; each melts for itself.

    ``curve`` is a known type or points of a data sheet. ``cooling_s`` is the time constant with
    which a link that was heated below melting forgets it. Where the data has no clearing curve,
    the arc burns for ``arc_ms``.
    """

    id: str
    switch: str
    curve: FuseCurve
    cooling_s: float = 120.0
    arc_ms: float = 5.0


@dataclass(frozen=True, slots=True)
class Sectionaliser:
    """A switch that opens without current, by itself.

    ``mode`` ``count``: it counts interruptions that follow a current above ``pickup_a``, and
    opens within the one numbered ``counts``; it forgets after ``memory_ms``. ``mode`` ``voltage``:
    it opens ``delay_ms`` after the voltage has gone, closes ``close_after_ms`` after it is back
    (-1: not by itself), and stays open for good when the voltage goes again within
    ``lock_within_ms``. There is voltage where a phase has at least ``live_v``.
    """

    id: str
    switch: str
    mode: str = "count"
    pickup_a: float = 0.0
    counts: int = 2
    memory_ms: int = 30_000
    live_v: float = 1_000.0
    open_ms: int = 100
    delay_ms: int = 500
    close_after_ms: int = -1
    lock_within_ms: int = 5_000


Device = Breaker | Fuse | Sectionaliser
_KINDS: dict[str, Any] = {"breaker": Breaker, "fuse": Fuse, "sectionaliser": Sectionaliser}


def parse_devices(items: Sequence[Mapping[str, Any]], path: str = "protection") -> list[Device]:
    """Return the devices sorted by identifier; ScenarioError with all that is wrong with them."""
    faults: list[Fault] = []
    found: list[Device] = []
    for number, item in enumerate(items):
        device = _device(item, f"{path}[{number}]", faults)
        if device is not None:
            found.append(device)
    found.sort(key=lambda device: device.id.encode())
    breakers = {device.id for device in found if isinstance(device, Breaker)}
    for before, after in pairwise(found):
        if before.id == after.id:
            faults.append(Fault(path, f"{after.id} is there twice", "give each its own id"))
    faults += [
        Fault(path, f"backup of {device.id}: no breaker {device.backup!r}")
        for device in found
        if isinstance(device, Breaker) and device.backup and device.backup not in breakers
    ]
    if faults:
        raise ScenarioError(faults)
    return found


def _device(item: Mapping[str, Any], path: str, faults: list[Fault]) -> Device | None:
    kind = _KINDS.get(str(item.get("kind")))
    if kind is None:
        message = f"must be one of {', '.join(_KINDS)}, not {item.get('kind')!r}"
        faults.append(Fault(f"{path}.kind", message))
        return None
    values = {key: value for key, value in item.items() if key != "kind"}
    if kind is Fuse:
        values["curve"] = _curve(values.get("curve"), f"{path}.curve", faults)
        if values["curve"] is None:
            return None
    if "dead_ms" in values:
        values["dead_ms"] = tuple(values["dead_ms"])
    if kind is Breaker:
        stages = values.get("stages") or []
        made = [_make(Stage, s, f"{path}.stages[{k}]", faults) for k, s in enumerate(stages)]
        values["stages"] = tuple(stage for stage in made if stage is not None)
        if not stages:
            faults.append(Fault(f"{path}.stages", "a breaker without stages never trips"))
    device: Device | None = _make(kind, values, path, faults)
    return device


def _curve(value: Any, path: str, faults: list[Fault]) -> FuseCurve | None:
    try:
        if isinstance(value, str):
            return fuse_curve(value)
        return FuseCurve(float(value["rated_a"]), tuple(value["i_a"]), tuple(value["t_s"]))
    except KeyError as error:
        near = get_close_matches(str(value), fuse_types(), 3, 0.3) or fuse_types()[:3]
        hint = f"types are {', '.join(near)}, …, or give rated_a, i_a, t_s"
        faults.append(Fault(path, f"there is no {error}", hint))
    except (TypeError, ValueError) as error:
        faults.append(Fault(path, str(error)))
    return None


def _make(kind: Any, item: Mapping[str, Any], path: str, faults: list[Fault]) -> Any:
    known = [field.name for field in fields(kind)]
    unknown = sorted(set(item) - set(known))
    faults += [Fault(f"{path}.{n}", "unknown field", f"known: {', '.join(known)}") for n in unknown]
    given = {name: item[name] for name in known if name in item}
    if "shots" in given:
        given["shots"] = tuple(given["shots"])
    try:
        spec = kind(**given)
    except TypeError as error:
        faults.append(Fault(path, str(error).partition(") ")[2] or str(error)))
        return None
    wrong = [
        Fault(f"{path}.{name}", f"{text}, not {getattr(spec, name)!r}")
        for name, text, holds in _RULES
        if name in known and not holds(getattr(spec, name))
    ]
    blind = kind is Stage or (kind is Sectionaliser and spec.mode == "count")
    if blind and not wrong and spec.pickup_a <= 0:
        wrong.append(Fault(f"{path}.pickup_a", f"must be above 0, not {spec.pickup_a!r}"))
    faults += wrong
    return None if wrong else spec


def _one_of(*names: str) -> tuple[str, Callable[[Any], bool]]:
    return f"must be one of {', '.join(names)}", lambda value: value in names


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


_POSITIVE = ("must be above 0", lambda v: _number(v) and v > 0)
_NOT_NEGATIVE = ("must not be negative", lambda v: _number(v) and v >= 0)
_SHARE = ("must be from 0 to 1", lambda v: _number(v) and 0 <= v <= 1)
_TIMES = (
    "must be times above 0 and at most an hour",
    lambda v: all(isinstance(t, int) and 0 < t <= 3_600_000 for t in v),
)
_RULES: list[tuple[str, str, Callable[[Any], bool]]] = [
    ("pickup_a", *_NOT_NEGATIVE),
    ("quantity", *_one_of("phase", "earth")),
    ("direction", *_one_of("any", "forward", "reverse")),
    ("curve", "must be a known curve", lambda v: isinstance(v, FuseCurve) or v in CURVES),
    ("reset", *_one_of(*_RESETS)),
    ("mode", *_one_of("count", "voltage")),
    ("dead_ms", *_TIMES),
    ("dropout", *_SHARE),
    ("failure_probability", *_SHARE),
    *((n, *_POSITIVE) for n in ("tms", "counts", "live_v", "reclaim_ms", "memory_ms")),
    *(
        (n, *_NOT_NEGATIVE)
        for n in (
            "delay_s", "minimum_s", "reset_s", "open_ms", "close_ms", "backup_ms", "cooling_s",
            "arc_ms", "delay_ms", "lock_within_ms", "polarising_v",
        )
    ),
]  # fmt: skip
