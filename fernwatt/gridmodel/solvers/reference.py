"""Balanced power flow by pandapower's ``runpp``: slow, and what the fast one is held to."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np

from fernwatt.gridmodel.model import FloatArray, GridModel
from fernwatt.gridmodel.solvers.state import BranchState, GridState, Trouble
from fernwatt.gridmodel.taps import check_tap

__all__ = ["PandapowerSolver"]

_QUARTERS = 10


class PandapowerSolver:
    """``pandapower.runpp`` of a copy of the model's network; constant power, phases summed."""

    def __init__(self, model: GridModel) -> None:
        self._model = model
        self._trouble = Trouble(model, "the solution for a part of all power")
        self._net: Any = copy.deepcopy(model.net)

    def set_switch(self, index: int, closed: bool) -> None:
        """Open or close one switch of the model."""
        self._trouble.switched(index, closed)
        states = self._net.switch["closed"].to_numpy(bool).copy()
        states[index] = closed
        self._net.switch["closed"] = states

    def set_tap(self, index: int, position: int) -> None:
        """Move the tap of one transformer of the model."""
        check_tap(self._model, index, position)
        self._trouble.damaged(f"{self._model.transformers[index].id} on tap {position}")
        self._net.trafo["tap_pos"] = self._net.trafo["tap_pos"].astype(float)
        self._net.trafo.loc[self._net.trafo.index[index], "tap_pos"] = float(position)

    def solve(self, p_w: FloatArray, q_var: FloatArray) -> GridState:
        """Return the state for the power drawn, ``[n, 3]`` [W, var]; see ``Solver``."""
        from pandapower.topology import unsupplied_buses

        p, q = np.sum(p_w, axis=1), np.sum(q_var, axis=1)
        if not (np.isfinite(p).all() and np.isfinite(q).all()):
            raise ValueError("a terminal's power is no number")
        if not self._run(p, q):
            raise self._trouble.error(p, self._estimate(p, q), "runpp did not converge")
        state = self._state()
        if (~state.energised).sum() != len(unsupplied_buses(self._net)):
            raise self._trouble.error(p, state.vm_pu, "voltages that are no numbers")
        self._trouble.solved(p)
        return state

    def _run(self, p_w: FloatArray, q_var: FloatArray) -> bool:
        """Run the power flow; return whether it found a solution."""
        import pandapower as pp
        from pandapower.powerflow import LoadflowNotConverged

        net = self._net
        net.load["p_mw"], net.load["q_mvar"] = p_w * 1e-6, q_var * 1e-6
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                pp.runpp(net, calculate_voltage_angles=True, init="dc", tolerance_mva=1e-9)
        except LoadflowNotConverged:
            return False
        return True

    def _estimate(self, p_w: FloatArray, q_var: FloatArray) -> FloatArray | None:
        """Return the voltages with a quarter, a sixteenth, … of the power, the first that are."""
        for quarters in range(1, _QUARTERS + 1):
            if self._run(p_w / 4**quarters, q_var / 4**quarters):
                vm_pu: FloatArray = self._net.res_bus["vm_pu"].to_numpy(float)
                return vm_pu
        return None

    def _state(self) -> GridState:
        net = self._net
        vm_pu = net.res_bus["vm_pu"].to_numpy(float)
        line = _branch(net.res_line, "from", "to", _column(net.res_line, "i_ka") * 1e3)
        i_lv = _column(net.res_trafo, "i_lv_ka") * 1e3
        transformer = _branch(net.res_trafo, "hv", "lv", i_lv)
        shunt = _column(net.res_shunt, "p_mw").sum() * 1e6
        return GridState(
            vm_pu=vm_pu,
            va_degree=net.res_bus["va_degree"].to_numpy(float),
            energised=np.isfinite(vm_pu),
            line=line,
            transformer=transformer,
            p_terminals_w=_column(net.res_load, "p_mw") * 1e6,
            q_terminals_var=_column(net.res_load, "q_mvar") * 1e6,
            p_slack_w=float(_column(net.res_ext_grid, "p_mw").sum()) * 1e6,
            q_slack_var=float(_column(net.res_ext_grid, "q_mvar").sum()) * 1e6,
            p_loss_w=float(_loss(line) + _loss(transformer) + shunt),
        )


def _column(table: Any, name: str) -> FloatArray:
    values: FloatArray = np.nan_to_num(table[name].to_numpy(float)) if len(table) else np.zeros(0)
    return values


def _branch(table: Any, one: str, other: str, i_a: FloatArray) -> BranchState:
    names = (f"p_{one}_mw", f"q_{one}_mvar", f"p_{other}_mw", f"q_{other}_mvar")
    p_from_w, q_from_var, p_to_w, q_to_var = (_column(table, name) * 1e6 for name in names)
    loading = _column(table, "loading_percent")
    return BranchState(p_from_w, q_from_var, p_to_w, q_to_var, i_a, loading)


def _loss(branch: BranchState) -> float:
    return float(branch.p_from_w.sum() + branch.p_to_w.sum())
