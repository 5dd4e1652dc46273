"""Faults over time: they begin, evolve, go out or are repaired.

``advance`` to an instant tells what changes; ``observe`` tells the arcs what current they carry.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulators.grid.incidents.specs import FaultSpec, Stage

if TYPE_CHECKING:
    from fernwatt.gridmodel.faults import Short

__all__ = ["Change", "Faults"]


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a fault: ``begins``, ``evolves``, ``goes-out`` or ``repaired``.

    ``shorts`` tells whether its short circuit changes; ``breaks`` and ``mends`` are conductors.
    """

    kind: str
    fault: FaultSpec
    stage: Stage | None
    breaks: tuple[int, ...] = ()
    mends: tuple[int, ...] = ()


@dataclass(slots=True)
class _Active:
    stage: Stage
    token: int = 0
    below: bool = False


@dataclass(order=True, slots=True)
class _Due:
    t_us: int
    number: int
    what: str = field(compare=False)
    fault: str = field(compare=False)
    detail: int = field(compare=False)


class Faults:
    """All faults of a run; ``shorts`` are the short circuits that there are now."""

    def __init__(self, specs: Sequence[FaultSpec]) -> None:
        self._specs = {spec.id: spec for spec in specs}
        self._active: dict[str, _Active] = {}
        self._told: dict[str, str] = {}
        self._queue: list[_Due] = []
        self._number = 0
        for spec in specs:
            self._put(spec.t_us, "stage", spec.id, 0)
        self.shorts: tuple[Short, ...] = ()

    @property
    def due_us(self) -> int | None:
        """When the next thing happens by itself; None for never."""
        return self._queue[0].t_us if self._queue else None

    def advance(self, t_us: int) -> list[Change]:
        """Return what happens up to ``t_us``, in order."""
        changes = []
        while self._queue and self._queue[0].t_us <= t_us:
            due = heapq.heappop(self._queue)
            change = self._happen(due)
            if change is not None:
                changes.append(change)
        if changes:
            self.shorts = tuple(
                _short(self._specs[ident], active.stage)
                for ident, active in sorted(self._active.items())
                if active.stage.phases
            )
        return changes

    def observe(self, t_us: int, current_a: Mapping[str, float]) -> None:
        """Let the short circuits carry these currents [A] from ``t_us`` on."""
        for ident, i_a in sorted(current_a.items()):
            spec, active = self._specs[ident], self._active.get(ident)
            if active is None or not spec.transient:
                continue
            below = i_a < spec.hold_a
            if below and not active.below:
                self._put(t_us + spec.arc_us, "out", ident, active.token)
            elif not below:
                active.token += 1  # whatever is under way is void
            active.below = below

    def explain(self, fault: str, event: str) -> None:
        """Remember the event that tells of a fault, as the cause of what follows from it."""
        self._told[fault] = event

    def cause(self, fault: str) -> str:
        """Return the last event that told of a fault, "" when there is none."""
        return self._told.get(fault, "")

    def repair(self, t_us: int, element: str) -> list[str]:
        """Repair all faults at ``element`` at ``t_us``; return their identifiers."""
        found = [ident for ident in sorted(self._active) if self._specs[ident].element == element]
        for ident in found:
            self._put(t_us, "repaired", ident, 0)
        return found

    # -- inside ------------------------------------------------------------------------------

    def _put(self, t_us: int, what: str, fault: str, detail: int) -> None:
        self._number += 1
        heapq.heappush(self._queue, _Due(t_us, self._number, what, fault, detail))

    def _happen(self, due: _Due) -> Change | None:
        spec, active = self._specs[due.fault], self._active.get(due.fault)
        if due.what == "stage":
            return self._enter(due, spec, active)
        if active is None or (due.what == "out" and active.token != due.detail):
            return None
        del self._active[due.fault]
        kind = "goes-out" if due.what == "out" else "repaired"
        return Change(kind, spec, None, mends=active.stage.broken)

    def _enter(self, due: _Due, spec: FaultSpec, active: _Active | None) -> Change | None:
        if due.detail and active is None:
            return None  # it went out, or was repaired, before it could become this
        stage = spec.stages[due.detail]
        before = active.stage.broken if active else ()
        self._active[due.fault] = _Active(stage, (active.token + 1) if active else 0)
        if due.detail + 1 < len(spec.stages):
            following = spec.stages[due.detail + 1]
            self._put(spec.t_us + following.after_us, "stage", due.fault, due.detail + 1)
        if not due.detail and spec.repaired_us >= 0:
            self._put(spec.repaired_us, "repaired", due.fault, 0)
        return Change(
            "evolves" if due.detail else "begins", spec, stage,
            breaks=tuple(wire for wire in stage.broken if wire not in before),
            mends=tuple(wire for wire in before if wire not in stage.broken),
        )  # fmt: skip


def _short(spec: FaultSpec, stage: Stage) -> Short:
    from fernwatt.gridmodel.faults import Short

    return Short(
        id=spec.id, line=spec.line, position=spec.position, bus=spec.bus, phases=stage.phases,
        ground=stage.ground, r_ohm=stage.r_ohm, side=stage.side,
    )  # fmt: skip
