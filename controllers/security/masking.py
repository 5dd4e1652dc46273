"""Sums that nobody on the way can read: each pair of members shares a mask that cancels out.

A member adds, for every other member, a number that only the two know: plus at the one with
the lesser name, minus at the other. What it hands on looks random; the sum over all members is
the true one. When members are missing, the masks that they shared with the others do not
cancel: the others then disclose just these masks, of this round (as Bonawitz et al., 2017,
"Practical Secure Aggregation", do with shared seeds; here every survivor holds them itself).
Values are whole numbers, sums taken modulo 2^64, so 8 bytes go on the wire. Up to four values
of a round share the work of one mask each.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from controllers.security.errors import Refusal, RefusedError

__all__ = ["LANES", "MODULUS", "Masker", "masks_of", "unmask"]

MODULUS = 1 << 64
LANES = 4
_LIMIT = 1 << 62
_BYTES = 8


class Masker:
    """One member; ``secrets`` are what it shares with each of the others (X25519, 32 bytes)."""

    __slots__ = ("__secrets", "name")

    def __init__(self, name: str, secrets: Mapping[str, bytes]) -> None:
        self.name = name
        self.__secrets = dict(sorted(secrets.items()))

    def __repr__(self) -> str:
        """Do not show the secrets."""
        return f"Masker({self.name})"

    def mask(self, value: int, group: Sequence[str], round_name: str) -> int:
        """Return ``value`` masked for a round among ``group``; raises RefusedError.

        A round's name must never come twice with different values: their difference would show.
        """
        return self.hide([value], group, round_name)[0]

    def hide(self, values: Sequence[int], group: Iterable[str], round_name: str) -> list[int]:
        """Return up to ``LANES`` values masked for a round among ``group``; raises RefusedError."""
        for value in values:
            if not -_LIMIT < value < _LIMIT:
                raise RefusedError(Refusal.RANGE, str(value))
        masks = self._masks(group, round_name, len(values))
        return [(value + mask) % MODULUS for value, mask in zip(values, masks, strict=True)]

    def disclose(self, missing: Iterable[str], round_name: str) -> int:
        """Return the sum of the masks that this member put in for those who are missing."""
        return self.give_up(missing, round_name, 1)[0]

    def give_up(self, missing: Iterable[str], round_name: str, lanes: int) -> list[int]:
        """Return that for each of ``lanes`` values."""
        return [mask % MODULUS for mask in self._masks(sorted(set(missing)), round_name, lanes)]

    def _masks(self, group: Iterable[str], round_name: str, lanes: int) -> list[int]:
        sums = [0] * lanes
        for other in group:
            if other != self.name:
                sign = 1 if self.name < other else -1
                for lane, mask in enumerate(masks_of(self.__secrets[other], round_name, lanes)):
                    sums[lane] += sign * mask
        return sums


def unmask(masked: Iterable[int], disclosed: Iterable[int] = ()) -> int:
    """Return the sum of the values; ``disclosed`` by each survivor where members are missing."""
    total = (sum(masked) - sum(disclosed)) % MODULUS
    return total - MODULUS if total >= MODULUS // 2 else total


def masks_of(secret: bytes, round_name: str, lanes: int) -> list[int]:
    """Return the masks of a secret for a round; raises ValueError for more than ``LANES``."""
    if not 0 < lanes <= LANES:
        raise ValueError(f"1 to {LANES} values")
    digest = hmac.new(secret, b"fernwatt/mask/v1/" + round_name.encode(), sha256).digest()
    return [
        int.from_bytes(digest[_BYTES * lane : _BYTES * (lane + 1)], "big") for lane in range(lanes)
    ]
