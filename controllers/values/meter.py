"""What a meter derives: mean powers, reactive energy, power factor, demand; quality of supply.

Registers are read at the boundaries of slots by the meter's own clock. Mean active power is their
difference by the time; reactive power is known at the samples only, so its mean is that of the two
at the ends (trapezium), and the reactive energy its sum. Maximum demand is the largest mean power
since local midnight (IEC 62056: 1-0:1.6.0). Quality counts samples of the voltage (means of
``voltage.mean`` where there are any) outside of nominal ± 10 % (EN 50160), and rises of the
register of time without supply: each is an interruption, somewhere between two readings.
"""

from __future__ import annotations

import math
from typing import Any

from controllers.unit.service import Notification, Result, UnitContext
from fernwatt.timebase import DAY_MS

__all__ = ["MeterValues"]

_VARIABLES = (
    "energy.import", "energy.export", "voltage", "meter.phases", "voltage.mean", "supply.outage",
)  # fmt: skip
_MS_PER_H = 3.6e6
_DERIVE = "derive"


class MeterValues:
    """Writes ``meter.values`` with each reading of the registers, ``supply.quality`` less often."""

    name = "values"

    __slots__ = (
        "_before",
        "_context",
        "_day_ms",
        "_demand",
        "_latest",
        "_nominal_v",
        "_outage",
        "_quality",
        "_quality_ms",
        "_reactive_varh",
    )

    _context: UnitContext

    def __init__(self, quality_ms: int, nominal_v: float, day_ms: int) -> None:
        self._quality_ms, self._nominal_v, self._day_ms = quality_ms, nominal_v, day_ms
        # variable -> (time by the meter's clock, value, what brought it)
        self._latest: dict[str, tuple[int, Any, str]] = {}
        # time, import [Wh], export [Wh], reactive power [var] of the reading before
        self._before: tuple[int, float, float, float | None] | None = None
        self._reactive_varh = 0.0
        self._demand = (-1, 0.0)  # day, largest mean power
        self._outage: tuple[int, float] | None = None
        self._quality = _Quality(0)

    def start(self, context: UnitContext) -> None:
        """Follow the unit's own instruments; go on with the last registers after a restart."""
        self._context = context
        self._quality = _Quality(context.now_ms)
        for variable in _VARIABLES:
            context.data.event(variable, context.unit)
        context.data.query("meter.values", context.unit)

    def notify(self, notification: Notification) -> None:
        """Keep a reading; all of an instant are there when the timer fires."""
        value, variable, t_ms = notification.value, notification.variable, notification.t_ms
        if notification.result is not Result.OK or value is None or t_ms == -1:
            return
        if variable == "meter.values":
            if self._before is None and notification.location == self._context.unit:
                self._reactive_varh = float(value.get("reactive_varh") or 0.0)
            return
        self._latest[variable] = (t_ms, value, notification.id)
        if variable == "energy.import":
            self._context.set_timer(_DERIVE, self._context.now_ms)
        elif variable == "voltage.mean":
            self._quality.count(value["v_v"], self._nominal_v)

    def timer(self, name: str) -> None:
        """Derive what can be of the newest readings."""
        del name
        t_ms, imported_wh, cause = self._latest["energy.import"]
        record = self._values(t_ms, float(imported_wh))
        context = self._context
        context.data.write("meter.values", context.unit, record, cause=cause)
        if "voltage.mean" not in self._latest:
            self._quality.count(record["v_v"], self._nominal_v)
        interrupted = self._interruption(t_ms)
        due = t_ms // self._quality_ms > self._quality.from_ms // self._quality_ms
        if interrupted or due:
            told = self._quality.record(t_ms)
            self._quality = _Quality(t_ms)
            context.data.write("supply.quality", context.unit, told, cause=cause)

    # -- values ------------------------------------------------------------------------------

    def _values(self, t_ms: int, import_wh: float) -> dict[str, Any]:
        export_wh = float(self._at(t_ms, "energy.export") or 0.0)
        phases = self._at(t_ms, "meter.phases") or {}
        q_var = _total(phases.get("q_var"))
        before, self._before = self._before, (t_ms, import_wh, export_wh, q_var)
        p_w = mean_var = None
        if before is not None and t_ms > before[0]:
            hours = (t_ms - before[0]) / _MS_PER_H
            drawn_wh, fed_wh = import_wh - before[1], export_wh - before[2]
            if min(drawn_wh, fed_wh) >= 0.0:  # else a register has begun anew
                p_w = (drawn_wh - fed_wh) / hours
            if q_var is not None and before[3] is not None:
                mean_var = (q_var + before[3]) / 2.0
                self._reactive_varh += mean_var * hours
        return {
            "t_ms": t_ms,
            "import_wh": import_wh,
            "export_wh": export_wh,
            "p_w": _round(p_w),
            "q_var": _round(mean_var),
            "power_factor": _power_factor(p_w, mean_var),
            "demand_w": self._largest(t_ms, p_w),
            "reactive_varh": _round(self._reactive_varh),
            "i_a": phases.get("i_a") or [],
            "v_v": phases.get("v_v") or [self._at(t_ms, "voltage")],
        }

    def _at(self, t_ms: int, variable: str) -> Any:
        """Return a value read together with the registers."""
        found = self._latest.get(variable)
        return found[1] if found is not None and found[0] == t_ms else None

    def _largest(self, t_ms: int, p_w: float | None) -> float:
        """Return the maximum demand of the day in which the mean power ended."""
        day = (t_ms - 1 + self._day_ms) // DAY_MS
        if day != self._demand[0]:
            self._demand = (day, 0.0)
        if p_w is not None:
            self._demand = (day, max(self._demand[1], round(p_w, 1)))
        return self._demand[1]

    def _interruption(self, t_ms: int) -> bool:
        """Note a rise of the time without supply; return whether there was one."""
        outage_s = self._at(t_ms, "supply.outage")
        if outage_s is None:
            return False
        before, self._outage = self._outage, (t_ms, float(outage_s))
        if before is None or outage_s <= before[1]:
            return False
        self._quality.interrupt(before[0], t_ms, float(outage_s) - before[1])
        return True


class _Quality:
    """Voltages and interruptions since ``from_ms``."""

    __slots__ = ("_interrupted", "_outage_s", "_outside", "_volts", "from_ms")

    def __init__(self, from_ms: int) -> None:
        self.from_ms = from_ms
        self._volts: list[float] = []
        self._outside = 0
        self._interrupted: list[list[int]] = []
        self._outage_s = 0.0

    def count(self, v_v: list[float | None], nominal_v: float) -> None:
        for value in v_v:
            if value is not None:
                self._volts.append(value)
                self._outside += abs(value - nominal_v) > nominal_v / 10.0 + 1e-9

    def interrupt(self, after_ms: int, before_ms: int, outage_s: float) -> None:
        self._interrupted.append([after_ms, before_ms])
        self._outage_s += outage_s

    def record(self, t_ms: int) -> dict[str, Any]:
        volts = self._volts
        return {
            "t_ms": t_ms,
            "from_ms": self.from_ms,
            "samples": len(volts),
            "v_min_v": min(volts) if volts else None,
            "v_max_v": max(volts) if volts else None,
            "v_mean_v": _round(math.fsum(volts) / len(volts)) if volts else None,
            "outside": self._outside,
            "interruptions": len(self._interrupted),
            "outage_s": self._outage_s,
            "interrupted_ms": self._interrupted,
        }


def _total(values: list[float | None] | None) -> float | None:
    known = [value for value in values or () if value is not None]
    return math.fsum(known) if known else None


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _power_factor(p_w: float | None, q_var: float | None) -> float | None:
    if p_w is None or q_var is None:
        return None
    s_va = math.hypot(p_w, q_var)
    return round(abs(p_w) / s_va, 3) if s_va else None
