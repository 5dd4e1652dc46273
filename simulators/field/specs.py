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

__all__ = ["ActuatorSpec", "Drop", "InstrumentSpec", "parse_actuators", "parse_instruments"]

KINDS = {
    "meter": "terminal",
    "substation": "transformer",
    "charger": "device",
    "battery": "device",
    "pv": "device",
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


@dataclass(frozen=True, slots=True)
class ActuatorSpec:
    """One actuator of a unit; it acts on ``target`` after ``delay_ms``, or fails."""

    id: str
    unit: str
    target: str
    delay_ms: int = 0
    failure_probability: float = 0.0


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


def parse_actuators(items: Sequence[Mapping[str, Any]]) -> list[ActuatorSpec]:
    """Return the actuators sorted by identifier; ScenarioError for faulty ones.

    Targets are not checked: a switch is known to the grid alone.
    """
    faults: list[Fault] = []
    specs = []
    for number, item in enumerate(items):
        path = f"actuators[{number}]"
        spec = _make(ActuatorSpec, item, path, faults)
        if spec is None:
            continue
        if spec.delay_ms < 0:
            faults.append(Fault(f"{path}.delay_ms", f"must not be negative: {spec.delay_ms}"))
        if not 0.0 <= spec.failure_probability <= 1.0:
            message = f"must be from 0 to 1, not {spec.failure_probability}"
            faults.append(Fault(f"{path}.failure_probability", message))
        specs.append(spec)
    return _sorted(specs, "actuators", faults)


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
    if spec.period_ms <= 0:
        found.append(("period_ms", f"must be positive, not {spec.period_ms}"))
    for name in ("resolution_wh", "resolution_v", "clock_sd_ms", "drift_sd_ppm"):
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
    try:
        return kind(**{name: item[name] for name in known if name in item})
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
