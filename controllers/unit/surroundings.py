"""What all units of one process share: time, timers, catalogue, directory, ways out."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Collection, Mapping

from controllers.unit.books import Books
from controllers.unit.calls import Flow
from controllers.unit.catalogue import Catalogue
from controllers.unit.codec import Codec
from controllers.unit.directory import Directory
from controllers.unit.routes import Routes
from controllers.unit.watch import Watch
from fernwatt.messages import Command, Event, Frame

__all__ = [
    "BACKLOG_TIMER",
    "CALL_TIMER",
    "FAILURE_TIMER",
    "PERIOD_TIMER",
    "REPORT_TIMER",
    "RESTART_TIMER",
    "SERVICE_TIMER",
    "TRANSIT_TIMER",
    "Surroundings",
    "Timer",
]

SERVICE_TIMER, CALL_TIMER, PERIOD_TIMER, REPORT_TIMER, FAILURE_TIMER, RESTART_TIMER = range(6)
TRANSIT_TIMER, BACKLOG_TIMER = 6, 7
# when it is due in ms, its serial number, its unit, its kind, and what it is about
Timer = tuple[int, int, str, int, str]


class Surroundings:
    """One timer heap, one set of outboxes; units put in, the hub takes out."""

    def __init__(
        self,
        seed: int,
        *,
        catalogue: Catalogue,
        directory: Directory,
        codec: Codec,
        flows: Mapping[str, Flow],
        routing: str = "direct",
    ) -> None:
        self.seed, self.catalogue, self.directory = seed, catalogue, directory
        self.codec, self.flows = codec, flows
        self.routes = Routes(directory, routing)
        self.reliable: Collection[str] = ()
        self.now_ms = 0
        self.frames: list[Frame] = []
        self.commands: list[Command] = []
        self.events: list[Event] = []
        self.books = Books()
        self.counters: Counter[str] = Counter()
        self.watches: dict[str, Watch] = {}
        self._heap: list[Timer] = []
        self._serial = 0

    def timer(self, at_ms: int, unit: str, kind: int, key: str) -> int:
        """Have ``unit`` called at ``at_ms`` (now, if that is past); return the timer's serial."""
        self._serial += 1
        heapq.heappush(self._heap, (max(at_ms, self.now_ms), self._serial, unit, kind, key))
        return self._serial

    @property
    def serial(self) -> int:
        """The serial of the last timer that was set."""
        return self._serial

    def due(self, t_ms: int) -> Timer | None:
        """Take out the next timer that is due at ``t_ms``, None where there is none."""
        if self._heap and self._heap[0][0] <= t_ms:
            return heapq.heappop(self._heap)
        return None

    def next_ms(self) -> int | None:
        """Return when the next timer is due."""
        return self._heap[0][0] if self._heap else None

    def noted(self, what: str, unit: str, src: str, cause: str, why: str = "") -> None:
        """Tell a unit's watch, if it keeps one, what happened to a frame."""
        if (watch := self.watches.get(unit)) is not None:
            watch.noted(what, src, cause, self.now_ms, why)

    def event(self, event: Event) -> None:
        """Note something that happened, for the outputs and as a row."""
        self.events.append(event)
        text = json.dumps(event.value, sort_keys=True, separators=(",", ":"), allow_nan=False)
        self.books.add(
            "event", event.t_us, event.id, event.cause, "units", event.kind, event.element, text
        )
