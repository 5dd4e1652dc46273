"""Whether the units above can be reached, as far as what is sent to them tells."""

from __future__ import annotations

from controllers.unit.surroundings import Surroundings
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Event

__all__ = ["Contact"]


class Contact:
    """Tells the run when a unit above does not answer any more, and when it is heard again.

    The unit itself goes on: its services decide by what they have. Its events have names of
    their own, so that they take none from its messages.
    """

    __slots__ = ("_around", "_lost", "_name", "_unit")

    def __init__(self, unit: str, around: Surroundings) -> None:
        self._unit, self._around = unit, around
        self._lost: dict[str, int] = {}
        self._name: Sequencer | None = None

    @property
    def lost(self) -> tuple[str, ...]:
        """The units above that do not answer."""
        return tuple(self._lost)

    def missed(self, unit: str) -> None:
        """Take that ``unit`` did not answer, though it was asked often enough."""
        if unit not in self._lost and self._around.routes.is_above(unit, self._unit):
            self._lost[unit] = self._around.now_ms
            self._tell("parent_unreachable", {"unit": unit})

    def heard(self, unit: str) -> bool:
        """Take that something came from ``unit``; return whether it had been lost."""
        since_ms = self._lost.pop(unit, None)
        if since_ms is not None:
            self._tell("parent_back", {"unit": unit, "after_ms": self._around.now_ms - since_ms})
        return since_ms is not None

    def _tell(self, kind: str, value: object) -> None:
        if self._name is None:
            self._name = Sequencer(f"{self._unit}/contact@{self._around.now_ms}")
        t_us = self._around.now_ms * 1000
        self._around.event(Event(self._name(), "", t_us, kind, self._unit, value))
