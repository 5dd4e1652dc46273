"""Energy suppliers of a street: whose customers are whose, and who steers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from scenarios.schema.base import Section, Share

__all__ = ["Supplier", "double_names"]


class Supplier(Section):
    """An energy supplier or aggregator with contracts on balancing."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")] = Field(
        description="Its name; as a stakeholder it is supplier/<name>."
    )
    customers: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        default="*",
        description="Who may be its customers, by the end of their meter's name, such as "
        "lv4.101/load-7; `*` stands for anything. A customer is of the first that takes it.",
    )
    share: Share | None = Field(
        default=None,
        description="Share of those who are its customers, drawn by lot; null: all that are left.",
    )
    steers: bool = Field(
        default=True,
        description="Whether it balances its customers; if not, their devices follow their own "
        "firmware.",
    )
    reads_meters: bool = Field(
        default=True,
        description="Whether its contracts let its balancing read registers and load profile of "
        "customers that do not speak for themselves.",
    )


def double_names(suppliers: Sequence[Supplier]) -> bool:
    """Tell whether two have one name."""
    return len({one.name for one in suppliers}) < len(suppliers)
