"""Proofs and tickets of a pairing: HMAC-SHA-256 (RFC 2104), under keys that only two know.

Each unit shares a key with the cloud. A pairing's own key follows from the device's: the device
finds it by itself, the cloud hands it to the controller, under a keystream of the controller's.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

__all__ = ["holds", "pair_key", "prove", "wrapped"]

_PROOF = "proof_b64"


def prove(key: bytes, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with a proof that whoever knows ``key`` made it."""
    content = {name: record[name] for name in sorted(record) if name != _PROOF}
    return content | {_PROOF: base64.b64encode(_mac(key, content)).decode()}


def holds(key: bytes, record: Any) -> bool:
    """Tell whether a record's proof is by ``key``; garbage has none."""
    if not isinstance(record, dict) or not isinstance(record.get(_PROOF), str):
        return False
    try:
        proof = base64.b64decode(record[_PROOF], validate=True)
    except (binascii.Error, ValueError):
        return False
    content = {name: record[name] for name in sorted(record) if name != _PROOF}
    return hmac.compare_digest(proof, _mac(key, content))


def pair_key(device_key: bytes, controller: str, until_ms: int) -> bytes:
    """Return the key of a pairing that holds until an instant."""
    return hmac.new(device_key, f"pair\n{controller}\n{until_ms}".encode(), sha256).digest()


def wrapped(controller_key: bytes, device: str, until_ms: int, secret: bytes) -> bytes:
    """Return a pairing's key hidden from all but the controller, or what was hidden so."""
    stream = hmac.new(controller_key, f"wrap\n{device}\n{until_ms}".encode(), sha256).digest()
    return bytes(a ^ b for a, b in zip(stream, secret, strict=True))


def _mac(key: bytes, content: Mapping[str, Any]) -> bytes:
    # repr of JSON values is one to one: texts are quoted, numbers keep their kind
    said = repr(list(content.items())).encode()
    return hmac.new(key, said, sha256).digest()
