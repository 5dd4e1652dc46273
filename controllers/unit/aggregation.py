"""Service ``aggregation``: sums the energy of an area, slot by slot, at every level alike.

Below a unit stand meters (whose registers it subscribes to by ``event``) and units that
aggregate themselves (whose ``area.energy`` it subscribes to by ``event`` or ``periodic``). Some
time after a slot's end it sums what has come and writes it to its own ``area.energy``. Reports
are not acknowledged, so who is late is asked by ``query`` once before, and missing if that
brings nothing either. A meter's energy in a slot is the difference of its registers at the
slot's two boundaries, whose first one is asked for by ``query`` when the meter joins. A joining
meter is checked by a ``periodic`` look at its voltage, which ends with ``unsubscribe``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controllers.unit.directory import Directory
from controllers.unit.service import Issued, Notification, Result, UnitContext
from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import SLOT_MS

__all__ = ["Aggregation", "AggregationSettings"]

AREA, VOLTAGE = "area.energy", "voltage"
_REGISTERS = ("energy.import", "energy.export")
_CHECK_PERIOD_MS = 60_000
_AGAIN_MS = SLOT_MS
_LEVEL_MS, _GRACE_MS, _SETTLE_MS = 60_000, 120_000, 20_000
_CLOCK_TOLERANCE_MS = 60_000


@dataclass(frozen=True, slots=True)
class AggregationSettings:
    """``subscribe`` is how areas below are followed; ``deadline_ms`` counts from a slot's end.

    Who is late ``ask_ms`` before the deadline is asked for the value itself (0: nobody is).
    Joins of children are spread over ``join_ms``; ``poll_count`` meters are asked for their
    voltage every ``poll_ms``.
    """

    subscribe: str = "event"
    period_ms: int = SLOT_MS
    deadline_ms: int = _GRACE_MS
    ask_ms: int = 0
    join_ms: int = 300_000
    check: bool = True
    poll_count: int = 0
    poll_ms: int = 3_600_000


class Aggregation:
    """Gathers from the children, polls below, writes the area's energy."""

    name = "aggregation"

    __slots__ = (
        "_areas",
        "_asked",
        "_context",
        "_edges",
        "_joining",
        "_meters",
        "_polled",
        "_records",
        "_settings",
        "_sizes",
        "_slot",
    )

    _context: UnitContext

    def __init__(
        self,
        meters: Sequence[str],
        areas: Sequence[str],
        settings: AggregationSettings,
        polled: Sequence[str] = (),
    ) -> None:
        self._meters, self._areas, self._settings = tuple(meters), tuple(areas), settings
        self._polled = tuple(polled)
        # request -> what was asked for, of whom
        self._asked: dict[str, tuple[str, str, str]] = {}
        # (meter, register) -> slot boundary -> (value [Wh], what brought it)
        self._edges: dict[tuple[str, str], dict[int, tuple[float, str]]] = {
            (meter, register): {} for meter in meters for register in _REGISTERS
        }
        # area -> start of slot [ms] -> (record, what brought it)
        self._records: dict[str, dict[int, tuple[dict[str, Any], str]]] = {a: {} for a in areas}
        self._sizes = dict.fromkeys(areas, 0)
        self._joining: list[str] = []
        self._slot = 0

    @classmethod
    def make(
        cls, spec: Mapping[str, Any], params: Mapping[str, Any], directory: Directory
    ) -> Aggregation:
        """Return the service of a unit's specification.

        ``params``: ``subscribe``, ``period_s``, ``spread_s`` of the meters below, ``deadline_s``,
        ``ask_s``, ``join_s``, ``check``, ``poll: {count, period_s}``. Raises ScenarioError.
        """
        unit = spec["id"]
        children = [directory[child] for child in directory[unit].children]
        areas = [child.id for child in children if cls.name in child.services]
        meters = [c.id for c in children if c.kind == "meter" and "metering" in c.services]
        top = not directory[unit].parent
        subscribe = params.get("subscribe", "periodic" if top else "event")
        if subscribe not in {"event", "periodic"}:
            path = f"units.{unit}.services.aggregation.subscribe"
            raise ScenarioError([Fault(path, f"{subscribe!r}", "event or periodic")])
        period_ms = _ms(params, "period_s", SLOT_MS)
        level = directory.levels(unit, cls.name)
        deadline_ms = _ms(params, "spread_s", 60_000) + _GRACE_MS + _LEVEL_MS * (level - 1)
        deadline_ms += period_ms if subscribe == "periodic" and areas else 0
        # meters have all reported after the spread, areas a level's time before the deadline
        ask_ms = _LEVEL_MS - _SETTLE_MS if areas else _GRACE_MS - _SETTLE_MS
        poll = params.get("poll") or {}
        settings = AggregationSettings(
            subscribe,
            period_ms,
            _ms(params, "deadline_s", deadline_ms),
            _ms(params, "ask_s", ask_ms),
            _ms(params, "join_s", 300_000),
            bool(params.get("check", True)),
            int(poll.get("count", 3 if top else 0)),
            _ms(poll, "period_s", 3_600_000),
        )
        polled: list[str] = []
        if settings.poll_count:
            polled = [entry.id for entry in directory.below(unit) if entry.kind == "meter"]
        return cls(meters, areas, settings, polled)

    # -- stimuli -----------------------------------------------------------------------------

    def start(self, context: UnitContext) -> None:
        """Follow the areas below at once, have the meters join one after another."""
        self._context, settings = context, self._settings
        for area in self._areas:
            self._follow_area(area)
        self._joining = list(reversed(self._meters))
        if self._joining:
            context.set_timer("join", context.now_ms)
        self._slot = context.now_ms // SLOT_MS
        if self._meters or self._areas:
            self._expect_slot()
        if self._polled and settings.poll_count:
            context.set_timer("poll", context.now_ms + settings.poll_ms)

    def timer(self, name: str) -> None:
        """Go on with the joins, close a slot, or poll."""
        context, settings = self._context, self._settings
        if name == "join":
            self._join(self._joining.pop())
            if self._joining:
                gap_ms = max(1, settings.join_ms // len(self._meters))
                context.set_timer("join", context.now_ms + gap_ms)
        elif name == "slot":
            self._close(self._slot)
            self._slot += 1
            self._expect_slot()
        elif name == "late":
            self._ask_late(self._slot)
        else:
            self._poll()
            context.set_timer("poll", context.now_ms + settings.poll_ms)

    def notify(self, notification: Notification) -> None:
        """Take an outcome or an instance."""
        purpose, child, variable = self._asked.get(notification.request, ("", "", ""))
        if not purpose:
            return
        if purpose in {"baseline", "area_late", "polled", "end"}:
            del self._asked[notification.request]
        if purpose == "check":
            self._checked(child, notification)
        elif purpose in {"register", "area"} and _failed(notification.result):
            self._failed(purpose, child, variable, notification)
        elif notification.result is not Result.OK or notification.t_ms == -1:
            return
        elif purpose in {"register", "baseline"}:
            self._take_register(child, variable, notification)
        elif purpose in {"area", "area_late"}:
            self._take_record(child, notification)
        elif purpose == "polled":
            detail = {"v": notification.value, "t_ms": notification.t_ms}
            self._context.decide("voltage_polled", child, detail, (notification.id,))

    # -- joining -----------------------------------------------------------------------------

    def _expect(self, issued: Issued, purpose: str, child: str, variable: str) -> None:
        if issued.result is Result.ISSUED:
            self._asked[issued.id] = (purpose, child, variable)

    def _join(self, meter: str) -> None:
        data = self._context.data
        for register in _REGISTERS:
            self._expect(data.event(register, meter), "register", meter, register)
            self._expect(data.query(register, meter), "baseline", meter, register)
        if self._settings.check:
            issued = data.periodic(VOLTAGE, meter, _CHECK_PERIOD_MS)
            self._expect(issued, "check", meter, VOLTAGE)

    def _follow_area(self, area: str) -> None:
        data, settings = self._context.data, self._settings
        if settings.subscribe == "periodic":
            issued = data.periodic(AREA, area, settings.period_ms)
        else:
            issued = data.event(AREA, area)
        self._expect(issued, "area", area, AREA)

    def _checked(self, meter: str, notification: Notification) -> None:
        """End the commissioning check with the first voltage, or with its failure."""
        result = notification.result
        if result in {Result.OK, Result.REPLACED} and notification.t_ms == -1:
            return  # the confirmation
        del self._asked[notification.request]
        detail = {"result": result.label, "v": notification.value}
        decision = self._context.decide("commissioned", meter, detail, (notification.id,))
        if result in {Result.OK, Result.NO_DATA}:
            issued = self._context.data.unsubscribe(notification.request, meter, cause=decision)
            self._expect(issued, "end", meter, VOLTAGE)

    def _failed(self, purpose: str, child: str, variable: str, notification: Notification) -> None:
        """Note that a child cannot be followed; try again later."""
        del self._asked[notification.request]
        context = self._context
        detail = {"result": notification.result.label, "variable": variable}
        context.decide("join_failed", child, detail, (notification.id,))
        if notification.result is Result.DENIED:
            return
        if purpose == "area":
            self._follow_area(child)
        elif child not in self._joining:
            self._joining.insert(0, child)
            context.set_timer("join", context.now_ms + _AGAIN_MS)

    def _poll(self) -> None:
        count = min(self._settings.poll_count, len(self._polled))
        picks = self._context.stream("poll").choice(len(self._polled), count, replace=False)
        for pick in sorted(picks.tolist()):
            meter = self._polled[pick]
            self._expect(self._context.data.query(VOLTAGE, meter), "polled", meter, VOLTAGE)

    # -- what has not come -------------------------------------------------------------------

    def _expect_slot(self) -> None:
        """Set when the slot is closed, and when those who are late are asked."""
        settings = self._settings
        close_ms = (self._slot + 1) * SLOT_MS + settings.deadline_ms
        self._context.set_timer("slot", close_ms)
        ask_ms = close_ms - settings.ask_ms
        if settings.ask_ms and ask_ms > self._context.now_ms:
            self._context.set_timer("late", ask_ms)

    def _ask_late(self, slot: int) -> None:
        """Ask for what has not come of a slot: reports are not acknowledged, one may be lost."""
        data = self._context.data
        for (meter, register), edges in self._edges.items():
            if slot + 1 not in edges:
                self._expect(data.query(register, meter), "baseline", meter, register)
        start_ms = slot * SLOT_MS
        for area, records in self._records.items():
            if start_ms not in records:
                issued = data.query(AREA, area, condition=f"value.t_ms == {start_ms}")
                self._expect(issued, "area_late", area, AREA)

    # -- summing -----------------------------------------------------------------------------

    def _take_register(self, meter: str, register: str, notification: Notification) -> None:
        boundary = round(notification.t_ms / SLOT_MS)
        if abs(notification.t_ms - boundary * SLOT_MS) > _CLOCK_TOLERANCE_MS:
            return  # a value read between two boundaries
        if boundary >= self._slot and not isinstance(notification.value, bool | dict | list | str):
            edges = self._edges[meter, register]
            edges.setdefault(boundary, (float(notification.value), notification.id))

    def _take_record(self, area: str, notification: Notification) -> None:
        record = notification.value
        if not _is_record(record):
            return
        self._sizes[area] = record["meters"] + record["missing"]
        if record["t_ms"] >= self._slot * SLOT_MS:
            self._records[area].setdefault(record["t_ms"], (record, notification.id))

    def _close(self, slot: int) -> None:
        """Sum what came of one slot, write it, forget it."""
        imports: list[float] = []
        exports: list[float] = []
        causes: list[str] = []
        meters = missing = 0
        for meter in self._meters:
            energies = [self._difference(meter, register, slot, causes) for register in _REGISTERS]
            if energies[0] is None or energies[1] is None:
                missing += 1
                continue
            meters += 1
            imports.append(energies[0])
            exports.append(energies[1])
        start_ms = slot * SLOT_MS
        for area, records in self._records.items():
            record, cause = records.pop(start_ms, (None, ""))
            if record is None:
                missing += self._sizes[area]
                continue
            causes.append(cause)
            meters, missing = meters + record["meters"], missing + record["missing"]
            imports.append(record["import_wh"])
            exports.append(record["export_wh"])
        total = {
            "t_ms": start_ms,
            "import_wh": math.fsum(imports),
            "export_wh": math.fsum(exports),
            "meters": meters,
            "missing": missing,
        }
        context = self._context
        decision = context.decide("area_energy", context.unit, total, causes)
        context.data.write(AREA, context.unit, total, cause=decision)

    def _difference(self, meter: str, register: str, slot: int, causes: list[str]) -> float | None:
        """Return a register's growth over a slot; None where a boundary is missing."""
        edges = self._edges[meter, register]
        begin = edges.pop(slot, None)
        end = edges.get(slot + 1)
        if begin is None or end is None:
            return None
        causes.append(end[1])
        return end[0] - begin[0]


def _failed(result: Result) -> bool:
    return result not in {Result.OK, Result.REPLACED, Result.NO_DATA, Result.ISSUED}


def _ms(params: Mapping[str, Any], key: str, default_ms: int) -> int:
    value = params.get(key)
    return default_ms if value is None else round(value * 1000)


def _is_record(value: Any) -> bool:
    if type(value) is not dict:
        return False
    counts = (value.get("t_ms"), value.get("meters"), value.get("missing"))
    energies = (value.get("import_wh"), value.get("export_wh"))
    return all(type(count) is int for count in counts) and all(
        type(energy) is int or type(energy) is float for energy in energies
    )
