"""What a device is: validated, immutable specifications made of a scenario's JSON objects.

A specification is ``{id, kind, terminal, phase?, ...}``; ``kind`` is one of ``_PARSERS`` below. All
powers in W at the terminal, positive drawn from the grid; energies in Wh.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fernwatt.errors import Fault, ScenarioError
from simulators.devices.checks import Checker
from simulators.devices.ev_specs import EvSpec, SessionSpec, parse_ev
from simulators.devices.heat_specs import (
    HeatPumpSpec,
    ThermostatSpec,
    parse_heat_pump,
    parse_thermostat,
)
from simulators.devices.inverter_specs import InverterSpec, parse_inverter
from simulators.devices.machine_specs import (
    ApplianceSpec,
    ChpSpec,
    WindSpec,
    parse_appliance,
    parse_chp,
    parse_wind,
)
from simulators.devices.specbase import PHASES, DeviceSpec, FloatArray, Head

__all__ = [
    "PHASES",
    "ApplianceSpec",
    "BatterySpec",
    "ChpSpec",
    "DeviceSpec",
    "EvSpec",
    "FloatArray",
    "HeatPumpSpec",
    "InverterSpec",
    "LoadSpec",
    "PvSpec",
    "SessionSpec",
    "ThermostatSpec",
    "WindSpec",
    "parse_devices",
]


@dataclass(frozen=True, slots=True)
class LoadSpec(DeviceSpec):
    """An uncontrolled load: mean powers of each ``step_s``, a part of a quarter of an hour."""

    p_w: FloatArray
    q_var: FloatArray
    step_s: int = 900


@dataclass(frozen=True, slots=True)
class PvSpec(DeviceSpec):
    """A PV system: available power ``p_w[slots] <= 0``, before curtailment.

    Without an ``inverter`` it follows its course, as long as there is supply.
    """

    p_w: FloatArray
    q_var: FloatArray
    inverter: InverterSpec | None = None


@dataclass(frozen=True, slots=True)
class BatterySpec(DeviceSpec):
    """A home battery.

    ``p_max_w`` limits charging and discharging at the terminal; of the power drawn,
    ``charge_efficiency`` is stored, of the power taken from the store ``discharge_efficiency``
    reaches the terminal. ``standby_w`` is always drawn on top. ``self_discharge_per_day`` is the
    share of its content that it loses in a day. It is not discharged below ``reserve_wh``.
    ``cycle_fade`` and ``calendar_fade_per_year`` are shares of the capacity lost by a full cycle
    and in a year; they are counted, not felt.
    """

    capacity_wh: float
    p_max_w: float
    charge_efficiency: float
    discharge_efficiency: float
    standby_w: float
    self_discharge_per_day: float
    reserve_wh: float
    initial_wh: float
    cycle_fade: float = 0.0
    calendar_fade_per_year: float = 0.0


_SLOT_S = 900


def parse_devices(
    items: Sequence[Mapping[str, Any]], terminals: Sequence[str], slots: int
) -> list[DeviceSpec]:
    """Return the devices sorted by identifier.

    ``slots`` is how many quarters of an hour a profile must have at least.
    Raises ScenarioError with every fault, each with its path (``devices[3].capacity_wh``).
    """
    faults: list[Fault] = []
    known, seen = frozenset(terminals), dict[str, int]()
    specs: list[DeviceSpec] = []
    for number, item in enumerate(items):
        check = Checker(item, f"devices[{number}]", faults)
        spec = _parse(check, known, slots)
        if spec is None:
            continue
        first = seen.setdefault(spec.id, number)
        if first != number:
            check.fault("id", f"{spec.id} is already devices[{first}]", "give each its own id")
        specs.append(spec)
    if faults:
        raise ScenarioError(faults)
    return sorted(specs, key=lambda spec: spec.id.encode())


def _parse(check: Checker, terminals: frozenset[str], slots: int) -> DeviceSpec | None:
    kind = check.text("kind")
    head = (check.text("id"), kind, check.text("terminal"), check.text("phase", "abc"))
    if head[2] not in terminals:
        check.fault("terminal", f"there is no terminal {head[2]!r}")
    if head[3] not in PHASES:
        check.fault("phase", f"must be one of {', '.join(PHASES)}, not {head[3]!r}")
    parser = _PARSERS.get(kind)
    if parser is None:
        check.fault("kind", f"must be one of {', '.join(sorted(_PARSERS))}, not {kind!r}")
        return None
    before = len(check.faults)
    spec = parser(check, head, slots)
    check.no_others()
    return spec if len(check.faults) == before else None


def _load(check: Checker, head: Head, slots: int) -> DeviceSpec:
    step_s = check.integer("step_s", _SLOT_S, least=1)
    if step_s < 1 or _SLOT_S % step_s:
        check.fault("step_s", f"must divide a quarter of an hour, {_SLOT_S} s, not {step_s}")
        step_s = _SLOT_S
    values = slots * (_SLOT_S // step_s)
    q_var = check.series("q_var", values, default=0.0)
    return LoadSpec(*head, check.series("p_w", values), q_var, step_s)


def _pv(check: Checker, head: Head, slots: int) -> DeviceSpec:
    p_w = check.series("p_w", slots)
    if (p_w > 0).any():
        slot = int(np.flatnonzero(p_w > 0)[0])
        check.fault(f"p_w[{slot}]", "a PV system draws nothing", "generation is negative")
    most_w = float(-p_w.min(initial=0.0))
    inverter = parse_inverter(check.child("inverter"), most_w)
    return PvSpec(*head, p_w, check.series("q_var", slots, default=0.0), inverter)


def _battery(check: Checker, head: Head, slots: int) -> DeviceSpec:  # noqa: ARG001 - one signature
    capacity_wh = check.number("capacity_wh", above=0.0)
    reserve_wh = check.number("reserve_wh", 0.0, least=0.0, most=capacity_wh)
    return BatterySpec(
        *head,
        capacity_wh,
        check.number("p_max_w", above=0.0),
        check.number("charge_efficiency", 0.95, above=0.0, most=1.0),
        check.number("discharge_efficiency", 0.95, above=0.0, most=1.0),
        check.number("standby_w", 0.0, least=0.0),
        check.number("self_discharge_per_day", 0.0, least=0.0, most=0.99),
        reserve_wh,
        check.number("initial_wh", capacity_wh / 2, least=0.0, most=capacity_wh),
        check.number("cycle_fade", 0.0, least=0.0, most=1.0),
        check.number("calendar_fade_per_year", 0.0, least=0.0, most=1.0),
    )


_PARSERS: dict[str, Callable[[Checker, Head, int], DeviceSpec]] = {
    "appliance": parse_appliance,
    "battery": _battery,
    "chp": parse_chp,
    "ev": parse_ev,
    "heat_pump": parse_heat_pump,
    "load": _load,
    "pv": _pv,
    "thermostat": parse_thermostat,
    "wind": parse_wind,
}
