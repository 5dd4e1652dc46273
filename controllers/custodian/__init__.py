"""Service ``custodian`` of a customer's unit: the house's data are kept here, and leave from here.

It follows the house's meter and devices, so that the unit has copies of what they measure, which
it gives out by the policies that came with them. It puts the customer's new policies in force, and
hears of accesses that a contract grants and her policy denies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controllers.unit.contracts import CONFLICT
from controllers.unit.directory import Directory
from controllers.unit.policy import Policy
from controllers.unit.privatevariables import ACCESS_POLICY
from controllers.unit.service import Issued, Notification, Result, UnitContext
from fernwatt.errors import Fault, ScenarioError

__all__ = ["Change", "Custodian", "make_service"]

_AGAIN_MS = 600_000


@dataclass(frozen=True, slots=True)
class Change:
    """A policy that the customer puts in force at a unit of the house."""

    at_ms: int
    unit: str
    variable: str
    grants: list[list[Any]]


class Custodian:
    """Follows ``(variable, unit)`` pairs of the house; carries out the customer's ``changes``."""

    name = "custodian"

    __slots__ = ("_changes", "_context", "_follow", "_lost", "_waiting", "_wishes")

    _context: UnitContext

    def __init__(self, follow: Sequence[tuple[str, str]], changes: Sequence[Change]) -> None:
        self._follow, self._changes = tuple(follow), tuple(changes)
        self._waiting: dict[str, tuple[str, str]] = {}  # by subscription
        self._wishes: dict[str, int] = {}  # change by write
        self._lost: list[tuple[str, str]] = []

    def start(self, context: UnitContext) -> None:
        """Follow the house's data; set when policies change."""
        self._context = context
        for variable, unit in self._follow:
            self._subscribe(variable, unit)
        for number, change in enumerate(self._changes):
            if change.at_ms >= context.now_ms:
                context.set_timer(f"change/{number}", change.at_ms)

    def notify(self, notification: Notification) -> None:
        """Take a conflict, the end of a subscription, or the outcome of a change."""
        context, result = self._context, notification.result
        if notification.request in self._wishes:
            number = self._wishes.pop(notification.request)
            change = self._changes[number]
            told = {"variable": change.variable, "result": result.label}
            context.decide("policy_changed", change.unit, told, (notification.id,))
            if result is Result.TIMEOUT:
                context.set_timer(f"change/{number}", context.now_ms + _AGAIN_MS)
        elif result not in {Result.OK, Result.REPLACED, Result.NO_DATA}:
            lost = self._waiting.pop(notification.request, None)
            if lost is not None:
                self._lost.append(lost)
                context.set_timer("again", context.now_ms + _AGAIN_MS)
        elif notification.variable == CONFLICT and notification.t_ms != -1:
            place = notification.location
            context.decide("conflict_heard", place, notification.value, (notification.id,))

    def timer(self, name: str) -> None:
        """Put a policy in force, or try again to follow."""
        if name == "again":
            lost, self._lost = self._lost, []
            for variable, unit in lost:
                self._subscribe(variable, unit)
            return
        number = int(name.partition("/")[2])
        change = self._changes[number]
        value = {"variable": change.variable, "grants": change.grants}
        issued: Issued = self._context.data.write(ACCESS_POLICY, change.unit, value)
        if issued.result is Result.ISSUED:
            self._wishes[issued.id] = number

    def _subscribe(self, variable: str, unit: str) -> None:
        issued = self._context.data.event(variable, unit)
        if issued.result is Result.ISSUED:
            self._waiting[issued.id] = (variable, unit)


def make_service(
    spec: Mapping[str, Any], params: Mapping[str, Any], directory: Directory
) -> Custodian:
    """Return the service ``custodian`` of a unit, as the units' hub asks for it.

    ``params``: ``follow: [[variable, unit]]``, ``changes: [{at_ms, unit, variable, grants}]``.
    Raises ScenarioError.
    """
    path = f"units.{spec['id']}.services.custodian"
    follow = [(str(variable), str(unit)) for variable, unit in params.get("follow", ())]
    changes, faults = [], []
    for number, one in enumerate(params.get("changes", ())):
        change = Change(int(one["at_ms"]), one["unit"], one["variable"], list(one["grants"]))
        try:
            Policy.from_plain(change.grants)
        except ValueError as error:
            faults.append(Fault(f"{path}.changes[{number}].grants", str(error)))
        changes.append(change)
    faults += [
        Fault(path, f"{unit} is no unit")
        for unit in [*(unit for _, unit in follow), *(change.unit for change in changes)]
        if unit not in directory
    ]
    if faults:
        raise ScenarioError(faults)
    return Custodian(follow, changes)
