"""Cost of a power flow, and of the grid's steps under mosaik: ``python -m benchmarks grid``.

Times are the best of several rounds in one process, the load vector rewritten each time.
"""

from __future__ import annotations

import copy
import importlib.util
import itertools
import time
import warnings
from typing import Any

import mosaik_api_v3
import numpy as np

from benchmarks.timing import best_ms, figure
from benchmarks.year import YEAR, year_s
from fernwatt import mosaik_patch
from fernwatt.gridmodel import GridModel, load_grid
from fernwatt.gridmodel.solvers import BalancedSolver

GRIDS = ("1-LV-semiurb4--0-sw", "1-LV-rural3--0-sw", "1-MV-semiurb--0-sw")
FLOOR_PLAIN = 50.0
FLOOR_RECYCLED = 15.0
YEAR_GRID, SHARE, CEILING_YEAR_S = "1-LV-rural3--0-sw", 32, 10.0
LARGE_GRID, CEILING_LARGE_MS = "1-MVLV-urban-all-0-sw", 20.0
CEILING_LONG_RUN = 1.2
_PEER = "mosaik_components.pandapower"


def run() -> list[dict[str, Any]]:
    """Return one row for each figure; AssertionError where a floor is not held."""
    rows = [row for code in GRIDS for row in _power_flows(code)]
    rows += [_year(), *_large()]
    rows += _peer(GRIDS[0])
    rows += _long_run()
    return rows


def _vectors(model: GridModel, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    p_w = model.static_power()[0]
    return [
        np.repeat((p_w * factor)[:, None] / 3, 3, axis=1) for factor in rng.uniform(0, 1, count)
    ]


def _power_flows(code: str) -> list[dict[str, Any]]:
    import pandapower as pp

    model = load_grid({"simbench": code})
    powers = _vectors(model, 100)
    q_var = np.zeros_like(powers[0])
    solver = BalancedSolver(model)
    solver.solve(powers[0], q_var)
    ours = best_ms(lambda n: solver.solve(powers[n], q_var), 100)
    net = copy.deepcopy(model.net)

    def runpp(number: int, **options: Any) -> None:
        net.load["p_mw"] = powers[number].sum(axis=1) * 1e-6
        pp.runpp(net, **options)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runpp(0)
        plain = best_ms(runpp, 10, 3)
        recycle = {"recycle": {"bus_pq": True, "trafo": False, "gen": False}}
        runpp(0, **recycle)
        recycled = best_ms(lambda n: runpp(n, **recycle), 10, 3)
    rows = [
        figure(f"power flow {code}", ours, "ms", plain, "reference: plain runpp"),
        figure(f"power flow {code}", ours, "ms", recycled, "reference: recycled runpp"),
    ]
    assert rows[0]["ratio"] >= FLOOR_PLAIN, rows[0]
    if "-LV-" in code:
        assert rows[1]["ratio"] >= FLOOR_RECYCLED, rows[1]
    return rows


def _year() -> dict[str, Any]:
    """Every ``SHARE``-th quarter-hour of a year, the best of five rounds; for the whole year."""
    model = load_grid({"simbench": YEAR_GRID})
    solver = BalancedSolver(model)
    spent_s = min(year_s(solver, model, SHARE) for _ in range(5))
    note = f"{YEAR} steps of {len(model.buses)} buses, every {SHARE}. of them; reference: the limit"
    row = figure(f"balanced year {YEAR_GRID}", spent_s, "s", CEILING_YEAR_S, note)
    assert row["ratio"] >= 1.0, row
    return row


def _large() -> list[dict[str, Any]]:
    """A step of a town's medium and low voltage: the solution alone, and the simulator's step."""
    from simulators.grid import GridSimulator

    model = load_grid({"simbench": LARGE_GRID})
    powers = _vectors(model, 20)
    q_var = np.zeros_like(powers[0])
    solver = BalancedSolver(model)
    solver.solve(powers[0], q_var)
    alone_ms = best_ms(lambda n: solver.solve(powers[n], q_var), 20)
    simulator = GridSimulator()
    simulator.init("g", 0.001)
    simulator.create(1, "Grid", source={"simbench": LARGE_GRID}, interval_ms=900_000)
    now = itertools.count(step=300_000)  # every third step ends an interval of the tables

    def step(number: int) -> None:
        power = {"index": model.index, "p_w": powers[number], "q_var": q_var}
        simulator.step(next(now), {"grid": {"power": {"d": power}}}, 10**12)
        simulator.get_data({"grid": ["state", "terminal", "rows"]})

    step(0)
    step_ms = best_ms(step, 18)
    note = f"{len(model.buses)} buses, {len(model.terminals)} terminals; reference: the limit"
    rows = [
        figure(f"power flow {LARGE_GRID}", alone_ms, "ms", CEILING_LARGE_MS, note),
        figure(f"simulator step {LARGE_GRID}", step_ms, "ms", CEILING_LARGE_MS,
               "arrays in and out, registers, tables; reference: the limit"),
    ]  # fmt: skip
    for row in rows:
        assert row["ratio"] >= 1.0, row
    return rows


def _peer(code: str) -> list[dict[str, Any]]:
    """Compare simulator with simulator: every load written, every bus voltage read, scalars."""
    if importlib.util.find_spec("mosaik_components") is None or not importlib.util.find_spec(_PEER):
        print("mosaik-pandapower-2 is not installed: left out (pip install mosaik-pandapower-2)")
        return []
    from mosaik_components.pandapower import Simulator as Peer

    from simulators.grid import GridSimulator

    model = load_grid({"simbench": code})
    ours, theirs = GridSimulator(), Peer()
    ours.init("a", 1.0)
    theirs.init("b", 1.0)
    ours.create(1, "Grid", source={"simbench": code})
    theirs.create(1, "Grid", net=copy.deepcopy(model.net))
    theirs.setup_done()
    loads = model.terminal_ids
    ours_ms = _simulator_ms(ours, loads, "p_mw", [bus.id for bus in model.buses], "vm_pu")
    buses = [f"Bus-{row}" for row in range(len(model.buses))]
    at = [f"Bus-{row}" for row in model.net.load.bus]
    theirs_ms = _simulator_ms(theirs, at, "P_load[MW]", buses, "Vm[pu]")
    note = "reference: mosaik-pandapower-2; scalars, all loads in, all voltages out"
    return [figure(f"simulator step {code}", ours_ms, "ms", theirs_ms, note)]


def _simulator_ms(
    simulator: Any, inputs: list[str], written: str, outputs: list[str], read: str
) -> float:
    wanted = {eid: [read] for eid in outputs}

    def step(number: int) -> None:
        value = 0.001 + 1e-5 * (number % 7)
        simulator.step(number * 900, {eid: {written: {"s.x": value}} for eid in inputs}, 10**9)
        simulator.get_data(wanted)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step(0)
        return best_ms(lambda n: step(n + 1), 20, 3)


class Power(mosaik_api_v3.Simulator):
    """Another power at all terminals with each tick."""

    def __init__(self) -> None:
        model = {"public": True, "params": ["index", "n"], "attrs": ["power"]}
        super().__init__({"api_version": "3.0", "type": "time-based", "models": {"Power": model}})

    def create(self, num: int, model: str, **params: Any) -> Any:  # noqa: ARG002
        self.index, self.p_w = params["index"], np.full((params["n"], 3), 300.0)
        return [{"eid": "power", "type": model}]

    def step(self, time: int, inputs: Any, max_advance: int) -> int:  # noqa: ARG002
        self.factor = 1.0 + 0.1 * (time % 10)
        return time + 1

    def get_data(self, outputs: Any) -> Any:  # noqa: ARG002
        p_w = self.p_w * self.factor
        return {"power": {"power": {"index": self.index, "p_w": p_w, "q_var": 0.1 * p_w}}}


def _long_run() -> list[dict[str, Any]]:
    import mosaik

    mosaik_patch.apply()
    code = "1-LV-rural1--0-sw"
    model = load_grid({"simbench": code})
    per_step = {}
    for steps in (1_000, 10_000, 100_000):  # the first one warms up
        world = mosaik.World(
            {
                "Grid": {"python": "simulators.grid:GridSimulator"},
                "Power": {"python": f"{Power.__module__}:Power"},
            },
            time_resolution=0.001,
            skip_greetings=True,
            configure_logging=False,
        )
        grid = world.start("Grid").Grid(source={"simbench": code})
        power = world.start("Power").Power(index=model.index, n=len(model.terminals))
        world.connect(power, grid, "power")
        begin = time.process_time()
        world.run(until=steps, print_progress=False)
        per_step[steps] = (time.process_time() - begin) / steps * 1e3
    short, long = per_step[10_000], per_step[100_000]
    note = "reference: the same at 10,000 steps (the ratio is short by long)"
    row = figure(f"mosaik step, {code}, 100,000 steps", long, "ms", short, note)
    assert long <= CEILING_LONG_RUN * short, row
    return [row]
