"""Values that can be added by who cannot read them: exponential ElGamal on the Ed25519 group.

A value m becomes (r·B, m·B + r·P) for a fresh r; ciphertexts add up component by component, and
the holder of the key gets m·B, whose logarithm is found by baby steps and giant steps. 64 bytes
a ciphertext. Malleable by nature: it must travel in a signed envelope. Group operations are
libsodium's (PyNaCl), which refuses points outside the prime-order group.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt

from nacl import bindings as sodium
from nacl.exceptions import RuntimeError as SodiumError

from controllers.security.errors import Refusal, RefusedError

__all__ = ["CIPHERTEXT_BYTES", "PrivateSum", "PublicSum", "add", "add_all"]

CIPHERTEXT_BYTES = 64
_ORDER = 2**252 + 27742317777372353535851937790883648493
_NEUTRAL = bytes([1]) + bytes(31)
Randomness = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class PublicSum:
    """The key that values are encrypted under."""

    point: bytes

    def __post_init__(self) -> None:
        _checked(self.point)

    def encrypt(self, value: int, randomness: Randomness) -> bytes:
        """Return ``value`` encrypted; ``randomness(n)`` gives n bytes, never twice the same."""
        r = sodium.crypto_core_ed25519_scalar_reduce(randomness(64))
        if not any(r):
            raise RefusedError(Refusal.RANGE, "no randomness")
        hidden = _add(_times_base(value), _times(r, self.point))
        return sodium.crypto_scalarmult_ed25519_base_noclamp(r) + hidden

    def refresh(self, ciphertext: bytes, randomness: Randomness) -> bytes:
        """Return another ciphertext of the same value, so that sums do not show their parts."""
        return add(ciphertext, self.encrypt(0, randomness))


class PrivateSum:
    """The key that sums are read with; values up to ``limit`` in absolute value are found."""

    __slots__ = ("__scalar", "_limit", "public")

    def __init__(self, seed: bytes, limit: int = 1 << 32) -> None:
        self.__scalar = sodium.crypto_core_ed25519_scalar_reduce(seed)
        if not any(self.__scalar):
            raise RefusedError(Refusal.RANGE, "no key of this seed")
        self.public = PublicSum(sodium.crypto_scalarmult_ed25519_base_noclamp(self.__scalar))
        self._limit = limit

    def decrypt(self, ciphertext: bytes) -> int:
        """Return the value; raises RefusedError for what is malformed or beyond the limit."""
        masked, hidden = _halves(ciphertext)
        shared = _times(self.__scalar, masked)
        return _logarithm(sodium.crypto_core_ed25519_sub(hidden, shared), self._limit)

    def __repr__(self) -> str:
        """Do not show the key."""
        return f"PrivateSum({self.public.point.hex()})"


def add(first: bytes, second: bytes) -> bytes:
    """Return the ciphertext of the sum of two; raises RefusedError."""
    (a, b), (c, d) = _halves(first), _halves(second)
    return _add(a, c) + _add(b, d)


def add_all(ciphertexts: Sequence[bytes]) -> bytes:
    """Return the ciphertext of the sum of one or more; raises RefusedError."""
    total_a, total_b = _halves(ciphertexts[0])
    for one in ciphertexts[1:]:
        a, b = _halves(one)
        total_a, total_b = _add(total_a, a), _add(total_b, b)
    return total_a + total_b


def _halves(ciphertext: bytes) -> tuple[bytes, bytes]:
    if len(ciphertext) != CIPHERTEXT_BYTES:
        raise RefusedError(Refusal.MALFORMED, "length of a ciphertext")
    return _checked(ciphertext[:32]), _checked(ciphertext[32:])


def _checked(point: bytes) -> bytes:
    """Return a point of the prime-order group other than the neutral one."""
    if len(point) != 32 or not sodium.crypto_core_ed25519_is_valid_point(point):
        raise RefusedError(Refusal.MALFORMED, "no point of the group")
    return point


def _add(first: bytes, second: bytes) -> bytes:
    return sodium.crypto_core_ed25519_add(first, second)


def _times(scalar: bytes, point: bytes) -> bytes:
    try:
        return sodium.crypto_scalarmult_ed25519_noclamp(scalar, point)
    except SodiumError as error:
        raise RefusedError(Refusal.MALFORMED, "point") from error


def _times_base(value: int) -> bytes:
    scalar = (value % _ORDER).to_bytes(32, "little")
    if not any(scalar):
        return _NEUTRAL
    return sodium.crypto_scalarmult_ed25519_base_noclamp(scalar)


@lru_cache(maxsize=4)
def _baby_steps(count: int) -> dict[bytes, int]:
    steps, point, base = {}, _NEUTRAL, _times_base(1)
    for number in range(count):
        steps[point] = number
        point = _add(point, base)
    return steps


_SMALL = 1 << 12


def _logarithm(point: bytes, limit: int) -> int:
    """Return m with m·B = ``point``, |m| ≤ ``limit``; raises RefusedError. Small ones are fast."""
    for count in (_SMALL, max(_SMALL, min(isqrt(2 * limit) + 1, 1 << 17))):
        steps = _baby_steps(count)
        stride = _times_base(-count)
        reach = min(limit, count * _SMALL) if count == _SMALL else limit
        up, down = point, _add(point, _times_base(count - 1))
        for giant in range(reach // count + 2):
            if up in steps:
                return _within(giant * count + steps[up], limit)
            if down in steps:
                return _within(steps[down] - (count - 1) - giant * count, limit)
            up, down = _add(up, stride), sodium.crypto_core_ed25519_sub(down, stride)
    raise RefusedError(Refusal.RANGE, "beyond what sums may be")


def _within(value: int, limit: int) -> int:
    if abs(value) > limit:
        raise RefusedError(Refusal.RANGE, "beyond what sums may be")
    return value
