"""Protocols between a unit and one of its peers, with the state that the protocol keeps.

A channel turns messages of the Data Interface into payloads and back. Most peers speak the
platform's own protocol, which keeps no state; a unit's specification says ``speaks: {peer: name}``
(at both ends) where it is another of ``CHANNELS``. A protocol may wait before it sends (for an
association), answer for itself (``Received.replies``), and bring several messages in one payload.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from controllers.unit.catalogue import Catalogue
from controllers.unit.codec import CborCodec, DecodeError
from controllers.unit.notes import Notebook
from controllers.unit.wire import Message
from fernwatt.errors import Fault, ScenarioError

__all__ = [
    "CARRYING",
    "CHANNELS",
    "Attentive",
    "CborChannel",
    "Channel",
    "ChannelFactory",
    "Protecting",
    "Received",
    "Reply",
    "UnauthenticError",
    "check_speaking",
    "make_channels",
]


class UnauthenticError(DecodeError):
    """A payload that a channel's own protection refused; ``why`` is one of ``Refusal``."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Reply:
    """What a protocol sends because of what came: ``about`` is the message in it, if one is."""

    payload: bytes
    about: Message | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """What a payload brought, and what the protocol sends in turn, in this order."""

    messages: Sequence[Message] = ()
    replies: Sequence[Reply] = ()


class Channel(Protocol):
    """One unit's end of a protocol with one peer; it gets the unit's time, and has no timers.

    What needs a timer is left to the caller, who sends the same message again (the same
    identifier) while there is no answer.
    """

    def send(self, message: Message, t_ms: int) -> list[bytes]:
        """Return the payloads that go out now, in order; none where the message has to wait."""

    def receive(self, payload: bytes, identifier: str, t_ms: int) -> Received:
        """Take a payload that the peer sent; raises DecodeError, and nothing else.

        ``identifier`` is its frame's name: a protocol that has no room for the number of a request
        takes it as ``Request.id``. Where it raises, nothing has changed.
        """


@runtime_checkable
class Protecting(Protocol):
    """A channel whose protocol brings protection of its own."""

    def protect(self, level: str, secret: bytes) -> bool:
        """Take the run's level of security and a secret of the two units; called at first.

        Return whether the channel protects all that it sends itself, with no envelope around it.
        """

    def is_own(self, payload: bytes) -> bool:
        """Tell whether a payload is this protocol's, and none of the platform's own."""


@runtime_checkable
class Attentive(Protocol):
    """An envelope that notes who was heard and spoken to."""

    def around(self, peer: str, t_ms: int, *, said: bool) -> None:
        """Note a message to or from a peer whose protocol protects itself."""


class CborChannel:
    """The platform's own protocol as a channel; it keeps nothing."""

    __slots__ = ("_codec", "_peer", "_unit")

    def __init__(self, unit: str, peer: str, catalogue: Catalogue, notes: Notebook) -> None:
        del notes
        self._unit, self._peer, self._codec = unit, peer, CborCodec(catalogue)

    def send(self, message: Message, t_ms: int) -> list[bytes]:
        """Return the message's one payload."""
        del t_ms
        return [self._codec.encode(message, self._unit, self._peer)]

    def receive(self, payload: bytes, identifier: str, t_ms: int) -> Received:
        """Return the one message of a payload; raises DecodeError."""
        del identifier, t_ms
        return Received((self._codec.decode(payload, self._peer, self._unit),))


# unit, peer, catalogue, the unit's notes; raises ValueError where the two cannot speak so
ChannelFactory = Callable[[str, str, Catalogue, Notebook], Channel]


def _dlms(unit: str, peer: str, catalogue: Catalogue, notes: Notebook) -> Channel:
    from controllers.dlms.channel import DlmsChannel

    return DlmsChannel(unit, peer, catalogue, notes)


CHANNELS: dict[str, ChannelFactory] = {"cbor": CborChannel, "dlms": _dlms}
"""Every protocol that units may speak, by name."""
CARRYING = frozenset({"cbor", "dlms"})
"""Those by which an instance's policy travels with it."""


def check_speaking(units: Sequence[Mapping[str, Any]]) -> None:
    """Raise ScenarioError unless both ends of each pair of units speak the same.

    A peer that is none of the units is taken to understand.
    """
    faults = []
    speaks: dict[str, Mapping[str, str]] = {unit["id"]: unit.get("speaks") or {} for unit in units}
    for number, (unit, named) in enumerate(speaks.items()):
        for peer, name in named.items():
            path = f"units[{number}].speaks.{peer}"
            if name not in CHANNELS:
                hint = f"one of {', '.join(sorted(CHANNELS))}"
                faults.append(Fault(path, f"there is no protocol {name!r}", hint))
            elif peer in speaks and speaks[peer].get(unit, "cbor") != name:
                other = speaks[peer].get(unit, "cbor")
                faults.append(Fault(path, f"{unit} speaks {name} to {peer}, that {other} back"))
    if faults:
        raise ScenarioError(faults)


def make_channels(
    unit: str, speaks: Mapping[str, str], catalogue: Catalogue, notes: Notebook, path: str
) -> dict[str, Channel]:
    """Return a unit's channels by peer, without those in the platform's own protocol.

    Raises ScenarioError.
    """
    channels = {}
    for peer, name in sorted(speaks.items()):
        if name == "cbor":
            continue
        try:
            channels[peer] = CHANNELS[name](unit, peer, catalogue, notes)
        except ValueError as error:
            raise ScenarioError([Fault(f"{path}.speaks.{peer}", str(error))]) from error
    return channels
