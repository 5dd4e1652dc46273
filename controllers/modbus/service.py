"""Modbus in units: the black box, and the unit in front of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from controllers.modbus.codec import FRAMINGS, Adu, Framing, ModbusError
from controllers.modbus.device import Bank
from controllers.modbus.master import Done, Master
from controllers.modbus.registers import ORDERS, PLACES, VALUES
from controllers.unit.codec import DecodeError
from controllers.unit.links import LinkContext, linked
from controllers.unit.service import Notification, Result, UnitContext
from fernwatt.errors import Fault, ScenarioError

__all__ = ["DeviceService", "MasterService"]

_POLL, _WAIT = "poll", "wait"


class DeviceService:
    """The firmware: its own readings fill registers, orders that are written move its actuator."""

    name = "modbus"
    protocol = "modbus"
    sealed = False

    _context: LinkContext

    def __init__(self, framing: Framing, unit: int) -> None:
        self._framing, self._unit = framing, unit
        self._bank = Bank(self._ordered)
        self._cause = ""

    @classmethod
    def make(cls, spec: Mapping[str, Any], params: Mapping[str, Any]) -> DeviceService:
        """Return the device of its parameters: ``framing``, ``unit``."""
        return cls(_framing(spec, params), params.get("unit", 1))

    def start(self, context: UnitContext) -> None:
        """Follow its own instruments."""
        self._context = linked(context)
        for variable in VALUES:
            context.data.event(variable, context.unit)

    def notify(self, notification: Notification) -> None:
        """Put what was read into registers."""
        value = notification.value
        if notification.result is Result.OK and type(value) in {int, float}:
            self._bank.put(notification.variable, float(value))

    def timer(self, name: str) -> None:
        """Expect none."""

    def receive(self, peer: str, payload: bytes, identifier: str) -> None:
        """Answer a master; raises DecodeError."""
        try:
            adu = self._framing.decode(payload)
            if adu.unit != self._unit:
                return  # for another device on the line
            self._cause = identifier
            reply = self._bank.answer(adu.pdu)
        except ModbusError as error:
            raise DecodeError(str(error)) from error
        content = self._framing.encode(Adu(adu.transaction, adu.unit, reply))
        self._context.transmit(peer, content, flow="control", cause=identifier)

    def _ordered(self, variable: str, value: float, holds_s: int, at: str) -> None:
        context = self._context
        until_ms = context.now_ms + holds_s * 1000
        order: dict[str, Any] = {ORDERS[variable].field: value, "until_ms": until_ms}
        if at != PLACES[0]:
            order["at"] = at
        context.data.write(variable, context.unit, order, cause=self._cause)


class MasterService:
    """Stands in front of a device: what it reads there is written here, orders go there.

    An order that the device did not take is tried again with the next poll, while it holds. That
    a device falls silent, and that it is back, is told.
    """

    name = "modbus"
    protocol = "modbus"
    sealed = False

    _context: LinkContext

    def __init__(  # noqa: PLR0917 - as many as a line has settings
        self,
        device: str,
        framing: Framing,
        unit: int,
        period_ms: int,
        offset_ms: int,
        orders: Sequence[str],
    ) -> None:
        self._device, self._period_ms, self._offset_ms = device, period_ms, offset_ms
        self._master = Master(framing, unit)
        self._orders = tuple(orders)
        self._pending: dict[str, tuple[float, int, str]] = {}
        self._silent = False
        self._last: dict[str, float] = {}

    @classmethod
    def make(cls, spec: Mapping[str, Any], params: Mapping[str, Any]) -> MasterService:
        """Return the master of its parameters.

        ``device``; with a default: ``framing``, ``unit``, ``poll_s``, ``offset_s``, ``orders``.
        """
        return cls(
            params["device"],
            _framing(spec, params),
            params.get("unit", 1),
            round(float(params.get("poll_s", 300)) * 1000),
            round(float(params.get("offset_s", 5)) * 1000),
            params.get("orders", ()),
        )

    def start(self, context: UnitContext) -> None:
        """Poll at once and then by the clock; follow what the device is to be told."""
        self._context = linked(context)
        for variable in self._orders:
            context.data.event(variable, context.unit)
        context.set_timer(_POLL, context.now_ms + self._offset_ms)

    def notify(self, notification: Notification) -> None:
        """Tell the device an order that was written here."""
        value, variable = notification.value, notification.variable
        if notification.result is not Result.OK or variable not in ORDERS:
            return
        if notification.t_ms < 0 or not isinstance(value, dict):
            return
        number, until_ms = value.get(ORDERS[variable].field), value.get("until_ms")
        at = value.get("at", PLACES[0])
        if type(number) not in {int, float} or type(until_ms) is not int or at not in PLACES:
            self._context.decide("order_refused", self._device, value, (notification.id,))
            return
        assert isinstance(number, int | float)
        self._pending[variable] = (float(number), until_ms, at)
        self._tell(variable)
        self._settle(notification.id)

    def timer(self, name: str) -> None:
        """Poll, and tell what is not told; or see who does not answer."""
        context = self._context
        if name == _POLL:
            for variable in sorted(self._pending):
                self._tell(variable)
            self._master.ask(context.now_ms)
            period_ms, offset_ms = self._period_ms, self._offset_ms
            next_ms = ((context.now_ms - offset_ms) // period_ms + 1) * period_ms + offset_ms
            context.set_timer(_POLL, next_ms)
        else:
            self._done(self._master.due(context.now_ms), "")
        self._settle("")

    def receive(self, peer: str, payload: bytes, identifier: str) -> None:
        """Take a frame of the device; raises DecodeError."""
        if peer != self._device:
            return
        try:
            self._done(self._master.receive(payload, self._context.now_ms), identifier)
        except ModbusError as error:
            raise DecodeError(str(error)) from error
        self._settle(identifier)

    def _tell(self, variable: str) -> None:
        number, until_ms, at = self._pending[variable]
        now_ms = self._context.now_ms
        if until_ms <= now_ms:
            del self._pending[variable]
            return
        holds_s = math.ceil((until_ms - now_ms) / 1000)
        self._master.order(variable, number, holds_s, now_ms, at)

    def _done(self, done: Done | None, identifier: str) -> None:
        if done is None:
            return
        causes = (identifier,) if identifier else ()
        if done.why == "silent" and not self._silent:
            self._context.decide("device_silent", self._device, None, ())
        elif done.why and done.why != "silent":
            self._context.decide("device_refuses", self._device, done.why, causes)
        elif not done.why and self._silent:
            self._context.decide("device_back", self._device, None, causes)
        self._silent = done.why == "silent"
        if done.order and done.why != "silent" and not self._master.tells(done.order):
            self._pending.pop(done.order, None)
        for variable, value in done.values.items():
            if self._last.get(variable) != value or variable == "device.energy":
                self._last[variable] = value
                context = self._context
                context.data.write(variable, context.unit, value, cause=identifier)

    def _settle(self, cause: str) -> None:
        context = self._context
        for content in self._master.take():
            context.transmit(self._device, content, flow="control", cause=cause)
        at_ms = self._master.next_ms()
        if at_ms < 0:
            context.cancel_timer(_WAIT)
        else:
            context.set_timer(_WAIT, at_ms)


def _framing(spec: Mapping[str, Any], params: Mapping[str, Any]) -> Framing:
    name = params.get("framing", "tcp")
    if name not in FRAMINGS:
        path = f"{spec['id']}.services.modbus.framing"
        raise ScenarioError([Fault(path, f"there is no {name!r}", "tcp or rtu")])
    return FRAMINGS[name]
