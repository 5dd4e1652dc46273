"""Encryption of single items at rest: a data key for each series, wrapped by the unit's own key.

What is associated with an item (unit, series, number, version) is authenticated with it, so none
can take another one's place. To delete a series for good is to destroy its data key.
"""

from __future__ import annotations

import hmac
import os
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Box", "TamperedError", "blind", "new_key", "unwrap", "wrap"]

_NONCE = 12
_BLIND = 16


class TamperedError(Exception):
    """What is in the file is not what was put there, or the key is another one."""


def blind(key: bytes, *names: str) -> bytes:
    """Return what stands for names in the file: a keyed hash, of no use without the key."""
    return hmac.new(key, "\x1f".join(names).encode(), sha256).digest()[:_BLIND]


def new_key() -> bytes:
    """Return a fresh data key; files are outside of what runs are compared by."""
    return os.urandom(32)


def wrap(key: bytes, data_key: bytes, context: bytes) -> bytes:
    """Return a data key encrypted under the unit's."""
    return Box(key).seal(data_key, context)


def unwrap(key: bytes, wrapped: bytes, context: bytes) -> bytes:
    """Return a data key; raises TamperedError."""
    return Box(key).open(wrapped, context)


class Box:
    """Seals and opens under one key; nonces are random (at most 2^32 items to a key)."""

    __slots__ = ("__cipher",)

    def __init__(self, key: bytes) -> None:
        self.__cipher = AESGCM(key)

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Return nonce and ciphertext."""
        nonce = os.urandom(_NONCE)
        return nonce + self.__cipher.encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return the plaintext; raises TamperedError."""
        try:
            return self.__cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], context)
        except (InvalidTag, ValueError) as error:
            raise TamperedError("an item of the store does not open with this key") from error
