"""Cost of a power flow with phases and neutral: ``python -m benchmarks fourwire``.

Times are the best of several rounds in one process, other uneven power at each step.
"""

from __future__ import annotations

import copy
import time
import warnings
from typing import Any

import numpy as np

from benchmarks.timing import best_ms, figure
from benchmarks.year import YEAR, year_s
from fernwatt.gridmodel import GridModel, load_grid
from fernwatt.gridmodel.phases import PhaseRule, assign_phases, connect_phases
from fernwatt.gridmodel.solvers import FourWireSolver

GRIDS = ("1-LV-semiurb4--0-sw", "1-LV-rural3--0-sw")
YEAR_GRID = "1-LV-rural3--0-sw"
SHARE = 16
FLOOR_RUNPP = 30.0  # from 45 to 115 was measured: OpenDSS feels who else is there
FLOOR_3PH = 30.0
CEILING_YEAR_S = 60.0
DISTRICT = ("1-MV-semiurb--0-sw", ("MV2.101 Load 5", "MV2.101 Load 6", "MV2.101 Load 7"))


def run() -> list[dict[str, Any]]:
    """Return one row for each figure; AssertionError where a floor is not held."""
    rows = [_against_runpp(code) for code in GRIDS]
    rows.append(_against_runpp_3ph())
    rows.append(_year())
    rows += _district()
    return rows


def _uneven(model: GridModel) -> GridModel:
    return connect_phases(model, assign_phases(model, PhaseRule(), seed=1))


def _vectors(model: GridModel, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    p_w = model.static_power()[0]
    return [p_w[:, None] / 3 * rng.uniform(0, 1, (len(p_w), 3)) for _ in range(count)]


def _against_runpp(code: str) -> dict[str, Any]:
    """Four wires against pandapower's balanced power flow of the same grid."""
    import pandapower as pp

    model = _uneven(load_grid({"simbench": code}))
    powers = _vectors(model, 100)
    solver = FourWireSolver(model)
    ours = best_ms(lambda n: solver.solve(powers[n], 0.3 * powers[n]), 100)
    net = copy.deepcopy(model.net)

    def runpp(number: int) -> None:
        net.load["p_mw"] = powers[number].sum(axis=1) * 1e-6
        net.load["q_mvar"] = 0.3 * powers[number].sum(axis=1) * 1e-6
        pp.runpp(net)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runpp(0)
        plain = best_ms(runpp, 10, 3)
    note = "reference: plain runpp, which is balanced"
    row = figure(f"four-wire power flow {code}", ours, "ms", plain, note)
    assert row["ratio"] >= FLOOR_RUNPP, row
    return row


def _against_runpp_3ph() -> dict[str, Any]:
    """The European low-voltage feeder, 907 buses, against pandapower's three-phase power flow."""
    import pandapower as pp
    import pandapower.networks
    import pandas as pd

    from fernwatt.gridmodel.build import build
    from fernwatt.gridmodel.sanitise import sanitise

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = pandapower.networks.ieee_european_lv_asymmetric("on_peak_566")
        tables = {name: table for name, table in net.items() if isinstance(table, pd.DataFrame)}
        uneven = tables.pop("asymmetric_load")
        kw = uneven[["p_a_mw", "p_b_mw", "p_c_mw"]].to_numpy() * 1e3
        names = [f"x{row}" for row in range(len(kw))]
        tables["load"] = pd.DataFrame(
            {"name": names, "bus": uneven["bus"], "p_mw": kw.sum(axis=1) / 1e3}
        )
        record = build(sanitise(tables, 50.0, "feeder"))
        row_of = {name: row for row, name in enumerate(names)}
        kw = kw[[row_of[terminal.name] for terminal in record.terminals]]
        phases = {t.id: int(p.argmax()) + 1 for t, p in zip(record.terminals, kw, strict=True)}
        model = connect_phases(record, phases)
        solver = FourWireSolver(model)
        factors = np.random.default_rng(1).uniform(0.3, 1.2, (100, len(kw), 1))
        q_var = 300.0 * kw
        ours = best_ms(lambda n: solver.solve(1e3 * kw * factors[n], q_var), 100)
        full = uneven[["p_a_mw", "p_b_mw", "p_c_mw"]].to_numpy()

        def runpp_3ph(number: int) -> None:
            net.asymmetric_load[["p_a_mw", "p_b_mw", "p_c_mw"]] = full * factors[number]
            pp.runpp_3ph(net)

        runpp_3ph(0)
        theirs = best_ms(runpp_3ph, 4, 2)
    row = figure("four-wire power flow European LV feeder", ours, "ms", theirs,
               "reference: runpp_3ph, phases without a neutral")  # fmt: skip
    assert row["ratio"] >= FLOOR_3PH, row
    return row


def _year() -> dict[str, Any]:
    """Every ``SHARE``-th quarter-hour of a year of SimBench's profiles; stated for the whole."""
    model = _uneven(load_grid({"simbench": YEAR_GRID}))
    spent_s = year_s(FourWireSolver(model), model, SHARE)
    note = f"{YEAR} steps of {len(model.buses)} buses, every {SHARE}. of them; reference: the limit"
    row = figure(f"four-wire year {YEAR_GRID}", spent_s, "s", CEILING_YEAR_S, note)
    assert row["ratio"] >= 1.0, row
    return row


def _district() -> list[dict[str, Any]]:
    code, places = DISTRICT
    below = [{"simbench": GRIDS[0], "at": place} for place in places]
    model = _uneven(load_grid({"simbench": code}, lv=below))
    powers = _vectors(model, 20)
    begin = time.perf_counter()
    solver = FourWireSolver(model)
    solver.solve(powers[0], 0.3 * powers[0])
    made_s = time.perf_counter() - begin
    step_ms = best_ms(lambda n: solver.solve(powers[n], 0.3 * powers[n]), 20, 3)
    what = f"{len(model.buses)} buses, medium and low voltage"
    return [
        figure(f"four-wire power flow {code} + {len(places)} LV", step_ms, "ms", None, what),
        figure(
            f"four-wire circuit {code} + {len(places)} LV", made_s, "s", None, "made and solved"
        ),
    ]
