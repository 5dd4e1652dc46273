"""The actuators in a unit's own housing, ordered by what is written to their variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from controllers.unit.store import Instance
from controllers.unit.surroundings import Surroundings
from fernwatt.messages import Command, Event

__all__ = ["Actuators"]


class Actuators:
    """One unit's, by variable; ``name`` gives identifiers."""

    __slots__ = ("_actuators", "_around", "_name", "_unit")

    def __init__(
        self,
        unit: str,
        around: Surroundings,
        actuators: Mapping[str, str],
        name: Callable[[], str],
    ) -> None:
        self._unit, self._around = unit, around
        self._actuators, self._name = actuators, name

    def order(self, instance: Instance) -> None:
        """Command the actuator that the written variable is bound to, if any."""
        actuator = self._actuators.get(instance.variable)
        variable = self._around.catalogue.get(instance.variable)
        if actuator is None or variable is None:
            return
        command = Command(
            self._name(),
            instance.id,
            self._unit,
            actuator,
            variable.action,
            instance.value,
            self._around.now_ms,
        )
        self._around.commands.append(command)
        told = {"action": command.action, "value": command.value}
        t_us = command.at_ms * 1000
        self._around.event(Event(command.id, command.cause, t_us, "commanded", actuator, told))
