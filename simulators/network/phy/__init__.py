"""Physical layers: air times (``airtime``) and bit and packet errors (``errors``)."""

from simulators.network.phy.airtime import (
    G3_MODES,
    GPRS_BLOCK_BYTES,
    PRIME_MODES,
    WIFI_MODES,
    WISUN_MODES,
    ethernet_us,
    frame_limit_bytes,
    g3_payload_bytes,
    g3_us,
    modes,
    oqpsk_us,
    prime_us,
    rounded,
    serial_us,
    wifi_us,
    wisun_us,
)
from simulators.network.phy.errors import PacketErrors, bit_error, least_snr_db, packet_error

__all__ = [
    "G3_MODES",
    "GPRS_BLOCK_BYTES",
    "PRIME_MODES",
    "WIFI_MODES",
    "WISUN_MODES",
    "PacketErrors",
    "bit_error",
    "ethernet_us",
    "frame_limit_bytes",
    "g3_payload_bytes",
    "g3_us",
    "least_snr_db",
    "modes",
    "oqpsk_us",
    "packet_error",
    "prime_us",
    "rounded",
    "serial_us",
    "wifi_us",
    "wisun_us",
]
