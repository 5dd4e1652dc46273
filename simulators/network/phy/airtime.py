"""Air times: how long a frame of so many bytes keeps a carrier busy.

Each function takes the bytes of one frame as the MAC hands it down (its header and check
sequence included unless said otherwise) and returns microseconds, exact as the standards'
symbols make them; ``air_time`` rounds to whole microseconds, the network's unit of time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

__all__ = [
    "G3_MODES",
    "GPRS_BLOCK_BYTES",
    "PRIME_MODES",
    "WIFI_MODES",
    "WISUN_MODES",
    "ethernet_us",
    "frame_limit_bytes",
    "g3_payload_bytes",
    "g3_us",
    "modes",
    "oqpsk_us",
    "prime_us",
    "rounded",
    "serial_us",
    "wifi_us",
    "wisun_us",
]

# PRIME, ITU-T G.9904: information bits per symbol of 96 data carriers and 2.24 ms, flushing bits
# of the convolutional code, robust frame (type B preamble and header) or not.
PRIME_MODES: Mapping[str, tuple[int, int, bool]] = MappingProxyType(
    {
        "dbpsk": (96, 0, False),
        "dqpsk": (192, 0, False),
        "d8psk": (288, 0, False),
        "dbpsk-f": (48, 8, False),
        "dqpsk-f": (96, 8, False),
        "d8psk-f": (144, 8, False),
        "dbpsk-r": (12, 8, True),
        "dqpsk-r": (24, 8, True),
    }
)
_PRIME_SYMBOL_US = 2240
_PRIME_HEAD_US = {False: 2048 + 2 * _PRIME_SYMBOL_US, True: 8192 + 4 * _PRIME_SYMBOL_US}
_PRIME_MAX_SYMBOLS = 63

# G3-PLC, ITU-T G.9903, CENELEC-A: bits per carrier, repetitions, Reed-Solomon parity bytes.
G3_MODES: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {"robo": (1, 4, 8), "dbpsk": (1, 1, 16), "dqpsk": (2, 1, 16), "d8psk": (3, 1, 16)}
)
_G3_CARRIERS, _G3_SYMBOL_US, _G3_FCH_SYMBOLS, _G3_PREAMBLE_US = 36, 695, 13, 6080
_G3_TAIL_BITS, _G3_STEP, _G3_MAX_SYMBOLS, _G3_BLOCK_BYTES = 6, 4, 252, 255

# Wi-SUN FAN, 2-FSK: operating mode to bit/s and bytes of preamble.
WISUN_MODES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        "1a": (50_000, 8),
        "1b": (50_000, 8),
        "2a": (100_000, 8),
        "2b": (100_000, 8),
        "3": (150_000, 12),
        "4a": (200_000, 12),
        "4b": (200_000, 12),
        "5": (300_000, 24),
    }
)
GPRS_BLOCK_BYTES: Mapping[str, int] = MappingProxyType(
    {"cs-1": 20, "cs-2": 30, "cs-3": 36, "cs-4": 50}
)

# IEEE 802.11 ERP-OFDM: Mbit/s to data bits per symbol of 4 µs.
WIFI_MODES: Mapping[str, int] = MappingProxyType(
    {"6": 24, "9": 36, "12": 48, "18": 72, "24": 96, "36": 144, "48": 192, "54": 216}
)

_MODES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "prime": tuple(PRIME_MODES),
        "g3": tuple(G3_MODES),
        "oqpsk": (),
        "wisun": tuple(WISUN_MODES),
        "wifi": tuple(WIFI_MODES),
        "gprs": tuple(GPRS_BLOCK_BYTES),
        "ofdma": (),
        "channels": (),
        "ethernet": (),
        "serial": (),
    }
)


def modes() -> Mapping[str, tuple[str, ...]]:
    """Return the physical layers and the modes of each (none: it has but one)."""
    return _MODES


def prime_us(size: int, mode: str) -> float:
    """Return the air time of a PRIME MAC PDU of ``size`` bytes: preamble, header, payload."""
    bits, flush, robust = PRIME_MODES[mode]
    return _PRIME_HEAD_US[robust] + _PRIME_SYMBOL_US * -(-(8 * size + flush) // bits)


def g3_payload_bytes(symbols: int, mode: str) -> int:
    """Return the bytes that ``symbols`` data symbols of G3-PLC carry (one Reed-Solomon block)."""
    bits, repetitions, parity = G3_MODES[mode]
    coded = _G3_CARRIERS * bits * symbols // (2 * repetitions)
    return min((coded - _G3_TAIL_BITS) // 8, _G3_BLOCK_BYTES) - parity


def g3_us(size: int, mode: str) -> float:
    """Return the air time of a G3-PLC frame of ``size`` bytes; data symbols come in fours."""
    bits, repetitions, parity = G3_MODES[mode]
    coded = ((size + parity) * 8 + _G3_TAIL_BITS) * 2 * repetitions
    symbols = -(-coded // (_G3_CARRIERS * bits))
    symbols += -symbols % _G3_STEP
    return (symbols + _G3_FCH_SYMBOLS) * _G3_SYMBOL_US + _G3_PREAMBLE_US


def oqpsk_us(size: int) -> float:
    """Return the air time of an IEEE 802.15.4 O-QPSK frame, PSDU of ``size`` bytes, 250 kbit/s."""
    return (6 + size) * 32


def wisun_us(size: int, mode: str) -> float:
    """Return the air time of a Wi-SUN FSK frame, PSDU of ``size`` bytes without its FCS."""
    rate, preamble = WISUN_MODES[mode]
    return (size + 8 + preamble) * 8_000_000 / rate


def wifi_us(size: int, mode: str) -> float:
    """Return the air time of an IEEE 802.11 ERP-OFDM frame of ``size`` bytes with its FCS."""
    return 26 + 4 * -(-(22 + 8 * size) // WIFI_MODES[mode])


def ethernet_us(size: int, rate_bps: float) -> float:
    """Return the time of an Ethernet frame of ``size`` bytes without FCS, preamble and gap."""
    return (size + 4 + 20) * 8_000_000 / rate_bps


def serial_us(size: int, rate_bps: float) -> float:
    """Return the time of ``size`` characters on a serial line: start, 8 data and stop bits."""
    return size * 10_000_000 / rate_bps


def frame_limit_bytes(phy: str, mode: str) -> int | None:
    """Return the largest frame that a physical layer can carry, or None where it has no limit."""
    if phy == "prime":
        bits, flush, _ = PRIME_MODES[mode]
        return (_PRIME_MAX_SYMBOLS * bits - flush) // 8
    if phy == "g3":
        return g3_payload_bytes(_G3_MAX_SYMBOLS, mode)
    return {"oqpsk": 127, "wisun": 2043, "wifi": 4095}.get(phy)


def rounded(function: Callable[[int], float]) -> Callable[[int], int]:
    """Return ``function`` in whole microseconds, at least one."""
    return lambda size: max(1, int(function(size) + 0.5))
