"""Charging points: sessions, and the firmware that serves them without any communication.

A vehicle is charged at full power from plug-in until what it asked for is in. A set-point takes
the place of full power until it ends or the vehicle leaves; below the smallest power a point can
charge with, it pauses. When what is missing needs full power until departure, the point charges
at full power whatever the set-point says. So the energy at departure is the same with every
set-point, as long as there is supply.

Time is in whole milliseconds. A point that would finish within a millisecond charges a little
less than asked (by less than one part in the number of milliseconds left), so that the energy
is in exactly at the tick.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulators.devices.setpoints import NEVER_MS, SetPoints
from simulators.devices.specs import EvSpec, FloatArray, SessionSpec

__all__ = ["EvFleet"]

_WMS_PER_WH = 3.6e6
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class EvFleet:
    """All charging points of a run, in arrays of length n.

    ``p_w`` is what they draw, ``remaining_wh`` what is missing (0 without a vehicle),
    ``session`` the number of the session in ``sessions`` (-1 without a vehicle).
    """

    def __init__(self, specs: Sequence[EvSpec]) -> None:
        n = len(specs)
        self.p_max_w = np.array([spec.p_max_w for spec in specs], dtype=float)
        self.p_min_w = np.array([spec.p_min_w for spec in specs], dtype=float)
        self.p_w = np.zeros(n)
        self.session = np.full(n, -1, dtype=np.int64)
        self.departure_ms = np.full(n, NEVER_MS, dtype=np.int64)
        self.remaining_wh = np.zeros(n)
        self.set_points = SetPoints(n)
        visits = [(s.arrival_ms, row, s) for row, spec in enumerate(specs) for s in spec.sessions]
        visits.sort(key=lambda visit: visit[:2])
        self.sessions: list[SessionSpec] = [visit[2] for visit in visits]
        self.session_row = [visit[1] for visit in visits]
        self._arrivals = np.array([visit[0] for visit in visits], dtype=np.int64)
        self._arrived = 0
        self._end_ms = np.full(n, NEVER_MS, dtype=np.int64)  # when the present power must change
        self._stale = np.zeros(n, dtype=bool)

    def draw(self, span_ms: int) -> FloatArray:
        """Let the present power hold for ``span_ms``; return the energy drawn [Wh], ``[n]``."""
        energy_wh = self.p_w * (span_ms / _WMS_PER_WH)
        self.remaining_wh -= energy_wh
        return energy_wh

    def depart(self, t_ms: int) -> list[tuple[int, int, float]]:
        """Unplug the vehicles that leave; return (row, session, energy that is missing)."""
        rows = np.flatnonzero(self.departure_ms <= t_ms)
        left = [(int(r), int(self.session[r]), max(0.0, float(self.remaining_wh[r]))) for r in rows]
        self.session[rows], self.departure_ms[rows] = -1, NEVER_MS
        self.remaining_wh[rows] = 0.0
        self.set_points.clear(rows)
        self._stale[rows] = True
        return left

    def arrive(self, t_ms: int) -> list[tuple[int, int]]:
        """Plug in the vehicles that come; return (row, session)."""
        last = int(np.searchsorted(self._arrivals, t_ms, side="right"))
        came = [(self.session_row[number], number) for number in range(self._arrived, last)]
        for row, number in came:
            visit = self.sessions[number]
            self.session[row], self.departure_ms[row] = number, visit.departure_ms
            self.remaining_wh[row] = visit.energy_wh
            self._stale[row] = True
        self._arrived = last
        return came

    def touch(self, rows: IntArray | int | BoolArray) -> None:
        """Have the power of these points worked out anew at the next ``decide``."""
        self._stale[rows] = True

    def decide(self, t_ms: int, energised: BoolArray) -> IntArray:
        """Work out the power of every point for which something changed; return their rows."""
        self._stale |= self._end_ms <= t_ms
        rows = np.flatnonzero(self._stale)
        if not len(rows):
            return rows
        self._stale[rows] = False
        p_max_w, left_ms = self.p_max_w[rows], self.departure_ms[rows] - t_ms
        # less than this is the rounding of the sums above, and done
        missing_wh = self.remaining_wh[rows]
        missing_wh[missing_wh < 1e-12 * p_max_w] = 0.0
        self.remaining_wh[rows] = missing_wh
        missing_wms = missing_wh * _WMS_PER_WH
        p_w = self._wanted(rows, missing_wms, left_ms)
        p_w[~energised[rows]] = 0.0
        self.p_w[rows], self._end_ms[rows] = self._until(t_ms, p_w, p_max_w, missing_wms, left_ms)
        return rows

    def _wanted(self, rows: IntArray, missing_wms: FloatArray, left_ms: IntArray) -> FloatArray:
        """Return the power that firmware and set-point ask for."""
        p_max_w = self.p_max_w[rows]
        asked_w = self.set_points.p_w[rows]
        asked_w = np.where(np.isnan(asked_w), p_max_w, np.clip(asked_w, 0.0, p_max_w))
        asked_w[asked_w < self.p_min_w[rows]] = 0.0
        must = np.ceil(missing_wms / p_max_w) >= left_ms
        return np.where(missing_wms > 0, np.where(must, p_max_w, asked_w), 0.0)

    @staticmethod
    def _until(
        t_ms: int,
        p_w: FloatArray,
        p_max_w: FloatArray,
        missing_wms: FloatArray,
        left_ms: IntArray,
    ) -> tuple[FloatArray, IntArray]:
        """Return the power to hold, and when it must be worked out anew by itself."""
        draws = p_w > 0
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            finish_ms = np.ceil(np.where(draws, missing_wms / p_w, np.inf))
            slack_ms = np.floor((left_ms * p_max_w - missing_wms) / (p_max_w - p_w))
            ends = finish_ms <= left_ms
            p_w = np.where(ends, missing_wms / finish_ms, p_w)
        waits = (missing_wms > 0) & (slack_ms < np.minimum(finish_ms, left_ms)) & (slack_ms >= 1)
        after_ms = np.where(waits, slack_ms, np.where(ends, finish_ms, np.inf))
        end_ms = np.full(len(p_w), NEVER_MS, dtype=np.int64)
        known = np.isfinite(after_ms)
        end_ms[known] = t_ms + after_ms[known].astype(np.int64)
        return p_w, end_ms

    @property
    def due_ms(self) -> int:
        """The next tick at which something happens by itself."""
        arrival = NEVER_MS
        if self._arrived < len(self._arrivals):
            arrival = int(self._arrivals[self._arrived])
        departure = int(self.departure_ms.min(initial=NEVER_MS))
        ends = int(self._end_ms.min(initial=NEVER_MS))
        return min(arrival, departure, ends, self.set_points.due_ms)
