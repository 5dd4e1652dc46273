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

from controllers.security.errors import Refusal, RefusedError

__all__ = ["Opened", "decrypt0", "encrypt0", "sign1", "verify1"]

EDDSA, A256GCM = -8, 3
_ALG, _KID, _IV, _PARTIAL_IV = 1, 4, 5, 6
_SIGN1, _ENCRYPT0 = 18, 16
_MAX_BYTES = 1 << 20
_MAX_KID = 16
NONCE_BYTES = 12


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
    return cbor2.dumps(
        cbor2.CBORTag(_SIGN1, [protected, {_KID: kid}, payload, signature]), canonical=True
    )


def verify1(envelope: bytes, aad: bytes, key_of: Callable[[bytes], VerifyKey | None]) -> Opened:
    """Return what a signed envelope holds; raises RefusedError.

    ``key_of`` gives the public key of a key identifier from what the receiver knows, never from
    the message.
    """
    protected, unprotected, payload, signature = _parts(envelope, _SIGN1, 4)
    kid, number = _kid(unprotected), _read_protected(protected, EDDSA)
    if unprotected.keys() != {_KID} or type(payload) is not bytes or type(signature) is not bytes:
        raise RefusedError(Refusal.MALFORMED, "headers, content or signature")
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
    return cbor2.dumps(
        cbor2.CBORTag(_ENCRYPT0, [protected, {_KID: kid, _IV: nonce}, sealed]), canonical=True
    )


def decrypt0(envelope: bytes, aad: bytes, key_of: Callable[[bytes], bytes | None]) -> Opened:
    """Return what an encrypted envelope holds; raises RefusedError."""
    protected, unprotected, sealed = _parts(envelope, _ENCRYPT0, 3)
    kid, nonce = _kid(unprotected), unprotected.get(_IV)
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
    header: dict[int, Any] = {_ALG: algorithm}
    if number:
        header[_PARTIAL_IV] = number
    return cbor2.dumps(header, canonical=True)


def _read_protected(protected: Any, algorithm: int) -> bytes:
    """Return the number in a protected header; raises RefusedError."""
    header = _strict(protected) if type(protected) is bytes and protected else None
    if type(header) is not dict or not header.keys() <= {_ALG, _PARTIAL_IV}:
        raise RefusedError(Refusal.MALFORMED, "protected header")
    if header.get(_ALG) != algorithm or type(header[_ALG]) is not int:
        raise RefusedError(Refusal.ALGORITHM, str(header.get(_ALG)))
    number = header.get(_PARTIAL_IV, b"")
    if type(number) is not bytes or len(number) > 8:
        raise RefusedError(Refusal.MALFORMED, "number")
    return number


def _to_sign(protected: bytes, aad: bytes, payload: bytes) -> bytes:
    return cbor2.dumps(["Signature1", protected, aad, payload], canonical=True)


def _to_seal(protected: bytes, aad: bytes) -> bytes:
    return cbor2.dumps(["Encrypt0", protected, aad], canonical=True)


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
