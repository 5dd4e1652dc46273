"""An application at a broker: it shows what gateways publish, and sends them orders.

What arrives becomes instances of its unit: ``gateway.event`` (with the gateway, and where it says
so the unit or element), ``gateway.status``, ``gateway.reply``. Messages count their gateway's
numbers up: one that comes twice is taken once, and a gap is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controllers.gateway.topics import CommandError, Topics, packed, unpacked
from controllers.mqtt.client import Happening, Settings, What
from controllers.mqtt.packets import Publish
from controllers.mqtt.session import Session
from controllers.unit.links import LinkContext, linked
from controllers.unit.service import Notification, UnitContext

__all__ = ["Application", "Order"]

_ORDER = "order/"
_GATEWAY_LEVELS = 2


@dataclass(frozen=True, slots=True)
class Order:
    """A write that a gateway is to make at an instant."""

    at_ms: int
    gateway: str
    variable: str
    location: str
    value: Any


class Application:
    """Listens under ``prefix``, and sends its orders when they are due."""

    name = "gateway"
    protocol = "mqtt"
    sealed = True

    session: Session
    _context: LinkContext

    def __init__(
        self, broker: str, prefix: str, settings: Settings, orders: Sequence[Order]
    ) -> None:
        self._broker, self._prefix, self._settings = broker, prefix, settings
        self._orders = tuple(orders)
        self._last: dict[str, int] = {}

    @classmethod
    def make(cls, spec: Mapping[str, Any], params: Mapping[str, Any]) -> Application:
        """Return the application of its parameters.

        ``broker``, ``user``, ``password``; with a default: ``client``, ``prefix``,
        ``orders: [{at_s, gateway, variable, location, value}]``, ``keep_alive_s``, ``patience_s``.
        """
        prefix = params.get("prefix", "fernwatt")
        settings = Settings(
            params.get("client", spec["id"]),
            params["user"],
            params["password"].encode(),
            clean=False,
            keep_alive_s=params.get("keep_alive_s", 300),
            patience_ms=round(float(params.get("patience_s", 20)) * 1000),
            filters=((f"{prefix}/#", 1),),
        )
        orders = [
            Order(
                round(float(one["at_s"]) * 1000),
                one["gateway"],
                one["variable"],
                one["location"],
                one["value"],
            )
            for one in params.get("orders", ())
        ]
        return cls(params["broker"], prefix, settings, orders)

    def start(self, context: UnitContext) -> None:
        """Connect, and wait for the orders' instants."""
        self._context = linked(context)
        self._last = dict(self._context.kept().get("last", {}))
        self.session = Session(self._context, self._broker, self._settings)
        self._took(self.session.begin(), "")
        for number, order in enumerate(self._orders):
            if order.at_ms >= context.now_ms:
                context.set_timer(f"{_ORDER}{number}", order.at_ms)

    def notify(self, notification: Notification) -> None:
        """Expect nothing: its own writes need no answer."""

    def timer(self, name: str) -> None:
        """Send an order, or look after the session."""
        if not name.startswith(_ORDER):
            self._took(self.session.due(), "")
            return
        order = self._orders[int(name.removeprefix(_ORDER))]
        told = {"variable": order.variable, "location": order.location, "value": order.value}
        cause = self._context.decide("application_order", order.gateway, told, ())
        topic = Topics(self._prefix, order.gateway).command
        payload = packed({"id": cause} | told)
        self._took(self.session.publish(topic, payload, 1, cause=cause), cause)

    def receive(self, peer: str, payload: bytes, identifier: str) -> None:
        """Take bytes of the broker; raises DecodeError."""
        if peer == self._broker:
            self._took(self.session.receive(payload), identifier)

    # -- what came ---------------------------------------------------------------------------

    def _took(self, happened: list[Happening], identifier: str) -> None:
        causes = (identifier,) if identifier else ()
        for it in happened:
            if it.what is What.MESSAGE and it.publish is not None:
                self._message(it.publish, identifier)
            elif it.what is not What.ACKNOWLEDGED:
                self._context.decide(f"application_{it.what}", self._broker, it.why, causes)

    def _message(self, publish: Publish, identifier: str) -> None:
        """Write what a gateway said, the first time that it says so."""
        levels = publish.topic.removeprefix(f"{self._prefix}/").split("/")
        gateway = "/".join(levels[:_GATEWAY_LEVELS])
        kind = levels[_GATEWAY_LEVELS] if len(levels) > _GATEWAY_LEVELS else ""
        if kind == "status":
            value = {"gateway": gateway, "online": publish.payload == b"online"}
            self._write("gateway.status", value, identifier)
        elif kind in {"event", "area", "reply"}:
            try:
                record = unpacked(publish.payload)
            except CommandError:
                self._context.decide(
                    "application_unreadable", gateway, publish.topic, (identifier,)
                )
                return
            if self._is_new(gateway, record.pop("n", None), identifier):
                variable = "gateway.reply" if kind == "reply" else "gateway.event"
                self._write(variable, {"gateway": gateway} | record, identifier)

    def _is_new(self, gateway: str, number: Any, identifier: str) -> bool:
        """Tell whether a message was not there before; tell of those between that never came."""
        last = self._last.get(gateway, 0)
        if type(number) is not int or number <= last:
            return False
        if last and number > last + 1:
            told = {"from": last + 1, "to": number - 1}
            self._context.decide("application_gap", gateway, told, (identifier,))
        self._last[gateway] = number
        self._context.keep("last", dict(self._last))
        return True

    def _write(self, variable: str, value: Any, identifier: str) -> None:
        self._context.data.write(variable, self._context.unit, value, cause=identifier)
