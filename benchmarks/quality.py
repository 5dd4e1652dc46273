"""Cost of harmonics, and of looking at quality: ``python -m benchmarks quality``.

All orders of one state with phases and neutral, held to OpenDSS's own harmonics mode on the same
circuit (without the work of reading its results).
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np

from benchmarks.timing import best_ms, figure
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.faults import Upstream
from fernwatt.gridmodel.harmonics import ORDERS
from fernwatt.gridmodel.phases import PhaseRule, assign_phases, connect_phases
from fernwatt.gridmodel.solvers import FourWireSolver
from simulators.grid.quality import Distortion, KindsDrawn
from simulators.grid.quality.collect import Collector

GRID = "1-LV-rural3--0-sw"
FLOOR = 1.0
CEILING_STATE_MS = 1.0


def run() -> list[dict[str, Any]]:
    """Return one row for each figure; AssertionError where a limit is not held."""
    model = load_grid({"simbench": GRID})
    model = connect_phases(model, assign_phases(model, PhaseRule(), seed=1))
    solver = FourWireSolver(model)
    p_w, q_var = (np.repeat(values[:, None] / 3, 3, axis=1) for values in model.static_power())
    state = solver.solve(p_w, q_var)
    distortion = Distortion(solver, Upstream.of(None, model), 1)
    drawn = KindsDrawn.of({}, len(p_w)).with_rest(p_w, q_var)
    ours = best_ms(lambda _: distortion.solve(state, drawn), 5)
    collector = Collector(model)
    look = best_ms(lambda n: collector.hold(n, state), 100)
    theirs = _opendss_ms(solver)
    assert theirs / ours >= FLOOR, f"harmonics: {theirs / ours:.1f} times OpenDSS"
    assert look <= CEILING_STATE_MS, f"quality of a state: {look:.2f} ms"
    buses = f"{len(model.buses)} buses"
    return [
        figure(
            f"harmonics, {len(ORDERS)} orders, {buses}",
            ours,
            "ms",
            theirs,
            "reference: OpenDSS, mode harmonics",
        ),
        figure(f"quality of one state, {buses}", look, "ms", None, "each change of state"),
    ]


def _opendss_ms(solver: FourWireSolver) -> float:
    command = solver.circuit.command
    with tempfile.TemporaryDirectory() as folder:
        command(f"set datapath={folder}")  # where it leaves the voltages of 50 Hz
        command("solve mode=snapshot")
        command("set mode=harmonics")
        command(f"set harmonics=({' '.join(str(order) for order in ORDERS)})")
        return best_ms(lambda _: command("solve"), 3)
