"""Demand response by contract: asked, promised by negotiation, delivered by the meters.

``issuer`` is the aggregator's unit, ``manager`` a unit that balances customers, ``customer`` a
customer's own unit. See ``docs/models/response.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.response.baseline import Rule
from controllers.response.customer import CustomerResponse
from controllers.response.issuer import ResponseIssuer
from controllers.response.manager import ManagerSettings, ResponseManager
from controllers.response.records import CALL, CHOICE, REQUEST, Contract
from controllers.unit.service import Service
from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import SLOT_MS, Clock

__all__ = [
    "CALL",
    "CHOICE",
    "REQUEST",
    "Contract",
    "CustomerResponse",
    "ResponseIssuer",
    "ResponseManager",
    "make_service",
]

_KEYS = {
    "issuer": {"managers", "rebound_s"},
    "manager": {"contracts", "start", "answer_s", "promise_s", "parallel", "rebound_s",
                "settled_by", "highest", "of", "adjust_s"},
    "customer": {"contract", "manager"},
}  # fmt: skip


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> Service:
    """Return the service ``response`` of a unit, as the units' hub asks for it.

    ``params``: ``role``, and of an issuer ``managers``, ``rebound_s``; of a customer ``contract``
    and ``manager``; of a manager ``contracts``, ``start`` (ISO, t = 0), ``answer_s``,
    ``promise_s``, ``parallel``, ``rebound_s``, ``settled_by`` (agreed, days), ``highest``, ``of``,
    ``adjust_s``. Raises ScenarioError.
    """
    del directory  # whom to speak with is in ``params``
    path = f"units.{unit_spec.get('id', '?')}.services.response"
    role = str(params.get("role"))
    if role not in _KEYS:
        raise ScenarioError([Fault(f"{path}.role", f"{role!r} is no role", ", ".join(_KEYS))])
    given = set(params) - {"role"}
    faults = [Fault(f"{path}.{key}", "is missing") for key in sorted(_KEYS[role] - given)]
    faults += [Fault(f"{path}.{key}", "is not known") for key in sorted(given - _KEYS[role])]
    if faults:
        raise ScenarioError(faults)
    if role == "issuer":
        return ResponseIssuer(params["managers"], round(params["rebound_s"] * 1000))
    if role == "customer":
        return CustomerResponse(Contract(**params["contract"]), str(params["manager"]))
    settings = ManagerSettings(
        answer_ms=round(params["answer_s"] * 1000),
        promise_ms=round(params["promise_s"] * 1000),
        parallel=int(params["parallel"]),
        rebound_slots=round(params["rebound_s"] * 1000) // SLOT_MS,
        by_days=params["settled_by"] == "days",
    )
    adjust_slots = round(params["adjust_s"] * 1000) // SLOT_MS
    rule = Rule(int(params["highest"]), int(params["of"]), adjust_slots)
    contracts = [Contract(**one) for one in params["contracts"]]
    return ResponseManager(contracts, settings, rule, Clock.from_iso(str(params["start"])))
