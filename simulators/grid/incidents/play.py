"""Plays what happens in a grid between its steps: faults, relays and fuses, operations by plan.

Everything is resolved to the microsecond: at each instant at which something happens the plant is
solved anew, and relays and arcs see the new state before anything else happens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from simulators.grid.incidents.faults import Change, Faults
from simulators.grid.incidents.specs import (
    FaultSpec,
    OperationSpec,
    parse_faults,
    parse_operations,
)
from simulators.grid.interruptions import Interruptions
from simulators.grid.news import News
from simulators.grid.plant import Plant
from simulators.grid.protection import Protection, parse_devices
from simulators.grid.seen import Places, parse_places

if TYPE_CHECKING:
    from simulators.grid.quality import Quality

__all__ = ["Incidents", "make_incidents"]

_KINDS = {
    "begins": "fault_begins",
    "evolves": "fault_evolves",
    "goes-out": "fault_goes_out",
    "repaired": "fault_repaired",
}


class Incidents:
    """Plays incidents on a plant. ``places`` are those of the protective devices, in order."""

    def __init__(
        self,
        plant: Plant,
        news: News,
        *,
        faults: Sequence[FaultSpec] = (),
        protection: Protection | None = None,
        places: Places | None = None,
        operations: Sequence[OperationSpec] = (),
        watched: Places | None = None,
    ) -> None:
        self._plant, self._news = plant, news
        self._faults = Faults(faults)
        self._protection, self._places = protection, places
        self._operations = list(operations)
        self._watched = watched
        self._seen: list[dict[str, Any]] = []
        self.interruptions = Interruptions(plant)
        self.quality: Quality | None = None

    @property
    def due_us(self) -> int | None:
        """When something happens by itself; None for never."""
        planned = self._operations[0].t_us if self._operations else None
        relays = self._protection.due_us if self._protection else None
        dues = (self._faults.due_us, planned, relays)
        return min((due for due in dues if due is not None), default=None)

    def play(self, t_us: int) -> None:
        """Let happen, one instant after the other, what is due up to ``t_us``."""
        while (due := self.due_us) is not None and due <= t_us:
            if self.quality is not None:
                self.quality.until(due)
            cause = self._protect(due)
            cause = self._change_faults(due) or cause
            cause = self._operate_by_plan(due) or cause
            self.settle(due, cause)

    def operate(self, t_us: int, switch: str, closed: bool, cause: str) -> str:
        """Operate a switch because somebody said so; return the event, "" if it did not move."""
        if not self._plant.operate(switch, closed):
            return ""
        ident = self._news.moved(t_us, cause, switch, closed)
        if self._protection is not None:
            self._protection.notice(t_us, switch, closed, ident)
        return ident

    def repair(self, t_us: int, element: str, cause: str) -> None:
        """Repair all faults of an element because a crew has; it shows with the next ``play``."""
        for fault in self._faults.repair(t_us, element):
            self._faults.explain(fault, cause)

    def settle(self, t_us: int, cause: str) -> None:
        """Solve for what changed, and let everybody see it."""
        if not self._plant.unsettled:
            return
        self._news.supply(t_us, cause, self._plant.settle(cause))
        for kind, element, value in self._plant.shed(t_us):
            self._news.tell(t_us, cause, kind, element, value)
        if self._plant.lights is not None:
            self._plant.lights.tell(self._news)
        state = self._plant.state
        self.interruptions.see(t_us, cause)
        if self.quality is not None:
            self.quality.see(t_us, cause)
        if self._faults.shorts:
            self._faults.observe(t_us, self._plant.fault_currents())
        if self._protection is not None and self._places is not None:
            self._protection.observe(t_us, *self._places.phasors(state), cause)
        if self._watched is not None:
            self._seen.append({"t_us": t_us, "cause": cause, **self._snapshot(self._watched)})

    def take_seen(self) -> list[dict[str, Any]]:
        """Return what was seen at the watched places since the last time, a snapshot each change.

        ``{t_us, cause, i_re[m][3], i_im, v_re, v_im, n_re[m], n_im}`` [A, V], holding from ``t_us``
        on; n is the neutral's voltage.
        """
        seen, self._seen = self._seen, []
        return seen

    # -- inside ------------------------------------------------------------------------------

    def _snapshot(self, places: Places) -> dict[str, Any]:
        lights = self._plant.lights
        segments = None if lights is None else lights.segment_phasors()
        i_a, v_v = places.phasors(self._plant.state, segments)
        parts = {"i": i_a, "v": v_v, "n": places.neutral(self._plant.state)}
        seen = {f"{name}_re": part.real for name, part in parts.items()}
        return seen | {f"{name}_im": part.imag for name, part in parts.items()}

    def _protect(self, t_us: int) -> str:
        if self._protection is None:
            return ""
        outcome = self._protection.advance(t_us)
        self._news.acted(outcome.events)
        cause = ""
        for order in outcome.operations:
            poles = order.phases if self._plant.by_phase else (0, 1, 2)
            if self._plant.operate(order.switch, order.closed, poles):
                cause = self._news.moved(order.t_us, order.cause, order.switch, order.closed, poles)
        return cause

    def _change_faults(self, t_us: int) -> str:
        changes = self._faults.advance(t_us)
        cause = ""
        for change in changes:
            cause = self._change_fault(t_us, change)
        if changes:
            self._plant.short(self._faults.shorts)
        return cause

    def _change_fault(self, t_us: int, change: Change) -> str:
        fault, stage = change.fault, change.stage
        value = {"fault": fault.id, "position": fault.position}
        if stage is not None:
            value |= {
                "phases": [phase + 1 for phase in stage.phases], "ground": stage.ground,
                "r_ohm": stage.r_ohm, "broken": [wire + 1 for wire in stage.broken],
            }  # fmt: skip
        kind = _KINDS[change.kind]
        ident = self._news.tell(t_us, self._faults.cause(fault.id), kind, fault.element, value)
        self._news.truth(t_us, ident, kind, fault.element, value)
        self._faults.explain(fault.id, ident)
        for wire in change.breaks:
            self._plant.damage(fault.element, wire, whole=False)
        for wire in change.mends:
            self._plant.damage(fault.element, wire, whole=True)
        return ident

    def _operate_by_plan(self, t_us: int) -> str:
        cause = ""
        while self._operations and self._operations[0].t_us <= t_us:
            planned = self._operations.pop(0)
            cause = self.operate(planned.t_us, planned.switch, planned.closed, "") or cause
        return cause


def make_incidents(plant: Plant, news: News, params: Mapping[str, Any]) -> Incidents:
    """Return the incidents of a Grid's parameters ``faults``, ``protection`` and ``operations``.

    Raises ScenarioError for what the grid has not.
    """
    devices = parse_devices(params.get("protection") or ())
    places = protection = None
    if devices:
        where = [{"id": device.id, "element": device.switch} for device in devices]
        places = Places(plant.model, parse_places(plant.model, where, "protection"))
        protection = Protection(devices, int(params.get("seed") or 0))
    watch = params.get("watch") or ()
    segments = plant.lights.segment_ids if plant.lights is not None else ()
    seen = parse_places(plant.model, watch, others=segments)
    return Incidents(
        plant,
        news,
        faults=parse_faults(plant.model, params.get("faults") or ()),
        protection=protection,
        places=places,
        operations=parse_operations(plant.model, params.get("operations") or ()),
        watched=Places(plant.model, seen) if watch else None,
    )
