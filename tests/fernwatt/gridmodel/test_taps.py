"""Taps moved in a living solver: against runpp of the record with that tap, for all solvers."""

from __future__ import annotations

import copy

import numpy as np
import pandapower as pp
import pytest

from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.solvers import SOLVERS, make_solver
from fernwatt.gridmodel.taps import tap_steps

GRIDS = [
    ({"simbench": "1-LV-semiurb4--0-sw"}, ()),
    ({"simbench": "1-MV-semiurb--0-sw"}, ({"simbench": "1-LV-rural1--0-sw", "at": 40},)),
]


def reference(model, positions, p_w):
    net = copy.deepcopy(model.net)
    net.trafo["tap_pos"] = [float(position) for position in positions]
    net.load["p_mw"], net.load["q_mvar"] = p_w * 1e-6, 0.0
    pp.runpp(net, calculate_voltage_angles=True, tolerance_mva=1e-10)
    return net


@pytest.mark.parametrize("name", sorted(SOLVERS))
@pytest.mark.parametrize(("source", "lv"), GRIDS)
def test_moved_taps_give_what_runpp_gives(name, source, lv) -> None:
    model = load_grid(source, lv=lv)
    solver = make_solver(name, model)
    n, k = len(model.terminals), len(model.transformers)
    p_w = model.static_power()[0] * 0.4
    asked = np.repeat(p_w[:, None] / 3.0, 3, axis=1)
    zero = np.zeros((n, 3))
    solver.solve(asked, zero)
    positions = [tap_steps(model, row)[2] for row in range(k)]
    for row in range(k):  # one after the other, to both ends and back
        for position in dict.fromkeys(tap_steps(model, row)[:2]):
            solver.set_tap(row, position)
            positions[row] = position
        state = solver.solve(asked, zero)
        net = reference(model, positions, p_w)
        assert np.abs(state.vm_pu - net.res_bus.vm_pu.to_numpy()).max() < 1e-5
        p_hv = net.res_trafo.p_hv_mw.to_numpy() * 1e6
        q_lv = net.res_trafo.q_lv_mvar.to_numpy() * 1e6
        scale = max(1.0, abs(p_hv).max())
        assert np.allclose(state.transformer.p_from_w, p_hv, atol=3e-4 * scale)
        assert np.allclose(state.transformer.q_to_var, q_lv, atol=3e-4 * scale)
        assert state.p_loss_w == pytest.approx(
            (net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum()) * 1e6, rel=1e-3
        )


@pytest.mark.parametrize("name", sorted(SOLVERS))
def test_a_tap_that_is_not_there_is_refused_and_changes_nothing(name) -> None:
    model = load_grid({"simbench": "1-LV-rural1--0-sw"})
    solver = make_solver(name, model)
    zero = np.zeros((len(model.terminals), 3))
    before = solver.solve(zero, zero)
    low, high, now = tap_steps(model, 0)
    assert low < now < high
    for position in (low - 1, high + 1):
        with pytest.raises(ValueError, match=f"{model.transformers[0].id} has taps from"):
            solver.set_tap(0, position)
    assert np.array_equal(solver.solve(zero, zero).vm_pu, before.vm_pu)
    solver.set_tap(0, high)
    moved = solver.solve(zero, zero)
    solver.set_tap(0, now)
    again = solver.solve(zero, zero)
    assert np.abs(moved.vm_pu - before.vm_pu).max() > 0.03
    assert np.abs(again.vm_pu - before.vm_pu).max() < 1e-9
