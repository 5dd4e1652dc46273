"""Sums that nobody on the way can read: each pair of members shares a mask that cancels out.

A member adds, for every other member, a number that only the two know: plus at the one with
the lesser name, minus at the other. What it hands on looks random; the sum over all members is
the true one. When members are missing, the masks that they shared with the others do not
cancel: the others then disclose just these masks, of this round (as Bonawitz et al., 2017,
"Practical Secure Aggregation", do with shared seeds; here every survivor holds them itself).
Values are whole numbers, sums taken modulo 2^64, so 8 bytes go on the wire.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from controllers.security.errors import Refusal, RefusedError

__all__ = ["MODULUS", "Masker", "unmask"]

MODULUS = 1 << 64
_LIMIT = 1 << 62


class Masker:
    """One member; ``secrets`` are what it shares with each of the others (X25519, 32 bytes)."""

    __slots__ = ("__secrets", "name")

    def __init__(self, name: str, secrets: Mapping[str, bytes]) -> None:
        self.name = name
        self.__secrets = dict(sorted(secrets.items()))

    def mask(self, value: int, group: Sequence[str], round_name: str) -> int:
        """Return ``value`` masked for a round among ``group``; raises RefusedError.

        A round's name must never come twice with different values: their difference would show.
        """
        if not -_LIMIT < value < _LIMIT:
            raise RefusedError(Refusal.RANGE, str(value))
        return (value + sum(self._masks(group, round_name))) % MODULUS

    def disclose(self, missing: Iterable[str], round_name: str) -> int:
        """Return the sum of the masks that this member put in for those who are missing."""
        return sum(self._masks(sorted(set(missing)), round_name)) % MODULUS

    def _masks(self, group: Sequence[str], round_name: str) -> Iterable[int]:
        for other in group:
            if other != self.name:
                mask = _mask(self.__secrets[other], round_name)
                yield mask if self.name < other else -mask


def unmask(masked: Iterable[int], disclosed: Iterable[int] = ()) -> int:
    """Return the sum of the values; ``disclosed`` by each survivor where members are missing."""
    total = (sum(masked) - sum(disclosed)) % MODULUS
    return total - MODULUS if total >= MODULUS // 2 else total


def _mask(secret: bytes, round_name: str) -> int:
    digest = hmac.new(secret, b"fernwatt/mask/v1/" + round_name.encode(), sha256).digest()
    return int.from_bytes(digest[:8], "big")
