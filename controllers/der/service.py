"""What a DERMU does with what is set from above: configuration, set-points, start, stop, alarms.

The target is worked out anew whenever something changes, and written to the unit's own variables
``set_point`` and ``reactive_set_point``, which are bound to the device:

* stopped: 0, from ``stop_s`` after the command on; started again: as before, after ``restart_s``;
* active power: the set-point's, within rating and contractual export; of a generator that only can
  be limited, the contractual limit holds without a set-point, too;
* reactive power, where the device takes any: a given one; else by a given voltage, as droop: all of
  it at 4 % from the target (regulation, or the set-point's ``v_v``); else by the set-point's power
  factor, else by the configuration's, under-excited.

Alarms begin and end with the measurements: over-current above the rating's current at nominal
voltage by 10 %, voltage outside of the configuration's limits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from controllers.unit.service import Notification, Result, UnitContext
from controllers.unit.shapes import fits

__all__ = ["Der", "Plate"]

_DROOP, _OVER_CURRENT = 0.04, 1.1
_LIMITED = frozenset({"pv", "wind"})
"""Kinds whose set-point is a limit of what is fed in, and that feed in whenever they can."""
_CONFIGURATION, _SET_POINT, _COMMAND, _REGULATION, _MEASURED = (
    "der.configuration", "der.set_point", "der.command", "regulation.command", "der.measurements",
)  # fmt: skip
_FOLLOWED = (_CONFIGURATION, _SET_POINT, _COMMAND, _REGULATION, _MEASURED)
_MEMORIES = (_CONFIGURATION, _SET_POINT, _COMMAND, _REGULATION)


@dataclass(frozen=True, slots=True)
class Plate:
    """What the device is: nominal powers (magnitudes), times, ramp, what may be written to it."""

    kind: str
    p_max_w: float
    q_max_var: float
    start_s: float
    restart_s: float
    stop_s: float
    ramp_w_per_s: float
    takes: tuple[str, ...]
    v_nominal_v: float = 230.0


class Der:
    """One device's unit."""

    name = "der"

    __slots__ = (
        "_alarms",
        "_configuration",
        "_context",
        "_measured",
        "_plate",
        "_regulating",
        "_regulation",
        "_run",
        "_set_point",
        "_written",
    )

    _context: UnitContext

    def __init__(self, plate: Plate) -> None:
        self._plate = plate
        self._configuration: Mapping[str, Any] = {}
        self._set_point: Mapping[str, Any] = {}
        self._regulation: Mapping[str, Any] = {}
        self._measured: Mapping[str, Any] = {}
        self._run, self._regulating = True, False
        self._alarms: dict[str, bool] = {}
        # variable -> what was last ordered of the device
        self._written: dict[str, Any] = {}

    def start(self, context: UnitContext) -> None:
        """Say what the device is; take up what was set before; follow what is set from above."""
        self._context = context
        plate = {**asdict(self._plate), "takes": list(self._plate.takes)}
        context.data.write("der.parameters", context.unit, plate)
        for variable in _FOLLOWED:
            context.data.event(variable, context.unit)
        for variable in _MEMORIES:
            context.data.query(variable, context.unit)

    def notify(self, notification: Notification) -> None:
        """Take what was set or measured."""
        value, variable = notification.value, notification.variable
        there = notification.result is Result.OK and notification.t_ms != -1
        if not there or not isinstance(value, dict) or not fits(variable, value):
            return
        if variable == _MEASURED:
            self._measured = value
            self._watch(notification)
            self._apply(notification.id)
        elif variable == _COMMAND:
            self._command(bool(value["run"]), notification.id)
        elif variable == _CONFIGURATION:
            self._configuration = _limits(value["items"])
            self._apply(notification.id)
        elif variable in {_SET_POINT, _REGULATION}:
            self._hold(variable, value, notification.id)

    def timer(self, name: str) -> None:
        """Stop or start after the time that takes, or let an order end."""
        if name in {"stop", "start"}:
            self._run = name == "start"
        self._apply("")

    # -- what is set -------------------------------------------------------------------------

    def _command(self, run: bool, cause: str) -> None:
        if run == self._run:
            return
        context, plate = self._context, self._plate
        wait_s = plate.restart_s if run else plate.stop_s
        context.cancel_timer("stop" if run else "start")
        context.decide("der_starts" if run else "der_stops", context.unit, None, (cause,))
        context.set_timer("start" if run else "stop", context.now_ms + round(wait_s * 1000))

    def _hold(self, variable: str, value: Mapping[str, Any], cause: str) -> None:
        if variable == _SET_POINT:
            self._set_point = value
        else:
            self._regulation = value
        until_ms = value.get("until_ms")
        if until_ms is not None and until_ms > self._context.now_ms:
            self._context.set_timer(f"end {variable}", until_ms)
        self._apply(cause)

    def _in_force(self, value: Mapping[str, Any]) -> Mapping[str, Any]:
        until_ms = value.get("until_ms")
        over = until_ms is not None and until_ms <= self._context.now_ms
        return {} if over else value

    # -- what follows ------------------------------------------------------------------------

    def _apply(self, cause: str) -> None:
        """Order of the device what now holds, where that has changed."""
        p_w = self._active_w()
        self._order("set_point", "p_w", p_w, cause)
        if "reactive_set_point" in self._plate.takes:
            self._order("reactive_set_point", "q_var", self._reactive_var(), cause)
        self._tell_regulation(cause)

    def _order(self, variable: str, key: str, value: float | None, cause: str) -> None:
        if variable not in self._plate.takes or self._written.get(variable) == value:
            return
        if value is None and variable not in self._written:
            return
        self._written[variable] = value
        context = self._context
        if value is None:  # free again: the shortest order ends at once
            rest = -self._plate.p_max_w if self._plate.kind in _LIMITED else 0.0
            record: dict[str, Any] = {
                key: 0.0 if key == "q_var" else rest,
                "until_ms": context.now_ms + 1000,
            }
        else:
            record = {key: value, "until_ms": None}
        context.data.write(variable, context.unit, record, cause=cause)

    def _active_w(self) -> float | None:
        """Return the power to be drawn (of a generator: the limit), None where it is free."""
        plate = self._plate
        if not self._run:
            return 0.0
        share = float(self._configuration.get("export_max_w", plate.p_max_w))
        asked = self._in_force(self._set_point).get("p_w")
        if asked is not None:
            return round(min(max(float(asked), -share, -plate.p_max_w), plate.p_max_w), 1)
        limited = plate.kind in _LIMITED and share < plate.p_max_w
        return -round(share, 1) if limited else None

    def _reactive_var(self) -> float | None:
        """Return the reactive power to be drawn, None where the device's own control holds."""
        plate, asked = self._plate, self._in_force(self._set_point)
        regulation = self._in_force(self._regulation)
        if not self._run:
            return 0.0
        if asked.get("q_var") is not None:
            q_var = float(asked["q_var"])
        elif (v_v := self._target_v(regulation, asked)) is not None:
            above = (self._measured.get("v_v") or v_v) / v_v - 1.0
            q_var = plate.q_max_var * above / _DROOP
        else:
            factor = asked.get("power_factor") or self._configuration.get("power_factor") or 1.0
            if not 0.0 < factor < 1.0:
                return None
            q_var = abs(float(self._measured.get("p_w") or 0.0)) * math.tan(math.acos(factor))
        return round(min(max(q_var, -plate.q_max_var), plate.q_max_var), 1)

    def _target_v(self, regulation: Mapping[str, Any], asked: Mapping[str, Any]) -> float | None:
        """Return the voltage to be held [V]; a regulation says it in shares of the nominal one."""
        if regulation.get("active"):
            return float(regulation.get("v_pu") or 1.0) * self._plate.v_nominal_v
        return None if asked.get("v_v") is None else float(asked["v_v"])

    def _tell_regulation(self, cause: str) -> None:
        """Tell above when regulation begins and ends here."""
        active = bool(self._in_force(self._regulation).get("active")) and self._run
        active = active and "reactive_set_point" in self._plate.takes
        if active == self._regulating:
            return
        self._regulating = active
        record = {
            "active": active,
            "v_v": self._measured.get("v_v"),
            "q_var": self._written.get("reactive_set_point"),
            "t_ms": self._context.now_ms,
        }
        self._context.data.write("regulation.state", self._context.unit, record, cause=cause)

    # -- alarms ------------------------------------------------------------------------------

    def _watch(self, notification: Notification) -> None:
        """Raise or end alarms by a measurement."""
        value, plate = self._measured, self._plate
        limits = self._configuration
        conductors = float(limits.get("conductors", 3))
        rated_va = math.hypot(plate.p_max_w, plate.q_max_var)
        i_max_a = _OVER_CURRENT * rated_va / (plate.v_nominal_v * conductors)
        self._alarm("over-current", value["i_a"], i_max_a, value["i_a"] > i_max_a, notification)
        if {"v_min_v", "v_max_v"} <= limits.keys():
            v_v, low_v, high_v = value["v_v"], limits["v_min_v"], limits["v_max_v"]
            self._alarm("over-voltage", v_v, high_v, v_v > high_v, notification)
            self._alarm("under-voltage", v_v, low_v, v_v < low_v, notification)

    def _alarm(
        self, kind: str, value: float, limit: float, active: bool, notification: Notification
    ) -> None:
        if active == self._alarms.get(kind, False):
            return
        self._alarms[kind] = active
        record = {
            "kind": kind,
            "active": active,
            "value": value,
            "limit": round(limit, 1),
            "t_ms": notification.t_ms,
        }
        context = self._context
        decision = context.decide("der_alarm", context.unit, record, (notification.id,))
        context.data.write("der.alarm", context.unit, record, cause=decision)


def _limits(items: Mapping[str, Any]) -> dict[str, float]:
    """Return what a configuration says in positive numbers; anything else is none of it."""
    return {
        name: float(value)
        for name, value in items.items()
        if type(value) in (int, float) and (value > 0.0 or (name == "export_max_w" and value == 0))
    }
