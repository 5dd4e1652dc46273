"""Checks of energy: what comes in must go somewhere, at a transformer, in a house, in a meter."""

from __future__ import annotations

from collections.abc import Sequence

from controllers.balancing.registers import Register
from controllers.detection.finding import Finding, Source
from controllers.detection.limits import Limits
from controllers.unit.service import Notification
from fernwatt.timebase import HOUR_MS, SLOT_MS

__all__ = ["Balance", "House", "Registers", "Silence"]

_IN, _OUT, _AREA, _DEVICE = "energy.import", "energy.export", "area.energy", "device.energy"
_VOLTAGE = "voltage"
_SLOT_H = SLOT_MS / HOUR_MS


class _Net:
    """A pair of registers: net mean power of slots [W]."""

    def __init__(self) -> None:
        self.registers = {_IN: Register(), _OUT: Register()}

    def take(self, notification: Notification) -> None:
        register = self.registers[notification.variable]
        register.add(notification.t_ms, float(notification.value))

    def mean_w(self, slot: int) -> float | None:
        drawn, fed = (register.mean_w(slot) for register in self.registers.values())
        return None if drawn is None or fed is None else drawn - fed


class Balance:
    """A transformer against the sum of the meters behind it (class ``balance``)."""

    def __init__(self, unit: str, area: str, limits: Limits) -> None:
        self._unit, self._area, self._limits = unit, area, limits
        self._net = _Net()

    def wants(self) -> Sequence[Source]:
        """Return the transformer's registers and the area's sums."""
        return [(_IN, self._unit), (_OUT, self._unit), (_AREA, self._unit)]

    def take(self, notification: Notification, now_ms: int) -> Sequence[Finding]:  # noqa: ARG002
        """Take a register, or hold a sum against them."""
        if notification.variable != _AREA:
            self._net.take(notification)
            return ()
        sums, limits = notification.value, self._limits
        given_w = self._net.mean_w(sums["t_ms"] // SLOT_MS)
        if given_w is None or sums["missing"]:
            return ()
        more_wh = given_w * _SLOT_H - (sums["import_wh"] - sums["export_wh"])
        flow_wh = max(abs(given_w) * _SLOT_H, sums["import_wh"] + sums["export_wh"])
        if abs(more_wh) <= limits.balance_wh + limits.balance_share * flow_wh:
            return ()
        detail = {"more_wh": round(more_wh, 1), "flow_wh": round(flow_wh, 1)}
        return (Finding("balance", self._area, detail, (notification.id,)),)

    def slot(self, now_ms: int) -> Sequence[Finding]:  # noqa: ARG002 - of the protocol
        """Find nothing."""
        return ()


class Silence:
    """Areas with meters that are not heard (class ``silence``)."""

    def __init__(self, units: Sequence[str], limits: Limits) -> None:
        self._units, self._limits = tuple(units), limits
        self._heard: dict[str, int] = {}

    def wants(self) -> Sequence[Source]:
        """Return the areas' sums."""
        return [(_AREA, unit) for unit in self._units]

    def take(self, notification: Notification, now_ms: int) -> Sequence[Finding]:
        """Look at the meters of an area."""
        sums = notification.value
        self._heard[notification.location] = now_ms
        if sums["missing"] <= self._limits.missing_meters or not sums["t_ms"]:
            return ()  # before the end of the first slot meters join
        detail = {"missing": sums["missing"], "meters": sums["meters"]}
        return (Finding("silence", notification.location, detail, (notification.id,)),)

    def slot(self, now_ms: int) -> Sequence[Finding]:
        """Find areas that say nothing at all."""
        limit_ms = self._limits.silent_slots * SLOT_MS
        return [
            Finding("silence", unit, {"since_ms": heard_ms})
            for unit, heard_ms in self._heard.items()
            if now_ms - heard_ms > limit_ms
        ]


class Registers:
    """A meter's own registers: faster than its connection, backwards or frozen (``reading``).

    Registers alone may stand still for hours, where a battery holds its house at nothing; a
    voltage never does.
    """

    def __init__(self, unit: str, limits: Limits) -> None:
        self._unit, self._limits = unit, limits
        self._last: dict[str, tuple[int, float]] = {}
        self._changed_ms: int | None = None

    def wants(self) -> Sequence[Source]:
        """Return the unit's own registers, and its voltage."""
        return [(_IN, self._unit), (_OUT, self._unit), (_VOLTAGE, self._unit)]

    def take(self, notification: Notification, now_ms: int) -> Sequence[Finding]:
        """Hold a value against the one before."""
        value, name = float(notification.value), notification.variable
        before = self._last.get(name)
        self._last[name] = (notification.t_ms, value)
        if before is None or notification.t_ms <= before[0]:
            return ()
        grown_wh, hours = value - before[1], (notification.t_ms - before[0]) / HOUR_MS
        if grown_wh or self._changed_ms is None:
            self._changed_ms = now_ms
        limits, causes = self._limits, (notification.id,)
        counts = name != _VOLTAGE
        if counts and not 0.0 <= grown_wh <= limits.connection_w * hours:
            detail = {"variable": name, "grown_wh": round(grown_wh, 1)}
            return (Finding("reading", self._unit, detail, causes),)
        if now_ms - self._changed_ms >= limits.frozen_slots * SLOT_MS:
            detail = {"variable": name, "since_ms": self._changed_ms}
            return (Finding("reading", self._unit, detail, causes),)
        return ()

    def slot(self, now_ms: int) -> Sequence[Finding]:  # noqa: ARG002
        """Find nothing."""
        return ()


class House:
    """A house's meter against its devices: what is left cannot be less than nothing (``reading``).

    A device that says nothing for a while is ``silence``. ``devices`` are the units of all
    devices behind the meter.
    """

    def __init__(self, meter: str, devices: Sequence[str], limits: Limits) -> None:
        self._meter, self._limits, self._net = meter, limits, _Net()
        self._devices = {device: Register() for device in devices}
        self._below, self._causes = 0, dict[str, str]()

    def wants(self) -> Sequence[Source]:
        """Return the meter's and the devices' registers."""
        registers = [(_IN, self._meter), (_OUT, self._meter)]
        return [*registers, *((_DEVICE, device) for device in self._devices)]

    def take(self, notification: Notification, now_ms: int) -> Sequence[Finding]:  # noqa: ARG002
        """Take a register."""
        self._causes[notification.location] = notification.id
        if notification.location == self._meter:
            self._net.take(notification)
        else:
            register = self._devices[notification.location]
            register.add(notification.t_ms, float(notification.value))
        return ()

    def slot(self, now_ms: int) -> Sequence[Finding]:
        """Judge the slot that is over."""
        return [*self._silent(now_ms), *self._base(now_ms // SLOT_MS - 1)]

    def _silent(self, now_ms: int) -> Sequence[Finding]:
        limit_ms = self._limits.silent_slots * SLOT_MS
        newest = {device: register.newest_ms for device, register in self._devices.items()}
        return [
            Finding("silence", device, {"since_ms": at_ms})
            for device, at_ms in newest.items()
            if at_ms is not None and now_ms - at_ms > limit_ms + SLOT_MS
        ]

    def _base(self, slot: int) -> Sequence[Finding]:
        net_w = self._net.mean_w(slot)
        drawn_w = [register.mean_w(slot) for register in self._devices.values()]
        if net_w is None or None in drawn_w:
            return ()
        base_w = net_w - sum(power_w or 0.0 for power_w in drawn_w)
        self._below = self._below + 1 if base_w < -self._limits.base_w else 0
        if self._below < self._limits.base_slots:
            return ()
        causes = tuple(self._causes[name] for name in sorted(self._causes))
        return (Finding("reading", self._meter, {"base_w": round(base_w, 1)}, causes),)
