"""Ciphered APDUs of security suite 0: AES-128-GCM, authenticated and encrypted (IEC 62056-5-3, 5).

The invocation counter is the nonce's second half and what replays are told by: each side takes
only larger ones than before.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from controllers.dlms.axdr import DlmsError, Reader, length

__all__ = ["GLO", "Ciphering", "SuiteKeys"]

_CONTROL = 0x30  # authenticated and encrypted, suite 0, unicast
_TAG_BYTES = 12
GLO: dict[int, int] = {0x01: 0x21, 0x08: 0x28, 0xC0: 0xC8, 0xC1: 0xC9, 0xC4: 0xCC, 0xC5: 0xCD}
"""First byte of an APDU to that of its ciphered form with the global key."""
_PLAIN = {ciphered: plain for plain, ciphered in GLO.items()}


@dataclass(frozen=True, slots=True)
class SuiteKeys:
    """The global unicast encryption key and the authentication key, 16 bytes each."""

    encryption: bytes
    authentication: bytes

    def __post_init__(self) -> None:
        if len(self.encryption) != 16 or len(self.authentication) != 16:
            raise DlmsError("keys of suite 0 have 16 bytes")

    def __repr__(self) -> str:
        """Do not show the keys."""
        return "SuiteKeys()"


class Ciphering:
    """One side of an association; ``title`` is its own system title, ``peer`` the other's."""

    __slots__ = ("_keys", "_peer", "counter", "last", "title")

    def __init__(
        self, keys: SuiteKeys, title: bytes, peer: bytes, counter: int = 0, last: int = -1
    ) -> None:
        if len(title) != 8 or len(peer) != 8:
            raise DlmsError("a system title has 8 bytes")
        self._keys, self.title, self._peer = keys, title, peer
        self.counter, self.last = counter, last

    def protect(self, apdu: bytes) -> bytes:
        """Return an APDU ciphered; raises DlmsError for one that has no ciphered form."""
        if not apdu or apdu[0] not in GLO:
            raise DlmsError("no ciphered form")
        if self.counter >= 1 << 32:
            raise DlmsError("invocation counter used up: new keys are due")
        header = bytes([_CONTROL]) + self.counter.to_bytes(4, "big")
        self.counter += 1
        engine = self._cipher(self.title + header[1:]).encryptor()
        engine.authenticate_additional_data(header[:1] + self._keys.authentication)
        body = header + engine.update(apdu) + engine.finalize() + engine.tag[:_TAG_BYTES]
        return bytes([GLO[apdu[0]]]) + length(len(body)) + body

    def unprotect(self, ciphered: bytes) -> bytes:
        """Return the APDU; raises DlmsError for what is not authentic or was there before."""
        reader = Reader(ciphered)
        kind = reader.byte()
        body = Reader(reader.take(reader.length()))
        reader.end()
        control, counter = body.byte(), body.take(4)
        content = body.rest()
        if kind not in _PLAIN or control != _CONTROL or len(content) <= _TAG_BYTES:
            raise DlmsError("not ciphered with suite 0, authenticated and encrypted")
        if int.from_bytes(counter, "big") <= self.last:
            raise DlmsError("invocation counter was there before")
        engine = self._cipher(self._peer + counter, content[-_TAG_BYTES:]).decryptor()
        engine.authenticate_additional_data(bytes([control]) + self._keys.authentication)
        try:
            apdu = engine.update(content[:-_TAG_BYTES]) + engine.finalize()
        except InvalidTag as error:
            raise DlmsError("not authentic") from error
        if not apdu or apdu[0] != _PLAIN[kind]:
            raise DlmsError("another APDU than its ciphered form says")
        self.last = int.from_bytes(counter, "big")
        return apdu

    def _cipher(self, nonce: bytes, tag: bytes | None = None) -> Cipher[modes.GCM]:
        mode = modes.GCM(nonce, tag, min_tag_length=_TAG_BYTES)
        return Cipher(algorithms.AES128(self._keys.encryption), mode)
