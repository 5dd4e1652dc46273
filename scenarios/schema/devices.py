"""Section on devices: which customers have what."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from scenarios.schema.base import Positive, Section, Share

__all__ = ["Battery", "Devices", "ElectricVehicles", "Household", "Photovoltaics", "Sessions"]


class Household(Section):
    """Household loads, from the grid's own profiles."""

    variation: Share = Field(
        default=0.2, description="How much each customer differs from the standard shape, 0 to 1."
    )


class Photovoltaics(Section):
    """Roof-top photovoltaics."""

    share: Share = Field(default=0.0, description="Share of the customers that have panels.")
    p_rated_w: list[Positive] = Field(
        default_factory=lambda: [3000.0, 10000.0],
        min_length=2,
        max_length=2,
        description="Smallest and largest rating [W]; drawn evenly.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.p_rated_w[0] > self.p_rated_w[1]:
            raise ValueError("p_rated_w: the smallest comes first")
        return self


class Sessions(Section):
    """Where charging sessions come from: drawn, or a table of the user's."""

    file: str | None = Field(
        default=None,
        description="CSV with columns device, arrival, departure, energy_wh; a path below the "
        "scenario's folder. null: drawn from published home-charging statistics.",
    )


class ElectricVehicles(Section):
    """Charging points at home."""

    share: Share = Field(
        default=0.0, description="Share of the customers that have a charging point."
    )
    p_max_w: Annotated[float, Field(gt=0, le=400_000)] = Field(
        default=11000.0, description="Largest charging power [W]."
    )
    p_min_w: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="Smallest charging power when not zero [W]."
    )
    sessions: Sessions = Field(default_factory=Sessions, description="When they charge what.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.p_min_w > self.p_max_w:
            raise ValueError("p_min_w: larger than p_max_w")
        return self


class Battery(Section):
    """Home batteries."""

    share: Share = Field(default=0.0, description="Share of the customers that have a battery.")
    capacity_wh: Positive = Field(default=10000.0, description="Usable energy [Wh].")
    p_max_w: Positive = Field(
        default=5000.0, description="Largest charging and discharging power [W]."
    )
    efficiency: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.95, description="Efficiency of each direction."
    )


class Devices(Section):
    """Devices behind the customers' connection points."""

    household: Household = Field(default_factory=Household, description="Household loads.")
    pv: Photovoltaics = Field(default_factory=Photovoltaics, description="Photovoltaics.")
    ev: ElectricVehicles = Field(default_factory=ElectricVehicles, description="Charging points.")
    battery: Battery = Field(default_factory=Battery, description="Home batteries.")
