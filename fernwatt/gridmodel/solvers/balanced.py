"""Balanced power flow by power-grid-model: converted once, then changed in place."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from power_grid_model import CalculationMethod, PowerGridModel, initialize_array
from power_grid_model.errors import PowerGridError
from power_grid_model_io.converters import PandaPowerConverter

from fernwatt.gridmodel.model import FloatArray, GridModel
from fernwatt.gridmodel.solvers.state import BranchState, GridState, Trouble
from fernwatt.gridmodel.taps import check_tap

__all__ = ["BalancedSolver"]

_SQRT3 = np.sqrt(3.0)
_BRANCH = ["p_from", "q_from", "p_to", "q_to", "i_from", "i_to"]
_TOLERANCE = 1e-8
_ITERATIONS = 30
_QUARTERS = 10


class BalancedSolver:
    """Power flow of the positive sequence; the phases' powers of a terminal are summed.

    Loads draw constant power. About 0.2 ms for a low-voltage grid.
    """

    def __init__(self, model: GridModel) -> None:
        self._model = model
        self._trouble = Trouble(model, "the solution for a part of all power")
        self._n = len(model.terminals)
        data, ids = _converted(model)
        self._pgm = PowerGridModel(data, system_frequency=float(model.net.f_hz))
        self._load = initialize_array("update", "sym_load", self._n)
        self._load["id"] = ids["load"]
        self._update = {"sym_load": self._load}
        self._switches = _SwitchGear(model, ids)
        # whole rows: power-grid-model hands out single columns at twice the cost
        wanted = ("node", "source", "line", "transformer", "shunt")
        self._output = [kind for kind in wanted if kind in data]
        self._max_i_a = np.array([line.max_i_a for line in model.lines])
        self._rated_a = _rated_currents(model)
        row = {bus.id: number for number, bus in enumerate(model.buses)}
        self._terminal_bus = np.array([row[t.bus] for t in model.terminals], dtype=int)
        self._switched = True
        self._transformer, self._taps = ids["trafo"], dict[int, int]()

    def set_switch(self, index: int, closed: bool) -> None:
        """Open or close one switch of the model."""
        self._trouble.switched(index, closed)
        self._switches.set(index, closed)
        self._switched = True

    def set_tap(self, index: int, position: int) -> None:
        """Move the tap of one transformer of the model."""
        check_tap(self._model, index, position)
        self._trouble.damaged(f"{self._model.transformers[index].id} on tap {position}")
        self._taps[index] = position

    def solve(self, p_w: FloatArray, q_var: FloatArray) -> GridState:
        """Return the state for the power drawn, ``[n, 3]`` [W, var]; see ``Solver``."""
        p = p_w[:, 0] + p_w[:, 1] + p_w[:, 2]
        q = q_var[:, 0] + q_var[:, 1] + q_var[:, 2]
        if not math.isfinite(p.sum() + q.sum()):
            raise ValueError(self._no_number(p, q))
        self._load["p_specified"], self._load["q_specified"] = p, q
        if self._switched:
            self._pgm.update(update_data=self._switches.update())
            self._switched = False
        if self._taps:
            self._pgm.update(update_data={"transformer": self._moved()})
            self._taps = {}
        try:
            result = self._calculate()
        except PowerGridError as error:
            reason = str(error).strip().split("\n")[0]
            raise self._trouble.error(p, self._estimate(p, q), reason) from error
        state = self._state(result, p, q)
        if not math.isfinite(result["node"]["u_pu"].sum()):
            raise self._trouble.error(p, state.vm_pu, "voltages that are no numbers")
        self._trouble.solved(p)
        return state

    def _moved(self) -> Any:
        array = initialize_array("update", "transformer", len(self._taps))
        array["id"] = self._transformer[list(self._taps)]
        array["tap_pos"] = list(self._taps.values())
        return array

    def _no_number(self, p_w: FloatArray, q_var: FloatArray) -> str:
        row = int(np.argmin(np.isfinite(p_w) & np.isfinite(q_var)))
        return f"{self._model.terminals[row].id} draws {p_w[row]} W, {q_var[row]} var"

    def _calculate(self) -> Any:
        """Return power-grid-model's solution for the loads as written.

        By iterating currents, which is quicker; where that does not end, by Newton-Raphson, which
        gets nearer to where there is no solution at all.
        """
        if self._n:
            self._pgm.update(update_data=self._update)
        try:
            return self._attempt(CalculationMethod.iterative_current)
        except PowerGridError:
            return self._attempt(CalculationMethod.newton_raphson)

    def _attempt(self, method: CalculationMethod) -> Any:
        return self._pgm.calculate_power_flow(
            calculation_method=method,
            error_tolerance=_TOLERANCE,
            max_iterations=_ITERATIONS,
            output_component_types=self._output,
        )

    def _estimate(self, p_w: FloatArray, q_var: FloatArray) -> FloatArray | None:
        """Return the voltages with a quarter, a sixteenth, … of the power, the first that are."""
        for quarters in range(1, _QUARTERS + 1):
            self._load["p_specified"] = p_w / 4**quarters
            self._load["q_specified"] = q_var / 4**quarters
            try:
                node = self._calculate()["node"]
            except PowerGridError:
                continue
            return np.where(node["energized"] == 1, node["u_pu"], np.nan)
        return None

    def _state(self, result: Any, p_w: FloatArray, q_var: FloatArray) -> GridState:
        node = result["node"]
        energised = node["energized"] == 1
        line = _branch(result.get("line"))
        line_i = np.maximum(line[4], line[5])
        transformer = _branch(result.get("transformer"))
        loading = np.maximum(transformer[4] / self._rated_a[0], transformer[5] / self._rated_a[1])
        source = result["source"]
        shunt = result.get("shunt", _NOTHING)
        loss = line[0].sum() + line[2].sum() + transformer[0].sum() + transformer[2].sum()
        vm_pu, va_degree = node["u_pu"], np.degrees(node["u_angle"])
        if not energised.all():
            vm_pu = vm_pu.copy()
            vm_pu[~energised] = va_degree[~energised] = np.nan
            served = energised[self._terminal_bus]
            p_w, q_var = np.where(served, p_w, 0.0), np.where(served, q_var, 0.0)
        return GridState(
            vm_pu=vm_pu,
            va_degree=va_degree,
            energised=energised,
            line=_flows(line, line_i, line_i / self._max_i_a),
            transformer=_flows(transformer, transformer[5], loading),
            p_terminals_w=p_w,
            q_terminals_var=q_var,
            p_slack_w=float(source["p"].sum()),
            q_slack_var=float(source["q"].sum()),
            p_loss_w=float(loss + shunt["p"].sum()),
        )


_NOTHING: Any = {"p": np.zeros(0)}


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
    ids["link"] = np.array(
        [converter.get_id("switch", int(row), name="b2b_switches") for row in net.switch.index],
        dtype=int,
    )
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
    """Translates switches to the status of a branch's two ends; several in series are possible."""

    def __init__(self, model: GridModel, ids: dict[str, Any]) -> None:
        switch, n = model.net.switch, len(model.switches)
        self._closed = np.ones(n, dtype=bool)
        self._place: list[tuple[str, int, int | slice]] = [("", 0, 0)] * n
        self._ids = {"link": ids["link"], "line": ids["line"], "transformer": ids["trafo"]}
        self._open = {kind: np.zeros((len(of), 2), dtype=int) for kind, of in self._ids.items()}
        self._changed = {kind: set[int]() for kind in self._ids}
        bus, element, et = (switch[name].to_numpy() for name in ("bus", "element", "et"))
        for row, number in enumerate(np.flatnonzero(et == "b").tolist()):
            self._place[number] = ("link", row, slice(None))
        for letter, kind, name, first in (
            ("l", "line", "line", "from_bus"), ("t", "transformer", "trafo", "hv_bus")
        ):  # fmt: skip
            mine = np.flatnonzero(et == letter)
            branch = element[mine].astype(int)
            end = (model.net[name][first].to_numpy()[branch] != bus[mine]).astype(int)
            for number, row, side in zip(mine.tolist(), branch.tolist(), end.tolist(), strict=True):
                self._place[number] = (kind, row, side)
        for number, item in enumerate(model.switches):
            self.set(number, item.closed)
        self._changed["link"].update(range(len(self._ids["link"])))

    def set(self, index: int, closed: bool) -> None:
        """Open or close one switch."""
        if closed == self._closed[index]:
            return
        self._closed[index] = closed
        kind, row, side = self._place[index]
        self._open[kind][row, side] += -1 if closed else 1
        self._changed[kind].add(row)

    def update(self) -> dict[Any, Any]:
        """Return the update of the branches that changed since the last one."""
        out = {}
        for kind, changed in self._changed.items():
            if not changed:
                continue
            rows = np.array(sorted(changed), dtype=int)
            array = out[kind] = initialize_array("update", kind, len(rows))
            array["id"] = self._ids[kind][rows]
            array["from_status"], array["to_status"] = (self._open[kind][rows] == 0).T
            changed.clear()
        return out
