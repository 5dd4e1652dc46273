"""Time-shiftable appliances: a program that may begin later, and runs through once begun.

A job may begin from its earliest start on and must be done by its deadline. Without a set-point it
begins at once. A set-point below half of the program's peak makes it wait, until the last instant
from which the deadline is kept; a larger one, or its end, lets it begin. An order to start at an
instant goes before set-points. A loss of supply halts a program; it goes on where it was, and may
then be late. With ``notice_s`` a job is known so long before its earliest start, when its owner
puts it in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.devices.group import Change, Now
from simulators.devices.machine_specs import ApplianceSpec, JobSpec
from simulators.devices.setpoints import NEVER_MS, SetPoints
from simulators.devices.specbase import FloatArray

__all__ = ["ApplianceFleet"]

IntArray = NDArray[np.int64]
_MS_PER_H = 3.6e6


class ApplianceFleet:
    """All appliances of a run, in arrays of length n.

    ``done_ms`` is how much of the program is through, -1 where none runs.
    """

    periodic = False

    def __init__(self, specs: Sequence[ApplianceSpec]) -> None:
        n, longest = len(specs), max(len(spec.cycle_w) for spec in specs)
        self._cycle_w = np.zeros((n, longest + 1))  # the last column is the end: nothing
        for row, spec in enumerate(specs):
            self._cycle_w[row, : len(spec.cycle_w)] = spec.cycle_w
        self._step_ms = np.array([spec.step_s * 1000 for spec in specs], dtype=np.int64)
        self.total_ms = self._step_ms * np.array([len(spec.cycle_w) for spec in specs])
        self._peak_w = self._cycle_w.max(axis=1)
        self._tan_phi = np.tan(np.arccos(np.array([spec.cos_phi for spec in specs])))
        self._jobs: list[tuple[JobSpec, ...]] = [spec.jobs for spec in specs]
        self._job = np.zeros(n, dtype=np.int64)
        self._earliest_ms, self._latest_ms = np.zeros((2, n), dtype=np.int64)
        self._notice_ms, self._start_ms = np.full((2, n), NEVER_MS, dtype=np.int64)
        self._specs = list(specs)
        self.done_ms = np.full(n, -1, dtype=np.int64)
        self.p_w, self.q_var = np.zeros(n), np.zeros(n)
        self._live, self._due_ms = np.ones(n, dtype=bool), 0
        self.set_points = SetPoints(n)
        for row in range(n):
            self._look_ahead(row)

    def draw(self, t_ms: int, span_ms: int) -> tuple[FloatArray, FloatArray]:  # noqa: ARG002
        """Let the powers hold for ``span_ms`` until ``t_ms``; return energy drawn and lost [Wh]."""
        self.done_ms = np.where(self._runs & self._live, self.done_ms + span_ms, self.done_ms)
        return self.p_w * (span_ms / _MS_PER_H), np.zeros_like(self.p_w)

    @property
    def _runs(self) -> NDArray[np.bool_]:
        runs: NDArray[np.bool_] = self.done_ms >= 0
        return runs

    def decide(self, now: Now) -> list[Change]:
        """Begin and end jobs, and take the power of each program's present part."""
        self._live = now.live
        changes = [
            self._end(row, now.t_ms)
            for row in np.flatnonzero(self.done_ms >= self.total_ms).tolist()
        ]
        told = np.flatnonzero(self._notice_ms <= now.t_ms)
        changes += [Change(row, "job_requested", self._request(row)) for row in told.tolist()]
        self._notice_ms[told] = NEVER_MS
        ordered = self._start_ms < NEVER_MS
        waits = np.where(ordered, self._start_ms > now.t_ms, self.set_points.p_w < self._peak_w / 2)
        ready = ~self._runs & (self._earliest_ms <= now.t_ms) & now.live
        begins = ready & (~waits | (self._latest_ms <= now.t_ms))
        changes += [self._begin(row) for row in np.flatnonzero(begins).tolist()]
        part = np.where(self._runs, self.done_ms // self._step_ms, self._cycle_w.shape[1] - 1)
        p_w = np.take_along_axis(self._cycle_w, part[:, None], axis=1)[:, 0]
        self.p_w = np.where(now.live, p_w, 0.0)
        self.q_var = self.p_w * self._tan_phi
        self._due_ms = self._next_ms(now.t_ms)
        return changes

    def _begin(self, row: int) -> Change:
        self.done_ms[row] = 0
        self._start_ms[row] = NEVER_MS
        job = self._jobs[row][self._job[row]]
        return Change(row, "job_started", {"job": job.id, "deadline_ms": job.deadline_ms})

    def _end(self, row: int, t_ms: int) -> Change:
        job = self._jobs[row][self._job[row]]
        self.done_ms[row] = -1
        self._job[row] += 1
        self._look_ahead(row)
        late_ms = max(0, t_ms - job.deadline_ms)
        return Change(row, "job_ended", {"job": job.id, "late_ms": late_ms})

    def _look_ahead(self, row: int) -> None:
        jobs, number = self._jobs[row], self._job[row]
        if number >= len(jobs):
            self._earliest_ms[row] = self._latest_ms[row] = NEVER_MS
            return
        job = jobs[number]
        self._earliest_ms[row] = job.earliest_ms
        self._latest_ms[row] = job.deadline_ms - self.total_ms[row]
        notice_s = self._specs[row].notice_s
        if notice_s > 0:
            self._notice_ms[row] = max(0, job.earliest_ms - round(notice_s * 1000))

    def order(self, row: int, job: Any, at_ms: int, t_ms: int) -> str:
        """Have a job begin at ``at_ms``; return why it cannot, empty where it can."""
        jobs, number = self._jobs[row], self._job[row]
        if number >= len(jobs) or jobs[number].id != job:
            return f"there is no job {job!r} to start"
        if self.done_ms[row] >= 0:
            return f"{job} has begun"
        earliest_ms, latest_ms = int(self._earliest_ms[row]), int(self._latest_ms[row])
        if not max(earliest_ms, t_ms) <= at_ms <= latest_ms:
            return f"{at_ms} ms is not from {max(earliest_ms, t_ms)} to {latest_ms} ms"
        self._start_ms[row] = at_ms
        return ""

    def _request(self, row: int) -> dict[str, Any]:
        """Return what an appliance tells of its next job."""
        job, spec = self._jobs[row][self._job[row]], self._specs[row]
        return {
            "id": job.id,
            "energy_wh": round(float(spec.cycle_w.sum()) * spec.step_s / 3600, 3),
            "duration_ms": int(self.total_ms[row]),
            "earliest_ms": job.earliest_ms,
            "deadline_ms": job.deadline_ms,
            "step_ms": spec.step_s * 1000,
            "p_w": np.rint(spec.cycle_w).astype(int).tolist(),
        }

    @property
    def stored_wh(self) -> None:
        """Nothing is stored."""

    @property
    def due_ms(self) -> int:
        """When a program goes on to its next part, or a job may or must begin."""
        return self._due_ms

    def _next_ms(self, t_ms: int) -> int:
        part_ms = t_ms + self._step_ms - self.done_ms % self._step_ms
        ordered = self._start_ms < NEVER_MS
        begins_ms = np.where(ordered, self._start_ms, self._latest_ms)
        begins_ms = np.where(self._earliest_ms > t_ms, self._earliest_ms, begins_ms)
        due_ms = np.where(self._runs, part_ms, begins_ms)
        due_ms = due_ms[(self._live | ~self._runs) & (due_ms > t_ms)]
        return int(min(due_ms.min(initial=NEVER_MS), self._notice_ms.min(initial=NEVER_MS)))

    def rows(self) -> None:
        """Appliances have no temperatures."""
