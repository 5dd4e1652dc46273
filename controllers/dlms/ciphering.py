"""Ciphered APDUs: AES-GCM with 12-byte tags, authenticated or encrypted too (IEC 62056-5-3, 5).

The invocation counter is the nonce's second half and what replays are told by: each side takes a
number once. Numbers may overtake each other by ``_WINDOW``, as frames do on a network.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from controllers.dlms.axdr import DlmsError, Reader, length

__all__ = ["GENERAL", "GLO", "Ciphering", "ReplayedError", "SuiteKeys", "UntrueError"]

_AUTHENTICATED, _ENCRYPTED = 0x10, 0x20
_TAG_BYTES, _TITLE_BYTES = 12, 8
_WINDOW = 64
_KEY_BYTES = {0: 16, 1: 16, 2: 32}  # of security suites
GENERAL = 0xDB
"""First byte of what has no ciphered form of its own, with the sender's system title."""
GLO: dict[int, int] = {
    0x01: 0x21, 0x08: 0x28, 0xC0: 0xC8, 0xC1: 0xC9, 0xC3: 0xCB, 0xC4: 0xCC, 0xC5: 0xCD, 0xC7: 0xCF,
    0x0F: GENERAL,
}  # fmt: skip
"""First byte of an APDU to that of its ciphered form with the global key."""
_PLAIN = {ciphered: plain for plain, ciphered in GLO.items()}


class UntrueError(DlmsError):
    """What does not have the tag that who has the keys would have given it."""


class ReplayedError(DlmsError):
    """What was there before."""


@dataclass(frozen=True, slots=True)
class SuiteKeys:
    """The global unicast encryption key and the authentication key of a security suite."""

    encryption: bytes
    authentication: bytes
    suite: int = 0

    def __post_init__(self) -> None:
        size = _KEY_BYTES.get(self.suite)
        if len(self.encryption) != size or len(self.authentication) != size:
            raise DlmsError(f"keys of suite {self.suite} have {size} bytes")

    def __repr__(self) -> str:
        """Do not show the keys."""
        return "SuiteKeys()"


class Ciphering:
    """One side of the keys; ``title`` is its own system title, ``peer`` the other's.

    ``counter`` is the next invocation counter, ``last`` the highest taken of the other side;
    ``spent(n)`` is called before counter n is used, ``taken(n)`` when the highest is n.
    """

    __slots__ = ("_control", "_keys", "_peer", "_seen", "_spent", "_taken", "counter", "last",
                 "title")  # fmt: skip

    def __init__(
        self,
        keys: SuiteKeys,
        title: bytes,
        peer: bytes,
        counter: int = 0,
        last: int = -1,
        *,
        encrypted: bool = True,
        spent: Callable[[int], None] | None = None,
        taken: Callable[[int], None] | None = None,
    ) -> None:
        if len(title) != _TITLE_BYTES or len(peer) != _TITLE_BYTES:
            raise DlmsError("a system title has 8 bytes")
        self._keys, self.title, self._peer = keys, title, peer
        self.counter, self.last = counter, last
        self._seen = (1 << _WINDOW) - 1  # who begins anew takes nothing older
        self._control = keys.suite | _AUTHENTICATED | (_ENCRYPTED if encrypted else 0)
        self._spent, self._taken = spent, taken

    def protect(self, apdu: bytes) -> bytes:
        """Return an APDU ciphered; raises DlmsError for one that has no ciphered form."""
        if not apdu or apdu[0] not in GLO:
            raise DlmsError("no ciphered form")
        header = bytes([self._control]) + self._next()
        body = header + self._seal(header, apdu)
        kind = GLO[apdu[0]]
        title = length(_TITLE_BYTES) + self.title if kind == GENERAL else b""
        return bytes([kind]) + title + length(len(body)) + body

    def unprotect(self, ciphered: bytes) -> bytes:
        """Return the APDU; raises UntrueError, ReplayedError, or DlmsError for what is neither."""
        reader = Reader(ciphered)
        kind = reader.byte()
        if kind not in _PLAIN:
            raise UntrueError("not ciphered")
        if kind == GENERAL and reader.take(reader.length()) != self._peer:
            raise UntrueError("another system title")
        body = Reader(reader.take(reader.length()))
        reader.end()
        header, content = body.take(5), body.rest()
        if header[0] != self._control or len(content) <= _TAG_BYTES:
            raise UntrueError("not protected as agreed")
        apdu = self._open(header, content)
        if not apdu or (kind != GENERAL and apdu[0] != _PLAIN[kind]):
            raise UntrueError("another APDU than its ciphered form says")
        self._take(int.from_bytes(header[1:], "big"))
        return apdu

    def mac(self, challenge: bytes) -> bytes:
        """Return the answer to a challenge: control, counter and GMAC (mechanism 5)."""
        header = bytes([self._keys.suite | _AUTHENTICATED]) + self._next()
        return header + self._gmac(self.title, header, challenge)

    def fresh(self, size: int) -> bytes:
        """Return a challenge that never comes again; at most 12 bytes."""
        return self.mac(b"challenge")[-size:]

    def is_mac(self, answer: bytes, challenge: bytes) -> bool:
        """Tell whether ``answer`` is the other side's to a challenge, which makes it fresh."""
        header, tag = answer[:5], answer[5:]
        if len(tag) != _TAG_BYTES or header[0] != self._keys.suite | _AUTHENTICATED:
            return False
        return hmac.compare_digest(tag, self._gmac(self._peer, header, challenge))

    def _next(self) -> bytes:
        if self.counter >= 1 << 32:
            raise DlmsError("invocation counter used up: new keys are due")
        if self._spent is not None:
            self._spent(self.counter)
        self.counter += 1
        return (self.counter - 1).to_bytes(4, "big")

    def _take(self, number: int) -> None:
        ahead = number - self.last
        if ahead > 0:
            self._seen = (self._seen << ahead | 1) & ((1 << _WINDOW) - 1) if ahead < _WINDOW else 1
            self.last = number
            if self._taken is not None:
                self._taken(number)
        elif -ahead >= _WINDOW or self._seen >> -ahead & 1:
            raise ReplayedError("invocation counter was there before")
        else:
            self._seen |= 1 << -ahead

    def _seal(self, header: bytes, apdu: bytes) -> bytes:
        engine = self._cipher(self.title + header[1:]).encryptor()
        if self._control & _ENCRYPTED:
            engine.authenticate_additional_data(header[:1] + self._keys.authentication)
            content = engine.update(apdu) + engine.finalize()
        else:
            engine.authenticate_additional_data(header[:1] + self._keys.authentication + apdu)
            content = apdu + engine.finalize()
        return content + engine.tag[:_TAG_BYTES]

    def _open(self, header: bytes, content: bytes) -> bytes:
        inner, tag = content[:-_TAG_BYTES], content[-_TAG_BYTES:]
        engine = self._cipher(self._peer + header[1:], tag).decryptor()
        try:
            if self._control & _ENCRYPTED:
                engine.authenticate_additional_data(header[:1] + self._keys.authentication)
                return engine.update(inner) + engine.finalize()
            engine.authenticate_additional_data(header[:1] + self._keys.authentication + inner)
            return inner + engine.finalize()
        except InvalidTag as error:
            raise UntrueError("not authentic") from error

    def _gmac(self, title: bytes, header: bytes, challenge: bytes) -> bytes:
        engine = self._cipher(title + header[1:]).encryptor()
        engine.authenticate_additional_data(header[:1] + self._keys.authentication + challenge)
        engine.finalize()
        return engine.tag[:_TAG_BYTES]

    def _cipher(self, nonce: bytes, tag: bytes | None = None) -> Cipher[modes.GCM]:
        mode = modes.GCM(nonce, tag, min_tag_length=_TAG_BYTES)
        return Cipher(algorithms.AES(self._keys.encryption), mode)
