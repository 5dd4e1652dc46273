"""Energies of areas whose own units have summed them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controllers.aggregation.desk import Desk, Part, Question
from controllers.aggregation.settings import AggregationSettings
from controllers.unit.service import Notification, Result
from fernwatt.timebase import SLOT_MS

__all__ = ["AREA", "Areas", "is_record"]

AREA = "area.energy"


def is_record(value: Any) -> bool:
    """Tell whether a value is the energy of an area."""
    if type(value) is not dict:
        return False
    counts = [value.get(key, 0) for key in ("meters", "missing", "suppressed")]
    energies = (value.get("import_wh"), value.get("export_wh"))
    return (
        all(type(count) is int and count >= 0 for count in counts)
        and type(value.get("t_ms")) is int
        and {"meters", "missing"} <= value.keys()
        and all(type(energy) is int or type(energy) is float for energy in energies)
    )


class Areas:
    """Follows ``variable`` of units that sum, by ``event`` or ``periodic``."""

    __slots__ = (
        "_absent",
        "_areas",
        "_desk",
        "_first_ms",
        "_followed",
        "_records",
        "_settings",
        "_sizes",
        "_variable",
    )

    def __init__(
        self, areas: Sequence[str], settings: AggregationSettings, variable: str = AREA
    ) -> None:
        self._areas, self._settings, self._variable = tuple(areas), settings, variable
        # area -> start of slot [ms] -> (record, what brought it)
        self._records: dict[str, dict[int, tuple[dict[str, Any], str]]] = {a: {} for a in areas}
        self._sizes = dict.fromkeys(areas, 0)
        self._first_ms = 0
        self._followed: dict[str, str] = {}  # subscriptions
        self._absent: set[str] = set()

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._areas)

    def start(self, desk: Desk, *, wait: bool = False) -> None:
        """Follow the areas, or ``wait`` for each to be added."""
        self._desk = desk
        self._first_ms = desk.context.now_ms // SLOT_MS * SLOT_MS
        self._absent = set(self._areas) if wait else set()
        for area in () if wait else self._areas:
            self._follow(area)

    def add(self, area: str) -> None:
        """Follow an area whose unit is there (again), and perhaps belongs elsewhere."""
        if area not in self._areas:
            self._areas = (*self._areas, area)
            self._records[area], self._sizes[area] = {}, 0
        self._absent.discard(area)
        if area not in self._followed:
            self._follow(area)

    def miss(self, area: str) -> None:
        """Do not ask a unit that is lost for what it does not send."""
        self._absent.add(area)

    def drop(self, area: str) -> None:
        """Follow an area no longer whose unit is somebody else's now."""
        if area not in self._areas:
            return
        if (subscription := self._followed.pop(area, "")) != "":
            self._desk.context.data.unsubscribe(subscription, area)
        self._areas = tuple(one for one in self._areas if one != area)
        self._absent.discard(area)
        del self._records[area], self._sizes[area]

    def _follow(self, area: str) -> None:
        data, settings = self._desk.context.data, self._settings
        if settings.subscribe == "periodic":
            issued = data.periodic(self._variable, area, settings.period_ms)
        else:
            issued = data.event(self._variable, area)
        self._followed[area] = issued.id
        self._desk.expect(issued, self, "area", area, self._variable)

    def take(self, question: Question, notification: Notification) -> None:
        """Take a record."""
        if question.child not in self._records:
            return  # it was dropped
        if question.purpose == "area" and self._desk.failed(question, notification):
            self._followed.pop(question.child, None)
            if notification.result is not Result.DENIED and question.child not in self._absent:
                self._follow(question.child)
            return
        record = notification.value
        if notification.result is not Result.OK or not is_record(record) or "span_ms" in record:
            return
        area = question.child
        self._sizes[area] = record["meters"] + record["missing"]
        if record["t_ms"] >= self._first_ms:
            self._records[area].setdefault(record["t_ms"], (record, notification.id))

    def ask_late(self, slot: int) -> None:
        """Ask for what has not come of a slot."""
        data, start_ms = self._desk.context.data, slot * SLOT_MS
        for area, records in self._records.items():
            if start_ms not in records and area not in self._absent:
                issued = data.query(self._variable, area, condition=f"value.t_ms == {start_ms}")
                self._desk.expect(issued, self, "late", area, self._variable, once=True)

    def close(self, slot: int, part: Part) -> None:
        """Add what came of a slot to ``part``."""
        self._first_ms = (slot + 1) * SLOT_MS
        for area in self._areas:
            record, cause = self.pop(area, slot)
            if record is None:
                part.missing += self._sizes[area]
                continue
            part.causes.append(cause)
            part.meters += record["meters"]
            part.missing += record["missing"]
            part.suppressed += record.get("suppressed", 0)
            part.imports.append(record["import_wh"])
            part.exports.append(record["export_wh"])

    def pop(self, area: str, slot: int) -> tuple[dict[str, Any] | None, str]:
        """Take out an area's record of a slot, None where there is none."""
        return self._records[area].pop(slot * SLOT_MS, (None, ""))
