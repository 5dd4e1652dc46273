"""A year of quarter-hours of SimBench's profiles, one solution after the other.

``python -m benchmarks.year [balanced | four-wire]`` computes all 35136 of them.
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

import numpy as np

from fernwatt.gridmodel import GridModel, load_grid, load_profiles
from fernwatt.gridmodel.phases import PhaseRule, assign_phases, connect_phases
from fernwatt.gridmodel.solvers import Solver, make_solver

__all__ = ["YEAR", "year_s"]

YEAR = 366 * 96
_GRID = "1-LV-rural3--0-sw"


def year_s(solver: Solver, model: GridModel, share: int = 1) -> float:
    """Return the processor time [s] of a year, worked out from every ``share``-th solution."""
    p_w, q_var = _power(model, share)
    solver.solve(p_w[0], q_var[0])
    begin = time.process_time()  # a year is long enough for others to get in between
    for number in range(len(p_w)):
        solver.solve(p_w[number], q_var[number])
    return (time.process_time() - begin) * share


def _power(model: GridModel, share: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what the terminals draw in every ``share``-th slot: ``[slots, n, 3]`` [W, var]."""
    profiles = load_profiles(model, datetime(2016, 1, 1, tzinfo=UTC), YEAR)
    row = {terminal.id: number for number, terminal in enumerate(model.terminals)}
    slots = np.arange(0, YEAR, share)
    p_w, q_var = np.zeros((2, len(slots), len(row)))
    for device in model.record_devices:
        column = row[device.terminal]
        for total, value, name in (
            (p_w, device.p_w, device.p_profile), (q_var, device.q_var, device.q_profile)
        ):  # fmt: skip
            total[:, column] += value * (profiles[name][slots] if name else 1.0)
    return np.repeat(p_w[:, :, None] / 3, 3, axis=2), np.repeat(q_var[:, :, None] / 3, 3, axis=2)


if __name__ == "__main__":
    name = (sys.argv[1:] or ["balanced"])[0]
    record = load_grid({"simbench": _GRID})
    record = connect_phases(record, assign_phases(record, PhaseRule(), seed=1))
    spent_s = year_s(make_solver(name, record), record)
    print(f"{name}: {YEAR} steps of {len(record.buses)} buses in {spent_s:.1f} s")
