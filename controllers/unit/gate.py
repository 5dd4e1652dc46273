"""The door of one unit's processor: what comes when too much waits already.

A frame that finds the queue of its host full is dropped unread. A request is let in only while its
class has room: the less important it is, the smaller the part of the queue that it may fill, so
what matters least is shed first, and its caller is told OVERLOADED at once. Notifications are taken
as long as there is room at all: what they bring was asked for. An episode is told when it begins,
and when three quarters of the queue are free again, with what was lost in it.
"""

from __future__ import annotations

from collections import Counter

from controllers.unit.host import Host
from controllers.unit.surroundings import Surroundings
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Event

__all__ = ["Gate"]

# the part of the queue that requests of a priority may fill, in percent
_SHARES = (100, 75, 50, 25)
_OVER = 25


class Gate:
    """Decides for one unit, by the queue of its ``host``, which others may share."""

    __slots__ = ("_around", "_host", "_lost", "_name", "_unit")

    def __init__(self, unit: str, around: Surroundings, host: Host) -> None:
        self._unit, self._around, self._host = unit, around, host
        self._lost: Counter[str] | None = None
        self._name: Sequencer | None = None

    def takes(self, flow: str, size: int) -> bool:
        """Tell whether there is room for a frame."""
        filled = self._host.filled(self._around.now_ms * 1000, size)
        if self._lost is not None and filled < _OVER:
            self.over()
        if filled <= 100:
            return True
        self._around.counters["queue-full"] += 1
        self._shed(f"{flow} dropped", filled)
        return False

    def admits(self, flow: str) -> bool:
        """Tell whether a request may be executed, or passed on."""
        filled = self._host.filled(self._around.now_ms * 1000, 0)
        if not filled:
            return True
        settings = self._around.flows.get(flow) or self._around.flows["management"]
        if filled <= _SHARES[settings.priority]:
            return True
        self._around.counters["overloaded"] += 1
        self._shed(f"{flow} refused", filled)
        return False

    def over(self) -> None:
        """Tell what an episode cost, if there is one."""
        if self._lost is not None:
            self._tell("overload_over", dict(sorted(self._lost.items())))
            self._lost = None

    def _shed(self, what: str, filled: int) -> None:
        if self._lost is None:
            self._lost = Counter()
            self._tell("overloaded", {"filled_percent": filled, "first": what})
        self._lost[what] += 1

    def _tell(self, kind: str, value: object) -> None:
        now_ms = self._around.now_ms
        if self._name is None:
            self._name = Sequencer(f"{self._unit}/gate@{now_ms}")
        event = Event(self._name(), "", now_ms * 1000, kind, self._unit, value)
        self._around.event(event)
