"""Bit and packet errors over the signal-to-noise ratio at a receiver, by physical layer.

The ratio is that of powers within the receiver's noise bandwidth; for OFDM (PRIME, G3, Wi-Fi)
that is the ratio on each carrier, as if the channel were flat.

================  ===============================================================================
O-QPSK            IEEE 802.15.4-2006, E.4.1.7: 16-ary quasi-orthogonal chips over 2 MHz
2-FSK (Wi-SUN)    non-coherent detection, ½ exp(-Eb/2N0) (Proakis 5.4.1)
M-DPSK            exact, Gray-coded (Pawula 1982, Lee 1986): PRIME and G3 detect from symbol to
                  symbol
codes             ``coding``; PRIME with "-f" and G3 by soft decisions, ROBO modes gain the
                  energy of their repetitions (6 dB for four)
Wi-Fi             Gray-coded QAM, hard decisions, the model of Pei and Henderson (2010)
================  ===============================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import comb, cos, erfc, exp, expm1, inf, log1p, pi, sin, sqrt

import numpy as np

from simulators.network.phy.airtime import G3_MODES, PRIME_MODES, WISUN_MODES
from simulators.network.phy.coding import SOFT_GAIN_DB, block_error, decoded

__all__ = ["PacketErrors", "bit_error", "least_snr_db", "packet_error"]

_STEPS_PER_DB = 20
_REMEMBERED = 100_000
_G3_RS_BYTES = 255
_WIFI = {  # Mbit/s: bits per carrier, code rate
    "6": (1, "1/2"),
    "9": (1, "3/4"),
    "12": (2, "1/2"),
    "18": (2, "3/4"),
    "24": (4, "1/2"),
    "36": (4, "3/4"),
    "48": (6, "2/3"),
    "54": (6, "3/4"),
}


def oqpsk(snr: float) -> float:
    """Return the bit error rate of IEEE 802.15.4 at 2.4 GHz; ``snr`` as a ratio."""
    signs = (1.0, -1.0)
    total = sum(
        signs[k % 2] * comb(16, k) * exp(20.0 * snr * (1.0 / k - 1.0)) for k in range(2, 17)
    )
    return min(0.5, max(0.0, 8.0 / 15.0 / 16.0 * total))


def fsk(eb_n0: float) -> float:
    """Return the bit error rate of non-coherent binary frequency-shift keying."""
    return 0.5 * exp(-eb_n0 / 2.0)


@lru_cache(maxsize=4)
def _gray_weights(points: int) -> tuple[float, ...]:
    """Return the mean share of wrong bits when a phase step is mistaken by k points."""
    gray = [point ^ (point >> 1) for point in range(points)]
    bits = points.bit_length() - 1
    return tuple(
        sum((gray[p] ^ gray[(p + k) % points]).bit_count() for p in range(points)) / points / bits
        for k in range(points)
    )


_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(96)


def _beyond(angle: float, snr: float) -> float:
    """Return Pawula's F: the probability that a phase step errs by more than ``angle``, signed."""
    at = pi / 2.0 * _NODES
    fall = 1.0 - cos(angle) * np.cos(at)
    integral = pi / 2.0 * float(np.sum(_WEIGHTS * np.exp(-snr * fall) / fall))
    return -sin(angle) / (4.0 * pi) * integral


def dpsk(snr: float, bits: int) -> float:
    """Return the bit error rate of differential PSK, ``bits`` per symbol, ``snr`` per symbol."""
    if bits == 1:
        return 0.5 * exp(-snr)
    points = 1 << bits
    edges = [_beyond((2 * k + 1) * pi / points, snr) for k in range(points)]
    weights = _gray_weights(points)
    return min(0.5, sum(weights[k] * (edges[k] - edges[k - 1]) for k in range(1, points)))


def qam(snr: float, bits: int) -> float:
    """Return the bit error rate of coherent Gray-coded BPSK, QPSK, 16- or 64-QAM, uncoded."""
    if bits < 3:
        return 0.5 * erfc(sqrt(snr / bits))
    side = sqrt(2.0**bits)
    return 2.0 / bits * (1.0 - 1.0 / side) * erfc(sqrt(1.5 * snr / (2.0**bits - 1.0)))


def bit_error(phy: str, mode: str, snr_db: float, bandwidth_hz: float = 0.0) -> float:
    """Return the bit error rate after decoding, before G3's Reed-Solomon blocks.

    ``bandwidth_hz`` is the noise bandwidth, where the rate is not bound to it (Wi-SUN).
    """
    snr = 10.0 ** (snr_db / 10.0)
    if phy == "oqpsk":
        return oqpsk(snr)
    if phy == "wisun":
        return fsk(snr * bandwidth_hz / WISUN_MODES[mode][0])
    if phy == "wifi":
        bits, rate = _WIFI[mode]
        return decoded(qam(snr, bits), rate)
    soft = 10.0 ** (SOFT_GAIN_DB / 10.0)
    if phy == "g3":
        bits, repetitions, _ = G3_MODES[mode]
        return decoded(dpsk(snr * soft * repetitions, bits))
    information, flush, robust = PRIME_MODES[mode]
    repetitions = 4 if robust else 1
    bits = information * repetitions * (2 if flush else 1) // 96
    raw = dpsk(snr * (soft if flush else 1.0) * repetitions, bits)
    return decoded(raw) if flush else raw


def packet_error(phy: str, mode: str, snr_db: float, size: int, bandwidth_hz: float = 0.0) -> float:
    """Return the probability that a frame of ``size`` bytes has an error that stays."""
    if snr_db == -inf:
        return 1.0
    ber = bit_error(phy, mode, snr_db, bandwidth_hz)
    if phy == "g3":
        parity = G3_MODES[mode][2]
        return block_error(ber, min(size + parity, _G3_RS_BYTES), parity // 2)
    if ber >= 0.5:
        return 1.0
    return -expm1(8.0 * size * log1p(-ber))


class PacketErrors:
    """``packet_error`` of one physical layer, worked out once for every twentieth of a decibel."""

    __slots__ = ("_bandwidth_hz", "_known", "_mode", "_phy")

    def __init__(self, phy: str, mode: str, bandwidth_hz: float = 0.0) -> None:
        self._phy, self._mode, self._bandwidth_hz = phy, mode, bandwidth_hz
        self._known: dict[tuple[int, int], float] = {}

    def __call__(self, snr_db: float, size: int) -> float:
        """Return the probability that a frame of ``size`` bytes is lost."""
        if snr_db < -40.0:
            return 1.0
        key = (round(min(snr_db, 100.0) * _STEPS_PER_DB), size)
        error = self._known.get(key)
        if error is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            at_db = key[0] / _STEPS_PER_DB
            error = packet_error(self._phy, self._mode, at_db, size, self._bandwidth_hz)
            self._known[key] = error
        return error


def least_snr_db(error: Callable[[float, int], float], size: int, most: float) -> float:
    """Return the least ratio [dB], to 0.05 dB, at which a frame's loss is at most ``most``."""
    low, high = -40 * _STEPS_PER_DB, 80 * _STEPS_PER_DB
    while high - low > 1:
        middle = (low + high) // 2
        if error(middle / _STEPS_PER_DB, size) <= most:
            high = middle
        else:
            low = middle
    return high / _STEPS_PER_DB
