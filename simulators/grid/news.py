"""What the grid has to tell of a step: events with their causes, and changes of supply."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fernwatt.identifiers import Sequencer
from fernwatt.messages import Event, Supply
from simulators.grid.plant import SupplyChange

__all__ = ["News"]

_MOVED = {False: "switch_opened", True: "switch_closed"}


class News:
    """Collects events, changes of supply and truths until they are taken; numbers its own."""

    def __init__(self) -> None:
        self._ids = Sequencer("grid")
        self._truth_ids = Sequencer("grid-truth")
        self._events: list[Event] = []
        self._supplies: list[Supply] = []
        self._moves: list[tuple[Event, tuple[int, ...]]] = []
        self._acts: list[Event] = []
        self._truth: list[tuple[int, str, str, str, str, str]] = []
        self._begun = False

    # -- what happens ------------------------------------------------------------------------

    def tell(self, t_us: int, cause: str, kind: str, element: str, value: Any) -> str:
        """Note an event of the grid itself; return its identifier."""
        event = Event(self._ids(), cause, t_us, kind, element, value)
        self._events.append(event)
        return event.id

    def moved(
        self, t_us: int, cause: str, switch: str, closed: bool, phases: Sequence[int] = (0, 1, 2)
    ) -> str:
        """Note that a switch, or some of its poles, moved; return the event's identifier."""
        value: dict[str, Any] = {"closed": closed}
        if len(phases) < 3:
            value["phases"] = [phase + 1 for phase in phases]
        ident = self.tell(t_us, cause, _MOVED[closed], switch, value)
        self._moves.append((self._events[-1], tuple(phases)))
        return ident

    def add(self, events: Iterable[Event]) -> None:
        """Note events that others in the grid have numbered."""
        self._events += events

    def acted(self, events: Sequence[Event]) -> None:
        """Note what protective devices did."""
        self._events += events
        self._acts += events

    def truth(self, t_us: int, cause: str, kind: str, element: str, value: Any) -> None:
        """Note what is true of the world, for the recorder alone."""
        row = (t_us // 1000, self._truth_ids(), cause, kind, element, _json(value))
        self._truth.append(row)

    def supply(self, t_us: int, cause: str, changes: Iterable[SupplyChange]) -> None:
        """Note changes of supply; at the very first only what is dead is news."""
        first, self._begun = not self._begun, True
        for change in changes:
            why = cause
            if change.element.startswith("terminal/") and not (first and change.energised):
                kind = "supply_restored" if change.energised else "supply_lost"
                why = self.tell(t_us, cause, kind, change.element, None)
            self._supplies.append(
                Supply(self._ids(), why, change.element, change.energised, change.continuous)
            )

    # -- what is taken -----------------------------------------------------------------------

    def take(self) -> tuple[list[Event], list[Supply]]:
        """Return the events and the changes of supply since the last time; ``rows`` first."""
        taken = self._events, self._supplies
        self._events, self._supplies = [], []
        return taken

    def rows(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Return the tables' rows of what is not yet taken."""
        rows: list[tuple[str, Mapping[str, Any]]] = []
        if self._events:
            rows.append(("event", _event_columns(self._events)))
        if self._moves:
            rows.append(("switch", _move_columns(self._moves)))
            self._moves = []
        if self._acts:
            rows.append(("protection", _act_columns(self._acts)))
            self._acts = []
        if self._truth:
            names = ("t_ms", "id", "cause", "kind", "element", "value")
            rows.append(("truth", dict(zip(names, zip(*self._truth, strict=True), strict=True))))
            self._truth = []
        return rows


def _event_columns(events: Sequence[Event]) -> dict[str, Any]:
    columns = ("t_us", "id", "cause", "kind", "element")
    rows: dict[str, Any] = {name: [getattr(event, name) for event in events] for name in columns}
    return {**rows, "source": "grid", "value": [_json(event.value) for event in events]}


def _move_columns(moves: Sequence[tuple[Event, tuple[int, ...]]]) -> dict[str, Any]:
    return {
        "t_us": [event.t_us for event, _ in moves],
        "id": [event.id for event, _ in moves],
        "cause": [event.cause for event, _ in moves],
        "switch": [event.element for event, _ in moves],
        "closed": [event.kind == _MOVED[True] for event, _ in moves],
        "phases": ["".join(str(phase + 1) for phase in phases) for _, phases in moves],
    }


def _act_columns(acts: Sequence[Event]) -> dict[str, Any]:
    return {
        "t_us": [event.t_us for event in acts],
        "id": [event.id for event in acts],
        "cause": [event.cause for event in acts],
        "device": [event.element for event in acts],
        "kind": [event.kind for event in acts],
        "i_a": [event.value.get("i_a") for event in acts],
    }


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
