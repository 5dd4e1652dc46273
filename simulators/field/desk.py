"""The crews' desk: where anybody in charge orders work at any element of the grid by hand.

Without services somebody notices faults all the same: with ``notice_ms`` every fault that has not
gone out by then is repaired, as customers' calls and a patrol along the line would have it; then
the switches that it made open are closed again, fuses replaced.
"""

from __future__ import annotations

import heapq
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Command, Event
from simulators.field.orders import element_of
from simulators.field.specs import ActuatorSpec

__all__ = ["URGENCY", "Desk", "DeskSpec", "parse_desk"]

URGENCY = {"open": 0, "close": 0, "tap": 1, "repair": 1}
_OVER = ("fault_goes_out", "fault_repaired")


@dataclass(frozen=True, slots=True)
class DeskSpec:
    """A desk of ``unit``. ``places`` are those that crews know: element to metres.

    ``taps`` are the lowest and highest tap of transformers. Work takes ``switch_ms`` at a switch
    or tap, ``repair_ms`` for a repair. ``notice_ms`` (-1: never): see the module.
    """

    id: str
    unit: str
    places: Mapping[str, tuple[float, float]]
    taps: Mapping[str, tuple[int, int]]
    switch_ms: int = 600_000
    repair_ms: int = 7_200_000
    notice_ms: int = -1


def parse_desk(item: Mapping[str, Any]) -> DeskSpec:
    """Return the desk; ScenarioError with all that is wrong with it."""
    known = [field.name for field in fields(DeskSpec)]
    faults = [Fault(f"desk.{n}", "unknown field") for n in sorted(set(item) - set(known))]
    given = {name: item[name] for name in known if name in item}
    for name in ("places", "taps"):
        given[name] = {key: tuple(value) for key, value in (item.get(name) or {}).items()}
    spec = DeskSpec(**given)
    faults += [
        Fault(f"desk.{name}", f"must not be negative: {getattr(spec, name)}")
        for name in ("switch_ms", "repair_ms")
        if getattr(spec, name) < 0
    ]
    if faults:
        raise ScenarioError(faults)
    return spec


class Desk:
    """One desk; ``spec`` turns an order into a drive that is worked by hand."""

    def __init__(self, spec: DeskSpec) -> None:
        self.id, self._spec = spec.id, spec
        self._ids = Sequencer(f"{spec.id}/noticed")
        self._known: list[tuple[int, str, str, str]] = []
        self._roots: dict[str, str] = {}  # what a fault has brought about, to that fault
        self._opened: dict[str, str] = {}

    @property
    def due_ms(self) -> int | None:
        """When the next fault is noticed."""
        return self._known[0][0] if self._known else None

    def spec(self, command: Command) -> ActuatorSpec | None:
        """Return who carries out an order, None for an element that nobody knows."""
        spec, element = self._spec, element_of(command)
        whole = element.rpartition("/")[0]  # a lamp is where its feeder is
        place_m = spec.places.get(element) or spec.places.get(whole)
        if place_m is None:
            return None
        work = command.value.get("work")
        return ActuatorSpec(
            spec.id, spec.unit, element, by="crew", place_m=place_m,
            work_ms=spec.repair_ms if work == "repair" else spec.switch_ms,
            step_ms=int(element in spec.taps), steps=spec.taps.get(element, (0, 0)),
        )  # fmt: skip

    def hear(self, t_ms: int, happened: Iterable[Event], ours: Container[str]) -> list[Command]:
        """Take what happens in the grid; return orders for what is noticed by ``t_ms``.

        Switches that moved because of ``ours``, events of drives and crews, are left as they are.
        """
        if self._spec.notice_ms < 0:
            return []
        orders = []
        for event in happened:
            root = self._root(event)
            if event.kind == "switch_opened" and event.cause not in ours and root:
                self._opened[event.element] = root
            elif event.kind in ("switch_opened", "switch_closed"):
                self._opened.pop(event.element, None)
            elif event.kind == "fault_begins":
                due_ms = t_ms + self._spec.notice_ms
                heapq.heappush(self._known, (due_ms, event.value["fault"], event.element, event.id))
            elif event.kind in _OVER:
                orders += self._end(t_ms, event)
        while self._known and self._known[0][0] <= t_ms:
            _, _, element, cause = heapq.heappop(self._known)
            orders.append(self._order(t_ms, element, "repair", cause))
        return orders

    def _end(self, t_ms: int, event: Event) -> list[Command]:
        """Forget a fault; what it made open is to be closed once it is repaired."""
        over = event.value["fault"]
        self._known = [item for item in self._known if item[1] != over]
        heapq.heapify(self._known)
        opened = sorted(switch for switch, root in self._opened.items() if root == over)
        for switch in opened:
            del self._opened[switch]
        self._roots = {ident: root for ident, root in self._roots.items() if root != over}
        if event.kind != "fault_repaired":
            return []
        return [self._order(t_ms, switch, "close", event.id) for switch in opened]

    def _root(self, event: Event) -> str:
        """Return the fault that an event leads back to, "" for none."""
        own = event.value.get("fault", "") if event.kind.startswith("fault_") else ""
        root: str = own or self._roots.get(event.cause, "")
        if root:
            self._roots[event.id] = root
        return root

    def _order(self, t_ms: int, element: str, work: str, cause: str) -> Command:
        value = {"element": element, "work": work}
        return Command(self._ids(), cause, "", self.id, "crew", value, t_ms)
