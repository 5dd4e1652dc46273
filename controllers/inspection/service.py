"""Looks closer after an event: the details are the customers', and stay so.

An event is an area's summary that tells of interruptions, or a report of a fault or of fraud. The
service then asks each meter of the area for quality and values, a few at a time. Each answer is the
customer's, marked so and under the policy in force at the meter: who refuses is told of as refused,
and nothing else is known. What was granted goes to table ``export``, for outage management.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from controllers.unit.follow import FOLLOW, Follower, Wanted
from controllers.unit.service import Notification, Result, UnitContext

__all__ = ["Inspection"]

_EVENTS = ("quality.summary", "fault.report", "fraud.report")
_DETAILS = ("supply.quality", "meter.values")


class Inspection:
    """``areas``: summing units below with the meters behind them."""

    name = "inspection"

    __slots__ = ("_areas", "_asked", "_at_once", "_context", "_follower", "_pending", "_tally")

    _context: UnitContext

    def __init__(self, areas: Mapping[str, tuple[str, ...]], at_once: int) -> None:
        self._areas, self._at_once = areas, at_once
        self._follower = Follower(
            [Wanted(variable, area) for area in sorted(areas) for variable in _EVENTS]
        )
        # what is still to be asked: variable, meter, area, the decision that led to it
        self._pending: list[tuple[str, str, str, str]] = []
        self._asked: dict[str, tuple[str, str, str, str]] = {}
        self._tally: dict[str, dict[str, int]] = {}

    def start(self, context: UnitContext) -> None:
        """Follow what tells of events."""
        self._context = context
        self._follower.start(context)

    def timer(self, name: str) -> None:
        """Follow the next."""
        if name == FOLLOW:
            self._follower.timer()

    def notify(self, notification: Notification) -> None:
        """Take an event, or a detail that was asked for."""
        asked = self._asked.pop(notification.request, None)
        if asked is not None:
            self._detail(asked, notification)
        elif self._follower.take(notification) and isinstance(notification.value, dict):
            self._event(notification)

    def _event(self, notification: Notification) -> None:
        value, area = notification.value, notification.location
        if notification.variable == "quality.summary" and not value["interruptions"]:
            return
        told = {"variable": notification.variable, "meters": len(self._areas[area])}
        decision = self._context.decide("drill_down", area, told, (notification.id,))
        self._tally[decision] = {"granted": 0, "denied": 0, "unknown": 0}
        self._pending += [
            (variable, meter, area, decision)
            for meter in self._areas[area]
            for variable in _DETAILS
        ]
        self._ask()

    def _ask(self) -> None:
        while self._pending and len(self._asked) < self._at_once:
            item = self._pending.pop(0)
            issued = self._context.data.query(item[0], item[1], cause=item[3])
            if issued.result is Result.ISSUED:
                self._asked[issued.id] = item

    def _detail(self, item: tuple[str, str, str, str], notification: Notification) -> None:
        variable, meter, area, decision = item
        granted = notification.result is Result.OK
        denied = notification.result in {Result.DENIED, Result.RATE}
        tally = self._tally[decision]
        tally["granted" if granted else "denied" if denied else "unknown"] += 1
        if granted:
            self._context.record("export", self._row(variable, meter, notification))
        open_ones = [*self._pending, *self._asked.values()]
        if all(other[3] != decision for other in open_ones):
            told: dict[str, Any] = dict(self._tally.pop(decision))
            self._context.decide("drilled_down", area, told, (notification.id,))
        self._ask()

    def _row(self, variable: str, meter: str, notification: Notification) -> dict[str, Any]:
        return {
            "t_ms": self._context.now_ms,
            "id": notification.id,
            "interface": "oms",
            "variable": variable,
            "unit": meter,
            "owner": notification.owner,
            "value_ms": notification.t_ms,
            "value": json.dumps(notification.value, sort_keys=True, separators=(",", ":")),
        }
