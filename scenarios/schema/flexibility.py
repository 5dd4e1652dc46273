"""Section on flexibility that is offered, sold and bought."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from scenarios.schema.base import Section, Share

__all__ = ["Flexibility"]

_Price = Annotated[float, Field(ge=0, le=100_000)]


class Flexibility(Section):
    """Flex-offers of customers, an aggregator that sells them, an operator that buys them."""

    areas: Annotated[list[str], Field(min_length=1)] = Field(
        default_factory=lambda: ["*"],
        description="Low-voltage areas whose transformer is watched; `*` stands for anything.",
    )
    share: Share = Field(
        default=1.0, description="Share of the customers there that have a contract."
    )
    limit_percent: Annotated[float, Field(gt=0, le=200)] = Field(
        default=100.0,
        description="What a transformer may carry, drawn from above [% of its rated power].",
    )
    margin_percent: Annotated[float, Field(ge=0, lt=50)] = Field(
        default=5.0,
        description="The operator keeps its forecast so far below that [%]: for reactive power, "
        "losses, and what nobody foresaw.",
    )
    ev_per_mwh: _Price | None = Field(
        default=40.0,
        description="What customers ask for each MWh that a vehicle draws less in a quarter-hour "
        "[EUR/MWh]; null: vehicles are not offered.",
    )
    battery_per_mwh: _Price | None = Field(
        default=80.0,
        description="What customers ask for each MWh of a battery [EUR/MWh]; null: not offered.",
    )
    share_percent: Annotated[float, Field(ge=0, le=1000)] = Field(
        default=20.0, description="What the aggregator adds for itself [%]."
    )
    most_per_mwh: _Price = Field(
        default=500.0,
        description="What the operator pays at most for each MWh less above its limit [EUR/MWh].",
    )
    penalty_per_mwh: _Price = Field(
        default=100.0,
        description="What it takes off for each MWh that was ordered and not delivered [EUR/MWh].",
    )
    start_tolerance_h: Annotated[float, Field(ge=0, le=24)] = Field(
        default=1.0, description="Offers are summed up whose earliest starts differ by so much [h]."
    )
    free_tolerance_h: Annotated[float, Field(ge=0, le=24)] = Field(
        default=2.0, description="And whose freedom in time differs by so much [h]."
    )
