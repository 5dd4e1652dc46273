"""What a check finds, and what checks have in common."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from controllers.unit.service import Notification

__all__ = ["Check", "Finding", "Recent", "Source"]

Source = tuple[str, str]
"""A variable, and the unit that holds it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not usual: its class, who is suspected, and what led to it."""

    kind: str
    suspect: str
    detail: dict[str, Any] = field(default_factory=dict)
    causes: tuple[str, ...] = ()


class Check(Protocol):
    """One rule. It sees values of the Data Interface, and the unit's clock."""

    def wants(self) -> Sequence[Source]:
        """Return what it wants to be told of."""

    def take(self, notification: Notification, now_ms: int) -> Sequence[Finding]:
        """Take a value."""

    def slot(self, now_ms: int) -> Sequence[Finding]:
        """Look at the slot that is over, some minutes after its end."""


class Recent:
    """How many things of a name happened within the last ``window_ms``."""

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms
        self._times: dict[str, deque[int]] = {}

    def add(self, name: str, now_ms: int) -> int:
        """Count one more, and return how many there are now."""
        times = self._times.setdefault(name, deque())
        times.append(now_ms)
        while times[0] <= now_ms - self._window_ms:
            times.popleft()
        return len(times)
