"""The ends of a way over several units: loads messages into transits, and takes them out again."""

from __future__ import annotations

from controllers.security.envelope import Envelope
from controllers.security.errors import RefusedError
from controllers.unit.codec import DecodeError, UnknownOperationError
from controllers.unit.host import Host
from controllers.unit.security import is_by
from controllers.unit.surroundings import Surroundings
from controllers.unit.transit import Kind, Transit, encode_transit
from controllers.unit.wire import Message, Notify, Operation, Request

__all__ = ["Carriage"]


class Carriage:
    """Seals a message for who is to read it at the far end, and opens what came from there."""

    __slots__ = ("_around", "_envelope", "_host", "_unit")

    def __init__(self, unit: str, around: Surroundings, host: Host, envelope: Envelope) -> None:
        self._unit, self._around = unit, around
        self._host, self._envelope = host, envelope

    def load(  # noqa: PLR0917 - a frame has that many parts
        self, message: Message, payload: bytes, dst: str, hop: str, flow: str, deadline_us: int
    ) -> bytes:
        """Return what carries the encoded ``message`` for ``dst`` to the neighbour ``hop``."""
        around = self._around
        if isinstance(message, Notify):
            content = self._envelope.seal(payload, dst, around.now_ms)
            transit = Transit(_kind(message), self._unit, dst, message.request, content)
        else:
            who = (message.stakeholder, message.service)
            content = self._envelope.seal(payload, dst, around.now_ms, *who)
            # the next one answers for all behind it while there is time to hear of it
            left_ms = deadline_us // 1000 - around.now_ms - around.flows[flow].timeout_ms
            transit = Transit(
                _kind(message), self._unit, dst, message.id, content,
                message.operation, max(1, left_ms), *who,
            )  # fmt: skip
        self._host.build(around.now_ms * 1000, len(content))
        return encode_transit(transit, self._unit, hop)

    def unload(self, transit: Transit) -> Message | str:
        """Return the message of a transit that arrived, or why it is refused.

        ``malformed`` where it cannot be read, ``unknown operation`` where a newer unit asks for
        it, else the reasons of an envelope, and ``identity`` where header and message differ in
        who asks for what.
        """
        around = self._around
        self._host.parse(around.now_ms * 1000, len(transit.content))
        try:
            sealed = self._envelope.open(transit.content, transit.origin, around.now_ms)
            message = around.codec.decode(sealed.payload, transit.origin, self._unit)
        except UnknownOperationError:
            return "unknown operation"
        except DecodeError:
            return "malformed"
        except RefusedError as error:
            return str(error.why)
        if not (is_by(message, sealed) and _fits(message, transit)):
            return "identity"
        return message


def _fits(message: Message, transit: Transit) -> bool:
    """Tell whether a header says what the message says."""
    if isinstance(message, Request):
        header = (transit.operation, transit.request, transit.stakeholder, transit.service)
        said = (message.operation, message.id, message.stakeholder, message.service)
        return transit.kind is _kind(message) and header == said
    return (transit.kind, transit.request) == (_kind(message), message.request)


def _kind(message: Message) -> Kind:
    if isinstance(message, Request):
        return Kind.NEWS if message.operation is Operation.ACKNOWLEDGE else Kind.REQUEST
    return Kind.NEWS if message.number else Kind.ANSWER
