"""What contracts grant, and where an owner's policy denies it; what leaves a house, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from controllers.unit.channels import CARRYING
from controllers.unit.directory import Directory
from controllers.unit.policy import Accessor, Policy
from controllers.unit.service import Result
from fernwatt.errors import Fault, ScenarioError

__all__ = ["CONFLICT", "Contracts", "Terms", "is_outside"]

CONFLICT = "access.conflict"


class Contracts:
    """What contracts grant at one unit, by variable: the same form as a policy."""

    __slots__ = ("_of",)

    def __init__(self, of: Mapping[str, Policy] | None = None) -> None:
        self._of = dict(of or {})

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._of)

    def of(self, variable: str) -> Policy | None:
        """Return what contracts grant of a variable, None where there are none about it."""
        return self._of.get(variable)

    def broken(
        self, variable: str, right: int, by: Accessor, result: Result, since_ms: int | None
    ) -> bool:
        """Tell whether an access was refused that the contract grants.

        ``since_ms`` is how long ago the last one was, None where there was none.
        """
        if result not in {Result.DENIED, Result.RATE}:
            return False
        contract = self._of.get(variable)
        if contract is None or not contract.allows(right, by.stakeholder, by.service):
            return False
        grant = contract.find(by.stakeholder, by.service)
        if result is Result.DENIED or grant is None or since_ms is None:
            return True
        return since_ms >= grant.min_delay_ms


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds at a unit beyond its owner's policies.

    ``copies`` are variables of others of which it keeps what it is notified of, ``foreign`` peers
    whose protocol carries no policies. A ``shut`` one answers its own house, and others what
    contracts grant. ``critical`` are variables that the owner takes for critical, or not,
    whatever the catalogue says.
    """

    contracts: Contracts = field(default_factory=Contracts)
    copies: frozenset[str] = frozenset()
    foreign: frozenset[str] = frozenset()
    shut: bool = False
    critical: Mapping[str, bool] = field(default_factory=dict)

    @staticmethod
    def of(spec: Mapping[str, Any], path: str) -> Terms:
        """Return the terms of a unit's specification; raises ScenarioError.

        ``contracts: {variable: policy}``, ``copies: [variable]``, ``shut: bool``, ``critical:
        {variable: bool}``, ``speaks: {peer: protocol}``.
        """
        contracts = {}
        for variable, policy in (spec.get("contracts") or {}).items():
            try:
                contracts[variable] = Policy.from_plain(policy)
            except ValueError as error:
                fault = Fault(f"{path}.contracts.{variable}", str(error))
                raise ScenarioError([fault]) from error
        foreign = {
            peer for peer, name in (spec.get("speaks") or {}).items() if name not in CARRYING
        }
        copies = frozenset(spec.get("copies") or ())
        shut, critical = bool(spec.get("shut", False)), dict(spec.get("critical") or {})
        return Terms(Contracts(contracts), copies, frozenset(foreign), shut, critical)


def is_outside(directory: Directory, unit: str, source: str, owner: str) -> bool:
    """Tell whether ``source`` is outside of the house that ``unit`` belongs to, as ``owner``'s."""
    customer = directory[unit].customer
    if not customer or owner != customer or source == unit:
        return False
    return source not in directory or directory[source].customer != customer
