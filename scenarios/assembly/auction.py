"""Who bids and who clears, where a scenario has an auction: services added to units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.auction.bids import KINDS
from scenarios.assembly.fleet import Fleet
from scenarios.assembly.hierarchy import Hierarchy, House
from scenarios.assembly.outfits import kind_of
from scenarios.schema import ScenarioConfig
from scenarios.schema.auction import Auction

__all__ = ["with_auction"]

_LEVELS = ("lvgmu", "mvgmu", "tlgmu")
_TOP = "tlgmu/top"
Spec = dict[str, Any]


def with_auction(config: ScenarioConfig, hierarchy: Hierarchy, fleet: Fleet) -> Hierarchy:
    """Return the hierarchy with bidders at customers' units and markets above them."""
    wanted = config.services.auction
    if wanted is None:
        return hierarchy
    units = {unit["id"]: unit for unit in hierarchy.units}
    targets = {one["unit"]: one["target"] for one in hierarchy.actuators}
    devices = {device["id"]: device for device in fleet.devices}
    below: dict[str, list[str]] = {}
    for area, houses in hierarchy.houses.items():
        market = f"lvgmu/{area}"
        for house in houses:
            plates = [
                _plate(dmu, devices[targets[dmu]])
                for dmu in house.dmus
                if dmu in targets and kind_of(devices[targets[dmu]]) in KINDS
            ]
            units[house.cmu]["services"]["auction"] = _bidder(house, market, plates)
        below[market] = [house.cmu for house in houses]
    _markets(wanted, hierarchy, units, below)
    return hierarchy


def _bidder(house: House, market: str, plates: list[Spec]) -> Spec:
    return {"role": "bidder", "market": market, "meter": house.meter, "devices": plates}


def _plate(unit: str, device: Mapping[str, Any]) -> Spec:
    """Return what a customer's unit knows of a device: its name plate."""
    kind = kind_of(device)
    plate = {
        "id": device["id"],
        "unit": unit,
        "kind": kind,
        "p_max_w": float(device["p_max_w"]),
        "p_min_w": float(device.get("p_min_w", 0.0)),
    }
    if kind == "battery":
        plate["capacity_wh"] = float(device["capacity_wh"])
        plate["efficiency"] = float(device["charge_efficiency"])
    return plate


def _markets(
    wanted: Auction, hierarchy: Hierarchy, units: Mapping[str, Spec], below: dict[str, list[str]]
) -> None:
    """Put a market into each unit from the substations up to the root."""
    root = _LEVELS.index(wanted.root)
    for level in range(root + 1):
        above: dict[str, list[str]] = {}
        for name, bidders in below.items():
            if not bidders:
                continue
            parent = hierarchy.parents[name.partition("/")[2]] if level == 0 else _TOP
            clears = level == root
            units[name]["services"]["auction"] = {
                "role": "market",
                "bidders": sorted(bidders, key=str.encode),
                "deadline_s": wanted.deadline_s * (1.0 + 0.5 * level),
                **({"supply_w": list(wanted.supply_w)} if clears else {"above": parent}),
            }
            above.setdefault(parent, []).append(name)
        below = above
