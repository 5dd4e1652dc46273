"""What an auction says over the network, and whether what came is such a thing."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from controllers.auction.ladder import Curve

__all__ = ["BID", "PRICE", "bid_of", "price_of"]

BID, PRICE = "auction.bid", "auction.price"
_MOST = 1 << 40


def bid_of(value: Any, steps: int, unit_w: int) -> tuple[str, int, Curve] | None:
    """Return bidder, slot and demand of a record, None where it is none.

    A demand that rises with the price is none, nor is one in another unit or over another ladder.
    """
    if not isinstance(value, dict) or type(value.get("slot")) is not int:
        return None
    bidder, demand = value.get("bidder"), value.get("demand")
    if type(bidder) is not str or value.get("unit_w") != unit_w or abs(value["slot"]) > _MOST:
        return None
    if not isinstance(demand, list) or len(demand) != steps + 1:
        return None
    if not all(type(item) is int and abs(item) < _MOST for item in demand):
        return None
    if any(a < b for a, b in pairwise(demand)):
        return None
    return bidder, value["slot"], np.array(demand, dtype=np.int64)


def price_of(value: Any, steps: int) -> tuple[int, int] | None:
    """Return slot and price of a record, None where it is none."""
    if not isinstance(value, dict):
        return None
    slot, price = value.get("slot"), value.get("price")
    if type(slot) is not int or type(price) is not int or abs(slot) > _MOST:
        return None
    return (slot, price) if 0 <= price <= steps else None
