"""A grid that asks for more than a solution can carry: an error that says where, or shed loads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ComponentError, ConvergenceError
from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.solvers import SOLVERS, make_solver
from simulators.grid import GridSimulator
from simulators.grid.shedding import Shedding, feeders

SOURCE = {"simbench": "1-LV-rural1--0-sw"}
MODEL = load_grid(SOURCE)
N = len(MODEL.terminals)
USUAL = np.full((N, 3), 500.0)
ROW = {name.rsplit("-")[-1]: row for row, name in enumerate(MODEL.terminal_ids)}  # by number
LINE = "line/lv1.101/line-"
HOUR_MS = 3_600_000


class World:
    """A grid, stepped by hand; ``tables`` and ``events`` are all that it recorded."""

    def __init__(self, solver, **params):
        self.grid = GridSimulator()
        self.grid.init("grid", 0.001, end_ms=10 * HOUR_MS)
        self.grid.create(1, "Grid", source=SOURCE, solver=solver, interval_ms=900_000, **params)
        self.tables, self.events = [], []

    def step(self, t_ms, p_w, q_var=None):
        q_var = 0.2 * p_w if q_var is None else q_var
        power = {"d": {"index": MODEL.index, "p_w": p_w, "q_var": q_var}}
        self.grid.step(t_ms, {"grid": {"power": power}}, 10**12)
        data = self.grid.get_data({"grid": ["state", "terminal", "rows", "events"]})["grid"]
        self.tables += [item[-1] for item in data.get("rows", [])]
        self.events += [item[-1] for item in data.get("events", [])]
        return data["state"]

    def told(self, kind):
        return [event for event in self.events if event.kind == kind]


def numbers(value):
    """Yield all arrays of numbers in a payload or a table's columns; None is no number."""
    if isinstance(value, dict):
        for item in value.values():
            yield from numbers(item)
    elif isinstance(value, list | tuple):
        if all(isinstance(item, int | float | None) for item in value):
            yield np.array([item for item in value if item is not None], dtype=float)
        else:
            for item in value:
                yield from numbers(item)
    elif isinstance(value, np.ndarray | float):
        yield np.asarray(value, dtype=float)


def hold_finite(value):
    found = list(numbers(value))
    assert found
    assert all(np.isfinite(array).all() for array in found)


OVERLOADS = st.lists(
    st.tuples(st.integers(0, N - 1), st.integers(0, 2), st.floats(2, 9), st.booleans()),
    min_size=1, max_size=6,
)  # fmt: skip


def overloaded(draws):
    p_w = USUAL.copy()
    for row, phase, exponent, feeds in draws:
        p_w[row, phase] = 10.0**exponent * (-1.0 if feeds else 1.0)
    return p_w


@pytest.mark.parametrize("solver", sorted(SOLVERS))
@pytest.mark.parametrize("way", ["stop", "shed"])
@given(draws=OVERLOADS)
@settings(max_examples=15, deadline=None)
def test_any_overload_ends_in_one_of_two_ways_and_never_in_nan(solver, way, draws):
    world = World(solver, on_divergence=way)
    p_w = overloaded(draws)
    asked = p_w.sum()
    failed = False
    world.step(0, USUAL)
    try:
        state = world.step(HOUR_MS, p_w)
    except ComponentError as error:
        assert way == "stop"
        failed = True
        text = str(error)
        assert text.startswith("simulator grid failed at simulated time 3600.000 s: the power flow")
        for part in ("worst bus bus/", "largest change", "all terminals together draw"):
            assert part in text
    else:
        hold_finite(state)
        shed = world.told("load_shed")
        drawn = state["p_w"].sum()
        assert drawn == pytest.approx(asked - sum(e.value["p_w"] for e in shed), rel=1e-9, abs=0.1)
        if way == "stop":
            assert not shed
        world.step(2 * HOUR_MS, USUAL)
        assert len(world.told("load_restored")) == len(shed)
        state = world.step(3 * HOUR_MS, 1.1 * USUAL)
        assert state["p_w"].sum() == pytest.approx(1.1 * USUAL.sum())
    hold_finite([rows["columns"] for rows in world.tables])
    names = {rows["table"] for rows in world.tables}
    assert names >= {"bus", "branch", "terminal", "system"} or failed


def test_the_feeders_of_a_grid():
    found = feeders(MODEL, np.array([switch.closed for switch in MODEL.switches]))
    by_terminal = {t.id.rsplit("-")[-1]: found[t.bus] for t in MODEL.terminals}
    expected = {"10": ["8"], "12": ["12", "5", "4"], "3": ["9", "10", "3", "6", "13"],
                "7": ["2", "11", "1", "7"]}  # fmt: skip
    assert by_terminal == {load: LINE + line for line, loads in expected.items() for load in loads}
    trafo = next(t for t in MODEL.transformers)
    assert found[trafo.lv_bus] == trafo.lv_bus  # a busbar is no feeder's
    off = np.array([s.closed and s.kind != "transformer" for s in MODEL.switches])
    assert trafo.lv_bus not in feeders(MODEL, off)


@pytest.mark.parametrize("solver", sorted(SOLVERS))
def test_the_worst_feeder_is_shed_and_restored_with_its_energy(solver):
    world = World(solver, on_divergence="shed")
    before = world.step(0, USUAL)["p_w"]
    assert before == pytest.approx(USUAL)
    p_w = USUAL.copy()
    p_w[ROW["5"]] = 1e9  # nothing of it can be carried
    state = world.step(HOUR_MS, p_w)
    mine = [ROW[load] for load in ("12", "5", "4")]
    others = np.setdiff1d(np.arange(N), mine)
    assert (state["p_w"][mine] == 0.0).all()
    assert state["p_w"][others] == pytest.approx(USUAL[others])
    assert state["energised"].all()  # it has voltage: nobody opened anything
    (event,) = world.told("load_shed")
    assert (event.element, event.value["terminals"], event.value["share"]) == (LINE + "12", 3, 1.0)
    assert event.value["p_w"] == pytest.approx(3e9 + 2 * 1500.0)
    assert event.t_us == HOUR_MS * 1000
    world.step(HOUR_MS + 600_000, p_w)  # the same: nothing new to tell
    world.step(2 * HOUR_MS, 1.5 * USUAL)
    (event,) = world.told("load_restored")
    assert event.element == LINE + "12"
    assert event.value["energy_wh"] == pytest.approx(3e9 + 2 * 1500.0)
    import_wh = world.step(3 * HOUR_MS, USUAL)["import_wh"]
    assert import_wh[ROW["5"]] == pytest.approx(1500.0 + 0.0 + 2250.0)


def test_half_of_a_feeder_is_shed_where_half_is_enough():
    world = World("balanced", on_divergence="shed")
    p_w = USUAL.copy()
    p_w[ROW["5"]] = 5e5
    with pytest.raises(ComponentError):
        World("balanced").step(0, p_w)
    state = world.step(0, p_w)
    (event,) = world.told("load_shed")
    assert event.value["share"] == 0.5
    assert state["p_w"][ROW["5"]] == pytest.approx(p_w[ROW["5"]] / 2)
    assert state["p_w"][ROW["4"]] == pytest.approx(USUAL[ROW["4"]] / 2)
    assert state["p_w"][ROW["8"]] == pytest.approx(USUAL[ROW["8"]])


def test_what_is_shed_depends_on_nothing_that_was_before():
    p_w = overloaded([(1, 0, 6.0, False), (5, 1, 6.5, True), (9, 2, 6.2, False)])
    first, second = (World("balanced", on_divergence="shed") for _ in range(2))
    first.step(0, USUAL)
    second.step(0, overloaded([(7, 0, 7.0, False), (3, 1, 6.0, False)]))
    assert second.told("load_shed")
    one, other = (world.step(HOUR_MS, p_w)["p_w"] for world in (first, second))
    assert np.array_equal(one, other)


def test_a_grid_that_has_no_solution_without_load_stays_an_error():
    """The shedding gives up with the first error, not with that of an empty grid."""
    shedding, calls = Shedding(MODEL), []

    def never(p_w, q_var):
        calls.append(float(np.abs(p_w).sum() + np.abs(q_var).sum()))
        raise ConvergenceError(f"no solution for {p_w.sum():.0f} W", MODEL.buses[0].id)

    closed = np.ones(len(MODEL.switches), dtype=bool)
    with pytest.raises(ConvergenceError, match=f"{USUAL.sum():.0f} W"):
        shedding.solve(never, USUAL, 0.2 * USUAL, closed)
    assert calls[-1] == 0.0
    assert len(calls) < 30


def test_many_feeders_are_shed_in_few_attempts():
    """Everything far too much in a town's low voltage: attempts grow with the logarithm."""
    model = load_grid({"simbench": "1-LV-urban6--0-sw"})
    solver, attempts = make_solver("balanced", model), []

    def attempt(p_w, q_var):
        attempts.append(p_w.sum())
        return solver.solve(p_w, q_var)

    p_w = np.full((len(model.terminals), 3), 1e6)
    closed = np.array([switch.closed for switch in model.switches])
    state, p_w, _ = Shedding(model).solve(attempt, p_w, 0.0 * p_w, closed)
    assert np.isfinite(state.vm_pu).all()
    assert len(attempts) < 60
