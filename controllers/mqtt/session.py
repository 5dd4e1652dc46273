"""A client of MQTT for a service: bytes over the unit's link, times by the unit's timers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.mqtt.client import Client, Happening, Settings
from controllers.mqtt.packets import MqttError
from controllers.unit.codec import DecodeError
from controllers.unit.links import LinkContext

__all__ = ["Session"]

_TIMER = "mqtt"
_KEPT = "out/"


class _Notes:
    """What the client keeps, among the notes of the service."""

    __slots__ = ("_context",)

    def __init__(self, context: LinkContext) -> None:
        self._context = context

    def keep(self, key: str, value: Any) -> None:
        """Remember a value; None: forget it."""
        self._context.keep(_KEPT + key, value)

    def kept(self) -> Mapping[str, Any]:
        """Return what is remembered, by key."""
        kept = self._context.kept()
        return {key.removeprefix(_KEPT): kept[key] for key in kept if key.startswith(_KEPT)}


class Session:
    """The service calls ``due`` for each of its timers that it does not know."""

    __slots__ = ("_context", "_peer", "client")

    def __init__(self, context: LinkContext, broker: str, settings: Settings) -> None:
        self._context, self._peer = context, broker
        draws = context.stream("mqtt")
        self.client = Client(settings, lambda: float(draws.random()), _Notes(context))

    def begin(self) -> list[Happening]:
        """Connect."""
        return self._done(self.client.due(self._context.now_ms))

    def due(self) -> list[Happening]:
        """Look whether the client waits for something."""
        return self._done(self.client.due(self._context.now_ms))

    def receive(self, payload: bytes) -> list[Happening]:
        """Take bytes of the broker; raises DecodeError, having closed the connection."""
        try:
            return self._done(self.client.receive(payload, self._context.now_ms))
        except MqttError as error:
            self._done([])
            raise DecodeError(str(error)) from error

    def publish(
        self, topic: str, payload: bytes, qos: int, *, retain: bool = False, cause: str = ""
    ) -> list[Happening]:
        """Publish as soon as may be."""
        now_ms = self._context.now_ms
        _, happened = self.client.publish(topic, payload, now_ms, qos=qos, retain=retain)
        return self._done(happened, cause)

    def _done(self, happened: list[Happening], cause: str = "") -> list[Happening]:
        """Send what the client says, and wait for what it waits for."""
        for content in self.client.take():
            self._context.transmit(self._peer, content, flow="session", cause=cause)
        at_ms = self.client.next_ms()
        if at_ms < 0:
            self._context.cancel_timer(_TIMER)
        else:
            self._context.set_timer(_TIMER, at_ms)
        return happened
