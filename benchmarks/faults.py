"""Cost of a short-circuit solution: ``python -m benchmarks faults``.

Times are the best of several rounds in one process, another place and other power at each step.
"""

from __future__ import annotations

import copy
import time
import warnings
from typing import Any

import numpy as np

from benchmarks.timing import best_ms, figure
from fernwatt.gridmodel import GridModel, load_grid
from fernwatt.gridmodel.faults import FaultSolver, Short, Upstream
from fernwatt.gridmodel.phases import PhaseRule, assign_phases, connect_phases
from fernwatt.gridmodel.solvers import FourWireSolver

MEDIUM, LOW = "1-MV-semiurb--0-sw", "1-LV-semiurb4--0-sw"
PLACES = tuple(f"MV2.101 Load {number}" for number in (5, 6, 9, 11))
FLOOR_CALC_SC = 1.5  # of the faster of its two ways, one figure of one bus
FLOOR_RUNPP = 2.0
SHORTS = (((0, 1, 2), False), ((1, 2), False), ((0,), True))


def run() -> list[dict[str, Any]]:
    """Return one row for each figure; AssertionError where a floor is not held."""
    model = load_grid({"simbench": MEDIUM}, lv=[{"simbench": LOW, "at": at} for at in PLACES])
    model = connect_phases(model, assign_phases(model, PhaseRule(), seed=1))
    solver = FaultSolver(FourWireSolver(model), Upstream.of(None, model))
    return [*_against_pandapower(model, solver), _converters(model, solver), _study(model, solver)]


def _power(model: GridModel, feeding: float) -> list[np.ndarray]:
    """Return powers by terminal and phase; a share of the terminals ``feeding`` feeds in."""
    rng = np.random.default_rng(1)
    p_w = np.abs(model.static_power()[0])[:, None] / 3 * np.ones(3)
    sign = np.where(rng.random((len(p_w), 1)) < feeding, -1.0, 1.0)
    return [0.5 * sign * p_w * rng.uniform(0.5, 1.0, p_w.shape) for _ in range(20)]


def _short(model: GridModel, number: int) -> Short:
    phases, ground = SHORTS[number % len(SHORTS)]
    line = number * 37 % len(model.lines)
    return Short("x", line=line, position=0.5, phases=phases, ground=ground, r_ohm=0.01)


def _solve(model: GridModel, solver: FaultSolver, powers: list[np.ndarray], number: int) -> None:
    solver.solve(powers[number], 0.3 * np.abs(powers[number]), [_short(model, number)])


def _against_pandapower(model: GridModel, solver: FaultSolver) -> list[dict[str, Any]]:
    """All phases, loads, and what is before it, against one balanced figure of pandapower's."""
    import pandapower as pp
    from pandapower.shortcircuit import calc_sc

    powers = _power(model, 0.0)
    ours = best_ms(lambda n: _solve(model, solver, powers, n), 20)
    net = copy.deepcopy(model.net)
    net.ext_grid["s_sc_max_mva"] = 5000.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")

        def one_bus(number: int) -> None:
            bus = int(net.line["to_bus"].iloc[number * 37 % len(net.line)])
            calc_sc(net, bus=bus, ip=False, ith=False, inverse_y=False)

        one_bus(0)
        theirs = best_ms(one_bus, 5, 3)
        plain = copy.deepcopy(model.net)
        pp.runpp(plain)
        runpp = best_ms(lambda _: pp.runpp(plain), 5, 3)
    name = f"short circuit {MEDIUM} + {len(PLACES)} LV"
    what = f"{len(model.buses)} buses, power flow before it included"
    rows = [
        figure(f"{name}, calc_sc", ours, "ms", theirs, f"{what}; reference: calc_sc of one bus"),
        figure(f"{name}, runpp", ours, "ms", runpp, f"{what}; reference: plain runpp"),
    ]
    for row, floor in zip(rows, (FLOOR_CALC_SC, FLOOR_RUNPP), strict=True):
        assert row["ratio"] >= floor, row
    return rows


def _converters(model: GridModel, solver: FaultSolver) -> dict[str, Any]:
    powers = _power(model, 0.4)
    spent_ms = best_ms(lambda n: _solve(model, solver, powers, n), 20)
    note = "four in ten terminals feed in, limited in current"
    return figure("short circuit with converters", spent_ms, "ms", None, note)


def _study(model: GridModel, solver: FaultSolver) -> dict[str, Any]:
    """The same power, the middle of every line, three kinds: what grading asks for."""
    p_w = _power(model, 0.0)[0]
    begin = time.perf_counter()
    for line in range(len(model.lines)):
        for phases, ground in SHORTS:
            short = Short("x", line=line, position=0.5, phases=phases, ground=ground)
            solver.solve(p_w, 0.3 * p_w, [short])
    count = 3 * len(model.lines)
    spent_s = time.perf_counter() - begin
    return figure("short circuits in every line", spent_s, "s", None, f"{count} solutions")
