"""Demand response by contract: services of units that are there, and the aggregator's unit."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from controllers.response import CALL, CHOICE, REQUEST
from controllers.unit.catalogue import CATALOGUE
from controllers.unit.policy import READ, WRITE
from controllers.unit.signalvariables import AGGREGATOR
from fernwatt.errors import Fault, ScenarioError
from fernwatt.streams import stream
from fernwatt.timebase import HOUR_MS
from scenarios.assembly.hierarchy import Hierarchy, House
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig
from scenarios.schema.response import Response

__all__ = ["with_response"]

_ISSUER = "aggregator/response"
_REGISTERS = ("energy.import", "energy.export")
Spec = dict[str, Any]


def with_response(config: ScenarioConfig, hierarchy: Hierarchy) -> Hierarchy:
    """Return the hierarchy with the services of demand response, where a scenario wants it.

    Raises ScenarioError for opt-outs of nobody.
    """
    wanted = config.services.response
    if wanted is None:
        return hierarchy
    _check(wanted, hierarchy)
    units = {unit["id"]: unit for unit in hierarchy.units}
    managers = []
    for area, houses in sorted(hierarchy.houses.items()):
        manager = units[f"lvgmu/{area}"]
        contracts = [
            _signed(config, wanted, hierarchy, units, house)
            for house in houses
            if stream(config.seed, "response", house.cmu).random() < wanted.contract.share
        ]
        if contracts and "balancing" in manager["services"]:
            managers.append(manager["id"])
            _manages(config, wanted, manager, contracts)
    _issuer(config, wanted, hierarchy, managers)
    return hierarchy


def _signed(
    config: ScenarioConfig, wanted: Response, hierarchy: Hierarchy, units: dict[str, Spec],
    house: House,
) -> Spec:  # fmt: skip
    """Have a customer's units do what its contract says; return the contract."""
    del config
    cmu, meter, terms = units[house.cmu], units[house.meter], wanted.contract
    contract = {
        "customer": cmu["customer"],
        "unit": cmu["id"],
        "meter": meter["id"],
        "max_percent": terms.max_percent,
        "max_ms": round(terms.max_h * HOUR_MS),
        "per_day": terms.per_day,
        "notice_ms": round(terms.notice_h * HOUR_MS),
        "cent_per_kwh": terms.cent_per_kwh,
    }
    cmu["services"]["response"] = {
        "role": "customer", "contract": contract, "manager": meter["parent"]
    }  # fmt: skip
    _grant(cmu, CALL, [AGGREGATOR, "response", WRITE, 0])
    for register in _REGISTERS:
        _grant(meter, register, [AGGREGATOR, "response", READ, 0])
    choices = [
        choice
        for one in wanted.opt_outs
        if fnmatchcase(cmu["id"].partition("/")[2], one.customers)
        for choice in [(one.at_h, False)]
        + ([(one.at_h + one.lasts_h, True)] if one.lasts_h is not None else [])
    ]
    if choices:
        fed = [(round(at_h * HOUR_MS), {"follows": follows}) for at_h, follows in sorted(choices)]
        _feed(hierarchy, cmu, CHOICE, fed)
    return contract


def _manages(
    config: ScenarioConfig, wanted: Response, manager: Spec, contracts: list[Spec]
) -> None:
    """Give a substation's unit its service, which acts for the aggregator."""
    rule = wanted.baseline
    manager["services"]["response"] = {
        "role": "manager",
        "start": config.time.start,
        "contracts": contracts,
        "answer_s": wanted.answer_s,
        "promise_s": wanted.promise_s,
        "parallel": wanted.parallel,
        "rebound_s": wanted.rebound_h * 3600.0,
        "settled_by": rule.settled_by,
        "highest": rule.highest,
        "of": rule.of,
        "adjust_s": rule.adjust_h * 3600.0,
    }
    manager["services"]["balancing"]["responds"] = [one["unit"] for one in contracts]
    manager["stakeholders"] = {**manager.get("stakeholders", {}), "response": AGGREGATOR}
    manager["copies"] = sorted({*manager.get("copies", ()), *_REGISTERS})


def _issuer(
    config: ScenarioConfig, wanted: Response, hierarchy: Hierarchy, managers: list[str]
) -> None:
    """Add the aggregator's unit, and what it is fed with."""
    hosts = {"provider": "cloud"} | {str(kind): h for kind, h in config.units.hosts.items()}
    unit: Spec = {
        "id": _ISSUER,
        "kind": "provider",
        "area": "",
        "parent": "",
        "children": [],
        "customer": "",
        "owner": AGGREGATOR,
        "host": hosts["provider"],
        "instruments": [],
        "actuators": {},
        "services": {
            "response": {
                "role": "issuer",
                "managers": managers,
                "rebound_s": wanted.rebound_h * 3600.0,
            }
        },
    }
    hierarchy.units.append(unit)
    requests = []
    for number, one in enumerate(sorted(wanted.requests, key=lambda one: one.at_h), 1):
        begins_ms, issued_ms = round(one.begins_h * HOUR_MS), round(one.at_h * HOUR_MS)
        value = {
            "id": f"reduction-{number}",
            "issued_ms": issued_ms,
            "issuer": _ISSUER,
            "percent": one.percent,
            "begins_ms": begins_ms,
            "ends_ms": begins_ms + round(one.lasts_h * HOUR_MS),
        }
        requests.append((issued_ms, value))
    _feed(hierarchy, unit, REQUEST, requests)


def _feed(hierarchy: Hierarchy, unit: Spec, variable: str, fed: list[tuple[int, Spec]]) -> None:
    """Hang a feed in a unit; what comes at the same instant comes a millisecond later."""
    name = f"{unit['id']}/{variable.rpartition('.')[2]}"
    unit["instruments"] = [*unit["instruments"], name]
    times: list[int] = []
    for t_ms, _ in fed:
        times.append(max(t_ms, times[-1] + 1) if times else t_ms)
    values = [value for _, value in fed]
    hierarchy.feeds.append({"id": name, "variable": variable, "times_ms": times, "values": values})


def _grant(unit: Spec, variable: str, grant: list[Any]) -> None:
    """Put a grant before those that the unit's policy for a variable has."""
    declared = CATALOGUE.get(variable)
    usual = declared.policy.plain() if declared is not None else []
    policies = unit.setdefault("policies", {})
    policies[variable] = [grant, *policies.get(variable, usual)]


def _check(wanted: Response, hierarchy: Hierarchy) -> None:
    tails = [h.cmu.partition("/")[2] for houses in hierarchy.houses.values() for h in houses]
    faults = [
        Fault(
            f"services.response.opt_outs[{number}].customers", f"no meter/{one.customers}",
            nearest(one.customers, tails),
        )
        for number, one in enumerate(wanted.opt_outs)
        if not any(fnmatchcase(tail, one.customers) for tail in tails)
    ]  # fmt: skip
    if faults:
        raise ScenarioError(faults)
