"""Convolutional and Reed-Solomon codes: what is left of channel errors after decoding.

The convolutional code of PRIME, G3-PLC and IEEE 802.11 is one and the same: constraint length
7, generators 133 and 171 (octal), decoded by Viterbi's algorithm. The bit error rate is the
union bound over error events (Proakis, Digital Communications, 8.2) with the code's own weight
spectrum, at hard decisions. A decoder with soft decisions does as well with 2 dB less
(``SOFT_GAIN_DB``; Heller and Jacobs 1971, Proakis 8.2.8): callers that mean one take the
channel's errors at so much more signal.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import comb
from types import MappingProxyType

__all__ = ["PUNCTURING", "SOFT_GAIN_DB", "block_error", "decoded", "spectrum"]

SOFT_GAIN_DB = 2.0
_GENERATORS = (0o133, 0o171)
_STATES, _TERMS = 64, 10
PUNCTURING: Mapping[str, tuple[tuple[int, int], ...]] = MappingProxyType(
    {"1/2": ((1, 1),), "2/3": ((1, 1), (1, 0)), "3/4": ((1, 1), (1, 0), (0, 1))}
)
"""Code rate to which of the two coded bits are sent, by step (IEEE 802.11, 17.3.5.7)."""


@lru_cache(maxsize=8)
def spectrum(rate: str) -> tuple[tuple[int, float], ...]:
    """Return (Hamming weight, information bits in error) of the error events, lightest first.

    The bits are summed over all events of that weight, per information bit sent. Found by
    walking the trellis from the zero state until it is met again, up to ``_TERMS`` weights
    above the free distance.
    """
    pattern = PUNCTURING[rate]
    found: dict[int, float] = {}
    for start in range(len(pattern)):
        for weight, bits in _events(pattern, start).items():
            found[weight] = found.get(weight, 0.0) + bits / len(pattern)
    least = min(found)
    return tuple((d, found[d]) for d in sorted(found) if d < least + _TERMS)


def _events(pattern: tuple[tuple[int, int], ...], start: int) -> dict[int, int]:
    """Return weight to information bits of events that leave the zero state at step ``start``."""
    ended: dict[int, int] = {}
    state, weight = _step(0, 1, pattern[start])
    front = {(state, weight): (1, 1)}  # paths, and the ones in all of them
    phase = start
    least = 4 * _TERMS
    while front:
        phase = (phase + 1) % len(pattern)
        following: dict[tuple[int, int], tuple[int, int]] = {}
        for (state, weight), (paths, ones) in front.items():
            for bit in (0, 1):
                there, added = _step(state, bit, pattern[phase])
                total = weight + added
                if total >= least + _TERMS:
                    continue
                if there == 0:
                    ended[total] = ended.get(total, 0) + ones
                    least = min(least, total)
                    continue
                before = following.get((there, total), (0, 0))
                following[there, total] = (before[0] + paths, before[1] + ones + bit * paths)
        front = following
    return ended


def _step(state: int, bit: int, sent: tuple[int, int]) -> tuple[int, int]:
    """Return the next state of the encoder and the weight of what is sent."""
    register = (bit << 6) | state
    weight = sum(
        (register & generator).bit_count() & 1 and keep
        for generator, keep in zip(_GENERATORS, sent, strict=True)
    )
    return register >> 1, weight


def decoded(raw: float, rate: str = "1/2") -> float:
    """Return the bit error rate after Viterbi's decoder, from that of the channel ``raw``.

    The union bound exceeds one half where nothing can be decoded any more; it ends there.
    """
    if raw <= 0.0:
        return 0.0
    if raw >= 0.12:  # beyond the code's power: the bound is above one half long before
        return 0.5
    bound = sum(bits * _worse(distance, raw) for distance, bits in spectrum(rate))
    return min(0.5, bound)


def _worse(distance: int, raw: float) -> float:
    """Return the probability that a path at a distance looks better than the one sent."""
    tie = distance // 2
    likely = sum(
        comb(distance, errors) * raw**errors * (1.0 - raw) ** (distance - errors)
        for errors in range(tie + 1, distance + 1)
    )
    if distance % 2 == 0:
        likely += 0.5 * comb(distance, tie) * (raw * (1.0 - raw)) ** tie
    return likely


def block_error(ber: float, octets: int, correctable: int) -> float:
    """Return the probability that a Reed-Solomon block has more wrong octets than it corrects.

    Octets err independently of each other, as the interleaver has it.
    """
    wrong = -((1.0 - ber) ** 8 - 1.0)
    if wrong <= 0.0:
        return 0.0
    through = sum(
        comb(octets, count) * wrong**count * (1.0 - wrong) ** (octets - count)
        for count in range(correctable + 1)
    )
    if through < 0.5:
        return 1.0 - through
    return sum(
        comb(octets, count) * wrong**count * (1.0 - wrong) ** (octets - count)
        for count in range(correctable + 1, min(octets, correctable + 60) + 1)
    )
