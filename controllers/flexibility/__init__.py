"""Flexibility: flex-offers of customers, an aggregator that sells them, an operator that buys.

``make_service`` makes the service of a unit: ``Customer`` at a customer's, ``Aggregator`` at the
aggregator's, ``Operator`` at a congestion point. Flex-offers, their aggregation, scheduling and
disaggregation are plain functions over whole numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.flexibility.aggregation import Aggregate, Tolerance, aggregate
from controllers.flexibility.aggregator import Aggregator
from controllers.flexibility.customer import Customer
from controllers.flexibility.disaggregation import disaggregate
from controllers.flexibility.offers import Assignment, FlexOffer, OfferError, Profile
from controllers.flexibility.operator import Operator
from controllers.flexibility.scheduling import Need, Schedule, schedule
from controllers.unit.service import Service
from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import Clock

__all__ = [
    "Aggregate",
    "Aggregator",
    "Assignment",
    "Customer",
    "FlexOffer",
    "Need",
    "OfferError",
    "Operator",
    "Profile",
    "Schedule",
    "Tolerance",
    "aggregate",
    "disaggregate",
    "make_service",
    "schedule",
]

_NEEDED = {
    "customer": ("start", "aggregator", "meter"),
    "aggregator": ("areas",),
    "operator": ("start", "area", "aggregator", "limit_w", "meters"),
}


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> Service:
    """Return the service ``flexibility`` of a unit, as the units' hub asks for it.

    ``params`` of ``role: customer``: ``aggregator``, ``meter``, ``devices`` and the rest as of a
    child of balancing, ``cent_per_mwh`` by kind of device; of ``role: aggregator``: ``areas``
    (``operator`` and ``customers`` of each), ``share_percent``, ``tolerance``; of ``role:
    operator``: ``area``, ``aggregator``, ``limit_w``, ``margin_percent``, ``meters`` of customers
    with a contract, ``others`` without, ``most_cent_per_mwh``, ``penalty_cent_per_mwh``. Raises
    ScenarioError.
    """
    del directory  # whom to speak with is in ``params``
    path = f"units.{unit_spec.get('id', '?')}.services.flexibility"
    role = params.get("role")
    if role not in _NEEDED:
        hint = "customer, aggregator or operator"
        raise ScenarioError([Fault(f"{path}.role", f"{role!r} is no role", hint)])
    faults = [Fault(f"{path}.{key}", "is missing") for key in _NEEDED[role] if key not in params]
    if faults:
        raise ScenarioError(faults)
    if role == "aggregator":
        return Aggregator(params)
    start = Clock.from_iso(str(params["start"]))
    return Customer(params, start) if role == "customer" else Operator(params, start)
