"""What each kind of device does when its elements operate: small machines of states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulators.grid.protection.desk import Desk
from simulators.grid.protection.specs import Breaker, Device, Fuse, Sectionaliser

__all__ = ["BreakerLogic", "FuseLogic", "Logic", "SectionaliserLogic", "make_device"]

_US = 1000


class Logic:
    """A device: it hears of its elements, its timers, and of others who operate its switch."""

    state = "closed"

    def element_changed(self, t_us: int, row: int, begins: bool, cause: str) -> None:
        """An element picked up, or has reset."""

    def element_operated(self, t_us: int, row: int) -> None:
        """An element has travelled all its way."""

    def timer(self, t_us: int, what: str, token: int) -> None:
        """A timer of this device has run out."""

    def see(self, t_us: int, i_a: float, v_v: float, cause: str) -> None:
        """The largest phase current and voltage are these from now on."""

    def operated(self, t_us: int, closed: bool, cause: str) -> None:
        """Somebody else operated the switch."""

    def trip(self, t_us: int, cause: str, value: Mapping[str, Any]) -> None:
        """Another device, whose breaker failed, wants this one to trip."""


class BreakerLogic(Logic):
    """A breaker and its auto-reclosing: closed, opening, dead, closing; lockout, stuck, open.

    A timer carries the token of the sequence in which it was set: what comes of an older one
    is void.
    """

    def __init__(self, spec: Breaker, desk: Desk) -> None:
        self._spec, self._desk = spec, desk
        self._shot = self._token = 0
        self._starts: dict[int, str] = {}
        self._why = ""
        self._use_stages()

    def element_changed(self, t_us: int, row: int, begins: bool, cause: str) -> None:
        value = {"stage": self._desk.number(row), "i_a": self._desk.quantity_a(row)}
        if begins:
            self._starts[row] = self._desk.note(t_us, "pick-up", cause, value)
            return
        start = self._starts.pop(row, "")
        if self.state in ("closed", "stuck"):
            self._desk.note(t_us, "reset", start, value)
        if self.state == "closed" and self._shot and not self._desk.is_started():
            self._desk.wake(t_us + self._spec.reclaim_ms * _US, "reclaim", self._token)

    def element_operated(self, t_us: int, row: int) -> None:
        value = {"stage": self._desk.number(row), "i_a": self._desk.quantity_a(row)}
        self.trip(t_us, self._starts.get(row, ""), value)

    def trip(self, t_us: int, cause: str, value: Mapping[str, Any]) -> None:
        if self.state != "closed":
            return
        spec, self._token = self._spec, self._token + 1
        self._why = self._desk.note(t_us, "trip", cause, {**value, "shot": self._shot})
        self.state = "opening"
        what = "failed" if self._desk.chance(spec.failure_probability) else "opened"
        self._desk.wake(t_us + spec.open_ms * _US, what, self._token)
        if spec.backup:
            self._desk.wake(t_us + spec.backup_ms * _US, "backup", self._token)

    def timer(self, t_us: int, what: str, token: int) -> None:
        if token == self._token:
            getattr(self, f"_{what}")(t_us)

    def operated(self, t_us: int, closed: bool, cause: str) -> None:
        self._token += 1
        self.state, self._why = ("closed" if closed else "open"), cause
        self._desk.renew()  # whoever operates it also resets its relay
        # closed by hand it does not reclose until that has held: it may be onto a fault
        self._shot = len(self._spec.dead_ms) if closed else 0
        if self._shot:
            self._desk.wake(t_us + self._spec.reclaim_ms * _US, "reclaim", self._token)
        self._use_stages()

    def _opened(self, t_us: int) -> None:
        spec = self._spec
        self._desk.order(t_us, spec.switch, False, self._why)
        if self._shot < len(spec.dead_ms):
            self.state = "dead"
            self._desk.wake(t_us + spec.dead_ms[self._shot] * _US, "reclose", self._token)
        else:
            self.state = "lockout"
            value = {"shots": self._shot}
            self._desk.note(t_us, "lockout", self._why, value)

    def _failed(self, t_us: int) -> None:
        self.state = "stuck"
        self._why = self._desk.note(t_us, "breaker-failed", self._why, {})

    def _backup(self, t_us: int) -> None:
        if self.state in ("opening", "stuck") and self._desk.is_started():
            self._desk.trip_backup(t_us, self._spec.backup, self._why)

    def _reclose(self, t_us: int) -> None:
        self._shot += 1
        self.state = "closing"
        self._why = self._desk.note(t_us, "reclose", self._why, {"shot": self._shot})
        self._desk.wake(t_us + self._spec.close_ms * _US, "closed", self._token)

    def _closed(self, t_us: int) -> None:
        self.state = "closed"
        self._desk.order(t_us, self._spec.switch, True, self._why)
        self._use_stages()
        self._desk.wake(t_us + self._spec.reclaim_ms * _US, "reclaim", self._token)

    def _reclaim(self, t_us: int) -> None:
        if self.state != "closed" or self._desk.is_started() or not self._shot:
            return
        self._token, self._shot = self._token + 1, 0
        self._desk.note(t_us, "reclaimed", self._why, {})
        self._use_stages()

    def _use_stages(self) -> None:
        stages = self._spec.stages
        if any(stage.shots for stage in stages):
            self._desk.enable([not s.shots or self._shot in s.shots for s in stages])


class FuseLogic(Logic):
    """Three links: each melts, burns its arc, and leaves its phase open until it is replaced."""

    def __init__(self, spec: Fuse, desk: Desk) -> None:
        self._spec, self._desk = spec, desk
        self._cause: dict[int, str] = {}
        self._melted: dict[int, str] = {}

    def element_changed(self, t_us: int, row: int, begins: bool, cause: str) -> None:  # noqa: ARG002
        if begins:
            self._cause[self._desk.number(row)] = cause

    def element_operated(self, t_us: int, row: int) -> None:
        pole, i_a = self._desk.number(row), self._desk.quantity_a(row)
        if pole in self._melted:
            return
        self.state = "melted"
        value = {"phase": pole + 1, "i_a": i_a}
        self._melted[pole] = self._desk.note(t_us, "melted", self._cause.get(pole, ""), value)
        arc_s = self._spec.curve.arc_s(i_a, self._spec.arc_ms / 1000)
        self._desk.wake(t_us + round(arc_s * 1e6), "cleared", pole)

    def timer(self, t_us: int, what: str, token: int) -> None:  # noqa: ARG002
        if token in self._melted:
            self._desk.order(t_us, self._spec.switch, False, self._melted[token], (token,))

    def operated(self, t_us: int, closed: bool, cause: str) -> None:  # noqa: ARG002
        if closed:  # with three new links, as one does
            self.state = "closed"
            self._melted.clear()
            self._desk.renew()


class SectionaliserLogic(Logic):
    """It never breaks current: it opens while somebody upstream has switched off."""

    def __init__(self, spec: Sectionaliser, desk: Desk) -> None:
        self._spec, self._desk = spec, desk
        self._token = self._memory = self._count = 0
        self._armed = self._live = False
        self._why = self._saw = ""
        self._closed_us = -(2**62)
        self._by_itself = False

    def see(self, t_us: int, i_a: float, v_v: float, cause: str) -> None:
        live, was_live = v_v >= self._spec.live_v, self._live
        self._live, self._saw = live, cause
        if self._spec.mode == "count":
            self._see_count(t_us, i_a, live)
        elif live != was_live:
            self._token += 1
            self._see_voltage(t_us, live)

    def timer(self, t_us: int, what: str, token: int) -> None:
        if what == "forget":
            if token == self._memory:
                self._count = 0
        elif token == self._token:
            getattr(self, f"_{what}")(t_us)

    def operated(self, t_us: int, closed: bool, cause: str) -> None:
        self._token += 1
        self._memory += 1
        self._count, self._armed, self._by_itself = 0, False, False
        self.state, self._why, self._closed_us = ("closed" if closed else "open"), cause, t_us

    # -- counting ------------------------------------------------------------------------------

    def _see_count(self, t_us: int, i_a: float, live: bool) -> None:
        if self.state != "closed":
            return
        if i_a > self._spec.pickup_a:
            self._armed = True
        dead = not live and i_a <= 0.01 * self._spec.pickup_a
        if dead and self._armed:
            self._armed = False
            self._count += 1
            self._memory += 1
            self._why = self._desk.note(t_us, "count", self._saw, {"count": self._count})
            self._desk.wake(t_us + self._spec.memory_ms * _US, "forget", self._memory)
            if self._count >= self._spec.counts:
                self._desk.wake(t_us + self._spec.open_ms * _US, "open", self._token)
        elif not dead:
            self._token += 1  # too late: the next interruption, then

    def _open(self, t_us: int) -> None:
        self.state = "lockout"
        self._why = self._desk.note(t_us, "sectionalised", self._why, {"count": self._count})
        self._desk.order(t_us, self._spec.switch, False, self._why)

    # -- by voltage ----------------------------------------------------------------------------

    def _see_voltage(self, t_us: int, live: bool) -> None:
        spec = self._spec
        self._why = self._saw
        if not live and self.state == "closed":
            self._desk.wake(t_us + spec.delay_ms * _US, "release", self._token)
        elif live and self.state == "open" and self._by_itself and spec.close_after_ms >= 0:
            self._desk.wake(t_us + spec.close_after_ms * _US, "engage", self._token)

    def _release(self, t_us: int) -> None:
        # what was lost soon after its own closing, its own closing has brought about
        lost_us = t_us - self._spec.delay_ms * _US
        locks = self._by_itself and lost_us - self._closed_us <= self._spec.lock_within_ms * _US
        self.state = "lockout" if locks else "open"
        self._by_itself = True
        kind = "lockout" if locks else "sectionalised"
        self._why = self._desk.note(t_us, kind, self._why, {"voltage": False})
        self._desk.order(t_us, self._spec.switch, False, self._why)

    def _engage(self, t_us: int) -> None:
        self.state, self._closed_us = "closed", t_us
        self._why = self._desk.note(t_us, "engaged", self._why, {"voltage": True})
        self._desk.order(t_us, self._spec.switch, True, self._why)


def make_device(spec: Device, desk: Desk) -> Logic:
    """Return the machine of one device."""
    if isinstance(spec, Fuse):
        return FuseLogic(spec, desk)
    if isinstance(spec, Sectionaliser):
        return SectionaliserLogic(spec, desk)
    return BreakerLogic(spec, desk)
