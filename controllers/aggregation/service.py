"""Service ``aggregation``: sums the energy of an area, slot by slot, at every level alike.

Below a unit stand meters, whose registers it subscribes to by ``event`` (``Meters``) or that
hide what they measure (``Collector``), and units that aggregate themselves: whose ``area.energy``
it subscribes to by ``event`` or ``periodic`` (``Areas``), or whose hidden sums it reads
(``HiddenAreas``). Some time after a slot's end it sums what has come and writes it to its own
``area.energy``. Reports are not acknowledged, so who is late is asked by ``query`` once before,
and missing if that brings nothing either. A meter's energy in a slot is the difference of its
registers at the slot's two boundaries, whose first one is asked for by ``query`` when the meter
joins. A joining meter is checked by a ``periodic`` look at its voltage, which ends with
``unsubscribe``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controllers.aggregation.areas import AREA, Areas
from controllers.aggregation.collecting import Collector
from controllers.aggregation.desk import VOLTAGE, Desk, Part, Question
from controllers.aggregation.meters import Meters
from controllers.aggregation.reading import HiddenAreas
from controllers.aggregation.release import Release
from controllers.aggregation.roll import Roll
from controllers.aggregation.settings import (
    AggregationSettings,
    make_hiding,
    make_rule,
    make_settings,
)
from controllers.unit.directory import Directory
from controllers.unit.service import Notification, Result, UnitContext
from fernwatt.timebase import SLOT_MS

__all__ = ["Aggregation", "Sources"]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a unit's energies come from; what may be given out of them only by a rule."""

    meters: Meters
    areas: Areas
    collector: Collector | None = None
    hidden: HiddenAreas | None = None
    release: Release | None = None

    @property
    def any(self) -> bool:
        """Whether there is anything to sum."""
        return bool(self.meters or self.areas or self.collector or self.hidden)


class Aggregation:
    """Gathers from the children, polls below, writes the area's energy."""

    name = "aggregation"

    __slots__ = ("_context", "_desk", "_polled", "_roll", "_settings", "_slot", "_sources")

    _context: UnitContext

    def __init__(
        self,
        sources: Sources,
        settings: AggregationSettings,
        polled: Sequence[str] = (),
        roll: Roll | None = None,
    ) -> None:
        self._sources, self._settings, self._polled = sources, settings, tuple(polled)
        self._slot, self._roll = 0, roll

    @classmethod
    def make(
        cls, spec: Mapping[str, Any], params: Mapping[str, Any], directory: Directory
    ) -> Aggregation:
        """Return the service of a unit's specification, see ``make_settings``."""
        unit = spec["id"]
        path = f"units.{unit}.services.aggregation"
        settings = make_settings(unit, params, directory)
        hiding, rule = make_hiding(params, path), make_rule(params, path)
        children = [directory[child] for child in directory[unit].children]
        areas = [child.id for child in children if cls.name in child.services]
        collector = hidden = None
        if hiding is not None:
            below = {area: hiding.group(directory, area) for area in areas}
            below = {area: group for area, group in below.items() if group.members}
            areas = [area for area in areas if area not in below]
            hidden = HiddenAreas(below, hiding) if below else None
            group = hiding.group(directory, unit)
            collector = Collector(group, hiding, settings) if group.members else None
        meters = [c.id for c in children if c.kind == "meter" and "metering" in c.services]
        open_ones = [] if hiding is not None else meters
        release = None
        if rule is not None and hiding is None:
            release = Release(rule, areas, settings)
        polled: list[str] = []
        if settings.poll_count:
            polled = [entry.id for entry in directory.below(unit) if entry.kind == "meter"]
        sources = Sources(
            Meters(open_ones, settings), Areas(areas, settings), collector, hidden, release
        )
        groups = "group" in (spec.get("services") or {})
        roll = None
        if groups:
            roll = Roll(collector or sources.meters, sources.areas, directory, hidden)
        return cls(sources, settings, polled, roll)

    # -- stimuli -----------------------------------------------------------------------------

    def start(self, context: UnitContext) -> None:
        """Follow the areas below at once, have the meters join one after another."""
        self._context, self._desk = context, Desk(context)
        sources, wait = self._sources, self._roll is not None
        sources.areas.start(self._desk, wait=wait)
        if sources.hidden is not None:
            sources.hidden.start(self._desk, wait=wait)
        if sources.release is not None:
            sources.release.start(self._desk)
        (sources.collector or sources.meters).start(self._desk, wait=wait)
        if self._roll is not None:
            self._roll.start(self._desk)
        self._slot = context.now_ms // SLOT_MS
        if self._sources.any:
            self._expect_slot()
        if self._polled and self._settings.poll_count:
            context.set_timer("poll", context.now_ms + self._settings.poll_ms)

    def timer(self, name: str) -> None:
        """Go on with the joins, close a slot, or poll."""
        context, sources = self._context, self._sources
        if name == "join":
            (sources.collector or sources.meters).joining.due()
        elif name == "slot":
            self._close(self._slot)
            self._slot += 1
            self._expect_slot()
        elif name == "late":
            self._ask_late(self._slot)
        elif name == "poll":
            self._poll()
            context.set_timer("poll", context.now_ms + self._settings.poll_ms)
        elif sources.collector is not None:
            sources.collector.timer(name)

    def notify(self, notification: Notification) -> None:
        """Take an outcome or an instance."""
        self._desk.notify(notification)

    # -- slots -------------------------------------------------------------------------------

    def _expect_slot(self) -> None:
        """Set when the slot is closed, and when those who are late are asked."""
        settings = self._settings
        close_ms = (self._slot + 1) * SLOT_MS + settings.deadline_ms
        self._context.set_timer("slot", close_ms)
        ask_ms = close_ms - settings.ask_ms
        if settings.ask_ms and ask_ms > self._context.now_ms:
            self._context.set_timer("late", ask_ms)

    def _ask_late(self, slot: int) -> None:
        sources = self._sources
        (sources.collector or sources.meters).ask_late(slot)
        sources.areas.ask_late(slot)
        if sources.hidden is not None:
            sources.hidden.ask_late(slot)

    def _close(self, slot: int) -> None:
        """Sum what came of one slot, write it, forget it."""
        sources, part = self._sources, Part()
        if sources.collector is not None:
            sources.collector.close(slot)
            return
        own = Part() if sources.release is not None else part
        of_meters = sources.meters.close(slot, own)
        sources.areas.close(slot, part)
        if sources.hidden is not None:
            sources.hidden.close(slot, part)
        if sources.release is not None:
            sources.release.close(slot, of_meters, own, part)
        total = {
            "t_ms": slot * SLOT_MS,
            "import_wh": math.fsum(part.imports),
            "export_wh": math.fsum(part.exports),
            "meters": part.meters,
            "missing": part.missing,
        }
        if part.suppressed:
            total["suppressed"] = part.suppressed
        context = self._context
        decision = context.decide("area_energy", context.unit, total, part.causes)
        context.data.write(AREA, context.unit, total, cause=decision)

    # -- polling -----------------------------------------------------------------------------

    def _poll(self) -> None:
        count = min(self._settings.poll_count, len(self._polled))
        picks = self._context.stream("poll").choice(len(self._polled), count, replace=False)
        for pick in sorted(picks.tolist()):
            meter = self._polled[pick]
            issued = self._context.data.query(VOLTAGE, meter)
            self._desk.expect(issued, self, "polled", meter, VOLTAGE, once=True)

    def take(self, question: Question, notification: Notification) -> None:
        """Note a voltage that was asked for."""
        if notification.result is Result.OK and notification.t_ms != -1:
            detail = {"v": notification.value, "t_ms": notification.t_ms}
            self._context.decide("voltage_polled", question.child, detail, (notification.id,))
