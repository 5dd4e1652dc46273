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

    __slots__ = ("_areas", "_desk", "_first_ms", "_records", "_settings", "_sizes", "_variable")

    def __init__(
        self, areas: Sequence[str], settings: AggregationSettings, variable: str = AREA
    ) -> None:
        self._areas, self._settings, self._variable = tuple(areas), settings, variable
        # area -> start of slot [ms] -> (record, what brought it)
        self._records: dict[str, dict[int, tuple[dict[str, Any], str]]] = {a: {} for a in areas}
        self._sizes = dict.fromkeys(areas, 0)
        self._first_ms = 0

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._areas)

    def start(self, desk: Desk) -> None:
        """Follow the areas."""
        self._desk = desk
        self._first_ms = desk.context.now_ms // SLOT_MS * SLOT_MS
        for area in self._areas:
            self._follow(area)

    def _follow(self, area: str) -> None:
        data, settings = self._desk.context.data, self._settings
        if settings.subscribe == "periodic":
            issued = data.periodic(self._variable, area, settings.period_ms)
        else:
            issued = data.event(self._variable, area)
        self._desk.expect(issued, self, "area", area, self._variable)

    def take(self, question: Question, notification: Notification) -> None:
        """Take a record."""
        if question.purpose == "area" and self._desk.failed(question, notification):
            if notification.result is not Result.DENIED:
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
            if start_ms not in records:
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
