"""Balanced power flow by power-grid-model: converted once, then changed in place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from power_grid_model import CalculationMethod, PowerGridModel, initialize_array
from power_grid_model.errors import PowerGridError
from power_grid_model_io.converters import PandaPowerConverter

from fernwatt.gridmodel.model import FloatArray, GridModel
from fernwatt.gridmodel.raw import rows
from fernwatt.gridmodel.solvers.state import BranchState, GridState, Trouble

__all__ = ["BalancedSolver"]

_SQRT3 = np.sqrt(3.0)
_BRANCH = ["p_from", "q_from", "p_to", "q_to", "i_from", "i_to"]
_TOLERANCE = 1e-8
_ITERATIONS = 30


class BalancedSolver:
    """Newton-Raphson of the positive sequence; the phases' powers of a terminal are summed.

    Loads draw constant power. About 0.2 ms for a low-voltage grid.
    """

    def __init__(self, model: GridModel) -> None:
        self._model = model
        self._trouble = Trouble(model)
        self._n = len(model.terminals)
        data, ids = _converted(model)
        self._pgm = PowerGridModel(data, system_frequency=float(model.net.f_hz))
        self._load = initialize_array("update", "sym_load", self._n)
        self._load["id"] = ids["load"]
        self._update = {"sym_load": self._load}
        self._switches = _SwitchGear(model, ids)
        # whole rows: power-grid-model hands out single columns at twice the cost
        wanted = ("node", "source", "line", "transformer", "sym_load", "shunt")
        self._output = [kind for kind in wanted if kind in data]
        self._max_i_a = np.array([line.max_i_a for line in model.lines])
        self._rated_a = _rated_currents(model)
        self._pending: dict[Any, Any] = self._switches.all()

    def set_switch(self, index: int, closed: bool) -> None:
        """Open or close one switch of the model."""
        self._trouble.switched(index, closed)
        self._pending.update(self._switches.set(index, closed))

    def solve(self, p_w: FloatArray, q_var: FloatArray) -> GridState:
        """Return the state for the power drawn, ``[n, 3]`` [W, var]; see ``Solver``."""
        p = p_w[:, 0] + p_w[:, 1] + p_w[:, 2]
        q = q_var[:, 0] + q_var[:, 1] + q_var[:, 2]
        if not math.isfinite(p.sum() + q.sum()):
            raise ValueError(self._no_number(p, q))
        self._load["p_specified"], self._load["q_specified"] = p, q
        if self._pending:
            self._pgm.update(update_data=self._pending)
            self._pending = {}
        if self._n:
            self._pgm.update(update_data=self._update)
        try:
            result = self._pgm.calculate_power_flow(
                error_tolerance=_TOLERANCE,
                max_iterations=_ITERATIONS,
                output_component_types=self._output,
            )
        except PowerGridError as error:
            reason = str(error).strip().split("\n")[0]
            raise self._trouble.error(p, self._estimate(), reason) from error
        state = self._state(result)
        if not math.isfinite(result["node"]["u_pu"].sum()):
            raise self._trouble.error(p, state.vm_pu, "voltages that are no numbers")
        self._trouble.solved(p)
        return state

    def _no_number(self, p_w: FloatArray, q_var: FloatArray) -> str:
        row = int(np.argmin(np.isfinite(p_w) & np.isfinite(q_var)))
        return f"{self._model.terminals[row].id} draws {p_w[row]} W, {q_var[row]} var"

    def _estimate(self) -> FloatArray | None:
        """Return voltages of the linear approximation, which exists where the true ones do not."""
        try:
            result = self._pgm.calculate_power_flow(
                calculation_method=CalculationMethod.linear,
                output_component_types=["node"],
            )
        except PowerGridError:
            return None
        node = result["node"]
        return np.where(node["energized"] == 1, node["u_pu"], np.nan)

    def _state(self, result: Any) -> GridState:
        node = result["node"]
        energised = node["energized"] == 1
        line = _branch(result.get("line"))
        line_i = np.maximum(line[4], line[5])
        transformer = _branch(result.get("transformer"))
        loading = np.maximum(transformer[4] / self._rated_a[0], transformer[5] / self._rated_a[1])
        source = result["source"]
        load = result.get("sym_load", _NOTHING)
        shunt = result.get("shunt", _NOTHING)
        loss = line[0].sum() + line[2].sum() + transformer[0].sum() + transformer[2].sum()
        vm_pu, va_degree = node["u_pu"], np.degrees(node["u_angle"])
        if not energised.all():
            vm_pu = vm_pu.copy()
            vm_pu[~energised] = va_degree[~energised] = np.nan
        return GridState(
            vm_pu=vm_pu,
            va_degree=va_degree,
            energised=energised,
            line=_flows(line, line_i, line_i / self._max_i_a),
            transformer=_flows(transformer, transformer[5], loading),
            p_terminals_w=load["p"],
            q_terminals_var=load["q"],
            p_slack_w=float(source["p"].sum()),
            q_slack_var=float(source["q"].sum()),
            p_loss_w=float(loss + shunt["p"].sum()),
        )


_NOTHING: Any = {"p": np.zeros(0), "q": np.zeros(0)}


def _branch(result: Any) -> list[FloatArray]:
    if result is None:
        return [np.zeros(0)] * 6
    return [result[attr] for attr in _BRANCH]


def _flows(branch: list[FloatArray], i_a: FloatArray, loading: FloatArray) -> BranchState:
    p_from_w, q_from_var, p_to_w, q_to_var = branch[:4]
    return BranchState(p_from_w, q_from_var, p_to_w, q_to_var, i_a, loading * 100.0)


def _rated_currents(model: GridModel) -> FloatArray:
    """Return the rated currents [A] of the transformers, high- and low-voltage side: [2, k]."""
    trafo = model.net.trafo
    sn_va = (trafo.sn_mva * trafo.parallel * trafo.df).to_numpy(float) * 1e6
    sides = [trafo[column].to_numpy(float) * 1e3 for column in ("vn_hv_kv", "vn_lv_kv")]
    return np.array([sn_va / (side * _SQRT3) for side in sides]).reshape(2, len(trafo))


def _converted(model: GridModel) -> tuple[dict[Any, Any], dict[str, Any]]:
    """Return the model as power-grid-model's input, and the ids of its parts.

    Switches at lines and transformers are left out of the conversion (it stumbles over two at
    one end) and set by ``_SwitchGear``; each terminal becomes one load of constant power.
    """
    import copy

    net = copy.deepcopy(model.net)
    net.switch = net.switch[net.switch["et"] == "b"]
    converter = PandaPowerConverter()
    data, _ = converter.load_input_data(net, make_extra_info=False)
    ids: dict[str, Any] = {
        name: np.array([converter.get_id(name, int(row)) for row in net[name].index], dtype=int)
        for name in ("bus", "line", "trafo")
    }
    ids["load"] = np.array(
        [converter.get_id("load", int(row), name="const_power") for row in net.load.index],
        dtype=int,
    )
    ids["link"] = {
        int(row): converter.get_id("switch", int(row), name="b2b_switches")
        for row in net.switch.index
    }
    data = dict(data)
    if "sym_load" in data:
        loads = data["sym_load"]
        data["sym_load"] = loads[np.isin(loads["id"], ids["load"])]
    _check_order(data, ids)
    return {kind: array for kind, array in data.items() if len(array)}, ids


def _check_order(data: dict[Any, Any], ids: dict[str, Any]) -> None:
    """Results are read by position: the converter has to have kept the model's order."""
    for kind, name in (
        ("node", "bus"), ("line", "line"),
        ("transformer", "trafo"), ("sym_load", "load"),
    ):  # fmt: skip
        if kind in data and not np.array_equal(data[kind]["id"], ids[name]):
            raise RuntimeError(f"power-grid-model-io changed the order of {kind}")


class _SwitchGear:
    """Translates switches to the status of a branch's ends; several in series are possible."""

    def __init__(self, model: GridModel, ids: dict[str, Any]) -> None:
        self._closed = [switch.closed for switch in model.switches]
        self._place: list[tuple[Any, int, Any]] = []
        self._mates: dict[tuple[Any, int, Any], list[int]] = {}
        net = model.net
        ends = {"l": ("line", "line", "from_bus"),
                "t": ("transformer", "trafo", "hv_bus")}  # fmt: skip
        for row in rows(net.switch):
            if row.et == "b":
                place: tuple[Any, int, Any] = (
                    "link",
                    int(ids["link"][int(row.Index)]),
                    None,
                )
            else:
                kind, name, first = ends[row.et]
                at_from = net[name].at[row.element, first] == row.bus
                status = "from_status" if at_from else "to_status"
                place = (kind, int(ids[name][row.element]), status)
            self._place.append(place)
            self._mates.setdefault(place, []).append(int(row.Index))

    def set(self, index: int, closed: bool) -> dict[Any, Any]:
        """Return the update that one operation makes."""
        self._closed[index] = closed
        return self.all()

    def all(self) -> dict[Any, Any]:
        """Return the update that sets every branch end as its switches stand."""
        by_branch: dict[Any, dict[int, dict[Any, int]]] = {}
        for place, mates in self._mates.items():
            kind, ident, status = place
            value = int(all(self._closed[mate] for mate in mates))
            ends = ("from_status", "to_status") if status is None else (status,)
            by_branch.setdefault(kind, {}).setdefault(ident, {}).update(dict.fromkeys(ends, value))
        out = {}
        for kind, branches in by_branch.items():
            array = initialize_array("update", kind, len(branches))
            array["id"] = list(branches)
            for status in ("from_status", "to_status"):
                array[status] = [ends.get(status, 1) for ends in branches.values()]
            out[kind] = array
        return out
