"""What protective devices bring about, and what one of them may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fernwatt.identifiers import Sequencer
from fernwatt.messages import Event
from fernwatt.streams import stream
from simulators.grid.protection.elements import IntArray

if TYPE_CHECKING:
    from simulators.grid.protection.scheme import Protection

__all__ = ["Desk", "Operation", "Outcome"]

ALL_PHASES = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class Operation:
    """A switch moves: ``phases`` (0, 1, 2) that open or close, at ``t_us``; ``cause`` is why."""

    switch: str
    closed: bool
    phases: tuple[int, ...]
    t_us: int
    cause: str


@dataclass(slots=True)
class Outcome:
    """What happened up to ``t_us``: events of all the time, operations of this instant."""

    t_us: int
    events: list[Event] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)


class Desk:
    """What one device may do: note events, order operations, set timers, draw chances."""

    def __init__(
        self, owner: Protection, place: int, rows: IntArray, ident: str, seed: int
    ) -> None:
        self._owner, self._place, self._ident = owner, place, ident
        self.rows = rows
        self._ids = Sequencer(ident)
        self._rng = stream(seed, "protection", ident)

    def note(self, t_us: int, kind: str, cause: str, value: Mapping[str, Any]) -> str:
        """Note an event of this device; return its identifier."""
        event = Event(self._ids(), cause, t_us, kind, self._ident, dict(value))
        self._owner.note(event)
        return event.id

    def order(self, t_us: int, switch: str, closed: bool, cause: str, phases: Any = None) -> None:
        """Order a switch to move, now."""
        self._owner.order(Operation(switch, closed, tuple(phases or ALL_PHASES), t_us, cause))

    def wake(self, t_us: int, what: str, token: int) -> None:
        """Ask for ``timer(what, token)`` at ``t_us``."""
        self._owner.schedule(t_us, self._place, what, token)

    def chance(self, probability: float) -> bool:
        """Draw whether something that has this probability happens."""
        return bool(self._rng.random() < probability)

    def number(self, row: int) -> int:
        """Return which of the device's elements ``row`` is."""
        return row - int(self.rows[0])

    def quantity_a(self, row: int) -> float:
        """Return what an element sees now [A]."""
        return self._owner.quantity_a(row)

    def is_started(self) -> bool:
        """Tell whether any element of the device has picked up."""
        return self._owner.is_started(self.rows)

    def enable(self, enabled: Sequence[bool]) -> None:
        """Switch the device's elements on or off."""
        self._owner.enable(self.rows, np.array(enabled, dtype=bool))

    def renew(self) -> None:
        """Replace the device's elements by new ones."""
        self._owner.renew(self.rows)

    def trip_backup(self, t_us: int, device: str, cause: str) -> None:
        """Trip another device."""
        self._owner.trip_backup(t_us, device, cause)
