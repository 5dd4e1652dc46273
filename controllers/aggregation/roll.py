"""Which units are there to be followed, where the unit manages a group.

Whoever joins is followed, be it from elsewhere; whoever is lost is not asked again and again for
what it does not send, but counts as missing; whoever has left is another unit's.
"""

from __future__ import annotations

from controllers.aggregation.areas import Areas
from controllers.aggregation.collecting import Collector
from controllers.aggregation.desk import Desk, Question
from controllers.aggregation.meters import Meters
from controllers.aggregation.reading import HiddenAreas
from controllers.unit.directory import Directory
from controllers.unit.groupvariables import MEMBER
from controllers.unit.service import Notification

__all__ = ["Roll"]


class Roll:
    """Hands changes of the unit's group on to those who follow its members."""

    __slots__ = ("_areas", "_directory", "_hidden", "_meters")

    def __init__(
        self,
        meters: Meters | Collector,
        areas: Areas,
        directory: Directory,
        hidden: HiddenAreas | None = None,
    ) -> None:
        self._meters, self._areas, self._directory = meters, areas, directory
        self._hidden = hidden

    def start(self, desk: Desk) -> None:
        """Subscribe to the group's changes; members of before a restart are told anew."""
        issued = desk.context.data.event(MEMBER, desk.context.unit)
        desk.expect(issued, self, "member", desk.context.unit, MEMBER)

    def take(self, question: Question, notification: Notification) -> None:
        """Take a change."""
        del question
        value = notification.value
        if type(value) is not dict or value.get("kind") != "unit":
            return
        unit, state = value.get("unit"), value.get("state")
        source = self._source(str(unit))
        if source is None:
            return
        if state in {"joined", "returned"}:
            source.add(str(unit))
        elif state == "lost":
            source.miss(str(unit))
        elif state in {"left", "expelled"}:
            source.drop(str(unit))

    def _source(self, unit: str) -> Meters | Collector | Areas | HiddenAreas | None:
        if unit not in self._directory:
            return None
        entry = self._directory[unit]
        if entry.kind == "meter" and "metering" in entry.services:
            return self._meters
        if self._hidden is not None and unit in self._hidden:
            return self._hidden
        return self._areas if "aggregation" in entry.services else None
