"""Opening an application association: AARQ and AARE (IEC 62056-5-3, 7.2; BER).

Logical-name referencing; without authentication, with a password (LLS), or by challenges that both
sides answer with their keys (HLS, mechanism 5: GMAC). With ciphering the xDLMS part inside is
ciphered, and who lacks the keys gets nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from controllers.dlms.axdr import DlmsError, Reader, length
from controllers.dlms.ciphering import GLO, Ciphering, UntrueError

__all__ = ["CONFORMANCE", "Aare", "Aarq", "read_aare", "read_aarq"]

_AARQ, _AARE = 0x60, 0x61
_CONTEXT = bytes.fromhex("0607608574050801")  # joint-iso-ccitt … dlms-ua application-context
_MECHANISM = bytes.fromhex("608574050802")  # … dlms-ua authentication-mechanism
_LOWEST, _LOW, _GMAC = b"\x00", b"\x01", b"\x05"
CONFORMANCE = 0x00_12_9D
"""What we do: GET (also of lists, and in blocks), SET, selective access, ACTION and
DataNotification; bits of IEC 62056-5-3, 7.3.1."""
_VAA = 0x0007
_VERSION = 6
_REQUIRED = bytes.fromhex("0780")  # authentication
_NEEDS_MAC = 14  # diagnostics: an answer to the challenge is required


@dataclass(frozen=True, slots=True)
class Aarq:
    """A request for an association; ``title`` of the client only with ciphering.

    ``client`` is what the manufacturer's part says: here the name of who is calling.
    """

    conformance: int = CONFORMANCE
    max_pdu: int = 0xFFFF
    password: bytes | None = None
    title: bytes | None = None
    challenge: bytes | None = None
    client: str = ""

    def encoded(self, ciphering: Ciphering | None = None) -> bytes:
        """Return the APDU."""
        initiate = bytes([0x01, 0, 0, 0, _VERSION]) + _conformance(self.conformance)
        initiate += self.max_pdu.to_bytes(2, "big")
        fields = [_field(0xA1, _CONTEXT + bytes([0x03 if self.title else 0x01]))]
        if self.title:
            fields.append(_field(0xA6, _field(0x04, self.title)))
        secret = self.password if self.password is not None else self.challenge
        if secret is not None:
            fields.append(_field(0x8A, _REQUIRED))
            mechanism = _LOW if self.password is not None else _GMAC
            fields.append(_field(0x8B, _MECHANISM + mechanism))
            fields.append(_field(0xAC, _field(0x80, secret)))
        if self.client:
            fields.append(_field(0xBD, self.client.encode()))
        if ciphering is not None:
            initiate = ciphering.protect(initiate)
        fields.append(_field(0xBE, _field(0x04, initiate)))
        return _field(_AARQ, b"".join(fields))


@dataclass(frozen=True, slots=True)
class Aare:
    """The answer: accepted (``result`` 0) or not, and what the server can do.

    With a ``challenge`` the association is open only when the client has answered it.
    """

    result: int = 0
    conformance: int = CONFORMANCE
    max_pdu: int = 0xFFFF
    title: bytes | None = None
    challenge: bytes | None = None

    def encoded(self, ciphering: Ciphering | None = None) -> bytes:
        """Return the APDU."""
        fields = [_field(0xA1, _CONTEXT + bytes([0x03 if self.title else 0x01]))]
        fields.append(_field(0xA2, _field(0x02, bytes([self.result]))))
        told = 1 if self.result else _NEEDS_MAC if self.challenge else 0
        fields.append(_field(0xA3, _field(0xA1, _field(0x02, bytes([told])))))
        if self.title:
            fields.append(_field(0xA4, _field(0x04, self.title)))
        if self.challenge:
            fields.append(_field(0x88, _REQUIRED))
            fields.append(_field(0x89, _MECHANISM + _GMAC))
            fields.append(_field(0xAA, _field(0x80, self.challenge)))
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
    password = challenge = None
    mechanism = fields.get(0x8B, _MECHANISM + _LOWEST)
    if mechanism != _MECHANISM + _LOWEST:
        if mechanism[:-1] != _MECHANISM or mechanism[-1:] not in (_LOW, _GMAC):
            raise DlmsError("authentication mechanism")
        secret = _inner(fields.get(0xAC, b""), 0x80)
        if mechanism[-1:] == _LOW:
            password = secret
        else:
            challenge = secret
    try:
        client = fields.get(0xBD, b"").decode()
    except UnicodeDecodeError as error:
        raise DlmsError("the client's name") from error
    reader = _initiate(fields, ciphering)
    reader.expect(0x01, 0, 0, 0, _VERSION)
    conformance, max_pdu = _read_conformance(reader), int.from_bytes(reader.take(2), "big")
    reader.end()
    return Aarq(conformance, max_pdu, password, title, challenge, client)


def read_aare(content: bytes, ciphering: Ciphering | None = None) -> Aare:
    """Return the answer of its bytes; raises DlmsError."""
    fields = _fields(content, _AARE)
    if 0xA2 not in fields:
        raise DlmsError("no result")
    result = int.from_bytes(_inner(fields[0xA2], 0x02), "big")
    title = _inner(fields[0xA4], 0x04) if 0xA4 in fields else None
    if result:
        return Aare(result, 0, 0, title)
    challenge = _inner(fields[0xAA], 0x80) if 0xAA in fields else None
    reader = _initiate(fields, ciphering)
    reader.expect(0x08, 0, _VERSION)
    conformance, max_pdu = _read_conformance(reader), int.from_bytes(reader.take(2), "big")
    reader.take(2)
    reader.end()
    return Aare(0, conformance, max_pdu, title, challenge)


def _initiate(fields: dict[int, bytes], ciphering: Ciphering | None) -> Reader:
    if 0xBE not in fields:
        raise DlmsError("no user information")
    content = _inner(fields[0xBE], 0x04)
    if ciphering is not None:
        return Reader(ciphering.unprotect(content))
    if content and content[0] in GLO.values():
        raise UntrueError("ciphered, and no keys for it")
    return Reader(content)


def _conformance(bits: int) -> bytes:
    return bytes.fromhex("5f1f0400") + bits.to_bytes(3, "big")


def _read_conformance(reader: Reader) -> int:
    reader.expect(0x5F, 0x1F, 0x04, 0x00)
    return int.from_bytes(reader.take(3), "big")


def _field(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + length(len(content)) + content


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
