"""Service ``privacy`` of a meter: its customer's energies go into sums, and nowhere by themselves.

It reads the meter's own registers, hides what they grew by in a slot, and writes that to
``energy.hidden``, where the unit that sums has subscribed. Where other members of the sum are
missing, that unit writes who to ``energy.missing``; the service then gives up the masks that it
had put in for those beside it, if the sum is still over enough customers, once for every set of
missing ones, each of which has all those of the set before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.aggregation.meters import REGISTERS, boundary_of
from controllers.aggregation.settings import Hiding, make_hiding
from controllers.security.aggregator import Aggregator, Group, as_fields
from controllers.security.errors import RefusedError
from controllers.unit.directory import Directory
from controllers.unit.service import Notification, Result, UnitContext
from fernwatt.errors import Fault, ScenarioError

__all__ = ["Contribution"]

SHARE, MISSING, UNMASK = "energy.hidden", "energy.missing", "energy.unmask"


class Contribution:
    """Hides the energies of one meter, for the unit above it to sum."""

    name = "privacy"

    __slots__ = (
        "_collector", "_context", "_edges", "_given_up", "_group", "_hider", "_hiding", "_last",
    )  # fmt: skip

    _context: UnitContext

    def __init__(self, collector: str, group: Group, hiding: Hiding) -> None:
        self._collector, self._group, self._hiding = collector, group, hiding
        # register -> slot boundary -> what it showed, in the scheme's whole numbers
        self._edges: dict[str, dict[int, int]] = {register: {} for register in REGISTERS}
        # slot -> who was missing when it last disclosed
        self._given_up: dict[int, frozenset[str]] = {}
        self._last: int | None = None

    @classmethod
    def make(
        cls, spec: Mapping[str, Any], params: Mapping[str, Any], directory: Directory
    ) -> Contribution:
        """Return the service of a unit's specification; ``params``: ``hiding``, ``spread_s``."""
        unit, path = spec["id"], f"units.{spec['id']}.services.privacy"
        hiding, parent = make_hiding(params, path), directory[unit].parent
        if hiding is None or not parent or not directory[parent].parent:
            reason = "needs a unit above that sums, and one above that which reads"
            raise ScenarioError([Fault(path, reason)])
        return cls(parent, hiding.group(directory, parent), hiding)

    def start(self, context: UnitContext) -> None:
        """Watch the own registers; look up what was hidden and given up before."""
        self._context = context
        self._hider: Aggregator = context.aggregator(self._hiding.scheme)
        if not self._group.allows(()):
            context.decide("sum_too_small", context.unit, {"meters": len(self._group.members)}, ())
            return
        for variable in (*REGISTERS, MISSING):
            context.data.event(variable, context.unit)
        for variable in (SHARE, UNMASK):
            context.data.query(variable, context.unit)

    def timer(self, name: str) -> None:
        """Have no timers."""

    def notify(self, notification: Notification) -> None:
        """Take a register's value, or who is missing."""
        value, variable = notification.value, notification.variable
        if variable in {SHARE, UNMASK}:
            if notification.result is Result.OK and value is not None:
                self._recall(variable, value)
        elif notification.result is not Result.OK or value is None:
            return
        elif variable == MISSING:
            self._told(notification)
        elif variable in self._edges:
            boundary = boundary_of(notification.t_ms)
            if boundary is not None:
                exact = round(float(value) * self._hider.per_wh)
                self._edges[variable].setdefault(boundary, exact)
                self._contribute(boundary - 1, notification.id)

    def _recall(self, variable: str, value: Mapping[str, Any]) -> None:
        """Know again what was hidden and given up before a restart."""
        if variable == SHARE:
            self._last = value["slot"]
        else:
            gone = frozenset(self._group.members[place] for place in value["missing"])
            self._given_up = {value["slot"]: gone}

    def _contribute(self, slot: int, cause: str) -> None:
        """Hide what the registers grew by, once all four values are there."""
        growth = []
        for register in REGISTERS:
            edges = self._edges[register]
            if slot not in edges or slot + 1 not in edges:
                return
            growth.append(edges[slot + 1] - edges[slot])
        for edges in self._edges.values():
            for old in [boundary for boundary in edges if boundary <= slot]:
                del edges[old]
        if self._last is not None and slot <= self._last:
            return  # it was hidden before a restart
        self._last = slot
        try:
            hidden = self._hider.hide(growth, self._group, f"{self._collector}/{slot}")
        except RefusedError as error:
            detail = {"slot": slot, "why": str(error.why)}
            self._context.decide("hiding_refused", self._context.unit, detail, (cause,))
            return
        kind, count = self._hider.work(self._group)["hide"]
        self._context.work(kind, count)
        value = {"slot": slot, **as_fields(hidden)}
        self._context.data.write(SHARE, self._context.unit, value, cause=cause)

    def _told(self, notification: Notification) -> None:
        """Give up masks put in for missing ones, or decline."""
        value, group, context = notification.value, self._group, self._context
        slot, places = value.get("slot"), value.get("missing")
        size = len(group.members)
        if type(slot) is not int or type(places) is not list:
            return
        if not all(type(place) is int and 0 <= place < size for place in places):
            return
        missing = frozenset(group.members[place] for place in places)
        before = self._given_up.get(slot, frozenset())
        if slot != self._last or not before <= missing:
            why = "another slot" if slot != self._last else "fewer than before"
        else:
            try:
                given_up = self._hider.disclose(missing, group, f"{self._collector}/{slot}")
            except RefusedError as error:
                why = str(error.why)
            else:
                self._given_up = {slot: missing}
                context.work("hash", len([one for one in group.beside(context.unit)
                                          if one in missing]))  # fmt: skip
                told = {"slot": slot, "missing": sorted(places), "v": given_up}
                context.data.write(UNMASK, context.unit, told, cause=notification.id)
                return
        detail = {"slot": slot, "missing": len(missing), "why": why}
        context.decide("unmasking_declined", context.unit, detail, (notification.id,))
