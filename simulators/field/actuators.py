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
    """

    def __init__(
        self, specs: Sequence[ActuatorSpec], seed: int, crews: Crews | None = None
    ) -> None:
        self._specs = {spec.id: spec for spec in specs}
        self._ids = {spec.id: Sequencer(spec.id) for spec in specs}
        self._rngs = {spec.id: stream(seed, "field", f"{spec.id}/failure") for spec in specs}
        self._drives = {
            spec.id: stream(seed, "field", f"{spec.id}/drive")
            for spec in specs
            if spec.jitter_ms or spec.misreport_probability
        }
        # until when each tap changer is busy, and where it will be then
        self._taps = {spec.id: (0, spec.position) for spec in specs if spec.step_ms}
        self._events = Sequencer("field")
        self._crews = crews
        self._jobs: dict[str, Command] = {}
        self._waiting: list[tuple[int, int, Command, str]] = []
        self._number = 0

    @property
    def due_ms(self) -> int | None:
        """When the next command is carried out, or a crew has to be looked after."""
        due = [self._waiting[0][0]] if self._waiting else []
        if self._crews is not None and self._crews.due_ms is not None:
            due.append(self._crews.due_ms)
        return min(due) if due else None

    def step(self, t_ms: int, commands: Iterable[Command]) -> Outcome:
        """Take new commands; carry out what is due."""
        outcome = Outcome()
        for command in commands:
            reason = self._refusal(command)
            if reason:
                value = {"reason": reason, "unit": command.unit, "action": command.action}
                outcome.events.append(
                    _event(t_ms, command, self._events(), "command_refused", value)
                )
                continue
            spec = self._specs[command.actuator]
            if spec.by == "crew" and self._crews is not None:
                self._jobs[command.id] = command
                self._crews.order(
                    Job(command.id, command.id, spec.target, spec.place_m, spec.work_ms)
                )
            else:
                self._drive(t_ms, command, command.id)
        self._work(t_ms, outcome)
        while self._waiting and self._waiting[0][0] <= t_ms:
            _, _, command, cause = heapq.heappop(self._waiting)
            self._carry_out(t_ms, command, cause, outcome)
        return outcome

    def _refusal(self, command: Command) -> str:
        spec = self._specs.get(command.actuator)
        if spec is None:
            return "unknown actuator"
        if spec.unit != command.unit:
            return f"belongs to {spec.unit}"
        if command.action == "tap":
            position = command.value.get("position") if isinstance(command.value, dict) else None
            low, high = spec.steps
            if not (spec.step_ms and isinstance(position, int) and low <= position <= high):
                return f"no such tap: {position}"
        return ""

    def _work(self, t_ms: int, outcome: Outcome) -> None:
        """Let the crews go on; what they have done, drives begin to do."""
        if self._crews is None:
            return
        done, events = self._crews.step(t_ms)
        outcome.events += events
        for job, ident in done:
            self._drive(t_ms, self._jobs.pop(job.id), ident)

    def _drive(self, t_ms: int, command: Command, cause: str) -> None:
        spec = self._specs[command.actuator]
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
        heapq.heappush(self._waiting, (begin_ms + delay_ms, self._number, command, cause))

    def _carry_out(self, t_ms: int, command: Command, cause: str, outcome: Outcome) -> None:
        spec, give = self._specs[command.actuator], self._ids[command.actuator]
        done = self._rngs[spec.id].random() >= spec.failure_probability
        value = {"target": spec.target, "action": command.action, "value": command.value}
        if done:
            actuation = Actuation(give(), cause, spec.target, command.action, command.value)
            outcome.actuations.append(actuation)
            ident, kind = actuation.id, "actuated"
        else:
            ident, kind = give(), "actuation_failed"
        outcome.events.append(Event(ident, cause, t_ms * 1000, kind, spec.id, value))
        said = done
        wrong = spec.misreport_probability
        if wrong and self._drives[spec.id].random() < wrong:
            said = not done
            told = {"done": done, "said": said}
            outcome.events.append(_event(t_ms, command, give(), "misreported", told))
        confirm = Reading(
            give(), command.id, spec.id, "confirm", t_ms, t_ms, 1.0 if said else 0.0, "1"
        )
        outcome.readings.append(confirm)


def _event(t_ms: int, command: Command, ident: str, kind: str, value: object) -> Event:
    return Event(ident, command.id, t_ms * 1000, kind, command.actuator, value)
