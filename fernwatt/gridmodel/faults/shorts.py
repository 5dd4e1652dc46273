"""Short circuits: where they are, and the loops in which their currents flow."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np

from fernwatt.gridmodel.model import FloatArray

__all__ = ["Short"]

_NEUTRAL = 3
_BETWEEN = 2  # conductors without earth that make a short circuit


@dataclass(frozen=True, slots=True)
class Short:
    """A short circuit at a point of a line or at a bus.

    ``line``: row of the model's lines, ``position`` on it from 0 (from bus) to 1 (to bus), both
    ends on the line's side of a switch there; or ``line`` -1 and ``bus`` a row of its buses.
    ``phases``: of 0, 1, 2. ``ground``: with earth, where there is a neutral conductor with that
    one, or, if ``earth``, with earth all the same (TT, a conductor on the ground).
    ``r_ohm``: between any two phases; with ``ground`` from the joint of the phases to earth or
    neutral. 0 is allowed.
    ``side``: if conductors of the line are broken, they are so at this point; and what touches is
    their piece towards the from bus (0), the to bus (1), or that with supply (None).
    Raises ValueError for what is impossible.
    """

    id: str
    line: int = -1
    position: float = 0.0
    bus: int = -1
    phases: tuple[int, ...] = (0, 1, 2)
    ground: bool = False
    r_ohm: float = 0.0
    earth: bool = False
    side: int | None = None

    def __post_init__(self) -> None:
        """Refuse what is no short circuit."""
        wrong = None
        if (self.line >= 0) == (self.bus >= 0):
            wrong = "needs either a line or a bus"
        elif not 0.0 <= self.position <= 1.0:
            wrong = f"position {self.position} is not between 0 and 1"
        elif not self.phases or len(set(self.phases)) < len(self.phases):
            wrong = f"phases {self.phases} are not different ones"
        elif not set(self.phases) <= {0, 1, 2}:
            wrong = f"phases {self.phases} are not of 0, 1, 2"
        elif len(self.phases) < _BETWEEN and not self.ground:
            wrong = "one phase alone needs the ground"
        elif not (isfinite(self.r_ohm) and self.r_ohm >= 0.0):
            wrong = f"{self.r_ohm} ohm is no resistance"
        elif self.side not in (None, 0, 1):
            wrong = f"side {self.side} is none of 0, 1"
        if wrong is not None:
            raise ValueError(f"short circuit {self.id}: {wrong}")

    def loops(self, neutral: bool) -> tuple[FloatArray, FloatArray]:
        """Return incidence ``[4, k]`` and resistance ``[k, k]`` [ohm] of its ``k`` loops.

        A loop's current leaves the conductor with 1, and comes back to the one with -1; what has
        no -1 goes to earth. ``neutral``: there is a neutral conductor.
        """
        first, *others = self.phases
        if self.ground:
            k = len(self.phases)
            incidence = np.zeros((4, k))
            incidence[list(self.phases), range(k)] = 1.0
            if neutral and not self.earth:
                incidence[_NEUTRAL] = -1.0
            return incidence, np.full((k, k), self.r_ohm)
        k = len(others)
        incidence = np.zeros((4, k))
        incidence[first] = 1.0
        incidence[others, range(k)] = -1.0
        return incidence, self.r_ohm / 2.0 * (np.ones((k, k)) + np.eye(k))
