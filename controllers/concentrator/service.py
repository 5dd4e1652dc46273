"""Gathers what meters, houses, generators and areas below tell, and writes summaries.

By period: ``area.values`` (power, reactive power, voltages, who is missing). Less often, and soon
after an interruption: ``quality.summary``. When it changes: ``regulation.summary``. With generators
below: ``area.der``. With meters below, now and then: ``load.diagram`` by criterion. Above the
substation the same is summed of the summaries below. A summary has no names of customers in it.
What did not come in time is missing, and counted; registers do not lose by that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controllers.concentrator.ders import DerBook
from controllers.concentrator.diagram import Diagram
from controllers.unit.follow import FOLLOW, Follower, Wanted
from controllers.unit.service import Notification, UnitContext

__all__ = ["Below", "Concentrator", "Times"]

_DER = ("der.parameters", "der.measurements", "der.alarm", "regulation.state")
_AREA = ("area.values", "quality.summary", "regulation.summary")
_CLOCK_MS, _SOON_MS = 60_000, 60_000


@dataclass(frozen=True, slots=True)
class Below:
    """Whom a unit hears: meters, customers' units, generators' units, units that sum themselves."""

    meters: tuple[str, ...]
    houses: tuple[str, ...]
    ders: tuple[str, ...]
    areas: tuple[str, ...]

    def wanted(self) -> list[Wanted]:
        """Return what is followed at whom."""
        found = [Wanted("meter.values", meter) for meter in self.meters]
        found += [Wanted("supply.quality", meter) for meter in self.meters]
        found += [Wanted("house.status", house) for house in self.houses]
        found += [
            Wanted(variable, der, ask=variable == "der.parameters")
            for der in self.ders
            for variable in _DER
        ]
        found += [Wanted(variable, area) for area in self.areas for variable in _AREA]
        return found


@dataclass(frozen=True, slots=True)
class Times:
    """Period of the sums, how long after it they are made, joins, quality, diagrams [ms]."""

    period_ms: int
    deadline_ms: int
    join_ms: int
    quality_ms: int
    diagram_ms: int


class Concentrator:
    """One unit's summaries."""

    name = "concentrator"

    __slots__ = (
        "_below",
        "_context",
        "_day_ms",
        "_ders",
        "_diagram",
        "_follower",
        "_heard",
        "_houses",
        "_producers",
        "_quality",
        "_regulation",
        "_sizes",
        "_times",
        "_told_ms",
    )

    _context: UnitContext

    def __init__(self, below: Below, times: Times, day_ms: int) -> None:
        self._below, self._times, self._day_ms = below, times, day_ms
        spread = below.meters or below.ders
        self._follower = Follower(below.wanted(), times.join_ms if spread else 0)
        # (unit, end of the period) -> record, and what brought it
        self._heard: dict[tuple[str, int], tuple[Mapping[str, Any], str]] = {}
        self._houses: dict[str, Mapping[str, Any]] = {}
        self._producers: set[str] = set()
        self._quality: list[tuple[Mapping[str, Any], str]] = []
        self._regulation: dict[str, Mapping[str, Any]] = {}
        self._sizes: dict[str, int] = {}
        self._ders = DerBook(below.ders, day_ms)
        self._diagram = Diagram()
        self._told_ms = 0

    def start(self, context: UnitContext) -> None:
        """Follow all below; close the period that is running when it is over."""
        self._context, times = context, self._times
        self._follower.start(context)
        self._next_period()
        context.set_timer("quality", context.now_ms + times.quality_ms + times.deadline_ms)
        if self._below.meters:
            context.set_timer("diagram", context.now_ms + times.diagram_ms + times.deadline_ms)

    def timer(self, name: str) -> None:
        """Close a period, tell quality, regulation or diagrams, or follow the next."""
        context, times = self._context, self._times
        if name == FOLLOW:
            self._follower.timer()
        elif name == "period":
            self._close()
            self._next_period()
        elif name == "diagram":
            for record in self._diagram.records(context.now_ms):
                context.data.write("load.diagram", context.unit, record)
            context.set_timer(name, context.now_ms + times.diagram_ms)
        elif name == "regulation":
            self._tell_regulation()
        else:
            self._tell_quality()
            if name == "quality":
                context.set_timer(name, context.now_ms + times.quality_ms)

    def notify(self, notification: Notification) -> None:
        """Keep what somebody below tells."""
        value = notification.value
        if not self._follower.take(notification) or not isinstance(value, dict):
            return
        unit, variable, cause = notification.location, notification.variable, notification.id
        if variable == "meter.values":
            self._keep(unit, int(value["t_ms"]), value, cause)
        elif variable == "area.values":
            self._sizes[unit] = value["meters"] + value["missing"]
            self._keep(unit, int(value["t_ms"]) + self._times.period_ms, value, cause)
        elif variable == "house.status":
            self._houses[unit] = value
        elif variable in {"supply.quality", "quality.summary"}:
            self._quality.append((value, cause))
            if value["interruptions"]:
                self._context.set_timer("interrupted", self._context.now_ms + _SOON_MS)
        elif variable in {"regulation.state", "regulation.summary"}:
            self._regulation[unit] = value
            self._context.set_timer("regulation", self._context.now_ms + _SOON_MS)
        elif unit in self._ders:
            self._ders.take(unit, variable, value, notification.t_ms)

    # -- by period ---------------------------------------------------------------------------

    def _next_period(self) -> None:
        period_ms, now_ms = self._times.period_ms, self._context.now_ms
        end_ms = (now_ms // period_ms + 1) * period_ms
        self._context.set_timer("period", end_ms + self._times.deadline_ms)

    def _keep(self, unit: str, t_ms: int, value: Mapping[str, Any], cause: str) -> None:
        """Keep a record at the boundary that it is of, by the clock of who made it."""
        period_ms = self._times.period_ms
        end_ms = round(t_ms / period_ms) * period_ms
        ahead_ms = end_ms - self._context.now_ms
        if abs(t_ms - end_ms) <= _CLOCK_MS and self._told_ms <= end_ms and ahead_ms <= period_ms:
            self._heard.setdefault((unit, end_ms), (value, cause))

    def _close(self) -> None:
        """Sum what came of the period that ended a deadline ago."""
        context, period_ms = self._context, self._times.period_ms
        end_ms = (context.now_ms - self._times.deadline_ms) // period_ms * period_ms
        own = {m: self._heard.get((m, end_ms)) for m in self._below.meters}
        areas = {a: self._heard.get((a, end_ms)) for a in self._below.areas}
        found = {unit: it for unit, it in {**own, **areas}.items() if it is not None}
        powers = {m: it[0]["p_w"] for m, it in own.items() if it and it[0]["p_w"] is not None}
        record = self._values(end_ms - period_ms, powers, own, areas)
        causes = [cause for _, cause in found.values()]
        decision = context.decide("area_values", context.unit, record, causes)
        context.data.write("area.values", context.unit, record, cause=decision)
        if self._below.meters:
            fed = {m for m, it in own.items() if it and it[0]["export_wh"] > 0.0}
            self._producers |= fed
            self._diagram.add(end_ms - period_ms, self._day_ms, powers, self._producers)
        if self._below.ders:
            states = self._ders.record(context.now_ms, 2 * period_ms)
            context.data.write("area.der", context.unit, states)
        self._heard = {key: it for key, it in self._heard.items() if key[1] > end_ms}
        self._told_ms = end_ms + 1

    def _values(
        self,
        start_ms: int,
        powers: Mapping[str, float],
        own: Mapping[str, tuple[Mapping[str, Any], str] | None],
        areas: Mapping[str, tuple[Mapping[str, Any], str] | None],
    ) -> dict[str, Any]:
        meters = [it[0] for m, it in own.items() if it is not None and m in powers]
        sums = [it[0] for it in areas.values() if it is not None]
        missing = len(own) - len(meters) + sum(record["missing"] for record in sums)
        missing += sum(self._sizes.get(area, 0) for area, it in areas.items() if it is None)
        volts = [v for record in meters for v in record["v_v"] if v is not None]
        volts += [record.get(key) for record in sums for key in ("v_min_v", "v_max_v")]
        volts = [v for v in volts if v is not None]
        parts = [*meters, *sums]
        return {
            "t_ms": start_ms,
            "p_w": _sum(record.get("p_w") for record in parts),
            "q_var": _sum(record.get("q_var") for record in parts),
            "v_min_v": min(volts, default=None),
            "v_max_v": max(volts, default=None),
            "meters": len(meters) + sum(record["meters"] for record in sums),
            "missing": missing,
            "flexible_w": _sum(
                [*(status["flexible_w"] for status in self._houses.values()),
                 *(record["flexible_w"] for record in sums)]
            ),
            "houses": len(self._houses) + sum(record["houses"] for record in sums),
        }  # fmt: skip

    # -- quality, regulation -----------------------------------------------------------------

    def _tell_quality(self) -> None:
        told, self._quality = self._quality, []
        context, records = self._context, [record for record, _ in told]
        summary = {
            "t_ms": context.now_ms,
            "supplies": sum(record.get("supplies", 1) for record in records),
            "samples": sum(record["samples"] for record in records),
            "outside": sum(record["outside"] for record in records),
            "v_min_v": min(_known(records, "v_min_v"), default=None),
            "v_max_v": max(_known(records, "v_max_v"), default=None),
            "interruptions": sum(record["interruptions"] for record in records),
            "outage_s": _sum(record["outage_s"] for record in records),
        }
        decision = context.decide(
            "quality_summary", context.unit, summary, [cause for _, cause in told]
        )
        context.data.write("quality.summary", context.unit, summary, cause=decision)

    def _tell_regulation(self) -> None:
        states = list(self._regulation.values())
        summary = {
            "t_ms": self._context.now_ms,
            "units": sum(state.get("units", 1) for state in states),
            "active": sum(int(state["active"]) for state in states),
            "q_var": _sum(state.get("q_var") for state in states),
        }
        self._context.data.write("regulation.summary", self._context.unit, summary)


def _known(records: Sequence[Mapping[str, Any]], key: str) -> list[float]:
    return [record[key] for record in records if record.get(key) is not None]


def _sum(values: Any) -> float:
    return round(math.fsum(value for value in values if value is not None), 1)
