"""Variables of auctions (codes 190 to 199); see ``docs/models/auction.md``."""

from __future__ import annotations

from controllers.unit.policy import ALL, READ, WRITE, Grant
from controllers.unit.variable import Variable

__all__ = ["AUCTION_VARIABLES"]

AUCTION_VARIABLES = (
    Variable("auction.bid", 190, "record", "1", "unit", (Grant(ALL, "auction", WRITE),),
             fields=("bidder", "slot", "unit_w", "demand")),
    Variable("auction.price", 191, "record", "1", "unit", (Grant(ALL, "auction", READ),),
             fields=("slot", "price")),
)  # fmt: skip
