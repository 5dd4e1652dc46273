"""Service ``reader``: a stakeholder reads customers' data, at meters or where copies are.

It asks one after another, spread over the period, for the newest value, and keeps what it may
have. Whether it may is decided there; what a contract grants and a policy denies it notes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from controllers.unit.directory import Directory
from controllers.unit.service import Notification, Result, UnitContext
from fernwatt.errors import Fault, ScenarioError

__all__ = ["Reader", "make_service"]

_TIMER = "next"


class Reader:
    """Reads ``(variable, location, at)`` once a period each; ``counts`` of the results."""

    name = "reader"

    __slots__ = ("_asked", "_begin_ms", "_context", "_gap_ms", "_next", "_targets", "counts")

    _context: UnitContext

    def __init__(
        self, targets: Sequence[tuple[str, str, str]], period_ms: int, begin_ms: int
    ) -> None:
        self._targets, self._begin_ms = tuple(targets), begin_ms
        self._gap_ms = max(1, period_ms // max(1, len(targets)))
        self._asked: dict[str, tuple[str, str, str]] = {}
        self._next = 0
        self.counts: Counter[Result] = Counter()

    def start(self, context: UnitContext) -> None:
        """Begin to read when it is time."""
        self._context = context
        if self._targets:
            context.set_timer(_TIMER, max(context.now_ms, self._begin_ms))

    def timer(self, name: str) -> None:
        """Ask the next one."""
        context = self._context
        target = self._targets[self._next]
        self._next = (self._next + 1) % len(self._targets)
        variable, location, at = target
        issued = context.data.query(variable, location, at=at)
        if issued.result is Result.ISSUED:
            self._asked[issued.id] = target
        context.set_timer(name, context.now_ms + self._gap_ms)

    def notify(self, notification: Notification) -> None:
        """Note what came of a request."""
        target = self._asked.pop(notification.request, None)
        if target is None:
            return
        self.counts[notification.result] += 1
        if notification.value == {"conflict": "contract"}:
            told = {"variable": target[0], "result": notification.result.label}
            self._context.decide("conflict_told", target[2] or target[1], told, (notification.id,))


def make_service(
    spec: Mapping[str, Any], params: Mapping[str, Any], directory: Directory
) -> Reader:
    """Return the service ``reader`` of a unit, as the units' hub asks for it.

    ``params``: ``targets: [[variable, location, at]]`` (``at`` empty: the unit at the location
    itself), ``every_s``, ``from_s``. Raises ScenarioError.
    """
    path = f"units.{spec['id']}.services.reader"
    targets = [(str(v), str(location), str(at)) for v, location, at in params.get("targets", ())]
    faults = [
        Fault(f"{path}.targets", f"{unit} is no unit")
        for target in targets
        for unit in target[1:]
        if unit and unit not in directory
    ]
    every_ms = round(params.get("every_s", 900) * 1000)
    if every_ms <= 0:
        faults.append(Fault(f"{path}.every_s", "must be more than 0"))
    if faults:
        raise ScenarioError(faults)
    return Reader(targets, every_ms, round(params.get("from_s", 0) * 1000))
