"""Protection of a grid: measured currents and voltages in, events and switch operations out.

The plant says what every device sees (``observe``) whenever that changes; it holds until the next
time. The protection says when it acts next (``due_us``), and what it does then (``advance``)::

    while (outcome := protection.advance(t_us)).operations:
        plant.operate(outcome.operations)            # all of the same instant
        protection.observe(outcome.t_us, *plant.seen(), cause)

``advance`` stops at the first instant at which a switch moves, so that what happens after it
follows from the new state of the plant: time is resolved to the microsecond, whatever the tick.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import numpy as np

from fernwatt.errors import SimulationError
from fernwatt.messages import Event
from fernwatt.phasors import COLUMNS, ComplexArray, Phasors
from simulators.grid.protection.desk import Desk, Operation, Outcome
from simulators.grid.protection.devices import make_device
from simulators.grid.protection.elements import NEVER, Element, Elements, IntArray, Reset
from simulators.grid.protection.specs import Breaker, Device, Fuse, Sectionaliser

__all__ = ["Protection"]


class Protection:
    """All protective devices of a grid, sorted by identifier; row i of every input is device i."""

    def __init__(self, devices: Sequence[Device], seed: int) -> None:
        self.devices = tuple(devices)
        self._t_us = 0
        self._phasors = Phasors(
            np.array([getattr(d, "phase_deg", 0.0) for d in devices], dtype=float),
            np.array([getattr(d, "earth_deg", 0.0) for d in devices], dtype=float),
            np.array([getattr(d, "polarising_v", 0.0) for d in devices], dtype=float),
        )
        elements: list[Element] = []
        rows: list[IntArray] = []
        for place, device in enumerate(devices):
            own = _elements(device, place)
            rows.append(np.arange(len(elements), len(elements) + len(own)))
            elements += own
        self._elements = Elements(elements)
        self._timers: list[tuple[int, int, int, str, int]] = []
        self._number = 0
        self._outcome = Outcome(0)
        self._logic = [
            make_device(device, Desk(self, place, rows[place], device.id, seed))
            for place, device in enumerate(devices)
        ]
        self._by_switch: dict[str, list[int]] = {}
        for place, device in enumerate(devices):
            self._by_switch.setdefault(device.switch, []).append(place)
        self._by_id = {device.id: place for place, device in enumerate(devices)}
        self._watchers = [p for p, d in enumerate(devices) if isinstance(d, Sectionaliser)]

    @property
    def due_us(self) -> int | None:
        """When it acts next if nothing changes; None for never."""
        first = self._timers[0][0] if self._timers else NEVER
        due = min(first, self._elements.due_us)
        return None if due == NEVER else due

    def observe(self, t_us: int, i_a: ComplexArray, v_v: ComplexArray, cause: str = "") -> None:
        """Let currents [A] and phase-to-earth voltages [V], ``[m, 3]``, hold from ``t_us`` on.

        ``cause`` is the event that brought them about. SimulationError for another shape, numbers
        that are none, or an instant before what was done already.
        """
        shape = (len(self.devices), 3)
        if i_a.shape != shape or v_v.shape != shape:
            raise SimulationError(f"protection sees {i_a.shape}, {v_v.shape}, its devices {shape}")
        if not (np.isfinite(i_a).all() and np.isfinite(v_v).all()):
            place = int(np.flatnonzero(~np.isfinite(i_a + v_v).all(axis=1))[0])
            raise SimulationError(f"{self.devices[place].id} sees no number")
        self._go(t_us)
        if not self.devices:
            return
        table = self._phasors.table(i_a, v_v)
        self._spread(self._elements.observe(t_us, table), cause)
        volts = np.abs(v_v).max(axis=1)
        largest = table[:, COLUMNS["phase", "any"]]
        for place in self._watchers:
            self._logic[place].see(t_us, float(largest[place]), float(volts[place]), cause)

    def advance(self, t_us: int) -> Outcome:
        """Go on to ``t_us``, or to the first instant before it at which a switch moves."""
        while (due := self.due_us) is not None and due <= t_us:
            self._t_us = max(due, self._t_us)
            self._elements.integrate(self._t_us)
            self._act()
            if self._outcome.operations:
                break
        else:
            self._t_us = max(t_us, self._t_us)
        outcome, self._outcome = self._outcome, Outcome(0)
        outcome.t_us = self._t_us
        return outcome

    def notice(self, t_us: int, switch: str, closed: bool, cause: str) -> None:
        """Take note that somebody else operated a switch, so that its device begins anew."""
        self._go(t_us)
        self._elements.integrate(t_us)
        for place in self._by_switch.get(switch, ()):
            self._logic[place].operated(t_us, closed, cause)

    def state(self) -> dict[str, str]:
        """Return for each device what it is doing, for tables and tests."""
        return {d.id: logic.state for d, logic in zip(self.devices, self._logic, strict=True)}

    def travel(self, device: str) -> list[float]:
        """Return how far each element of a device has travelled, from 0 to 1."""
        place = self._by_id[device]
        values: list[float] = self._elements.travel[self._elements.place == place].tolist()
        return values

    # -- inside --------------------------------------------------------------------------------

    def _go(self, t_us: int) -> None:
        due_us = self.due_us
        if t_us < self._t_us or (due_us is not None and due_us < t_us):
            raise SimulationError(f"protection was not advanced to {t_us} us")
        self._t_us = t_us

    def _act(self) -> None:
        """Do what is due now: elements in their order, then timers."""
        for row in self._elements.operated().tolist():
            self._elements.latch(np.array([row]))
            self._logic[int(self._elements.place[row])].element_operated(self._t_us, row)
        while self._timers and self._timers[0][0] <= self._t_us:
            _, _, place, what, token = heapq.heappop(self._timers)
            self._logic[place].timer(self._t_us, what, token)

    def _spread(self, changes: tuple[IntArray, IntArray], cause: str) -> None:
        for rows, begins in zip(changes, (True, False), strict=True):
            for row in rows.tolist():
                logic = self._logic[int(self._elements.place[row])]
                logic.element_changed(self._t_us, row, begins, cause)

    def schedule(self, t_us: int, place: int, what: str, token: int) -> None:
        """Wake a device up at ``t_us``."""
        self._number += 1
        heapq.heappush(self._timers, (t_us, self._number, place, what, token))

    def trip_backup(self, t_us: int, device: str, cause: str) -> None:
        """Trip another device because the first one did not open."""
        self._logic[self._by_id[device]].trip(t_us, cause, {"backup": True})

    def note(self, event: Event) -> None:
        """Keep an event for the outcome."""
        self._outcome.events.append(event)

    def order(self, operation: Operation) -> None:
        """Keep an operation for the outcome."""
        self._outcome.operations.append(operation)

    def enable(self, rows: IntArray, enabled: Any) -> None:
        """Switch a device's elements on or off."""
        self._spread(self._elements.enable(rows, enabled), "")

    def renew(self, rows: IntArray) -> None:
        """Replace a device's elements by new ones."""
        self._elements.renew(rows)

    def quantity_a(self, row: int) -> float:
        """Return what an element sees now [A]."""
        return float(self._elements.quantity_a[row])

    def is_started(self, rows: IntArray) -> bool:
        """Tell whether any of a device's elements has picked up."""
        return bool(self._elements.started[rows].any())


def _elements(device: Device, place: int) -> list[Element]:
    if isinstance(device, Fuse):
        curve = device.curve
        return [
            Element(
                place, COLUMNS["pole", pole], curve.i_a[0], reset=Reset.COOLING,
                reset_s=device.cooling_s, fuse=curve,
            )
            for pole in ("1", "2", "3")
        ]  # fmt: skip
    if isinstance(device, Breaker):
        return [
            Element(
                place, COLUMNS[stage.quantity, stage.direction], stage.pickup_a, stage.curve,
                stage.tms, stage.delay_s, stage.minimum_s, stage.dropout, stage.reset_mode,
                stage.reset_s,
            )
            for stage in device.stages
        ]  # fmt: skip
    return []
