"""Charging points: sessions, and the firmware that serves them without any communication.

A vehicle is charged at full power from plug-in until what it asked for is in. A set-point takes
the place of full power until it ends or the vehicle leaves; below the smallest power a point can
signal, it pauses. Full power is the point's, or less where the vehicle's battery takes less (see
``charging``); what a vehicle takes by itself may be below that smallest power. When what is
missing needs full power until departure, the point charges at full power whatever the set-point
says. So the energy at departure is the same with every set-point, as long as there is supply.

A negative set-point takes energy from a known vehicle at a point that can, not below its reserve,
and only as long as there is time to bring it back. What is missing at the socket then grows by
what was taken, divided by the efficiencies of both ways.

Time is in whole milliseconds. A point that would reach the end of a stair within a millisecond
charges a little less than asked (by less than one part in the number of milliseconds left), so that
the energy is in exactly at the tick.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulators.devices.charging import Stairs
from simulators.devices.ev_specs import EvSpec, SessionSpec
from simulators.devices.setpoints import NEVER_MS, SetPoints
from simulators.devices.specbase import FloatArray

__all__ = ["EvFleet"]

_WMS_PER_WH = 3.6e6
_ROUNDING_WH_PER_W = 1e-12  # less than this is the rounding of sums
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class EvFleet:
    """All charging points of a run, in arrays of length n.

    ``p_w`` is what they draw, ``remaining_wh`` what is missing (0 without a vehicle), ``full_w``
    what a vehicle could draw now, ``session`` the number of the session in ``sessions`` (-1 without
    a vehicle), ``fed_back_wh`` what was taken from it, ``must`` whether it needs full power until
    departure. Energy is kept: what is drawn is lost or in the vehicles.
    """

    def __init__(self, specs: Sequence[EvSpec]) -> None:
        n = len(specs)
        self.p_max_w = np.array([spec.p_max_w for spec in specs], dtype=float)
        self.p_min_w = np.array([spec.p_min_w for spec in specs], dtype=float)
        self.p_discharge_w = np.array([spec.p_discharge_w for spec in specs], dtype=float)
        self.p_w, self.full_w = np.zeros(n), self.p_max_w.copy()
        self.session = np.full(n, -1, dtype=np.int64)
        self.departure_ms = np.full(n, NEVER_MS, dtype=np.int64)
        self.remaining_wh, self.fed_back_wh = np.zeros(n), np.zeros(n)
        self.must = np.zeros(n, dtype=bool)
        self.set_points = SetPoints(n)
        visits = [(s.arrival_ms, row, s) for row, spec in enumerate(specs) for s in spec.sessions]
        visits.sort(key=lambda visit: visit[:2])
        self.sessions: list[SessionSpec] = [visit[2] for visit in visits]
        self.session_row = [visit[1] for visit in visits]
        self._arrivals = np.array([visit[0] for visit in visits], dtype=np.int64)
        self._arrived = 0
        self.knows_vehicles = any(visit.vehicle is not None for visit in self.sessions)
        self._end_ms = np.full(n, NEVER_MS, dtype=np.int64)  # when the present power must change
        self._stale = np.zeros(n, dtype=bool)
        # the stair each vehicle is on: its number, size, and what comes after it
        self._stair = np.zeros(n, dtype=np.int64)
        self._size_wh, self._rest_wh = np.zeros(n), np.zeros(n)
        self._rest_ms = np.zeros(n, dtype=np.int64)
        self._lowest = np.zeros(n, dtype=np.int64)  # stair down to which energy may be taken
        self._stairs: list[Stairs | None] = [None] * n
        # of the vehicles: power taken at most, efficiencies, content when all is in
        self._out_w = np.zeros(n)
        self._in_share, self._out_share = np.ones(n), np.ones(n)
        self._target_wh = np.full(n, np.nan)

    # -- energy ----------------------------------------------------------------------------

    def draw(self, span_ms: int) -> tuple[FloatArray, FloatArray]:
        """Let the present power hold for ``span_ms``; return energy drawn and lost [Wh]."""
        energy_wh = self.p_w * (span_ms / _WMS_PER_WH)
        out_wh = np.minimum(energy_wh, 0.0)
        in_wh = energy_wh - out_wh
        self.fed_back_wh -= out_wh
        self.remaining_wh -= in_wh + out_wh / (self._in_share * self._out_share)
        lost_wh = in_wh * (1.0 - self._in_share) - out_wh * (1.0 / self._out_share - 1.0)
        return energy_wh, lost_wh

    @property
    def contents_wh(self) -> list[float | None]:
        """What is in the battery of each known vehicle that is there [Wh]."""
        content_wh = self._target_wh - self.remaining_wh * self._in_share
        known = ~np.isnan(content_wh)
        return [wh if k else None for wh, k in zip(content_wh.tolist(), known, strict=True)]

    # -- vehicles --------------------------------------------------------------------------

    def depart(self, t_ms: int) -> list[tuple[int, int, float]]:
        """Unplug the vehicles that leave; return (row, session, energy that is missing)."""
        rows = np.flatnonzero(self.departure_ms <= t_ms)
        left = [(int(r), int(self.session[r]), max(0.0, float(self.remaining_wh[r]))) for r in rows]
        self.session[rows], self.departure_ms[rows] = -1, NEVER_MS
        self.remaining_wh[rows] = 0.0
        self.full_w[rows] = self.p_max_w[rows]
        self._size_wh[rows], self._rest_wh[rows], self._rest_ms[rows] = 0.0, 0.0, 0
        self._out_w[rows], self._target_wh[rows] = 0.0, np.nan
        self._in_share[rows], self._out_share[rows] = 1.0, 1.0
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
            self.remaining_wh[row], self.fed_back_wh[row] = visit.energy_wh, 0.0
            self._stairs[row] = visit.stairs
            self._go_to(row, visit.stairs.at(visit.energy_wh))
            vehicle = visit.vehicle
            if vehicle is not None:
                self._in_share[row] = vehicle.charge_efficiency
                self._out_share[row] = vehicle.discharge_efficiency
                self._target_wh[row] = vehicle.target_soc(visit.energy_wh) * vehicle.capacity_wh
                self._out_w[row] = self.p_discharge_w[row]
                self._lowest[row] = visit.stairs.above(visit.missing_wh(vehicle.reserve_soc))
            self._stale[row] = True
        self._arrived = last
        return came

    def _go_to(self, row: int, stair: int) -> None:
        way = self._stairs[row]
        if way is None:
            return
        self._stair[row], self.full_w[row] = stair, way.p_w[stair]
        self._size_wh[row], self._rest_wh[row] = way.size_wh[stair], way.rest_wh[stair]
        self._rest_ms[row] = way.rest_ms[stair]

    # -- firmware --------------------------------------------------------------------------

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
        self._climb(rows)
        asked_w = self.set_points.p_w[rows]
        asked_w = np.where(np.isnan(asked_w), self.p_max_w[rows], asked_w)
        # + 0.0: no negative zero where nothing can be taken
        asked_w = np.clip(asked_w, -self._out_w[rows], self.p_max_w[rows]) + 0.0
        asked_w[np.abs(asked_w) < self.p_min_w[rows]] = 0.0
        p_w = self._wanted(rows, asked_w, t_ms)
        p_w[~energised[rows]] = 0.0
        self._descend(rows[p_w < 0])
        self.p_w[rows], self._end_ms[rows] = self._until(t_ms, rows, p_w)
        return rows

    def _climb(self, rows: IntArray) -> None:
        """Go to the next stair where one is full."""
        tolerance_wh = _ROUNDING_WH_PER_W * self.p_max_w[rows]
        full = rows[self.remaining_wh[rows] - self._rest_wh[rows] < tolerance_wh]
        self.remaining_wh[full] = self._rest_wh[full]
        for row in full[self._rest_wh[full] > 0].tolist():
            self._go_to(row, int(self._stair[row]) + 1)

    def _descend(self, rows: IntArray) -> None:
        """Go to the stair below where one is empty and energy is to be taken."""
        for row in rows[self._empty(rows)].tolist():
            self._go_to(row, int(self._stair[row]) - 1)
            self.remaining_wh[row] = self._rest_wh[row]

    def _empty(self, rows: IntArray) -> BoolArray:
        """Tell who is at the lower end of a stair."""
        above_wh = self._rest_wh[rows] + self._size_wh[rows] - self.remaining_wh[rows]
        empty: BoolArray = above_wh < _ROUNDING_WH_PER_W * self.p_max_w[rows]
        return empty

    def _wanted(self, rows: IntArray, asked_w: FloatArray, t_ms: int) -> FloatArray:
        """Return the power that firmware and set-point ask for."""
        full_w, missing_wms, left_ms = self._task(rows, t_ms)
        missing = self.remaining_wh[rows] > 0
        must = missing & (np.ceil(missing_wms / full_w) >= left_ms)
        must &= ~self.set_points.beyond[rows]  # its owner lets it leave with less
        above = self._stair[rows] - self._lowest[rows]
        takes = (asked_w < 0) & ((above > 0) | ((above == 0) & ~self._empty(rows)))
        fills_w = np.where(missing, np.clip(asked_w, 0.0, full_w), 0.0)
        self.must[rows] = must
        return np.where(must, full_w, np.where(takes, asked_w, fills_w))

    def _task(self, rows: IntArray, t_ms: int) -> tuple[FloatArray, FloatArray, IntArray]:
        """Return full power, what is missing on the present stair [W ms], and the time for it."""
        missing_wms = (self.remaining_wh[rows] - self._rest_wh[rows]) * _WMS_PER_WH
        return self.full_w[rows], missing_wms, self.departure_ms[rows] - t_ms - self._rest_ms[rows]

    def _until(self, t_ms: int, rows: IntArray, p_w: FloatArray) -> tuple[FloatArray, IntArray]:
        """Return the power to hold, and when it must be worked out anew by itself."""
        full_w, missing_wms, left_ms = self._task(rows, t_ms)
        fills, takes = p_w > 0, p_w < 0
        rate_w = np.where(takes, p_w / (self._in_share[rows] * self._out_share[rows]), p_w)
        room_wms = np.where(takes, self._size_wh[rows] * _WMS_PER_WH - missing_wms, missing_wms)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            finish_ms = np.ceil(np.where(fills | takes, room_wms / np.abs(rate_w), np.inf))
            slack_ms = np.floor((left_ms * full_w - missing_wms) / (full_w - rate_w))
            late = takes & (slack_ms < 1)  # no time to bring it back
            p_w, finish_ms = np.where(late, 0.0, p_w), np.where(late, np.inf, finish_ms)
            slack_ms = np.where(late, np.floor(left_ms - missing_wms / full_w), slack_ms)
            ends = finish_ms <= left_ms + self._rest_ms[rows]
            waits = (self.remaining_wh[rows] > 0) | takes
            waits &= (slack_ms < np.minimum(finish_ms, left_ms)) & (slack_ms >= 1)
            waits &= ~self.set_points.beyond[rows]
            exact_w = np.where(takes, p_w / rate_w * -room_wms / finish_ms, room_wms / finish_ms)
            p_w = np.where(ends & ~waits, exact_w, p_w)
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
