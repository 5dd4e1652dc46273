"""How long somebody has been silent, and what that means: present, suspected, lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Change", "Silence", "State"]


class State(StrEnum):
    """What is believed of somebody who ought to give signs of life."""

    PRESENT = "present"
    SUSPECTED = "suspected"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Change:
    """``name`` is believed to be ``after`` now, having been silent for ``silent_ms``."""

    name: str
    before: State
    after: State
    silent_ms: int


@dataclass(slots=True)
class _Watched:
    period_ms: int
    since_ms: int
    state: State


class Silence:
    """Watches any number of units or instruments, each with a period of its own.

    Who was silent for more than ``suspect`` of its periods is suspected, for more than ``lost`` of
    them lost; any sign of life makes it present. Silence counts from the later of the last sign
    and the begin of the watch.
    """

    __slots__ = ("_lost", "_suspect", "_watched")

    def __init__(self, suspect: int, lost: int) -> None:
        self._suspect, self._lost = suspect, lost
        self._watched: dict[str, _Watched] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._watched

    def __len__(self) -> int:
        return len(self._watched)

    @property
    def names(self) -> list[str]:
        """Who is watched, by name."""
        return sorted(self._watched, key=str.encode)

    def add(self, name: str, period_ms: int, now_ms: int, state: State = State.PRESENT) -> None:
        """Begin to watch somebody, or begin anew."""
        self._watched[name] = _Watched(period_ms, now_ms, state)

    def remove(self, name: str) -> None:
        """Watch somebody no longer."""
        self._watched.pop(name, None)

    def state(self, name: str) -> State:
        """Return what is believed of somebody who is watched; raises KeyError."""
        return self._watched[name].state

    def count(self, state: State) -> int:
        """Return how many there are of whom that is believed."""
        return sum(one.state is state for one in self._watched.values())

    def look(self, now_ms: int, sign: Callable[[str], int | None]) -> list[Change]:
        """Return of whom something else is believed now; ``sign`` is when he last gave one."""
        changes = []
        for name in self.names:
            one, last_ms = self._watched[name], sign(name)
            if last_ms is not None and last_ms > one.since_ms:
                one.since_ms = last_ms
                fresh = True
            else:
                fresh = False
            after = self._believed(one, now_ms, fresh=fresh)
            if after is not one.state:
                changes.append(Change(name, one.state, after, now_ms - one.since_ms))
                one.state = after
        return changes

    def _believed(self, one: _Watched, now_ms: int, *, fresh: bool) -> State:
        silent_ms = now_ms - one.since_ms
        if silent_ms > self._lost * one.period_ms:
            return State.LOST
        if silent_ms > self._suspect * one.period_ms:
            # who is lost is not merely suspected because the watch began anew
            return State.LOST if one.state is State.LOST and not fresh else State.SUSPECTED
        return State.PRESENT if fresh or one.state is State.PRESENT else one.state
