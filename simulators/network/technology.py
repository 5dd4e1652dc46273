"""What the technologies of all kinds have: physical layer, headers, errors, queue."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Technology"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Technology:
    """What all kinds have: the physical layer, the headers, the errors and the queue.

    ``mtu_bytes`` is the largest frame, its headers included. ``error`` is the probability that
    noise destroys a frame, ``ber`` a bit error rate on top of it. With ``bad_ms`` > 0 the
    channel has bursts: good and bad spells of exponential length, ``error_bad`` while bad.
    ``retries`` is how often a frame is repeated; ``queue_frames`` the room per priority class.
    ``transmit_ma``, ``receive_ma`` (listening) and ``sleep_ua`` are what a device on a battery
    of ``supply_v`` draws.
    """

    name: str
    title: str
    phy: str
    mode: str = ""
    mtu_bytes: int
    frame_header_bytes: int
    fragment_header_bytes: int = 0
    fragment_unit_bytes: int = 1
    message_header_bytes: int = 0
    error: float = 0.0
    ber: float = 0.0
    good_ms: float = 0.0
    bad_ms: float = 0.0
    error_bad: float = 0.0
    retries: int = 0
    queue_frames: int
    transmit_ma: float = 0.0
    receive_ma: float = 0.0
    sleep_ua: float = 0.0
    supply_v: float = 3.0
