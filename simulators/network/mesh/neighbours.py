"""What a node believes of its neighbours: their place in the tree, and the cost of the link.

The cost of a link is its expected number of transmissions (ETX), a moving average over what
its own transmissions have needed (RFC 6551; the average is that of Contiki-NG).
"""

from __future__ import annotations

from simulators.network.mesh.control import INFINITE_RANK, Dio

__all__ = ["ETX_UNIT", "MAX_ETX", "MAX_PATH_COST", "Neighbour", "Neighbours"]

ETX_UNIT = 128
"""Cost of one expected transmission (RFC 6551, RFC 6719)."""
MAX_ETX = 4.0
"""RFC 6719: MAX_LINK_METRIC 512."""
MAX_PATH_COST = 32768
"""RFC 6719."""
_WEIGHT = 0.15  # Contiki-NG: EWMA_ALPHA 15 %
_DEAD_AFTER = 3  # messages lost in a row, each with all its repetitions
_FORGIVEN_US = 600_000_000  # Contiki-NG: FRESHNESS_EXPIRATION_TIME 10 min


class Neighbour:
    """One neighbour as last heard; ``failures`` are messages lost in a row."""

    __slots__ = ("cost", "epoch", "etx", "failed_us", "failures", "number", "rank", "version")

    def __init__(self, number: int, etx: float) -> None:
        self.number, self.etx = number, etx
        self.version, self.rank, self.cost = -1, INFINITE_RANK, 0
        self.failures = self.failed_us = self.epoch = 0

    @property
    def path_cost(self) -> int:
        """Return the cost of the way to the root over this neighbour [ETX/128]."""
        return self.cost + int(ETX_UNIT * self.etx)

    @property
    def step(self) -> int:
        """Return by how much the rank of its child is higher: at least one transmission."""
        return max(ETX_UNIT, int(ETX_UNIT * self.etx))

    @property
    def dead(self) -> bool:
        """Tell whether it is given up."""
        return self.failures >= _DEAD_AFTER

    def told(self, dio: Dio) -> None:
        """Take what it advertises."""
        self.version, self.rank, self.cost, self.epoch = dio

    def forgivable(self, now_us: int) -> bool:
        """Tell whether it was given up long ago: being heard, it deserves another chance."""
        bad = self.failures or self.etx > MAX_ETX
        return bool(bad) and now_us - self.failed_us > _FORGIVEN_US

    def acknowledged(self, transmissions: int) -> None:
        """Take note of a message that got through with so many transmissions."""
        self.failures = 0
        self.etx += _WEIGHT * (transmissions - self.etx)

    def failed(self, transmissions: int, now_us: int) -> None:
        """Take note of a message that was lost on this link for all its transmissions.

        It counts as if one more had done: hidden stations lose messages on good links too, and
        a network that changes parents for each of them makes the traffic that they are lost in.
        """
        self.failures += 1
        self.failed_us = now_us
        self.etx += _WEIGHT * (transmissions + 1 - self.etx)


class Neighbours(dict[int, Neighbour]):
    """A node's neighbours by number, no more than there is ``room`` for."""

    __slots__ = ("room",)

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def admit(self, number: int, etx: float, dio: Dio, kept: Neighbour | None) -> Neighbour | None:
        """Return a new neighbour, in the place of the worst where all are taken, or None.

        ``kept`` never gives way.
        """
        if etx > MAX_ETX:
            return None
        new = Neighbour(number, etx)
        new.version, new.rank, new.cost, new.epoch = dio
        if len(self) >= self.room:
            worst = max((it for it in self.values() if it is not kept), key=_badness, default=None)
            if worst is None or _badness(worst) <= _badness(new):
                return None
            del self[worst.number]
        self[number] = new
        return new


def _badness(it: Neighbour) -> tuple[bool, bool, int, int, int]:
    return (it.dead, it.rank >= INFINITE_RANK, -it.version, it.path_cost, it.number)
