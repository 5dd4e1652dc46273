"""Check of weather forecasts against the sun that own panels see (class ``forecast``)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from controllers.balancing.registers import Register
from controllers.detection.finding import Finding, Source
from controllers.detection.limits import Limits
from controllers.forecast.relay import VARIABLE, is_forecast
from controllers.unit.service import Notification
from fernwatt.timebase import HOUR_MS, SLOT_MS

__all__ = ["Sun"]

_DEVICE = "device.energy"
_SLOT_H = SLOT_MS / HOUR_MS
_KEPT = 8


class Sun:
    """``panels`` gives rated power [W] by unit.

    A house sees its panels' yield by rated power, a forecast has irradiance on a level surface;
    their ratio over some hours is near one, tilt, shade and clouds allowed for.
    """

    def __init__(self, unit: str, panels: Mapping[str, float], limits: Limits) -> None:
        self._unit, self._limits = unit, limits
        self._rated_w = sum(panels.values())
        self._panels = {panel: Register() for panel in panels}
        self._forecasts: deque[tuple[dict[str, Any], str]] = deque(maxlen=_KEPT)
        self._seen: deque[tuple[float, float]] = deque(maxlen=limits.sun_slots)

    def wants(self) -> Sequence[Source]:
        """Return the unit's copy of the forecast, and the panels' registers."""
        return [(VARIABLE, self._unit), *((_DEVICE, panel) for panel in self._panels)]

    def take(self, notification: Notification, now_ms: int) -> Sequence[Finding]:  # noqa: ARG002
        """Keep a forecast or a register."""
        if notification.variable == VARIABLE:
            if is_forecast(notification.value):
                self._forecasts.append((notification.value, notification.id))
        else:
            register = self._panels[notification.location]
            register.add(notification.t_ms, float(notification.value))
        return ()

    def slot(self, now_ms: int) -> Sequence[Finding]:
        """Judge the last slots together."""
        slot = now_ms // SLOT_MS - 1
        power_w = [register.mean_w(slot) for register in self._panels.values()]
        told = self._told(slot)
        if told is None or None in power_w:
            return ()
        yield_kwh = -sum(p or 0.0 for p in power_w) / self._rated_w * _SLOT_H
        self._seen.append((yield_kwh, told[0] / 1000.0 * _SLOT_H))
        if len(self._seen) < self._limits.sun_slots:
            return ()
        seen, expected = (sum(column) for column in zip(*self._seen, strict=True))
        limits = self._limits
        if max(seen, expected) < limits.sun_least:
            return ()
        if limits.sun_low * expected <= seen <= limits.sun_high * expected:
            return ()
        detail = {"seen_kwh": round(seen, 3), "expected_kwh_per_m2": round(expected, 3)}
        return (Finding("forecast", "provider/weather", detail, (told[1],)),)

    def _told(self, slot: int) -> tuple[float, str] | None:
        """Return what the newest forecast of before the slot has for it [W/m²], and its name."""
        for forecast, name in reversed(self._forecasts):
            place = (slot * SLOT_MS - forecast["start_ms"]) // forecast["step_ms"]
            if forecast["issued_ms"] <= slot * SLOT_MS and place < len(forecast["ghi_w_per_m2"]):
                return float(forecast["ghi_w_per_m2"][max(place, 0)]), name
        return None
