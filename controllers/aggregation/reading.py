"""Hidden sums of areas, read by the unit above: what of them is over enough customers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.aggregation.collecting import HIDDEN_SUM
from controllers.aggregation.desk import Desk, Part, Question
from controllers.aggregation.settings import Hiding
from controllers.security.aggregator import Aggregator, Group, from_fields
from controllers.security.errors import RefusedError
from controllers.unit.service import Notification, Result
from fernwatt.timebase import SLOT_MS

__all__ = ["HiddenAreas"]

_MOST_WH = 1e6
"""More than any one customer takes or gives in a slot."""


class HiddenAreas:
    """Follows the hidden sums of units below; ``groups`` are their meters.

    One sum of an area and slot is read, whatever comes after: two that differ by a few would
    give these away.
    """

    __slots__ = (
        "_desk",
        "_first_ms",
        "_followed",
        "_groups",
        "_hiding",
        "_reader",
        "_records",
    )

    def __init__(self, groups: Mapping[str, Group], hiding: Hiding) -> None:
        self._groups, self._hiding = groups, hiding
        self._records: dict[str, dict[int, tuple[dict[str, Any], str]]] = {a: {} for a in groups}
        self._first_ms = 0
        self._followed: dict[str, str] = {}

    def __contains__(self, area: str) -> bool:
        return area in self._groups

    def start(self, desk: Desk, *, wait: bool = False) -> None:
        """Follow the areas, or ``wait`` for each to be added."""
        self._desk = desk
        self._reader: Aggregator = desk.context.aggregator(self._hiding.scheme)
        self._first_ms = desk.context.now_ms // SLOT_MS * SLOT_MS
        for area in () if wait else self._groups:
            self._follow(area)

    def add(self, area: str) -> None:
        """Follow an area whose unit is there (again)."""
        if area not in self._followed:
            self._follow(area)

    def miss(self, area: str) -> None:
        """Go on: what a unit does not send is asked for once a slot."""

    def drop(self, area: str) -> None:
        """Follow an area no longer whose unit is somebody else's now."""
        if (subscription := self._followed.pop(area, "")) != "":
            self._desk.context.data.unsubscribe(subscription, area)

    def _follow(self, area: str) -> None:
        issued = self._desk.context.data.event(HIDDEN_SUM, area)
        self._followed[area] = issued.id
        self._desk.expect(issued, self, "area", area, HIDDEN_SUM)

    def take(self, question: Question, notification: Notification) -> None:
        """Take a hidden sum."""
        if question.purpose == "area" and self._desk.failed(question, notification):
            if notification.result is not Result.DENIED:
                self._follow(question.child)
            return
        value = notification.value
        if notification.result is not Result.OK or type(value) is not dict:
            return
        t_ms, records = value.get("t_ms"), self._records[question.child]
        if type(t_ms) is int and self._first_ms <= t_ms < self._desk.context.now_ms:
            records.setdefault(t_ms, (value, notification.id))

    def ask_late(self, slot: int) -> None:
        """Ask for what has not come of a slot."""
        data, start_ms = self._desk.context.data, slot * SLOT_MS
        for area, records in self._records.items():
            if start_ms not in records:
                issued = data.query(HIDDEN_SUM, area, condition=f"value.t_ms == {start_ms}")
                self._desk.expect(issued, self, "late", area, HIDDEN_SUM, once=True)

    def close(self, slot: int, part: Part) -> None:
        """Add to ``part`` what can be read of a slot."""
        start_ms = slot * SLOT_MS
        self._first_ms = start_ms + SLOT_MS
        for area, group in self._groups.items():
            value, cause = self._records[area].pop(start_ms, (None, ""))
            if value is None:
                part.missing += len(group.members)
                continue
            part.causes.append(cause)
            self._read(area, group, slot, value, part)

    def _read(
        self, area: str, group: Group, slot: int, value: Mapping[str, Any], part: Part
    ) -> None:
        places, total = value.get("missing"), from_fields(value)
        size = len(group.members)
        if type(places) is not list or not all(type(n) is int and 0 <= n < size for n in places):
            part.missing += size
            return
        missing = {group.members[place] for place in places}
        members = [name for name in group.members if name not in missing]
        part.missing += len(missing)
        if total is None:
            part.missing, part.suppressed = (
                part.missing + len(members),
                (part.suppressed + len(members)),
            )
            return
        energies = self._reveal(area, group, slot, members, total)
        if energies is None:
            part.missing += len(members)
            part.suppressed += len(members)
            return
        part.meters += len(members)
        part.imports.append(energies[0])
        part.exports.append(energies[1])

    def _reveal(
        self, area: str, group: Group, slot: int, members: list[str], total: list[Any]
    ) -> tuple[float, float] | None:
        """Return the energies [Wh] of a hidden sum; None, noted, where it may not be read."""
        desk, reader = self._desk, self._reader
        why = "too-few"
        if len(members) >= group.minimum and len(total) == 2:
            kind, count = reader.work(group)["reveal"]
            desk.context.work(kind, count)
            try:
                taken, given = reader.reveal(total, members, group, f"{area}/{slot}")
            except RefusedError as error:
                why = str(error.why)
            else:
                energies = taken / reader.per_wh, given / reader.per_wh
                if max(map(abs, energies)) <= _MOST_WH * len(members):
                    return energies
                why = "range"  # masks are left in it: not of those that it says
        detail = {"t_ms": slot * SLOT_MS, "meters": len(members), "why": why}
        desk.context.decide("sum_suppressed", area, detail, ())
        return None
