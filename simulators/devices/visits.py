"""What charging points tell: sessions that begin and end, powers that change, table ``session``."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.devices.ev import EvFleet
from simulators.devices.events import EventLog
from simulators.devices.intervals import Rows
from simulators.devices.specbase import FloatArray

__all__ = ["Visits", "Why"]

Key = tuple[str, int]
Why = MutableMapping[Key, tuple[str, str]]
"""Kind of device and row: identifier of the cause, reason."""


class Visits:
    """The visits of vehicles at the charging points ``ids``, as events and rows."""

    def __init__(self, ev: EvFleet, ids: Sequence[str], log: EventLog) -> None:
        self._ev, self._ids, self._log = ev, list(ids), log
        self._started: dict[int, str] = {}  # event that began the session at a charging point

    def go(self, t_ms: int, given: MutableMapping[Key, str], why: Why) -> list[Rows]:
        """Let vehicles leave, then come; return the rows of those that left.

        Set-points of vehicles that leave are forgotten in ``given``; ``why`` gets the events.
        """
        rows = []
        for row, number, missing_wh in self._ev.depart(t_ms):
            visit = self._ev.sessions[number]
            delivered_wh = visit.energy_wh - missing_wh
            value: dict[str, Any] = {"session": visit.id, "requested_wh": visit.energy_wh,
                     "delivered_wh": delivered_wh}  # fmt: skip
            if self._ev.p_discharge_w[row] > 0:
                value["fed_back_wh"] = float(self._ev.fed_back_wh[row])
            cause = self._started.pop(row)
            ended = self._log.add(t_ms, "session_ended", self._ids[row], cause, value)
            given.pop(("ev", row), None)
            why["ev", row] = (ended, "session")
            rows.append(self._row(row, number, delivered_wh, complete=True))
        for row, number in self._ev.arrive(t_ms):
            visit = self._ev.sessions[number]
            value = {"session": visit.id, "energy_wh": visit.energy_wh,
                     "departure_ms": visit.departure_ms, "p_max_w": float(self._ev.p_max_w[row]),
                     "p_min_w": float(self._ev.p_min_w[row])}  # fmt: skip
            began = self._log.add(t_ms, "session_started", self._ids[row], "", value)
            self._started[row] = began
            why["ev", row] = (began, "session")
        return rows

    def tell(self, t_ms: int, decided: NDArray[np.int64], before_w: FloatArray, why: Why) -> None:
        """Tell of powers that are others than ``before_w[n]``."""
        for row in decided.tolist():
            power_w = float(self._ev.p_w[row])
            if power_w == before_w[row]:
                continue
            cause, reason = why.get(("ev", row)) or (self._started.get(row, ""), self._reason(row))
            value = {"p_w": power_w, "reason": reason}
            self._log.add(t_ms, "power_changed", self._ids[row], cause, value)

    def _reason(self, row: int) -> str:
        """Return why a point changed its power by itself."""
        ev = self._ev
        if ev.session[row] >= 0 and ev.remaining_wh[row] == 0.0:
            return "complete"
        steps = len(ev.sessions[ev.session[row]].stairs.p_w) > 1 and not ev.must[row]
        return "charging-curve" if steps else "must-charge"

    def close(self, t_ms: int) -> list[Rows]:
        """Return the rows of vehicles that leave now or later, at the run's end."""
        rows = []
        for row in np.flatnonzero(self._ev.session >= 0).tolist():
            number = int(self._ev.session[row])
            visit = self._ev.sessions[number]
            delivered_wh = visit.energy_wh - max(0.0, float(self._ev.remaining_wh[row]))
            complete = visit.departure_ms <= t_ms
            rows.append(self._row(row, number, delivered_wh, complete=complete))
            self._ev.session[row] = -1
        return rows

    def _row(self, row: int, number: int, delivered_wh: float, *, complete: bool) -> Rows:
        visit = self._ev.sessions[number]
        columns = {
            "session": [visit.id], "device": [self._ids[row]], "arrival_ms": [visit.arrival_ms],
            "departure_ms": [visit.departure_ms], "requested_wh": [visit.energy_wh],
            "delivered_wh": [delivered_wh], "complete": [complete],
        }  # fmt: skip
        return ("session", columns)
