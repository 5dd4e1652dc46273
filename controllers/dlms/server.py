"""The meter's side: an association, objects to read and write, long answers in blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from controllers.dlms import apdu as apdus
from controllers.dlms.apdu import (
    Apdu,
    Attribute,
    ExceptionResponse,
    GetBlock,
    GetNext,
    GetRequest,
    GetResponse,
    SetRequest,
    SetResponse,
    decode_apdu,
    encode_apdu,
)
from controllers.dlms.association import Aare, read_aarq
from controllers.dlms.axdr import Data, DlmsError, encode
from controllers.dlms.ciphering import Ciphering

__all__ = ["CosemServer"]

_AARQ = 0x60
_BLOCK_HEAD = 32  # of a block's APDU and its ciphering
Read = Callable[[GetRequest], Data | None]
Write = Callable[[Data], bool]


class CosemServer:
    """Answers APDUs; ``readers`` and ``writers`` by attribute. One client at a time.

    With ``ciphering`` everything must be ciphered, with ``password`` the client must know it.
    What is not understood is answered by an exception, never raised.
    """

    __slots__ = (
        "_associated",
        "_ciphering",
        "_max_pdu",
        "_password",
        "_pending",
        "_readers",
        "_writers",
    )

    def __init__(
        self,
        readers: Mapping[Attribute, Read],
        writers: Mapping[Attribute, Write],
        *,
        password: bytes | None = None,
        ciphering: Ciphering | None = None,
        max_pdu: int = 0xFFFF,
    ) -> None:
        self._readers, self._writers = dict(readers), dict(writers)
        self._password, self._ciphering, self._max_pdu = password, ciphering, max_pdu
        self._associated = False
        self._pending: tuple[int, int, bytes] | None = None

    def handle(self, content: bytes) -> bytes:
        """Return the answer to an APDU."""
        try:
            if content[:1] == bytes([_AARQ]):
                return self._associate(content)
            if not self._associated:
                return encode_apdu(ExceptionResponse(1, 1))
            plain = content if self._ciphering is None else self._ciphering.unprotect(content)
            answer = encode_apdu(self._answer(decode_apdu(plain)))
        except DlmsError:
            return encode_apdu(ExceptionResponse())
        return answer if self._ciphering is None else self._protected(answer)

    def _protected(self, answer: bytes) -> bytes:
        assert self._ciphering is not None
        return answer if answer[0] == apdus.EXCEPTION else self._ciphering.protect(answer)

    def _associate(self, content: bytes) -> bytes:
        self._associated, self._pending = False, None
        request = read_aarq(content, self._ciphering)
        if self._password is not None and request.password != self._password:
            return Aare(1).encoded()
        self._associated = True
        self._max_pdu = min(self._max_pdu, request.max_pdu)
        title = None if self._ciphering is None else self._ciphering.title
        return Aare(max_pdu=self._max_pdu, title=title).encoded(self._ciphering)

    def _answer(self, request: Apdu) -> Apdu:
        if isinstance(request, GetRequest):
            return self._get(request)
        if isinstance(request, GetNext):
            return self._next(request)
        if isinstance(request, SetRequest):
            write = self._writers.get(request.attribute)
            known = request.attribute in self._readers
            if write is None:
                refused = apdus.DENIED if known else apdus.UNDEFINED
                return SetResponse(request.number, refused)
            done = write(request.data)
            return SetResponse(request.number, apdus.SUCCESS if done else apdus.OTHER)
        return ExceptionResponse()

    def _get(self, request: GetRequest) -> Apdu:
        read = self._readers.get(request.attribute)
        if read is None:
            return GetResponse(request.number, None, apdus.UNDEFINED)
        data = read(request)
        if data is None:
            return GetResponse(request.number, None, apdus.OTHER)
        content = encode(data)
        if len(content) + _BLOCK_HEAD <= self._max_pdu:
            return GetResponse(request.number, data)
        self._pending = (request.number, 0, content)
        return self._block()

    def _next(self, request: GetNext) -> Apdu:
        if self._pending is None or request.block != self._pending[1]:
            self._pending = None
            return GetBlock(request.number, True, request.block, b"", apdus.OTHER)
        return self._block()

    def _block(self) -> GetBlock:
        assert self._pending is not None
        number, block, content = self._pending
        room = max(1, self._max_pdu - _BLOCK_HEAD)
        part, rest = content[:room], content[room:]
        self._pending = (number, block + 1, rest) if rest else None
        return GetBlock(number, not rest, block + 1, part)
