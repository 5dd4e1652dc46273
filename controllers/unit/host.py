"""What a unit's processor costs in time: a first-in first-out server with the figures of a class.

Costs are integers of microseconds: so much per message parsed or built, and per byte of it (in
nanoseconds); where messages are signed, so much for signing and verifying one (Ed25519), where
they are encrypted, so much per byte (AES-256-GCM); for sums that are hidden, so much per hash
(HMAC-SHA-256 of a short text) and per multiplication of a point (Curve25519). They are
assumptions of order of magnitude, see ``docs/models/unit.md``; a scenario may set its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fernwatt.errors import Fault, ScenarioError

__all__ = ["CLASSES", "Crypto", "Host", "HostClass", "host_class"]


@dataclass(frozen=True, slots=True)
class HostClass:
    """Processing costs of one class of hardware."""

    parse_us: int
    build_us: int
    parse_ns_per_byte: int
    build_ns_per_byte: int
    sign_us: int
    verify_us: int
    cipher_ns_per_byte: int
    hash_us: int = 0
    point_us: int = 0
    queue_messages: int = 1_000
    queue_bytes: int = 1 << 20


CLASSES: dict[str, HostClass] = {
    "mcu": HostClass(
        2_000, 2_000, 10_000, 10_000, 15_000, 40_000, 1_000, 500, 20_000, 100, 1 << 15
    ),
    "embedded": HostClass(150, 150, 500, 500, 300, 800, 50, 6, 400),
    "server": HostClass(20, 20, 50, 50, 25, 60, 1, 1, 30, 10_000, 1 << 26),
    "edge": HostClass(30, 30, 80, 80, 40, 100, 2, 1, 50, 10_000, 1 << 26),
    "cloud": HostClass(25, 25, 60, 60, 25, 60, 1, 1, 30, 10_000, 1 << 26),
}


@dataclass(frozen=True, slots=True)
class Crypto:
    """What the run's level of security asks of a processor for every message."""

    signs: bool = False
    encrypts: bool = False


def host_class(name: str, overrides: Mapping[str, Any], path: str) -> HostClass:
    """Return the class ``name`` with a scenario's own figures; raises ScenarioError."""
    if name not in CLASSES:
        known = ", ".join(sorted(CLASSES))
        raise ScenarioError([Fault(path, f"unknown hardware class {name!r}", f"one of {known}")])
    base = CLASSES[name]
    values = {field: getattr(base, field) for field in base.__slots__}
    faults = []
    for key, value in overrides.items():
        if key not in values:
            hint = f"one of {', '.join(values)}"
            faults.append(Fault(f"hosts.{name}.{key}", "unknown cost", hint))
        elif type(value) is not int or value < 0:
            faults.append(Fault(f"hosts.{name}.{key}", "must be an integer from 0 on"))
    if faults:
        raise ScenarioError(faults)
    return HostClass(**{**values, **overrides})


class Host:
    """One processor; units that share it wait for one another."""

    __slots__ = (
        "_build",
        "_bytes",
        "_free_us",
        "_most",
        "_own_build",
        "_own_parse",
        "_parse",
        "_waiting",
        "_work",
    )

    def __init__(self, kind: HostClass, crypto: Crypto | None = None) -> None:
        crypto = crypto or Crypto()
        sealing = kind.cipher_ns_per_byte if crypto.encrypts else 0
        self._parse = (
            kind.parse_us + (kind.verify_us if crypto.signs else 0),
            kind.parse_ns_per_byte + sealing,
        )
        self._build = (
            kind.build_us + (kind.sign_us if crypto.signs else 0),
            kind.build_ns_per_byte + sealing,
        )
        self._work = {"hash": kind.hash_us, "point": kind.point_us, "verify": kind.verify_us}
        # a protocol of its own protection ciphers every byte, and signs none
        ciphering = kind.cipher_ns_per_byte if crypto.signs else 0
        self._own_parse = kind.parse_us, kind.parse_ns_per_byte + ciphering
        self._own_build = kind.build_us, kind.build_ns_per_byte + ciphering
        self._free_us = 0
        self._most = max(1, kind.queue_messages), max(1, kind.queue_bytes)
        # what was taken in and is not parsed yet: when it will be [µs], and its bytes
        self._waiting: deque[tuple[int, int]] | None = None
        self._bytes = 0

    def filled(self, now_us: int, size: int) -> int:
        """Return how much of the queue [%] is taken, with ``size`` bytes more where that is not 0.

        More than 100: they find no room.
        """
        waiting = self._waiting
        if not waiting:
            return 0
        while waiting and waiting[0][0] <= now_us:
            self._bytes -= waiting.popleft()[1]
        count = len(waiting) + (1 if size else 0)
        messages, most_bytes = self._most
        return max(-(-100 * count // messages), -(-100 * (self._bytes + size) // most_bytes))

    def parse(self, now_us: int, size: int, *, own: bool = False) -> int:
        """Take ``size`` bytes in; return when that is done [µs].

        ``own``: protected by their protocol (symmetric keys alone), with no envelope around.
        """
        done_us = self._spend(now_us, *(self._own_parse if own else self._parse), size)
        if self._waiting is None:
            self._waiting = deque()
        self._waiting.append((done_us, size))
        self._bytes += size
        return done_us

    def build(self, now_us: int, size: int, *, own: bool = False) -> int:
        """Make ``size`` bytes; return when they are ready [µs]."""
        return self._spend(now_us, *(self._own_build if own else self._build), size)

    def work(self, now_us: int, kind: str, count: int) -> int:
        """Do ``count`` pieces of work of a kind (``hash``, …); return when it is done."""
        return self._spend(now_us, self._work[kind] * count, 0, 0)

    def _spend(self, now_us: int, cost_us: int, cost_ns_per_byte: int, size: int) -> int:
        self._free_us = max(self._free_us, now_us) + cost_us + cost_ns_per_byte * size // 1000
        return self._free_us
