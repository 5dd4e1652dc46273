"""Section on prices and emission factors: what runs are valued by, nothing that they run by."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from scenarios.schema.base import Section

__all__ = ["Money"]

_Price = Annotated[float, Field(ge=-10_000, le=100_000)]
_Course = _Price | Annotated[list[_Price], Field(min_length=24, max_length=24)]
_Factor = Annotated[float, Field(ge=0, le=5000)]


class Money(Section):
    """What energy costs and emits, for the KPIs of money and CO2.

    The usual values are Germany's of 2016, the year of SimBench's profiles; `docs/models/money.md`
    says where each comes from. A course is one number, or 24 by the hour of the day (UTC).
    """

    retail_per_mwh: _Price = Field(
        default=286.9,
        description="What customers pay for what they draw, all in, where no tariff is issued by "
        "services.signals [EUR/MWh].",
    )
    feed_in_per_mwh: _Price = Field(
        default=123.1,
        description="What they are paid for what they feed in, where no tariff is issued, out of "
        "the levies [EUR/MWh].",
    )
    levies_per_mwh: _Price = Field(
        default=155.1, description="Taxes, levies and surcharges of what is drawn [EUR/MWh]."
    )
    network_per_mwh: _Price = Field(
        default=71.7, description="The operator's charge of what is drawn [EUR/MWh]."
    )
    wholesale_per_mwh: _Course = Field(
        default=28.8,
        description="What suppliers pay for what their customers draw, and the operator for its "
        "losses [EUR/MWh]; a course.",
    )
    peak_per_kw_a: Annotated[float, Field(ge=0, le=10_000)] = Field(
        default=0.0,
        description="What the operator pays above for its highest quarter-hour [EUR per kW and "
        "year], in proportion to the length of the run; it depends on the place.",
    )
    co2_g_per_kwh: _Factor | Annotated[list[_Factor], Field(min_length=24, max_length=24)] = Field(
        default=527.0, description="CO2 of what is drawn from upstream [g/kWh]; a course."
    )

    @model_validator(mode="after")
    def _leaves_something(self) -> Self:
        if self.levies_per_mwh + self.network_per_mwh > self.retail_per_mwh:
            raise ValueError("retail_per_mwh: less than levies_per_mwh and network_per_mwh in it")
        return self
