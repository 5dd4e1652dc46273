"""Service ``derflows`` of a grid unit: generators and stores of its area and of those below.

Follows what the unit gathers itself (``area.der``, ``area.values``) and what the units below have
summed up, and writes ``der.summary``: flows, how many can be counted on, what they could do for the
grid now, and problems that come of them. A problem is told when it begins and when it is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controllers.derflows.problems import (
    Limits,
    Problems,
    availability,
    fed_w,
    find_problems,
)
from controllers.unit.follow import FOLLOW, Follower, Wanted
from controllers.unit.service import Notification, UnitContext

__all__ = ["SUMMARY", "DerFlows"]

SUMMARY = "der.summary"
_SOON_MS, _MOST = 1_000, 50
_SUMMED = ("units", "available", "silent", "alarms", "problems")
_FLOWS = ("fed_w", "drawn_w", "more_w", "less_w", "reactive_var")


class DerFlows:
    """One unit's view."""

    name = "derflows"

    __slots__ = (
        "_areas", "_below", "_causes", "_context", "_fed_w", "_follower", "_heard", "_limits",
        "_open", "_p_w", "_states",
    )  # fmt: skip

    _context: UnitContext

    def __init__(self, areas: Sequence[str], limits: Limits) -> None:
        self._areas, self._limits = tuple(areas), limits
        self._states: dict[str, Mapping[str, Any]] = {}
        self._heard: set[str] = set()  # units that were there at some time
        self._below: dict[str, Mapping[str, Any]] = {}
        self._causes: dict[str, str] = {}
        self._p_w: float | None = None
        self._fed_w: dict[str, float] = {}  # at the last look
        self._open: dict[tuple[str, str], str] = {}

    def start(self, context: UnitContext) -> None:
        """Follow what the unit itself and those below have."""
        self._context = context
        own = [Wanted("area.der", context.unit), Wanted("area.values", context.unit)]
        self._follower = Follower([*own, *(Wanted(SUMMARY, area) for area in self._areas)])
        self._follower.start(context)

    def timer(self, name: str) -> None:
        """Follow the next, or sum up."""
        if name == FOLLOW:
            self._follower.timer()
        else:
            self._sum()

    def notify(self, notification: Notification) -> None:
        """Take what is told; sum up when the area's own period has been closed."""
        value = notification.value
        if not self._follower.take(notification) or not isinstance(value, dict):
            return
        variable = notification.variable
        self._causes[f"{variable} {notification.location}"] = notification.id
        if variable == "area.der":
            units = value.get("units")
            states = units.items() if isinstance(units, dict) else ()
            self._states = {str(k): v for k, v in states if isinstance(v, dict)}
            self._heard |= {k for k, v in self._states.items() if v.get("status") != "silent"}
        elif variable == "area.values":
            self._p_w = value.get("p_w") if value.get("meters") else None
            self._context.set_timer("sum", self._context.now_ms + _SOON_MS)
        elif notification.location in self._areas and _is_summary(value):
            self._below[notification.location] = value

    def _sum(self) -> None:
        """Write the summary; tell of problems that begin or are over."""
        context = self._context
        states = {k: v for k, v in self._states.items() if k in self._heard}
        problems = find_problems(context.unit, states, self._p_w, self._fed_w, self._limits)
        self._fed_w = {unit: fed_w(state) for unit, state in states.items()}
        self._tell(problems)
        status = [str(state.get("status")) for state in states.values()]
        record: dict[str, Any] = {
            "t_ms": context.now_ms,
            "units": len(self._states),
            "available": sum(bool(state.get("available")) for state in states.values()),
            "silent": status.count("silent"),
            "alarms": status.count("alarm"),
            "problems": len(problems),
            "fed_w": sum(self._fed_w.values()),
            "drawn_w": sum(max(float(s.get("p_w") or 0.0), 0.0) for s in states.values()),
            **availability(states),
        }
        for below in self._below.values():
            for name in (*_SUMMED, *_FLOWS):
                record[name] += below[name]
        record |= {name: round(record[name], 1) for name in _FLOWS}
        record["found"] = [[kind, element] for kind, element in sorted(problems)][:_MOST]
        decision = context.decide("der_summary", context.unit, record, self._facts())
        context.data.write(SUMMARY, context.unit, record, cause=decision)

    def _facts(self) -> list[str]:
        return [self._causes[key] for key in sorted(self._causes)]

    def _tell(self, problems: Problems) -> None:
        for kind, element in sorted(problems.keys() - self._open.keys()):
            value = {"kind": kind, "active": True, "value": round(problems[kind, element], 4)}
            told = self._context.decide("der_problem", element, value, self._facts())
            self._open[kind, element] = told
        for kind, element in sorted(self._open.keys() - problems.keys()):
            began = self._open.pop((kind, element))
            value = {"kind": kind, "active": False, "value": 0.0}
            self._context.decide("der_problem", element, value, [began, *self._facts()])


def _is_summary(value: Mapping[str, Any]) -> bool:
    return all(
        type(value.get(name)) in (int, float) and 0 <= value[name] < 1e12
        for name in (*_SUMMED, *_FLOWS)
    )
