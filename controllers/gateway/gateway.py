"""The service itself.

    units ──event──> Collector ──period over──> Client (MQTT) ──link──> broker
    units <──write── commands  <───────────────────────┘      reply ──┘

It waits for all its sources' readings of a period, or for the time-out, publishes them and names
who did not answer. A command becomes a write of the Data Interface in the gateway's name: the
owner's policy decides, and the outcome goes back as a reply. What the broker has not acknowledged
is kept, over lost connections and the unit's restart; a command that comes twice is done once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.gateway.collecting import Collector, Gathered
from controllers.gateway.settings import GatewaySettings
from controllers.gateway.topics import CommandError, packed, read_command
from controllers.mqtt.client import Happening, What
from controllers.mqtt.session import Session
from controllers.unit.links import linked
from controllers.unit.service import Notification, Result, UnitContext

__all__ = ["Gateway"]

_PERIOD, _JOIN, _ASK = "period", "join", "ask"
_AGAIN_MS = 600_000
_REMEMBERED = 256
_CAUGHT_UP = 8


class Gateway:
    """Gathers, publishes, obeys."""

    name = "gateway"
    protocol = "mqtt"
    sealed = True

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.collector = Collector(settings.sources, settings.period_ms)
        self._number, self._patience_ms = 0, -1
        self._to_join: list[tuple[str, str]] = []
        self._joining: dict[str, tuple[str, str]] = {}
        self._refused: dict[tuple[str, str], str] = {}
        self._orders: dict[str, str] = {}
        self._done: dict[str, str] = {}

    def start(self, context: UnitContext) -> None:
        """Follow the sources, connect, and wait for the end of the period."""
        self._context = linked(context)
        kept = self._context.kept()
        self._number = kept.get("number", 0)
        self._done = dict(kept.get("commands", {}))
        self.session = Session(self._context, self.settings.broker, self.settings.session)
        self._took(self.session.begin(), "")
        self._to_join = self.collector.wanted
        self._join()
        self._resume(kept.get("closed"))
        self._expect()

    # -- stimuli -----------------------------------------------------------------------------

    def timer(self, name: str) -> None:
        """Publish a period, follow the next source, or look after the session."""
        if name == _PERIOD:
            number = self.collector.closed + 1
            late_ms = self.collector.end_ms(number) + self.settings.timeout_ms
            late_ms = max(late_ms, self._patience_ms)
            if self.collector.complete(number) or self._context.now_ms >= late_ms:
                self._publish(self.collector.close(number))
                self._expect()
            else:
                self._context.set_timer(_PERIOD, late_ms)
        elif name == _JOIN:
            self._join()
        elif name == _ASK:
            self._ask()
        else:
            self._took(self.session.due(), "")

    def receive(self, peer: str, payload: bytes, identifier: str) -> None:
        """Take bytes of the broker; raises DecodeError."""
        if peer == self.settings.broker:
            self._took(self.session.receive(payload), identifier)

    def notify(self, notification: Notification) -> None:
        """Take a reading, the outcome of a command, or that of a subscription."""
        order = self._orders.pop(notification.request, None)
        if order is not None:
            self._answer(order, notification.result.label, notification.id)
        elif notification.request in self._joining and notification.t_ms < 0:
            self._joined(notification)
        elif notification.result is Result.OK and notification.t_ms >= 0:
            self._read(notification)

    # -- gathering ---------------------------------------------------------------------------

    def _resume(self, closed: int | None) -> None:
        """Begin with this period; after a restart with those that are not published yet."""
        now_ms = self._context.now_ms
        current = self.collector.period_of(now_ms)
        self.collector.closed = current
        if closed is not None and closed < current:
            self.collector.closed = max(closed, current - _CAUGHT_UP)
            self._patience_ms = now_ms + self.settings.timeout_ms
            for location, variable in self.collector.wanted:
                self._context.data.query(variable, location)

    def _join(self) -> None:
        """Follow one source after the other, lest all answer at once."""
        if not self._to_join:
            return
        location, variable = self._to_join.pop(0)
        issued = self._context.data.event(variable, location)
        self._joining[issued.id] = (location, variable)
        if self._to_join:
            wait_ms = self.settings.join_ms // len(self.collector.wanted)
            self._context.set_timer(_JOIN, self._context.now_ms + wait_ms)

    def _joined(self, notification: Notification) -> None:
        """Note who refuses, and try again who did not answer."""
        wanted = self._joining[notification.request]
        if notification.result in {Result.OK, Result.REPLACED}:
            self._refused.pop(wanted, None)
            return
        del self._joining[notification.request]
        label = notification.result.label
        if self._refused.get(wanted) != label:
            self._refused[wanted] = label
            detail = {"variable": wanted[1], "result": label}
            self._context.decide("gateway_not_told", wanted[0], detail, (notification.id,))
        self._to_join.append(wanted)
        self._context.set_timer(_JOIN, self._context.now_ms + _AGAIN_MS)

    def _read(self, notification: Notification) -> None:
        it, collector = notification, self.collector
        late = collector.take(it.location, it.variable, it.value, it.t_ms, it.id)
        if late is not None:
            number, name = late
            end_ms, values = collector.end_ms(number), {it.variable: [it.value, it.t_ms]}
            self._say(
                self.settings.topics.event(name),
                {"unit": name, "end_ms": end_ms, "late": True, "values": values},
                it.id,
            )
            return
        number = collector.closed + 1
        if self._context.now_ms >= collector.end_ms(number) and collector.complete(number):
            self._context.set_timer(_PERIOD, self._context.now_ms)

    def _ask(self) -> None:
        """Ask those whose readings of the period have not come: reports are not acknowledged."""
        missing = set(self.collector.missing(self.collector.closed + 1))
        for source in self.collector.sources:
            if source.name in missing and source.location != self._context.unit:
                for variable in source.variables:
                    self._context.data.query(variable, source.location)

    def _expect(self) -> None:
        """Come back when the next period is over, and half its time-out later."""
        end_ms = self.collector.end_ms(self.collector.closed + 1)
        ask_ms = end_ms + self.settings.timeout_ms // 2
        if ask_ms > self._context.now_ms:
            self._context.set_timer(_ASK, ask_ms)
        self._context.set_timer(_PERIOD, max(end_ms, self._context.now_ms))

    # -- publishing --------------------------------------------------------------------------

    def _publish(self, gathered: Gathered) -> None:
        """Publish a period: by unit or all together, and what is missing."""
        self._context.keep("closed", gathered.number)
        topics, end_ms = self.settings.topics, self.collector.end_ms(gathered.number)
        values = {
            name: {variable: [value, t_ms] for variable, (value, t_ms, _) in sorted(of.items())}
            for name, of in sorted(gathered.values.items())
        }
        missing = [one.name for one in self.collector.sources if not self._is_whole(one, values)]
        brought = [by for of in gathered.values.values() for _, _, by in of.values()]
        told = {"end_ms": end_ms, "answered": len(values), "missing": missing}
        cause = self._context.decide("gateway_period", self._context.unit, told, sorted(brought))
        if self.settings.by == "unit":
            for name, of in values.items():
                one = {"unit": name, "end_ms": end_ms, "values": of}
                self._say(topics.event(name), one, cause)
            self._say(topics.area, told, cause)
        else:
            self._say(topics.area, told | {"values": values}, cause)

    @staticmethod
    def _is_whole(source: Any, values: Mapping[str, Any]) -> bool:
        return len(values.get(source.name, {})) == len(source.variables)

    def _say(self, topic: str, record: Mapping[str, Any], cause: str) -> None:
        """Publish a record under the next number."""
        self._number += 1
        self._context.keep("number", self._number)
        payload = packed({"n": self._number, **record})
        self._took(self.session.publish(topic, payload, self.settings.qos, cause=cause), cause)

    # -- session and commands ----------------------------------------------------------------

    def _took(self, happened: list[Happening], identifier: str) -> None:
        """See to what happened to the session."""
        broker, causes = self.settings.broker, (identifier,) if identifier else ()
        for it in happened:
            if it.what is What.MESSAGE and it.publish is not None:
                if it.publish.topic == self.settings.topics.command:
                    self._command(it.publish.payload, identifier)
            elif it.what is What.CONNECTED:
                self._context.decide("gateway_online", broker, None, causes)
                status = self.settings.topics.status
                self._took(self.session.publish(status, b"online", 1, retain=True), identifier)
            elif it.what is not What.ACKNOWLEDGED:
                self._context.decide(f"gateway_{it.what}", broker, it.why, causes)

    def _command(self, payload: bytes, identifier: str) -> None:
        """Do what is asked, once, in the gateway's name."""
        try:
            command = read_command(payload)
        except CommandError as error:
            self._reply(error.id, Result.MALFORMED.label, identifier)
            return
        if command.id in self._orders.values():
            return  # it is being done
        if command.id in self._done:
            self._reply(command.id, self._done[command.id], identifier)
            return
        told = {"id": command.id, "variable": command.variable, "location": command.location}
        cause = self._context.decide(
            "gateway_command", self._context.unit, told, (identifier,) if identifier else ()
        )
        issued = self._context.data.write(
            command.variable, command.location, command.value, cause=cause
        )
        self._orders[issued.id] = command.id

    def _answer(self, order: str, result: str, cause: str) -> None:
        """Reply to a command that is done, and remember that it is."""
        self._done[order] = result
        while len(self._done) > _REMEMBERED:
            del self._done[next(iter(self._done))]
        self._context.keep("commands", dict(self._done))
        self._reply(order, result, cause)

    def _reply(self, order: str, result: str, cause: str) -> None:
        self._say(self.settings.topics.reply, {"id": order, "result": result}, cause)
