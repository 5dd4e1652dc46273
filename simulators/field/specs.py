"""What instruments and actuators are: validated, immutable specifications.

Instrument: ``{id, kind, target, ...}``; ``kind`` is ``meter`` (target: a terminal), ``substation``
(a transformer), ``charger``, ``battery`` or ``pv`` (a device).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import SLOT_MS

__all__ = [
    "ActuatorSpec",
    "Drop",
    "InstrumentSpec",
    "at_place",
    "parse_actuators",
    "parse_instruments",
]

KINDS = {
    "meter": "terminal",
    "substation": "transformer",
    "charger": "device",
    "battery": "device",
    "pv": "device",
    "device": "device",
}
SAMPLING = ("slot", "clock")
_CLASSES = (0.0, 0.2, 0.5, 1.0, 2.0)
Drop = tuple[str, str, int]  # instrument, variable, time of the sample


@dataclass(frozen=True, slots=True)
class InstrumentSpec:
    """One instrument.

    ``accuracy_class`` in percent (0: ideal), ``resolution_wh`` the smallest step of its
    registers (0: none), ``resolution_v`` that of its voltage. Its clock is wrong at the start by
    a value drawn with ``clock_sd_ms``, and drifts by one drawn with ``drift_sd_ppm``. It samples
    every ``period_ms``: at true slot boundaries (``sampling`` ``slot``: synchronised, only the
    stamp is wrong) or when its own clock shows them (``clock``: the stamp is round, the instant
    is wrong). ``terminal`` is where an instrument in a device gets its supply, if known.
    ``history`` is what a meter remembers: ``{start_ms, step_ms, import_wh[], export_wh[]}``.
    A register begins anew at ``rollover_wh`` (0: never). A sample begins a gap with
    ``gap_probability``; gaps are ``gap_length`` samples long in the mean (geometric), and the
    registers count on meanwhile. A meter ``by_phase`` also tells voltage, current and power of
    each conductor; one with ``window_ms`` the r.m.s. mean of the voltages over each such window;
    one that counts ``outages`` the time without supply since the start (the grid then has to
    integrate it, see ``PlantView.squares``).
    """

    id: str
    kind: str
    target: str
    accuracy_class: float = 1.0
    resolution_wh: float = 1.0
    resolution_v: float = 0.1
    period_ms: int = SLOT_MS
    sampling: str = "slot"
    clock_sd_ms: float = 0.0
    drift_sd_ppm: float = 0.0
    terminal: str = ""
    history: Mapping[str, Any] | None = None
    rollover_wh: float = 0.0
    gap_probability: float = 0.0
    gap_length: float = 1.0
    by_phase: bool = False
    window_ms: int = 0
    outages: bool = False


@dataclass(frozen=True, slots=True)
class ActuatorSpec:
    """One actuator of a unit; it acts on ``target`` after ``delay_ms``, or fails.

    ``jitter_ms`` is the largest extra delay, drawn evenly each time. With
    ``misreport_probability`` it confirms the contrary of what happened. ``by`` ``crew``: a crew
    goes to ``place_m`` and works there for ``work_ms``; the delay comes after that. A tap changer
    has ``step_ms``, the time of one step, ``steps``, its lowest and highest position, and its
    ``position`` at the start. A unit addresses several together as ``group``: its command then
    names the ``element``. Drives that ``tells`` report the position of their switch (``closed`` at
    the start) or tap.
    """

    id: str
    unit: str
    target: str
    delay_ms: int = 0
    failure_probability: float = 0.0
    jitter_ms: int = 0
    misreport_probability: float = 0.0
    by: str = "remote"
    place_m: tuple[float, float] = (0.0, 0.0)
    work_ms: int = 600_000
    step_ms: int = 0
    steps: tuple[int, int] = (0, 0)
    position: int = 0
    group: str = ""
    tells: bool = False
    closed: bool = True

    @property
    def address(self) -> str:
        """What commands name, and readings come from."""
        return self.group or self.id


def at_place(place: str) -> dict[str, Any]:
    """Return a place ``element@end`` as readings name it."""
    element, _, end = place.rpartition("@")
    return {"element": element, "end": int(end)} if element else {"element": place, "end": 0}


def parse_instruments(
    items: Sequence[Mapping[str, Any]], targets: Mapping[str, Mapping[str, int]]
) -> list[InstrumentSpec]:
    """Return the instruments sorted by identifier.

    ``targets`` holds the known terminals, transformers and devices by kind of place.
    Raises ScenarioError with every fault and its path (``instruments[3].target``).
    """
    faults: list[Fault] = []
    specs = []
    for number, item in enumerate(items):
        path = f"instruments[{number}]"
        spec = _make(InstrumentSpec, item, path, faults)
        if spec is not None:
            faults += [Fault(f"{path}.{name}", text) for name, text in _wrong(spec, targets)]
            specs.append(spec)
    return _sorted(specs, "instruments", faults)


def parse_actuators(
    items: Sequence[Mapping[str, Any]], *, crews: bool = False
) -> list[ActuatorSpec]:
    """Return the actuators sorted by identifier; ScenarioError for faulty ones.

    Targets are not checked: a switch is known to the grid alone. ``crews``: whether there are any.
    """
    faults: list[Fault] = []
    specs = []
    for number, item in enumerate(items):
        path = f"actuators[{number}]"
        spec = _make(ActuatorSpec, item, path, faults)
        if spec is None:
            continue
        faults += [Fault(f"{path}.{name}", text) for name, text in _wrong_actuator(spec, crews)]
        specs.append(spec)
    return _sorted(specs, "actuators", faults)


def _wrong_actuator(spec: ActuatorSpec, crews: bool) -> list[tuple[str, str]]:
    found = [
        (name, f"must not be negative: {getattr(spec, name)}")
        for name in ("delay_ms", "jitter_ms", "work_ms", "step_ms")
        if getattr(spec, name) < 0
    ]
    found += [
        (name, f"must be from 0 to 1, not {getattr(spec, name)}")
        for name in ("failure_probability", "misreport_probability")
        if not 0.0 <= getattr(spec, name) <= 1.0
    ]
    if spec.by not in ("remote", "crew"):
        found.append(("by", f"must be remote or crew, not {spec.by!r}"))
    if spec.by == "crew" and not crews:
        found.append(("by", "there are no crews: say how many"))
    if len(spec.place_m) != 2 or not all(map(math.isfinite, spec.place_m)):
        found.append(("place_m", f"must be two numbers, not {spec.place_m}"))
    if len(spec.steps) != 2 or not spec.steps[0] <= spec.position <= spec.steps[1]:
        found.append(("steps", f"must be two rising numbers around {spec.position}"))
    return found


def _wrong(spec: InstrumentSpec, targets: Mapping[str, Mapping[str, int]]) -> list[tuple[str, str]]:
    """Return what is wrong with one instrument: field and message."""
    found = []
    place = KINDS.get(spec.kind)
    if place is None:
        found.append(("kind", f"must be one of {', '.join(KINDS)}, not {spec.kind!r}"))
    elif spec.target not in targets[place]:
        found.append(("target", f"there is no {place} {spec.target!r}"))
    if spec.terminal and spec.terminal not in targets["terminal"]:
        found.append(("terminal", f"there is no terminal {spec.terminal!r}"))
    if spec.accuracy_class not in _CLASSES:
        found.append(("accuracy_class", f"must be one of {_CLASSES}, not {spec.accuracy_class}"))
    if spec.sampling not in SAMPLING:
        found.append(("sampling", f"must be one of {', '.join(SAMPLING)}, not {spec.sampling!r}"))
    own = [name for name in ("by_phase", "window_ms", "outages") if getattr(spec, name)]
    if own and spec.kind != "meter":
        name = own[0]
        found.append((name, f"only meters have that, not a {spec.kind}"))
    for name, low, high in (("period_ms", 1, math.inf), ("gap_probability", 0, 1),
                            ("gap_length", 1, math.inf)):  # fmt: skip
        value = getattr(spec, name)
        if not (math.isfinite(value) and low <= value <= high):
            wanted = f"be from {low} to {high}" if high < math.inf else f"be at least {low}"
            found.append((name, f"must {wanted}, not {value}"))
    limits = ("resolution_wh", "resolution_v", "clock_sd_ms", "drift_sd_ppm", "rollover_wh",
              "window_ms")  # fmt: skip
    for name in limits:
        value = getattr(spec, name)
        if not (math.isfinite(value) and value >= 0.0):
            found.append((name, f"must not be negative: {value}"))
    if spec.history is not None:
        found += _wrong_history(spec.history)
    return found


def _wrong_history(history: Mapping[str, Any]) -> list[tuple[str, str]]:
    missing = {"start_ms", "step_ms", "import_wh", "export_wh"} - set(history)
    if missing:
        return [("history", f"has no {', '.join(sorted(missing))}")]
    imports, exports = history["import_wh"], history["export_wh"]
    if len(imports) != len(exports):
        return [("history", f"has {len(imports)} imports and {len(exports)} exports")]
    for name, values in (("import_wh", imports), ("export_wh", exports)):
        wrong = [k for k, v in enumerate(values) if not (math.isfinite(v) and v >= 0.0)]
        if wrong:
            return [(f"history.{name}[{wrong[0]}]", "must be a number, not negative")]
    return []


def _make(kind: Any, item: Mapping[str, Any], path: str, faults: list[Fault]) -> Any:
    known = [field.name for field in fields(kind)]
    unknown = sorted(set(item) - set(known))
    faults += [Fault(f"{path}.{n}", "unknown field", f"known: {', '.join(known)}") for n in unknown]
    given = {name: item[name] for name in known if name in item}
    for name in ("place_m", "steps"):
        if name in given:
            given[name] = tuple(given[name])
    try:
        return kind(**given)
    except TypeError as error:
        faults.append(Fault(path, str(error).partition(") ")[2] or str(error)))
        return None


def _sorted(specs: list[Any], name: str, faults: list[Fault]) -> list[Any]:
    specs = sorted(specs, key=lambda spec: spec.id.encode())
    for before, after in pairwise(specs):
        if before.id == after.id:
            faults.append(Fault(name, f"{after.id} is there twice", "give each its own id"))
    if faults:
        raise ScenarioError(faults)
    return specs
