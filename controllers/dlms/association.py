"""Opening an application association: AARQ and AARE (IEC 62056-5-3, 7.2; BER).

Logical-name referencing; without authentication, with a password, or, with ciphering, by the keys
that both sides have: then the xDLMS part inside is ciphered, and who lacks the keys gets nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from controllers.dlms.axdr import DlmsError, Reader
from controllers.dlms.ciphering import GLO, Ciphering

__all__ = ["CONFORMANCE", "Aare", "Aarq", "read_aare", "read_aarq"]

_AARQ, _AARE = 0x60, 0x61
_CONTEXT = bytes.fromhex("0607608574050801")  # joint-iso-ccitt … dlms-ua application-context
_MECHANISM = bytes.fromhex("608574050802")  # … dlms-ua authentication-mechanism
_LOWEST, _LOW = b"\x00", b"\x01"
CONFORMANCE = 0x00_10_1C
"""What we do: GET (and in blocks), SET, selective access; bits of IEC 62056-5-3, 7.3.1."""
_VAA = 0x0007
_VERSION = 6


@dataclass(frozen=True, slots=True)
class Aarq:
    """A request for an association; ``title`` of the client only with ciphering."""

    conformance: int = CONFORMANCE
    max_pdu: int = 0xFFFF
    password: bytes | None = None
    title: bytes | None = None

    def encoded(self, ciphering: Ciphering | None = None) -> bytes:
        """Return the APDU."""
        initiate = bytes([0x01, 0, 0, 0, _VERSION]) + _conformance(self.conformance)
        initiate += self.max_pdu.to_bytes(2, "big")
        fields = [_field(0xA1, _CONTEXT + bytes([0x03 if self.title else 0x01]))]
        if self.title:
            fields.append(_field(0xA6, _field(0x04, self.title)))
        if self.password is not None:
            fields.append(_field(0x8A, bytes.fromhex("0780")))
            fields.append(_field(0x8B, _MECHANISM + _LOW))
            fields.append(_field(0xAC, _field(0x80, self.password)))
        if ciphering is not None:
            initiate = ciphering.protect(initiate)
        fields.append(_field(0xBE, _field(0x04, initiate)))
        return _field(_AARQ, b"".join(fields))


@dataclass(frozen=True, slots=True)
class Aare:
    """The answer: accepted (``result`` 0) or not, and what the server can do."""

    result: int = 0
    conformance: int = CONFORMANCE
    max_pdu: int = 0xFFFF
    title: bytes | None = None

    def encoded(self, ciphering: Ciphering | None = None) -> bytes:
        """Return the APDU."""
        fields = [_field(0xA1, _CONTEXT + bytes([0x03 if self.title else 0x01]))]
        fields.append(_field(0xA2, _field(0x02, bytes([self.result]))))
        fields.append(_field(0xA3, _field(0xA1, _field(0x02, bytes([1 if self.result else 0])))))
        if self.title:
            fields.append(_field(0xA4, _field(0x04, self.title)))
        if not self.result:
            initiate = bytes([0x08, 0, _VERSION]) + _conformance(self.conformance)
            initiate += self.max_pdu.to_bytes(2, "big") + _VAA.to_bytes(2, "big")
            if ciphering is not None:
                initiate = ciphering.protect(initiate)
            fields.append(_field(0xBE, _field(0x04, initiate)))
        return _field(_AARE, b"".join(fields))


def read_aarq(content: bytes, ciphering: Ciphering | None = None) -> Aarq:
    """Return the request of its bytes; raises DlmsError."""
    fields = _fields(content, _AARQ)
    title = _inner(fields[0xA6], 0x04) if 0xA6 in fields else None
    password = None
    if fields.get(0x8B, _MECHANISM + _LOWEST) != _MECHANISM + _LOWEST:
        if fields[0x8B] != _MECHANISM + _LOW or 0xAC not in fields:
            raise DlmsError("authentication mechanism")
        password = _inner(fields[0xAC], 0x80)
    reader = _initiate(fields, ciphering)
    reader.expect(0x01, 0, 0, 0, _VERSION)
    conformance, max_pdu = _read_conformance(reader), int.from_bytes(reader.take(2), "big")
    reader.end()
    return Aarq(conformance, max_pdu, password, title)


def read_aare(content: bytes, ciphering: Ciphering | None = None) -> Aare:
    """Return the answer of its bytes; raises DlmsError."""
    fields = _fields(content, _AARE)
    if 0xA2 not in fields:
        raise DlmsError("no result")
    result = int.from_bytes(_inner(fields[0xA2], 0x02), "big")
    title = _inner(fields[0xA4], 0x04) if 0xA4 in fields else None
    if result:
        return Aare(result, 0, 0, title)
    reader = _initiate(fields, ciphering)
    reader.expect(0x08, 0, _VERSION)
    conformance, max_pdu = _read_conformance(reader), int.from_bytes(reader.take(2), "big")
    reader.take(2)
    reader.end()
    return Aare(0, conformance, max_pdu, title)


def _initiate(fields: dict[int, bytes], ciphering: Ciphering | None) -> Reader:
    if 0xBE not in fields:
        raise DlmsError("no user information")
    content = _inner(fields[0xBE], 0x04)
    if ciphering is not None:
        return Reader(ciphering.unprotect(content))
    if content and content[0] in GLO.values():
        raise DlmsError("ciphered, and no keys for it")
    return Reader(content)


def _conformance(bits: int) -> bytes:
    return bytes.fromhex("5f1f0400") + bits.to_bytes(3, "big")


def _read_conformance(reader: Reader) -> int:
    reader.expect(0x5F, 0x1F, 0x04, 0x00)
    return int.from_bytes(reader.take(3), "big")


def _field(tag: int, content: bytes) -> bytes:
    if len(content) > 0x7F:
        raise DlmsError("a field of an association is too long")
    return bytes([tag, len(content)]) + content


def _fields(content: bytes, wanted: int) -> dict[int, bytes]:
    """Return the fields of an association's APDU; raises DlmsError."""
    outer = Reader(content)
    outer.expect(wanted)
    inner = Reader(outer.take(outer.length()))
    outer.end()
    fields: dict[int, bytes] = {}
    while True:
        try:
            tag = inner.byte()
        except DlmsError:
            break
        if tag in fields:
            raise DlmsError("a field twice")
        fields[tag] = inner.take(inner.length())
    context = fields.get(0xA1, b"")
    if context[:-1] != _CONTEXT or context[-1] not in (0x01, 0x03):
        raise DlmsError("application context")
    return fields


def _inner(content: bytes, tag: int) -> bytes:
    reader = Reader(content)
    reader.expect(tag)
    inner = reader.take(reader.length())
    reader.end()
    return inner
