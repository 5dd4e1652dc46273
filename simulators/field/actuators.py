"""Actuators: a unit's commands become actuations, later, or fail."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fernwatt.identifiers import Sequencer
from fernwatt.messages import Actuation, Command, Event, Reading
from fernwatt.streams import stream
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

    Each command is carried out ``delay_ms`` after it came, in the order of coming, and confirmed
    by a reading ``confirm`` of the actuator: 1 done, 0 failed. A command for an actuator that
    is unknown or another unit's is refused and not confirmed.
    """

    def __init__(self, specs: Sequence[ActuatorSpec], seed: int) -> None:
        self._specs = {spec.id: spec for spec in specs}
        self._ids = {spec.id: Sequencer(spec.id) for spec in specs}
        self._rngs = {spec.id: stream(seed, "field", f"{spec.id}/failure") for spec in specs}
        self._events = Sequencer("field")
        self._waiting: list[tuple[int, int, Command]] = []
        self._number = 0

    @property
    def due_ms(self) -> int | None:
        """When the next command is carried out."""
        return self._waiting[0][0] if self._waiting else None

    def step(self, t_ms: int, commands: Iterable[Command]) -> Outcome:
        """Take new commands; carry out what is due."""
        outcome = Outcome()
        for command in commands:
            spec = self._specs.get(command.actuator)
            if spec is None or spec.unit != command.unit:
                reason = "unknown actuator" if spec is None else f"belongs to {spec.unit}"
                value = {"reason": reason, "unit": command.unit, "action": command.action}
                outcome.events.append(
                    _event(t_ms, command, self._events(), "command_refused", value)
                )
                continue
            self._number += 1
            heapq.heappush(self._waiting, (t_ms + spec.delay_ms, self._number, command))
        while self._waiting and self._waiting[0][0] <= t_ms:
            self._carry_out(t_ms, heapq.heappop(self._waiting)[2], outcome)
        return outcome

    def _carry_out(self, t_ms: int, command: Command, outcome: Outcome) -> None:
        spec, give = self._specs[command.actuator], self._ids[command.actuator]
        done = self._rngs[spec.id].random() >= spec.failure_probability
        value = {"target": spec.target, "action": command.action, "value": command.value}
        if done:
            actuation = Actuation(give(), command.id, spec.target, command.action, command.value)
            outcome.actuations.append(actuation)
            outcome.events.append(_event(t_ms, command, actuation.id, "actuated", value))
        else:
            outcome.events.append(_event(t_ms, command, give(), "actuation_failed", value))
        confirm = Reading(
            give(), command.id, spec.id, "confirm", t_ms, t_ms, 1.0 if done else 0.0, "1"
        )
        outcome.readings.append(confirm)


def _event(t_ms: int, command: Command, ident: str, kind: str, value: object) -> Event:
    return Event(ident, command.id, t_ms * 1000, kind, command.actuator, value)
