"""Signal levels between the stations of one medium, each against the noise at its receiver."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

__all__ = ["Levels", "mark", "normal"]


class Levels:
    """Signal to noise of every pair of stations [dB]; ``-inf`` where nothing arrives.

    ``rows[sender][receiver]`` is what a receiver gets of a sender, ``hearers[sender]`` the
    stations, in order, that get at least ``floor_db``. Memory is eight bytes a pair.
    """

    __slots__ = ("floor_db", "hearers", "rows")

    def __init__(self, snr_db: NDArray[np.float64], floor_db: float) -> None:
        self.floor_db = floor_db
        self.rows: list[array[float]] = []
        self.hearers: list[tuple[int, ...]] = []
        self.renew(snr_db)

    def renew(self, snr_db: NDArray[np.float64]) -> None:
        """Take other levels (n × n, by sender and receiver); nobody hears itself."""
        levels = np.array(snr_db, dtype=float)
        np.fill_diagonal(levels, -inf)
        self.rows = [array("d", row.tobytes()) for row in levels]
        number = list(range(len(levels))).__getitem__  # one object for all who hear a station
        self.hearers = [
            tuple(map(number, np.flatnonzero(row >= self.floor_db).tolist())) for row in levels
        ]

    def hears(self, receiver: int, sender: int) -> bool:
        """Tell whether a station can tell a sender from noise."""
        return self.rows[sender][receiver] >= self.floor_db

    def apart(self, root: int, *, hops: bool = True) -> Sequence[int]:
        """Return the stations that no chain of stations, each hearing the next, joins to ``root``.

        Without ``hops`` the chain has one link. Both directions must be heard: a frame wants its
        acknowledgement.
        """
        reached, front = {root}, [root]
        while front:
            here = front.pop()
            for there in self.hearers[here]:
                if there not in reached and self.hears(here, there):
                    reached.add(there)
                    if hops:
                        front.append(there)
        return [station for station in range(len(self.rows)) if station not in reached]


def normal(seed: int, what: str, name: str) -> float:
    """Return a standard normal number that belongs to a name for good."""
    return float(ndtri((mark(seed, what, name) >> 11) * 2.0**-53 + 2.0**-54))


def mark(seed: int, what: str, name: str) -> int:
    """Return 64 bits that belong to a name."""
    digest = hashlib.sha256(f"{seed}\x1f{what}\x1f{name}".encode()).digest()
    return int.from_bytes(digest[:8])
