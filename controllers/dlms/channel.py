"""DLMS/COSEM between a meter and the unit that reads it, as a channel.

The meter is the server; whoever reads it, the client. See ``docs/models/dlms.md``.
"""

from __future__ import annotations

from controllers.dlms.axdr import DlmsError
from controllers.dlms.ciphering import ReplayedError, UntrueError
from controllers.dlms.link import Link
from controllers.dlms.meter import MeterEnd
from controllers.dlms.reader import ReaderEnd
from controllers.dlms.wrapper import VERSION
from controllers.security.errors import Refusal
from controllers.unit.catalogue import Catalogue
from controllers.unit.channels import Received, UnauthenticError
from controllers.unit.codec import CborCodec, DecodeError
from controllers.unit.notes import Notebook
from controllers.unit.wire import Message

__all__ = ["DlmsChannel"]


class DlmsChannel:
    """One unit's end; exactly one of the two units is a meter. Raises ValueError otherwise."""

    __slots__ = ("_codec", "_end", "_ends", "_link")

    def __init__(self, unit: str, peer: str, catalogue: Catalogue, notes: Notebook) -> None:
        is_server = unit.startswith("meter/")
        if is_server is peer.startswith("meter/"):
            raise ValueError(f"exactly one of {unit} and {peer} must be a meter to speak DLMS")
        self._ends, self._codec = (unit, peer), CborCodec(catalogue)
        self._link = Link(unit, peer, notes, is_server=is_server)
        end = MeterEnd if is_server else ReaderEnd
        self._end: MeterEnd | ReaderEnd = end(unit, peer, catalogue, notes, self._link)

    def protect(self, level: str, secret: bytes) -> bool:
        """Cipher with keys of the two units; everything."""
        self._link.protect(level, secret)
        return True

    def is_own(self, payload: bytes) -> bool:
        """Tell whether a payload is DLMS, and none of the platform's in an envelope."""
        return payload.startswith(VERSION)

    def send(self, message: Message, t_ms: int) -> list[bytes]:
        """Return the payloads of a message that go out now.

        What does not fit into an APDU goes in the platform's own protocol, as at its other peers.
        """
        try:
            if isinstance(self._end, MeterEnd):
                return self._end.send(message)
            return self._end.send(message, t_ms)
        except DlmsError:
            return [self._codec.encode(message, *self._ends)]

    def receive(self, payload: bytes, identifier: str, t_ms: int) -> Received:
        """Take a payload; raises DecodeError, UnauthenticError where its protection is broken."""
        try:
            if isinstance(self._end, MeterEnd):
                return self._end.receive(payload, identifier)
            return self._end.receive(payload, t_ms)
        except ReplayedError as error:
            raise UnauthenticError(Refusal.REPLAYED) from error
        except UntrueError as error:
            raise UnauthenticError(Refusal.SIGNATURE) from error
        except DlmsError as error:
            raise DecodeError(str(error)) from error
