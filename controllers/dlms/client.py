"""The concentrator's side: one reading after another, a state machine without input or output."""

from __future__ import annotations

from dataclasses import dataclass

from controllers.dlms.apdu import (
    Attribute,
    GetBlock,
    GetNext,
    GetRequest,
    GetResponse,
    SetRequest,
    SetResponse,
    decode_apdu,
    encode_apdu,
)
from controllers.dlms.association import Aarq, read_aare
from controllers.dlms.axdr import Data, DlmsError, Reader
from controllers.dlms.ciphering import Ciphering

__all__ = ["CosemClient", "Done"]


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a reading or writing: the value read, or the error (0: none)."""

    data: Data | None
    error: int = 0


class CosemClient:
    """Makes APDUs and takes the answers; ``take`` returns the next APDU to send, or ``Done``."""

    __slots__ = ("_blocks", "_ciphering", "_number", "_password", "associated")

    def __init__(
        self, *, password: bytes | None = None, ciphering: Ciphering | None = None
    ) -> None:
        self._password, self._ciphering = password, ciphering
        self._number, self._blocks, self.associated = 0, bytearray(), False

    def associate(self, max_pdu: int = 0xFFFF) -> bytes:
        """Return the request for an association."""
        title = None if self._ciphering is None else self._ciphering.title
        aarq = Aarq(max_pdu=max_pdu, password=self._password, title=title)
        return aarq.encoded(self._ciphering)

    def take_association(self, content: bytes) -> bool:
        """Take the answer to it; return whether there is an association now."""
        self.associated = not read_aare(content, self._ciphering).result
        return self.associated

    def get(self, attribute: Attribute, selector: int = 0, parameters: Data | None = None) -> bytes:
        """Return the request for an attribute."""
        self._blocks.clear()
        return self._send(GetRequest(self._new_number(), attribute, selector, parameters))

    def set(self, attribute: Attribute, data: Data) -> bytes:
        """Return the request to write an attribute."""
        return self._send(SetRequest(self._new_number(), attribute, data))

    def take(self, content: bytes) -> bytes | Done:
        """Take an answer; raises DlmsError for what is none to the last request."""
        plain = content if self._ciphering is None else self._ciphering.unprotect(content)
        answer = decode_apdu(plain)
        if not isinstance(answer, GetResponse | GetBlock | SetResponse):
            raise DlmsError("no answer")
        if answer.number != self._number:
            raise DlmsError("an answer to another request")
        if isinstance(answer, SetResponse):
            return Done(None, answer.result)
        if isinstance(answer, GetResponse):
            return Done(answer.data, answer.error)
        if answer.error:
            return Done(None, answer.error)
        self._blocks += answer.content
        if not answer.last:
            return self._send(GetNext(self._number, answer.block))
        reader = Reader(bytes(self._blocks))
        data = reader.data()
        reader.end()
        return Done(data)

    def _new_number(self) -> int:
        self._number = (self._number + 1) % 16
        return self._number

    def _send(self, apdu: GetRequest | GetNext | SetRequest) -> bytes:
        content = encode_apdu(apdu)
        return content if self._ciphering is None else self._ciphering.protect(content)
