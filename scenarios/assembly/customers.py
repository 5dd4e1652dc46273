"""Customers' part in balancing: strategies, prices, what they do at devices, limits of others."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from controllers.signals import PRICE
from fernwatt.errors import Fault, ScenarioError
from fernwatt.streams import stream
from fernwatt.timebase import HOUR_MS
from scenarios.assembly.hierarchy import Hierarchy
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig
from scenarios.schema.customers import Overriding

__all__ = ["planned_units", "with_customers"]

_SERVICE = "balancing"
Spec = dict[str, Any]


def planned_units(cmu: Mapping[str, Any]) -> set[str]:
    """Return the devices' units whose devices a customer's unit plans."""
    params = cmu["services"].get(_SERVICE, {})
    return {device["unit"] for device in params.get("devices", ()) if device["kind"] != "pv"}


def with_customers(config: ScenarioConfig, hierarchy: Hierarchy) -> Hierarchy:
    """Give customers' units what their customers want, and displays what customers do.

    Raises ScenarioError for customers and devices that are not there.
    """
    if config.services.balancing.mode != "steering":
        return hierarchy
    units = {unit["id"]: unit for unit in hierarchy.units}
    cmus = [unit for unit in hierarchy.units if planned_units(unit)]
    _check(config, cmus)
    settings = config.services.display.settings if config.services.display is not None else []
    set_there = any(one.weights or one.limits or one.override for one in settings)
    wished = set_there or config.services.balancing.strategies or config.services.control
    if not wished:
        return hierarchy
    for cmu in cmus:
        followed = cmu["services"].get("signals", {}).get("follow", ())
        cmu["services"][_SERVICE]["customer"] = {
            "strategy": _strategy(config, cmu["id"]),
            "prices": any(variable == PRICE for variable, _ in followed),
            "load_limit": config.units.data is not None,
            "report_w": config.services.balancing.report_w,
        }
        tail = cmu["id"].partition("/")[2]
        shown = units.get(f"gui/{tail}", cmu)["services"].get("display")
        if shown is not None:
            _display(config, shown, cmu)
    return hierarchy


def _strategy(config: ScenarioConfig, cmu: str) -> Spec:
    """Return what a customer wants from the beginning; empty: the usual."""
    tail = cmu.partition("/")[2]
    drawn = stream(config.seed, "strategies", cmu)
    for one in config.services.balancing.strategies:
        if fnmatchcase(tail, one.customers) and drawn.random() < one.share:
            return {"weights": one.weights.model_dump(), "limits": one.limits.model_dump()}
    return {}


def _display(config: ScenarioConfig, shown: Spec, cmu: Spec) -> None:
    """Have a display set the strategy of its house, and do what its customer does at devices."""
    assert config.services.display is not None
    tail = cmu["id"].partition("/")[2]
    if cmu["id"] not in shown["deciders"]:
        shown["deciders"] = [*shown["deciders"], cmu["id"]]
    mine = [s for s in config.services.display.settings if fnmatchcase(tail, s.customers)]
    for params, setting in zip(shown["settings"], mine, strict=True):
        if setting.override is not None:
            params["overrides"] = _overrides(cmu, setting.override, params["at_ms"])


def _overrides(cmu: Spec, wanted: Overriding, at_ms: int) -> list[list[Any]]:
    until_ms = at_ms + round(wanted.lasts_h * HOUR_MS)
    return [
        [cmu["id"], {"device": one["id"], "action": wanted.action, "until_ms": until_ms}]
        for one in cmu["services"][_SERVICE]["devices"]
        if one["kind"] != "pv" and wanted.device in {one["kind"], one["id"]}
    ]


def _check(config: ScenarioConfig, cmus: list[Spec]) -> None:
    tails = [cmu["id"].partition("/")[2] for cmu in cmus]
    paths = [
        (f"services.balancing.strategies[{number}].customers", one.customers)
        for number, one in enumerate(config.services.balancing.strategies)
    ]
    faults = [
        Fault(path, f"no customer {pattern} has planned devices", nearest(pattern, tails))
        for path, pattern in paths
        if not any(fnmatchcase(tail, pattern) for tail in tails)
    ]
    if faults:
        raise ScenarioError(faults)
