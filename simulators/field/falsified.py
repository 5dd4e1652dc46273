"""Instruments that tell something else than they measure: false data, as an adversary has it.

A register's growth is falsified, not the register: it stays continuous when the attack begins and
goes on from what it told when that ends, so nothing jumps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.messages import Reading

__all__ = ["FalseSpec", "Falsified", "parse_falsified"]

ACTIONS = ("scale", "offset", "freeze")


@dataclass(frozen=True, slots=True)
class FalseSpec:
    """What is done to ``variables`` of ``instruments`` from ``from_ms`` until ``until_ms``.

    ``until_ms`` -1: to the end. ``fields`` are those of records, whose numbers or lists of
    numbers are changed.
    """

    id: str
    instruments: frozenset[str]
    variables: frozenset[str]
    does: str = "scale"
    factor: float = 1.0
    offset: float = 0.0
    fields: tuple[str, ...] = ()
    from_ms: int = 0
    until_ms: int = -1

    def acts(self, t_ms: int) -> bool:
        """Tell whether it acts at ``t_ms``."""
        return t_ms >= self.from_ms and (self.until_ms < 0 or t_ms < self.until_ms)


def parse_falsified(
    items: Sequence[Mapping[str, Any]], known: Collection[str]
) -> tuple[FalseSpec, ...]:
    """Return what is falsified; ScenarioError with all that is wrong. ``known``: instruments."""
    names = {field.name for field in fields(FalseSpec)}
    faults: list[Fault] = []
    specs = []
    for number, item in enumerate(items):
        path = f"falsified[{number}]"
        faults += [Fault(f"{path}.{key}", "unknown field") for key in sorted(set(item) - names)]
        given = {key: item[key] for key in item.keys() & names}
        for key in ("instruments", "variables"):
            given[key] = frozenset(given.get(key, ()))
        given["fields"] = tuple(given.get("fields", ()))
        spec = FalseSpec(**given)
        faults += [
            Fault(f"{path}.instruments", f"there is no instrument {name!r}")
            for name in sorted(spec.instruments - set(known))
        ]
        if spec.does not in ACTIONS:
            faults.append(Fault(f"{path}.does", f"{spec.does!r}", f"one of {', '.join(ACTIONS)}"))
        specs.append(spec)
    if faults:
        raise ScenarioError(faults)
    return tuple(specs)


class Falsified:
    """Falsifies readings on their way out of the instruments, in the order of ``specs``."""

    def __init__(self, specs: Sequence[FalseSpec]) -> None:
        self._specs = tuple(specs)
        # (attack, instrument, variable) -> last true value, and how much more was told
        self._registers: dict[tuple[str, str, str], tuple[float, float]] = {}
        self._last: dict[tuple[str, str, str], Any] = {}

    def __bool__(self) -> bool:
        """Tell whether there is anything to falsify."""
        return bool(self._specs)

    def apply(self, t_ms: int, readings: Sequence[Reading]) -> list[Reading]:
        """Return what is told at ``t_ms`` instead of ``readings``."""
        return [self._tell(t_ms, reading) for reading in readings]

    def _tell(self, t_ms: int, reading: Reading) -> Reading:
        for spec in self._specs:
            if reading.instrument in spec.instruments and reading.variable in spec.variables:
                reading = replace(reading, value=self._value(spec, reading, spec.acts(t_ms)))
        return reading

    def _value(self, spec: FalseSpec, reading: Reading, acts: bool) -> Any:
        key, value = (spec.id, reading.instrument, reading.variable), reading.value
        if reading.variable.startswith(("energy.", "device.energy")):
            return self._register(spec, key, float(value), acts)
        if not acts:
            self._last[key] = value
            return value
        if spec.does == "freeze":
            return self._last.setdefault(key, value)
        if isinstance(value, dict):
            return value | {name: _changed(spec, value[name]) for name in spec.fields}
        return _changed(spec, value)

    def _register(
        self, spec: FalseSpec, key: tuple[str, str, str], value: float, acts: bool
    ) -> float:
        last, more = self._registers.get(key, (value, 0.0))
        if acts:
            grown = value - last
            told = {"scale": spec.factor * grown, "offset": grown + spec.offset, "freeze": 0.0}
            more += told[spec.does] - grown
        self._registers[key] = (value, more)
        return round(value + more, 3)


def _changed(spec: FalseSpec, value: Any) -> Any:
    if isinstance(value, list):
        return [_changed(spec, item) for item in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return round(value * (spec.factor if spec.does == "scale" else 1.0) + spec.offset, 6)
