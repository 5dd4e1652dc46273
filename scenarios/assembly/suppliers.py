"""Several suppliers on the same units: an instance of balancing for each, for its customers alone.

The instances ``balancing:<name>`` stand beside each other on the units of the grid and act for
``supplier/<name>``. A customer's unit takes part in the negotiation of its own supplier: policies
say so, at the customer's unit (who may ask), in what it answers (who may read), and at the meter
(what its contract grants).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from controllers.unit.catalogue import CATALOGUE
from controllers.unit.policy import READ, WRITE
from fernwatt.errors import Fault, ScenarioError
from fernwatt.streams import stream
from scenarios.assembly.hierarchy import Hierarchy
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig
from scenarios.schema.suppliers import Supplier

__all__ = ["contracts", "stakeholder", "with_suppliers"]

_SERVICE = "balancing"
_NEGOTIATED = tuple(
    f"balancing.{name}" for name in ("request", "signal", "offer", "accept", "profile", "update")
)
_METERED = ("energy.import", "energy.export", "load_profile")
_HIDDEN = "with-privacy"
_FIRST_S, _APART_S, _PLACES = 90.0, 60.0, 10
"""After the slot's begin each supplier's negotiations have a minute of their own on the line."""

Spec = dict[str, Any]


def stakeholder(supplier: str) -> str:
    """Return for whom a supplier's services act."""
    return f"supplier/{supplier}"


def with_suppliers(config: ScenarioConfig, hierarchy: Hierarchy) -> Hierarchy:
    """Give each supplier its instances, and each customer's unit its supplier.

    Raises ScenarioError for a supplier without customers.
    """
    suppliers = config.services.balancing.suppliers
    if not suppliers:
        return hierarchy
    meters = {unit["id"]: unit for unit in hierarchy.units if unit["kind"] == "meter"}
    of_meter = contracts(suppliers, meters, config.seed)
    of_unit = dict(of_meter)
    for houses in hierarchy.houses.values():
        of_unit |= {house.cmu: of_meter[house.meter] for house in houses if house.meter in of_meter}
    steering = {one.name for one in suppliers if one.steers}
    hiding = config.units.security == _HIDDEN
    reading = {one.name for one in suppliers if one.reads_meters and one.steers and not hiding}
    units = {unit["id"]: unit for unit in hierarchy.units}
    for name, supplier in of_unit.items():
        _contract(units[name], supplier, steering, reading)
    for unit in hierarchy.units:
        if unit["kind"] == "cmu" and of_unit.get(unit["id"]) not in steering:
            unit["services"].pop(_SERVICE, None)
    for unit in hierarchy.units:
        if unit["services"].get(_SERVICE, {}).get("role") in {"parent", "middle"}:
            _divide(unit, units, of_unit, [one.name for one in suppliers if one.steers])
    return hierarchy


def contracts(suppliers: Sequence[Supplier], meters: Iterable[str], seed: int) -> dict[str, str]:
    """Return each meter's supplier, by the order of suppliers; some may have none.

    Raises ScenarioError for a supplier without customers.
    """
    left = sorted((meter.partition("/")[2] for meter in meters), key=str.encode)
    tails, found, faults = list(left), dict[str, str](), list[Fault]()
    for number, one in enumerate(suppliers):
        path = f"services.balancing.suppliers[{number}]"
        if not any(fnmatchcase(tail, one.customers) for tail in tails):
            hint = nearest(one.customers, tails)
            faults.append(Fault(f"{path}.customers", f"no meter/{one.customers}", hint))
            continue
        mine = [tail for tail in left if fnmatchcase(tail, one.customers)]
        if one.share is not None:
            order = stream(seed, "suppliers", one.name).permutation(len(mine))
            mine = [mine[place] for place in order[: round(one.share * len(mine))]]
        if not mine:
            hint = "a larger share, or fewer for those before it"
            faults.append(Fault(path, f"no customer is left for {one.name}", hint))
        found |= {f"meter/{tail}": one.name for tail in mine}
        left = [tail for tail in left if f"meter/{tail}" not in found]
    if faults:
        raise ScenarioError(faults)
    return found


def _contract(unit: Spec, supplier: str, steering: set[str], reading: set[str]) -> None:
    """Write a customer's contract into one of its units."""
    unit["supplier"] = supplier
    policies, who = unit.setdefault("policies", {}), stakeholder(supplier)
    if unit["kind"] == "meter":
        for variable in _METERED:
            declared = CATALOGUE.get(variable)
            usual = [] if declared is None else declared.policy.plain()
            usual = policies.get(variable, usual)
            rest = [grant for grant in usual if grant[1] != _SERVICE]
            own = [[who, _SERVICE, READ, 0]] if supplier in reading else []
            policies[variable] = [*own, *rest]
        return
    params = unit["services"].get(_SERVICE)
    if params is not None and supplier in steering:
        unit["services"][_SERVICE] = params | {"supplier": who}
        grants = [[who, _SERVICE, WRITE, 0], [unit["owner"], _SERVICE, READ, 0]]
        policies |= dict.fromkeys(_NEGOTIATED, grants)


def _divide(
    unit: Spec, units: Mapping[str, Spec], of_unit: Mapping[str, str], suppliers: Sequence[str]
) -> None:
    """Put each supplier's instance in the place of a unit's one service of balancing."""
    params = unit["services"].pop(_SERVICE)
    writers: list[str] = []
    speakers = unit.setdefault("stakeholders", {})
    for number, supplier in enumerate(suppliers):
        theirs = _of(params, supplier, units, of_unit)
        if theirs is None:
            continue
        theirs["delay_s"] = _FIRST_S + _APART_S * (number % _PLACES)
        name, who = f"{_SERVICE}:{supplier}", stakeholder(supplier)
        unit["services"][name] = theirs | {"supplier": who, "instance": name}
        speakers[name] = who
        writers += [who, *(owner for child in theirs["children"]
                           if (owner := units[child]["customer"]))]  # fmt: skip
    grants = [[who, _SERVICE, WRITE, 0] for who in dict.fromkeys(writers)]
    unit.setdefault("policies", {}).update(dict.fromkeys(_NEGOTIATED, grants))


def _of(
    params: Mapping[str, Any], supplier: str, units: Mapping[str, Spec], of_unit: Mapping[str, str]
) -> Spec | None:
    """Return the parameters of one supplier's instance; None where nobody below is its customer."""

    def is_theirs(child: str) -> bool:
        return of_unit.get(child) == supplier or any(
            is_theirs(below) for below in units[child]["children"]
        )

    theirs = dict(params)
    theirs["children"] = [child for child in params["children"] if is_theirs(child)]
    for key in ("others", "responds"):
        if key in params:
            theirs[key] = [one for one in params[key] if is_theirs(one)]
    if "meters" in params:
        theirs["meters"] = {
            child: meter for child, meter in params["meters"].items() if is_theirs(child)
        }
    return theirs if theirs["children"] or theirs.get("others") else None
