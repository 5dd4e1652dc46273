"""Actuators: a unit's commands become actuations, later, or fail.

Each command goes through the same stages: it is refused or taken; where the actuator is worked
by hand a crew goes there; the drive takes its time; then it is done or fails, and confirmed.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fernwatt.identifiers import Sequencer
from fernwatt.messages import Actuation, Command, Event, Reading
from fernwatt.streams import stream
from simulators.field.crews import Crews, Job
from simulators.field.desk import URGENCY, Desk
from simulators.field.orders import actuation, element_of, refusal
from simulators.field.positions import Positions
from simulators.field.specs import ActuatorSpec

__all__ = ["Actuators", "Outcome"]


@dataclass(slots=True)
class Outcome:
    """What actuators did at one instant."""

    actuations: list[Actuation] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


class Actuators:
    """All actuators of a run.

    Each command is carried out ``delay_ms`` after it came (or after the crew was done), those of
    the same instant in the order of coming, and confirmed by a reading ``confirm`` of the
    actuator: 1 done, 0 failed, or the contrary where it misreports. A command for an actuator that
    is unknown or another unit's, or to a tap that does not exist, is refused and not confirmed.
    ``desk`` is where crews take orders for any element.
    """

    def __init__(
        self,
        specs: Sequence[ActuatorSpec],
        seed: int,
        crews: Crews | None = None,
        desk: Desk | None = None,
    ) -> None:
        self._specs = {(spec.address, spec.target if spec.group else ""): spec for spec in specs}
        self._groups = {spec.group for spec in specs if spec.group} | ({desk.id} if desk else set())
        everyone = [spec.id for spec in specs] + sorted(self._groups)
        self._ids = {name: Sequencer(name) for name in everyone}
        self._rngs = {name: stream(seed, "field", f"{name}/failure") for name in everyone}
        self._drives = {
            spec.id: stream(seed, "field", f"{spec.id}/drive")
            for spec in specs
            if spec.jitter_ms or spec.misreport_probability
        }
        # until when each tap changer is busy, and where it will be then
        self._taps = {spec.id: (0, spec.position) for spec in specs if spec.step_ms}
        self._events = Sequencer("field")
        self._ours: set[str] = set()
        self._crews, self._desk = crews, desk
        self._jobs: dict[str, tuple[ActuatorSpec, Command]] = {}
        self._waiting: list[tuple[int, int, ActuatorSpec, Command, str]] = []
        self._number = 0
        self.positions = Positions([spec for spec in specs if spec.tells], seed)

    @property
    def due_ms(self) -> int | None:
        """When the next command is carried out, or a crew has to be looked after."""
        due = [self._waiting[0][0]] if self._waiting else []
        parts = (self._crews, self._desk)
        due += [p.due_ms for p in parts if p is not None and p.due_ms is not None]
        return min(due) if due else None

    def step(
        self, t_ms: int, commands: Iterable[Command], happened: Sequence[Event] = ()
    ) -> Outcome:
        """Take new commands, and what happened in the grid; carry out what is due."""
        outcome = Outcome()
        outcome.readings, outcome.events = self.positions.hear(t_ms, happened)
        noticed = [] if self._desk is None else self._desk.hear(t_ms, happened, self._ours)
        for command in (*commands, *noticed):
            spec = self._find(command)
            reason = self._refusal(spec, command)
            if spec is None or reason:
                value = {"reason": reason, "unit": command.unit, "action": command.action}
                outcome.events.append(
                    _event(t_ms, command, self._events(), "command_refused", value)
                )
            elif spec.by == "crew" and self._crews is not None:
                self._jobs[command.id] = spec, command
                urgency = 0 if command.action != "crew" else URGENCY[command.value["work"]]
                self._crews.order(
                    Job(command.id, command.id, spec.target, spec.place_m, spec.work_ms, urgency)
                )
            else:
                self._drive(t_ms, spec, command, command.id)
        self._work(t_ms, outcome)
        while self._waiting and self._waiting[0][0] <= t_ms:
            _, _, spec, command, cause = heapq.heappop(self._waiting)
            self._carry_out(t_ms, spec, (command, cause), outcome)
        return outcome

    def _find(self, command: Command) -> ActuatorSpec | None:
        if self._desk is not None and command.actuator == self._desk.id:
            driven = self.positions.drive(element_of(command))
            if driven is not None and not command.unit and command.value["work"] != "repair":
                return driven  # nobody drives there for what the control centre can do
            return self._desk.spec(command)
        grouped = command.actuator in self._groups
        return self._specs.get((command.actuator, element_of(command) if grouped else ""))

    def _refusal(self, spec: ActuatorSpec | None, command: Command) -> str:
        if spec is None:
            known = command.actuator in self._groups
            return f"no such element: {element_of(command)}" if known else "unknown actuator"
        if command.unit and spec.unit != command.unit:
            return f"belongs to {spec.unit}"
        return refusal(spec, command)

    def _work(self, t_ms: int, outcome: Outcome) -> None:
        """Let the crews go on; what they have done, drives begin to do."""
        if self._crews is None:
            return
        done, events = self._crews.step(t_ms)
        outcome.events += events
        for job, ident in done:
            self._drive(t_ms, *self._jobs.pop(job.id), ident)

    def _drive(self, t_ms: int, spec: ActuatorSpec, command: Command, cause: str) -> None:
        delay_ms = spec.delay_ms
        if spec.jitter_ms:
            delay_ms += int(self._drives[spec.id].integers(spec.jitter_ms + 1))
        begin_ms = t_ms
        if command.action == "tap":
            # one drive: it begins when it has done the command before, from where that led
            begin_ms, before = max(t_ms, self._taps[spec.id][0]), self._taps[spec.id][1]
            delay_ms += abs(command.value["position"] - before) * spec.step_ms
            self._taps[spec.id] = (begin_ms + delay_ms, command.value["position"])
        self._number += 1
        heapq.heappush(self._waiting, (begin_ms + delay_ms, self._number, spec, command, cause))

    def _carry_out(
        self, t_ms: int, spec: ActuatorSpec, order: tuple[Command, str], outcome: Outcome
    ) -> None:
        (command, cause), give = order, self._ids[spec.id]
        done = self._rngs[spec.id].random() >= spec.failure_probability
        action, told = actuation(spec, command)
        value = {"target": spec.target, "action": action, "value": told}
        if done:
            acted = Actuation(give(), cause, spec.target, action, told)
            outcome.actuations.append(acted)
            if self._desk is not None:
                self._ours.add(acted.id)
            ident, kind = acted.id, "actuated"
        else:
            ident, kind = give(), "actuation_failed"
        outcome.events.append(Event(ident, cause, t_ms * 1000, kind, spec.id, value))
        said = done
        wrong = spec.misreport_probability
        if wrong and self._drives[spec.id].random() < wrong:
            said = not done
            what = {"done": done, "said": said}
            outcome.events.append(_event(t_ms, command, give(), "misreported", what))
        if not command.unit:
            return  # nobody asked who could be told
        outcome.readings.append(
            Reading(
                give(), command.id, spec.address, "confirm", t_ms, t_ms, 1.0 if said else 0.0, "1"
            )
        )
        outcome.readings += self.positions.ordered(t_ms, spec, command, ident, (done, said))


def _event(t_ms: int, command: Command, ident: str, kind: str, value: object) -> Event:
    return Event(ident, command.id, t_ms * 1000, kind, command.actuator, value)
