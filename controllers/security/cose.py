"""COSE_Sign1 and COSE_Encrypt0 (RFC 9052), as much of them as fernwatt uses.

Ed25519 signatures and AES-256-GCM. Encoding is deterministic (RFC 8949, 4.2) and there is one
encoding only: what would be encoded otherwise is refused. The algorithm is pinned by the
receiver and must stand in the protected header. Verified is what was received, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from controllers.security.deterministic import blob
from controllers.security.errors import Refusal, RefusedError

__all__ = ["Opened", "decrypt0", "encrypt0", "sign1", "verify1"]

EDDSA, A256GCM = -8, 3
_ALG, _KID, _IV, _PARTIAL_IV = 1, 4, 5, 6
_SIGN1, _ENCRYPT0 = 18, 16
_MAX_BYTES = 1 << 20
_MAX_KID = 16
NONCE_BYTES = 12
# what stands before the items that differ, as canonical CBOR has it
_BEGINS = {_SIGN1: b"\xd2\x84", _ENCRYPT0: b"\xd0\x83"}
_ALGORITHMS = {
    (EDDSA, False): b"\xa1\x01\x27",
    (EDDSA, True): b"\xa2\x01\x27\x06",
    (A256GCM, False): b"\xa1\x01\x03",
    (A256GCM, True): b"\xa2\x01\x03\x06",
}
_HAS_KID, _HAS_KID_IV, _SMALL_IV = b"\xa1\x04", b"\xa2\x04", b"\x05"


@dataclass(frozen=True, slots=True)
class Opened:
    """What an envelope held: whose key it names, its freshness number, the content."""

    kid: bytes
    number: bytes
    payload: bytes


def sign1(payload: bytes, aad: bytes, key: SigningKey, kid: bytes, number: bytes = b"") -> bytes:
    """Return ``payload`` signed; ``number`` stands in the protected header."""
    protected = _protected(EDDSA, number)
    signature = key.sign(_to_sign(protected, aad, payload)).signature
    items = (blob(protected), _HAS_KID, blob(kid), blob(payload), blob(signature))
    return _BEGINS[_SIGN1] + b"".join(items)


def verify1(envelope: bytes, aad: bytes, key_of: Callable[[bytes], VerifyKey | None]) -> Opened:
    """Return what a signed envelope holds; raises RefusedError.

    ``key_of`` gives the public key of a key identifier from what the receiver knows, never from
    the message.
    """
    kid, protected, payload, signature = _blobs(envelope) or _signed_parts(envelope)
    number = _read_protected(protected, EDDSA)
    key = key_of(kid)
    if key is None:
        raise RefusedError(Refusal.UNKNOWN_KEY, kid.hex())
    try:
        key.verify(_to_sign(protected, aad, payload), signature)
    except (BadSignatureError, ValueError) as error:
        raise RefusedError(Refusal.SIGNATURE, kid.hex()) from error
    return Opened(kid, number, payload)


def encrypt0(plaintext: bytes, aad: bytes, key: bytes, kid: bytes, nonce: bytes) -> bytes:
    """Return ``plaintext`` encrypted under a key of 32 bytes; a nonce must never come twice."""
    protected = _protected(A256GCM, b"")
    sealed = AESGCM(key).encrypt(nonce, plaintext, _to_seal(protected, aad))
    items = (blob(protected), _HAS_KID_IV, blob(kid), _SMALL_IV, blob(nonce), blob(sealed))
    return _BEGINS[_ENCRYPT0] + b"".join(items)


def decrypt0(envelope: bytes, aad: bytes, key_of: Callable[[bytes], bytes | None]) -> Opened:
    """Return what an encrypted envelope holds; raises RefusedError."""
    protected, unprotected, sealed = _parts(envelope, _ENCRYPT0, 3)
    kid, nonce = _kid(unprotected), unprotected.get(_IV)
    if type(protected) is not bytes:
        raise RefusedError(Refusal.MALFORMED, "protected header")
    _read_protected(protected, A256GCM)
    if unprotected.keys() != {_KID, _IV} or type(nonce) is not bytes or len(nonce) != NONCE_BYTES:
        raise RefusedError(Refusal.MALFORMED, "headers")
    if type(sealed) is not bytes:
        raise RefusedError(Refusal.MALFORMED, "content")
    key = key_of(kid)
    if key is None:
        raise RefusedError(Refusal.UNKNOWN_KEY, kid.hex())
    try:
        plaintext = AESGCM(key).decrypt(nonce, sealed, _to_seal(protected, aad))
    except (InvalidTag, ValueError) as error:
        raise RefusedError(Refusal.DECRYPTION, kid.hex()) from error
    return Opened(kid, nonce, plaintext)


def _protected(algorithm: int, number: bytes) -> bytes:
    if number:
        return _ALGORITHMS[algorithm, True] + blob(number)
    return _ALGORITHMS[algorithm, False]


def _read_protected(protected: bytes, algorithm: int) -> bytes:
    """Return the number in a protected header; raises RefusedError."""
    begin = _ALGORITHMS[algorithm, True]
    count = len(protected) - len(begin) - 1
    if 0 <= count <= 8 and protected.startswith(begin) and protected[len(begin)] == 0x40 | count:
        return protected[-count:] if count else b""
    header = _strict(protected) if protected else None
    if type(header) is not dict or not header.keys() <= {_ALG, _PARTIAL_IV}:
        raise RefusedError(Refusal.MALFORMED, "protected header")
    if header.get(_ALG) != algorithm or type(header[_ALG]) is not int:
        raise RefusedError(Refusal.ALGORITHM, str(header.get(_ALG)))
    number = header.get(_PARTIAL_IV, b"")
    if type(number) is not bytes or len(number) > 8:
        raise RefusedError(Refusal.MALFORMED, "number")
    return number


def _to_sign(protected: bytes, aad: bytes, payload: bytes) -> bytes:
    return b"\x84\x6aSignature1" + blob(protected) + blob(aad) + blob(payload)


def _to_seal(protected: bytes, aad: bytes) -> bytes:
    return b"\x83\x68Encrypt0" + blob(protected) + blob(aad)


def _blobs(envelope: bytes) -> tuple[bytes, bytes, bytes, bytes] | None:
    """Return key identifier, protected header, content and signature of a signed envelope.

    None where it has not exactly the bytes of one: then ``_signed_parts`` finds what is wrong.
    """
    if not envelope.startswith(_BEGINS[_SIGN1]) or len(envelope) > _MAX_BYTES:
        return None
    try:
        protected, at = _blob_at(envelope, len(_BEGINS[_SIGN1]))
        if envelope[at : at + 2] != _HAS_KID:
            return None
        kid, at = _blob_at(envelope, at + 2)
        payload, at = _blob_at(envelope, at)
        signature, at = _blob_at(envelope, at)
    except (ValueError, IndexError):
        return None
    if at != len(envelope) or not 0 < len(kid) <= _MAX_KID:
        return None
    return kid, protected, payload, signature


def _blob_at(data: bytes, at: int) -> tuple[bytes, int]:
    """Return a byte string in its shortest form, and where it ends; raises ValueError."""
    first, size, at = data[at], data[at] & 0x1F, at + 1
    if first == 0x58:
        size, at = data[at], at + 1
        shortest = size >= 24
    elif first == 0x59:
        size, at = data[at] << 8 | data[at + 1], at + 2
        shortest = size >= 1 << 8
    elif first == 0x5A:
        size, at = int.from_bytes(data[at : at + 4], "big"), at + 4
        shortest = size >= 1 << 16
    else:
        shortest = first >> 5 == 2 and size < 24
    if not shortest or at + size > len(data):
        raise ValueError("no byte string")
    return data[at : at + size], at + size


def _signed_parts(envelope: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Return the same of an envelope that is out of the ordinary; raises RefusedError."""
    protected, unprotected, payload, signature = _parts(envelope, _SIGN1, 4)
    kid = _kid(unprotected)
    if unprotected.keys() != {_KID} or type(payload) is not bytes or type(signature) is not bytes:
        raise RefusedError(Refusal.MALFORMED, "headers, content or signature")
    if type(protected) is not bytes:
        raise RefusedError(Refusal.MALFORMED, "protected header")
    return kid, protected, payload, signature


def _parts(envelope: bytes, tag: int, count: int) -> list[Any]:
    data = _strict(envelope)
    if type(data) is not cbor2.CBORTag or data.tag != tag:
        raise RefusedError(Refusal.MALFORMED, "tag")
    parts = data.value
    if not isinstance(parts, list | tuple) or len(parts) != count:
        raise RefusedError(Refusal.MALFORMED, "structure")
    if not isinstance(parts[1], Mapping):  # within a tag, cbor2 gives an immutable one
        raise RefusedError(Refusal.MALFORMED, "headers")
    return list(parts)


def _kid(unprotected: Mapping[Any, Any]) -> bytes:
    kid = unprotected.get(_KID)
    if type(kid) is not bytes or not 0 < len(kid) <= _MAX_KID:
        raise RefusedError(Refusal.MALFORMED, "key identifier")
    return kid


def _strict(encoded: bytes) -> Any:
    """Return the value of the one deterministic encoding; raises RefusedError for any other."""
    if not 0 < len(encoded) <= _MAX_BYTES:
        raise RefusedError(Refusal.MALFORMED, "length")
    try:
        value = cbor2.loads(encoded)
        again = cbor2.dumps(value, canonical=True)
    except Exception as error:
        raise RefusedError(Refusal.MALFORMED, "not CBOR") from error
    if again != encoded:
        raise RefusedError(Refusal.MALFORMED, "not deterministic")
    return value
