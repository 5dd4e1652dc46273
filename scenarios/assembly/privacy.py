"""What units are told of privacy: who hides what, which sums are held, whose policies hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from controllers.unit.catalogue import CATALOGUE
from controllers.unit.contracts import CONFLICT
from controllers.unit.policy import NONE, READ, READ_WRITE, WRITE
from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import HOUR_MS
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig
from scenarios.schema.privacy import Classified, Contract, CustomersPolicy, GrantOf, ReadingBy

__all__ = ["hang_privacy"]

_LEVEL = "with-privacy"
_OF_ONE = (
    "energy.import",
    "energy.export",
    "load_profile",
    "meter.phases",
    "meter.values",
    "house.status",
)
"""Variables of a meter or customer's unit that tell what one customer uses, and when."""
_OF_METERS = ("energy.", "voltage", "load_profile", "meter.", "supply.")
_MEASURED = "device.energy"
"""What every device measures."""
_RIGHTS = {"none": NONE, "read": READ, "write": WRITE, "both": READ_WRITE}

Spec = dict[str, Any]


def hang_privacy(config: ScenarioConfig, units: list[Spec]) -> None:
    """Add to units' specifications what the scenario's privacy asks of them, and readers' units.

    Raises ScenarioError for variables and customers that are not there.
    """
    _check(config, units)
    _hide(config, units)
    _agree(config, units)
    houses = _houses(units)
    bare = [
        {"meter": unit, "dmus": []}
        for unit in units
        if unit["kind"] == "meter" and not unit["children"]
    ]
    _keep(config, houses)
    _change(config, [*houses, *bare])
    _classify(config, houses)
    _read(config, units, [*houses, *bare])


def _hide(config: ScenarioConfig, units: Sequence[Spec]) -> None:
    """Have meters hide what they measure, or sums be held."""
    wanted, spread_s = config.units.privacy, config.units.metering.spread_s
    added: Spec = {}
    if config.units.security == _LEVEL:
        keys = ("scheme", "neighbours", "rounds", "min_customers")
        added = {"hiding": {key: getattr(wanted, key) for key in keys}}
    elif wanted.disclosure:
        rule = {key: getattr(wanted, key) for key in ("min_customers", "max_share")}
        added = {"disclosure": rule | {"min_span_s": wanted.min_span_h * 3600.0}}
    if not added:
        return
    for unit in units:
        services: Spec = unit["services"]
        if "aggregation" in services:
            services["aggregation"] = services["aggregation"] | added
        if "hiding" in added and unit["kind"] == "meter" and "metering" in services:
            services["privacy"] = {"spread_s": spread_s, **added}
        if "hiding" in added and unit["kind"] in ("meter", "cmu"):
            unit["policies"] = {name: [] for name in _OF_ONE} | unit.get("policies", {})


def _agree(config: ScenarioConfig, units: Sequence[Spec]) -> None:
    """Tell meters what contracts grant: from the start, customers' policies grant as much."""
    for unit in units:
        if unit["kind"] == "lvgmu" and config.units.privacy.copies:
            unit["copies"] = sorted({*unit.get("copies", ()), *config.units.privacy.copies})
        if unit["customer"] and config.units.privacy.prefer != "latest":
            unit["prefer"] = config.units.privacy.prefer
        if unit["kind"] != "meter":
            continue
        contracts: dict[str, list[list[Any]]] = {}
        for one in config.units.contracts:
            grant = [one.stakeholder, one.service, READ, round(one.min_delay_s * 1000)]
            if fnmatchcase(_tail(unit), one.customers):
                for variable in one.variables:
                    contracts.setdefault(variable, []).append(grant)
        if not contracts:
            continue
        policies = unit.setdefault("policies", {})
        for variable, grants in contracts.items():
            usual = policies.get(variable, _usual(variable))
            named = {(grant[0], grant[1]) for grant in grants}
            rest = [grant for grant in usual if (grant[0], grant[1]) not in named]
            policies[variable] = contracts[variable] = [*grants, *rest]
        unit["contracts"] = contracts


def _keep(config: ScenarioConfig, houses: Sequence[Spec]) -> None:
    """Make customers' units the custodians of their houses' data."""
    if not config.units.custody:
        return
    for house in houses:
        meter, cmu, dmus = house["meter"], house["cmu"], house["dmus"]
        follow = [["energy.import", meter["id"]], ["energy.export", meter["id"]],
                  *([_MEASURED, dmu["id"]] for dmu in dmus)]  # fmt: skip
        cmu["copies"] = sorted({variable for variable, _ in follow})
        conflicts = [[CONFLICT, unit["id"]] for unit in (meter, *dmus)]
        cmu["services"]["custodian"] = {"follow": [*follow, *conflicts], "changes": []}
        for unit in dmus:
            unit["shut"] = True
        meter["shut"] = bool(meter.get("contracts"))


def _change(config: ScenarioConfig, houses: Sequence[Spec]) -> None:
    """Put customers' policies into their units, or have them put in force later."""
    for house in houses:
        for one in config.units.policies:
            if not fnmatchcase(_tail(house["meter"]), one.customers):
                continue
            grants = [_plain(grant) for grant in one.grants]
            for variable in one.variables:
                for unit in _holders(house, variable):
                    if one.at_h is None:
                        unit.setdefault("policies", {})[variable] = grants
                        continue
                    if "cmu" not in house:
                        continue  # nothing acts for this customer
                    keeper = house["cmu"]["services"].setdefault(
                        "custodian", {"follow": [], "changes": []}
                    )
                    keeper["changes"].append(
                        {"at_ms": round(one.at_h * HOUR_MS), "unit": unit["id"],
                         "variable": variable, "grants": grants}
                    )  # fmt: skip


def _classify(config: ScenarioConfig, houses: Sequence[Spec]) -> None:
    """Tell customers' units what is critical to them."""
    for house in houses:
        for one in config.units.critical:
            if fnmatchcase(_tail(house["meter"]), one.customers):
                wanted = dict.fromkeys(one.variables, one.critical)
                house["cmu"]["critical"] = house["cmu"].get("critical", {}) | wanted


def _read(config: ScenarioConfig, units: list[Spec], houses: Sequence[Spec]) -> None:
    """Add the units of stakeholders who read."""
    host = config.units.hosts.get("provider", "cloud")
    for one in config.units.readers:
        targets = [
            [variable, unit["id"], _asked(house, one.via)]
            for house in houses
            if fnmatchcase(_tail(house["meter"]), one.customers)
            if one.via != "cmu" or "cmu" in house
            for variable in one.variables
            for unit in _holders(house, variable)
        ]
        params = {"targets": targets, "every_s": one.every_s, "from_s": one.from_h * 3600.0}
        units.append(
            {"id": f"reader/{one.name}", "kind": "provider", "area": "", "parent": "",
             "children": [], "customer": "", "owner": one.stakeholder, "host": host,
             "instruments": [], "actuators": {}, "services": {"reader": params}}
        )  # fmt: skip


def _houses(units: Sequence[Spec]) -> list[Spec]:
    """Return meter, customer's unit and devices' units of each house."""
    by_id = {unit["id"]: unit for unit in units}
    found = []
    for unit in units:
        if unit["kind"] == "cmu" and unit["parent"] in by_id:
            dmus = [by_id[child] for child in unit["children"] if by_id[child]["kind"] == "dmu"]
            found.append({"meter": by_id[unit["parent"]], "cmu": unit, "dmus": dmus})
    return found


def _holders(house: Spec, variable: str) -> Iterable[Spec]:
    """Return the units of a house where a variable is measured, or negotiated."""
    if variable.startswith("balancing."):
        return [house["cmu"]] if "cmu" in house else []
    return [house["meter"]] if variable.startswith(_OF_METERS) else house["dmus"]


def _asked(house: Spec, via: str) -> str:
    """Return the unit that is asked for a copy, empty where none is."""
    return {"cmu": str(house["cmu"]["id"]), "lvgmu": str(house["meter"]["parent"])}.get(via, "")


def _tail(unit: Spec) -> str:
    return str(unit["id"]).partition("/")[2]


def _plain(grant: GrantOf) -> list[Any]:
    delay_ms = round(grant.min_delay_s * 1000)
    return [grant.stakeholder, grant.service, _RIGHTS[grant.rights], delay_ms]


def _usual(variable: str) -> list[list[Any]]:
    declared = CATALOGUE.get(variable)
    return declared.policy.plain() if declared is not None else []


def _check(config: ScenarioConfig, units: Sequence[Spec]) -> None:
    wanted, faults = config.units, []
    tails = [_tail(unit) for unit in units if unit["kind"] == "meter"]
    names = [variable.name for variable in CATALOGUE]
    lists: dict[str, Sequence[CustomersPolicy | Contract | ReadingBy | Classified]] = {
        "policies": wanted.policies,
        "contracts": wanted.contracts,
        "readers": wanted.readers,
        "critical": wanted.critical,
    }
    for section, entries in lists.items():
        for number, one in enumerate(entries):
            path = f"units.{section}[{number}]"
            if not any(fnmatchcase(tail, one.customers) for tail in tails):
                hint = nearest(one.customers, tails)
                faults.append(Fault(f"{path}.customers", f"no meter/{one.customers}", hint))
            faults += [
                Fault(f"{path}.variables", f"no variable {name}", nearest(name, names))
                for name in one.variables
                if name not in names
            ]
    faults += [
        Fault("units.privacy.copies", f"no variable {name}", nearest(name, names))
        for name in wanted.privacy.copies
        if name not in names
    ]
    if faults:
        raise ScenarioError(faults)
