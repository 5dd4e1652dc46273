"""The grid as a mosaik simulator: one entity for arrays, and the usual ones beside it.

``Grid`` carries everything in arrays (see ``docs/contracts.md``). Its children ``Bus``, ``Load``,
``Line``, ``Transformer`` and ``Switch`` have the usual scalar attributes for other people's
simulators, and cost nothing unless they are connected.

In another world than ours the simulator takes ``step_size`` and ``end`` in that world's ticks,
and any ``time_resolution`` of whole milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from fernwatt.adapter import ROWS, Adapter, Inputs, model
from fernwatt.errors import ComponentError, FernwattError, SimulationError
from fernwatt.gridmodel import GridModel, load_grid
from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.phases import connect_phases
from fernwatt.gridmodel.solvers import make_solver
from fernwatt.messages import Actuation
from simulators.grid.incidents import make_incidents
from simulators.grid.inputs import TerminalInputs
from simulators.grid.intervals import Rows
from simulators.grid.news import News
from simulators.grid.outputs import scalar, state_payload, terminal_payload
from simulators.grid.plant import Plant
from simulators.grid.quality import make_quality
from simulators.grid.shedding import Shedding
from simulators.grid.solutions import Solutions
from simulators.grid.streetlight import add_lighting, make_lighting

__all__ = ["GridSimulator"]

_EID = "grid"


class GridSimulator(Adapter):
    """Adapter of ``Plant``: one grid in each simulator."""

    component = "grid"
    models: ClassVar[dict[str, dict[str, Any]]] = {
        "Grid": model(
            ["terminal", "state", "p_import_mw", "p_loss_mw"],
            trigger=["power", "actuate"],
            transient=["supply", "events", "seen", ROWS],
            params=[
                "source",
                "lv",
                "base_dir",
                "solver",
                "interval_ms",
                "cache",
                "phases",
                "earthing",
                "upstream",
                "faults",
                "protection",
                "operations",
                "watch",
                "wiring",
                "squares",
                "quality",
                "frequency",
                "transients",
                "seed",
                "lighting",
                "on_divergence",
            ],
        ),
        "Bus": model(["vm_pu", "va_degree"], public=False),
        "Load": model(["vm_pu"], trigger=["p_mw", "q_mvar"], public=False),
        "Line": model(
            ["loading_percent", "i_ka", "p_from_mw", "q_from_mvar", "p_to_mw", "q_to_mvar"],
            public=False,
        ),
        "Transformer": model(
            ["loading_percent", "p_mw", "q_mvar", "p_hv_mw", "q_hv_mvar"], public=False
        ),
        "Switch": model(trigger=["closed"], public=False),
    }

    def init(
        self,
        sid: str,
        time_resolution: float = 1.0,
        end_ms: int = 0,
        plain: bool = False,
        **params: Any,
    ) -> Any:
        """Take the world's tick; ComponentError unless it is a whole number of milliseconds."""
        tick_ms = round(time_resolution * 1000)
        if tick_ms < 1 or abs(time_resolution * 1000 - tick_ms) > 1e-6:
            reason = f"a time_resolution of {time_resolution} s is no whole number of milliseconds"
            raise ComponentError(self.component, -1, reason)
        self._tick_ms = tick_ms
        self._step_size = 0
        self._plant: Plant | None = None
        return super().init(sid, time_resolution, end_ms=end_ms, plain=plain, **params)

    def configure(  # type: ignore[override]
        self,
        args: object = None,  # noqa: ARG002 - mosaik's signature
        *,
        step_size: int = 0,
        end: int = 0,
    ) -> None:
        """Take what a foreign world says: how often to step, and when it ends [its ticks].

        mosaik calls this as well, with a process's command line ``args``, which says nothing here.
        """
        self._step_size = int(step_size)
        if end:
            self.end_ms = int(end) * self._tick_ms

    def setup(self, model_name: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Load the grid; the entity's children are its elements, under their identifiers."""
        if model_name != "Grid" or self._plant is not None:
            raise SimulationError("one simulator holds one Grid: start another one for another")
        grid = load_grid(
            params["source"],
            lv=params.get("lv") or (),
            base_dir=params.get("base_dir") or ".",
            cache=params.get("cache", True),
        )
        grid = add_lighting(grid, params.get("lighting"))
        grid = connect_phases(grid, params.get("phases") or {})
        earthing = Earthing.of(params.get("earthing"))
        solver = make_solver(params.get("solver") or "balanced", grid, earthing)
        shedding = Shedding(grid) if params.get("on_divergence") == "shed" else None
        solutions = Solutions(grid, solver, earthing, params.get("upstream"), shedding)
        interval_ms = int(params.get("interval_ms") or 0)
        lights = make_lighting(grid, params.get("lighting"), interval_ms)
        self._plant = Plant(grid, solutions, interval_ms, lights)
        self._news = News()
        for item in params.get("wiring") or ():  # as it is; the model has what the records say
            self._plant.rewire(item["terminal"], tuple(item["phases"]))
            truth = {"phases": list(item["phases"])}
            self._news.truth(0, "", "wiring", item["terminal"], truth)
        if params.get("squares"):
            self._plant.keep_squares()
        self._incidents = make_incidents(self._plant, self._news, params)
        self._quality = make_quality(self._plant, self._news, solver, params)
        self._incidents.quality = self._quality
        self._inputs = TerminalInputs(grid)
        self._rows_of = _places(grid)
        children = [
            {"eid": eid, "type": kind, "rel": [], "children": []}
            for eid, (kind, _) in self._rows_of.items()
        ]
        return [{"eid": _EID, "type": "Grid", "rel": [], "children": children}]

    # -- one step ----------------------------------------------------------------------------

    def advance(self, t_ms: int, inputs: Inputs, max_advance: int) -> int | None:  # noqa: ARG002
        """Step at a tick of the world; at the end only close the books."""
        now_ms = t_ms * self._tick_ms
        try:
            due_ms = self._step(now_ms, inputs)
        except FernwattError as error:
            raise ComponentError(self.component, now_ms, str(error)) from error
        due = [] if due_ms is None else [-(-due_ms // self._tick_ms)]
        if self._step_size:
            due.append(t_ms + self._step_size)
        return min(due) if due else None

    def _step(self, now_ms: int, inputs: Inputs) -> int | None:
        plant = self._plant
        if plant is None:
            return None
        if self.end_ms and now_ms >= self.end_ms:
            self._incidents.play(now_ms * 1000)
            if self._quality is not None:
                self._record_rows(self._quality.close(now_ms))
            self._tell_news()
            self._record_rows(plant.close(now_ms))
            self._record_rows(self._incidents.interruptions.close(now_ms))
            return None
        rows = plant.advance(now_ms)
        self._incidents.play(now_ms * 1000)
        if rows:
            rows += self._incidents.interruptions.interval(now_ms)
        self._record_rows(rows)
        if self._quality is not None:
            self._record_rows(self._quality.advance(now_ms))
            self._quality.power(inputs.get(_EID, {}).get("power"))
        cause = self._operate_switches(now_ms, inputs)
        plant.draw(*self._inputs.update(inputs, _EID))
        self._incidents.settle(now_ms * 1000, cause)
        self._tell_news()
        due_us = self._incidents.due_us
        due_ms = None if due_us is None else -(-due_us // 1000)
        quality_ms = None if self._quality is None else self._quality.due_ms(now_ms)
        dues = (plant.due_ms, self.end_ms or None, due_ms, quality_ms)
        return min((t for t in dues if t is not None and t > now_ms), default=None)

    def _operate_switches(self, now_ms: int, inputs: Inputs) -> str:
        """Do what actuators and other simulators say; return the last event's identifier."""
        cause = ""
        for item in self.take(inputs, _EID, "actuate"):
            order: Actuation = Actuation.from_plain(item)
            if order.target.startswith("lighting/"):
                cause = self._light(now_ms, order) or cause
                continue
            if order.target.startswith("transformer/"):
                cause = self._move_tap(now_ms, order) or cause
                continue
            if order.action == "repair":
                self._incidents.repair(now_ms * 1000, order.target, order.id)
                self._incidents.play(now_ms * 1000)
                continue
            if not order.target.startswith("switch/"):
                continue  # a device's: both get all that actuators do
            if order.action not in ("open", "close"):
                raise SimulationError(f"{order.target} cannot {order.action}, only open and close")
            cause = self._operate(now_ms, order.target, order.action == "close", order.id) or cause
        for eid in sorted(inputs):
            if self._rows_of.get(eid, ("", 0))[0] != "Switch":
                continue
            values = inputs[eid].get("closed", {})
            for source in sorted(values):
                cause = self._operate(now_ms, eid, bool(values[source]), source) or cause
        return cause

    def _move_tap(self, now_ms: int, order: Actuation) -> str:
        position = order.value["position"]
        if self._plant is None or not self._plant.set_tap(order.target, position):
            return ""
        value = {"position": position}
        return self._news.tell(now_ms * 1000, order.id, "tap_moved", order.target, value)

    def _light(self, now_ms: int, order: Actuation) -> str:
        lights = None if self._plant is None else self._plant.lights
        return "" if lights is None else lights.obey(now_ms, order)

    def _operate(self, now_ms: int, switch: str, closed: bool, cause: str) -> str:
        return self._incidents.operate(now_ms * 1000, switch, closed, cause)

    def _tell_news(self) -> None:
        """Record this step's news, all at once, and hand them out."""
        self._record_rows(self._news.rows())
        events, supplies = self._news.take()
        for event in events:
            self.emit(_EID, "events", event)
        for supply in supplies:
            self.emit(_EID, "supply", supply)
        for snapshot in self._incidents.take_seen():
            self.emit(_EID, "seen", snapshot)

    def _record_rows(self, rows: Iterable[Rows]) -> None:
        for table, columns in rows:
            self.record(_EID, table, columns)

    # -- what others see ---------------------------------------------------------------------

    def output(self, eid: str, attr: str) -> Any:
        """Return a persistent attribute of the grid or of one of its elements."""
        plant = self._plant
        if plant is None:
            raise SimulationError("there is no Grid in this simulator")
        if eid != _EID:
            kind, row = self._rows_of[eid]
            return scalar(plant, kind, row, attr)
        if attr == "state":
            told = state_payload(plant)
            return told if self._quality is None else told | self._quality.state(plant.t_ms)
        if attr == "terminal":
            return terminal_payload(plant)
        state = plant.state
        return (state.p_slack_w if attr == "p_import_mw" else state.p_loss_w) * 1e-6


def _places(grid: GridModel) -> dict[str, tuple[str, int]]:
    """Return for the identifier of each element its mosaik model and its row."""
    groups: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("Bus", grid.buses), ("Load", grid.terminals), ("Line", grid.lines),
        ("Transformer", grid.transformers), ("Switch", grid.switches),
    )  # fmt: skip
    return {item.id: (kind, row) for kind, items in groups for row, item in enumerate(items)}
