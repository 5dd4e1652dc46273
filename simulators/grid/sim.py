"""The grid as a mosaik simulator: one entity for arrays, and the usual ones beside it.

``Grid`` carries everything in arrays (see ``docs/contracts.md``). Its children ``Bus``, ``Load``,
``Line``, ``Transformer`` and ``Switch`` have the usual scalar attributes for other people's
simulators, and cost nothing unless they are connected.

In another world than ours the simulator takes ``step_size`` and ``end`` in that world's ticks,
and any ``time_resolution`` of whole milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from fernwatt.adapter import ROWS, Adapter, Inputs, model
from fernwatt.errors import ComponentError, FernwattError, SimulationError
from fernwatt.gridmodel import GridModel, load_grid
from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.phases import connect_phases
from fernwatt.gridmodel.solvers import make_solver
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Actuation, Event, Supply
from simulators.grid.inputs import TerminalInputs
from simulators.grid.intervals import Rows
from simulators.grid.outputs import scalar, state_payload, terminal_payload
from simulators.grid.plant import Plant, SupplyChange

__all__ = ["GridSimulator"]

_EID = "grid"


class GridSimulator(Adapter):
    """Adapter of ``Plant``: one grid in each simulator."""

    component = "grid"
    models: ClassVar[dict[str, dict[str, Any]]] = {
        "Grid": model(
            ["terminal", "state", "p_import_mw", "p_loss_mw"],
            trigger=["power", "actuate"],
            transient=["supply", "events", ROWS],
            params=[
                "source",
                "lv",
                "base_dir",
                "solver",
                "interval_ms",
                "cache",
                "phases",
                "earthing",
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
        grid = connect_phases(grid, params.get("phases") or {})
        earthing = Earthing.of(params.get("earthing"))
        solver = make_solver(params.get("solver") or "balanced", grid, earthing)
        self._plant = Plant(grid, solver, int(params.get("interval_ms") or 0))
        self._inputs = TerminalInputs(grid)
        self._ids = Sequencer("grid")
        self._news: list[Event] = []
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
            self._record_rows(plant.close(now_ms))
            return None
        self._record_rows(plant.advance(now_ms))
        cause = self._operate_switches(plant, now_ms, inputs)
        plant.draw(*self._inputs.update(inputs, _EID))
        self._tell_supply(plant.settle(), now_ms, cause)
        self._record_news()
        due = [t for t in (plant.due_ms, self.end_ms or None) if t is not None and t > now_ms]
        return min(due) if due else None

    def _operate_switches(self, plant: Plant, now_ms: int, inputs: Inputs) -> str:
        """Do what actuators and other simulators say; return the last event's identifier."""
        cause = ""
        for item in self.take(inputs, _EID, "actuate"):
            order: Actuation = Actuation.from_plain(item)
            if not order.target.startswith("switch/"):
                continue  # a device's: both get all that actuators do
            if order.action not in ("open", "close"):
                raise SimulationError(f"{order.target} cannot {order.action}, only open and close")
            if plant.operate(order.target, order.action == "close"):
                cause = self._tell(now_ms, order.id, order.action, order.target)
        for eid in sorted(inputs):
            if self._rows_of.get(eid, ("", 0))[0] != "Switch":
                continue
            values = inputs[eid].get("closed", {})
            for source in sorted(values):
                closed = bool(values[source])
                if plant.operate(eid, closed):
                    cause = self._tell(now_ms, source, "close" if closed else "open", eid)
        return cause

    def _tell(self, now_ms: int, cause: str, action: str, switch: str) -> str:
        kind = {"open": "switch_opened", "close": "switch_closed"}[action]
        return self._event(now_ms, cause, kind, switch, {"closed": action == "close"})

    def _event(self, now_ms: int, cause: str, kind: str, element: str, value: Any) -> str:
        event = Event(self._ids(), cause, now_ms * 1000, kind, element, value)
        self.emit(_EID, "events", event)
        self._news.append(event)
        return event.id

    def _tell_supply(self, changes: Iterable[SupplyChange], now_ms: int, cause: str) -> None:
        first = cause == "" and now_ms == 0
        for change in changes:
            why = cause
            if change.element.startswith("terminal/") and not (first and change.energised):
                kind = "supply_restored" if change.energised else "supply_lost"
                why = self._event(now_ms, cause, kind, change.element, None)
            supply = Supply(self._ids(), why, change.element, change.energised, change.continuous)
            self.emit(_EID, "supply", supply)

    def _record_news(self) -> None:
        """Record this step's events, all at once."""
        news, self._news = self._news, []
        if not news:
            return
        columns = ("t_us", "id", "cause", "kind", "element")
        row: dict[str, Any] = {name: [getattr(event, name) for event in news] for name in columns}
        values = [json.dumps(event.value, sort_keys=True) for event in news]
        self.record(_EID, "event", {**row, "source": "grid", "value": values})

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
            return state_payload(plant)
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
