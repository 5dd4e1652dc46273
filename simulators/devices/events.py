"""What happened to devices, with the cause of each."""

from __future__ import annotations

import json
from typing import Any

from fernwatt.identifiers import Sequencer
from fernwatt.messages import Event

__all__ = ["EventLog"]

_US_PER_MS = 1000


class EventLog:
    """Makes the events of one simulator and keeps them until they are taken."""

    def __init__(self, source: str) -> None:
        self._source, self._ids = source, Sequencer(source)
        self._events: list[Event] = []

    def add(self, t_ms: int, kind: str, element: str, cause: str, value: Any) -> str:
        """Note an event; return its identifier."""
        event = Event(self._ids(), cause, t_ms * _US_PER_MS, kind, element, value)
        self._events.append(event)
        return event.id

    def take(self) -> list[Event]:
        """Return the events since the last call."""
        events, self._events = self._events, []
        return events

    def rows(self, events: list[Event]) -> dict[str, list[Any]]:
        """Return events as columns of the table ``event``."""
        return {
            "t_us": [event.t_us for event in events],
            "id": [event.id for event in events],
            "cause": [event.cause for event in events],
            "source": [self._source] * len(events),
            "kind": [event.kind for event in events],
            "element": [event.element for event in events],
            "value": [json.dumps(event.value, sort_keys=True) for event in events],
        }
