"""Market-based control: bids go up, their sum is cleared against supply, a price comes down.

A *bidder* in each customer's unit says what its house would draw at each price of a ladder; a
*market* adds up the bids of those below. The root's market clears them against its supply curve;
one in between sends the sum on as its own bid, and passes the price down. Every device then does
what was bid for it at that price. Literature: K. Kok, The PowerMatcher, VU Amsterdam, 2013.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from controllers.auction.bidder import Bidder
from controllers.auction.bids import KINDS
from controllers.auction.ladder import Supply, cleared, falling
from controllers.auction.market import Market, Settings
from controllers.unit.service import Service
from fernwatt.errors import Fault, ScenarioError

__all__ = ["Bidder", "Market", "Settings", "Supply", "cleared", "falling", "make_service"]

_NEEDED = {"bidder": ("market", "meter"), "market": ("bidders",)}
_PLATE = ("id", "unit", "kind", "p_max_w")


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> Service:
    """Return the service ``auction`` of a unit, as the units' hub asks for it.

    ``params`` of a bidder: ``role: bidder``, ``market`` (where its bid goes), ``meter``, and
    ``devices``, each with ``id``, ``unit``, ``kind``, ``p_max_w`` and, by kind, ``p_min_w``,
    ``capacity_wh`` and ``efficiency``; ``delay_s`` and ``spread_s``. Of a market: ``role: market``,
    ``bidders`` and what ``Settings`` has: ``supply_w`` of the root, ``above`` of one in between.
    Raises ScenarioError.
    """
    del directory  # whom to speak with is in ``params``
    path = f"units.{unit_spec.get('id', '?')}.services.auction"
    faults = [Fault(f"{path}.{fault.path}", fault.message) for fault in _faults(params)]
    if faults:
        raise ScenarioError(faults)
    if params["role"] == "bidder":
        return Bidder(params)
    known = {one.name for one in fields(Settings)}
    return Market(Settings(**{key: params[key] for key in sorted(params) if key in known}))


def _faults(params: Mapping[str, Any]) -> list[Fault]:
    role = params.get("role")
    if role not in _NEEDED:
        return [Fault("role", f"{role!r} is no role; one of {', '.join(_NEEDED)}")]
    known = {"role", "start"} | (
        {one.name for one in fields(Settings)}
        if role == "market"
        else {"market", "meter", "devices", "delay_s", "spread_s"}
    )
    faults = [Fault(key, "is missing") for key in _NEEDED[role] if key not in params]
    faults += [Fault(key, "is not known") for key in sorted(set(params) - known)]
    if role == "market" and bool(params.get("above")) == (params.get("supply_w") is not None):
        faults.append(Fault("supply_w", "either this, of the root, or above"))
    low, high = params.get("supply_w") or (0.0, 1.0)
    if low > high:
        faults.append(Fault("supply_w", "must not fall with the price"))
    for number, plate in enumerate(params.get("devices", ())):
        where = f"devices[{number}]"
        faults += [Fault(f"{where}.{key}", "is missing") for key in _PLATE if key not in plate]
        if plate.get("kind") not in KINDS:
            faults.append(Fault(f"{where}.kind", f"one of {', '.join(KINDS)}"))
        elif plate["kind"] == "battery" and "capacity_wh" not in plate:
            faults.append(Fault(f"{where}.capacity_wh", "is missing"))
    return faults
