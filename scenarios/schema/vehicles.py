"""Section on charging points, the vehicles that come, and what they ask for."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from scenarios.schema.base import Positive, Section, Share, Zone

__all__ = ["ElectricVehicles", "Sessions", "Statistics", "V2g", "Vehicle"]

_V = 230.0
_Efficiency = Annotated[float, Field(gt=0, le=1)]
_Point = Annotated[list[Share], Field(min_length=2, max_length=2)]


_Hours = Annotated[list[Annotated[float, Field(ge=0, le=48)]], Field(min_length=2, max_length=2)]


class Statistics(Section):
    """Marginals of home charging; pairs are mean and standard deviation, hours local time."""

    per_day: Share = Field(default=0.63, description="Probability of a session on a day.")
    arrival_h: _Hours = Field(
        default_factory=lambda: [19.6, 2.2], description="Arrival [h], normal; mean, deviation."
    )
    arrival_limits_h: _Hours = Field(
        default_factory=lambda: [14.0, 25.0],
        description="Arrivals lie within [h]; 24 and more is after midnight.",
    )
    departure_h: _Hours = Field(
        default_factory=lambda: [8.2, 1.3],
        description="Departure on the next day [h], normal; mean, deviation.",
    )
    departure_limits_h: _Hours = Field(
        default_factory=lambda: [5.0, 12.0], description="Departures lie within [h]."
    )
    energy_wh: Annotated[list[Positive], Field(min_length=2, max_length=2)] = Field(
        default_factory=lambda: [15_000.0, 12_000.0],
        description="Energy at the socket [Wh], gamma; mean, deviation.",
    )
    energy_max_wh: Positive = Field(default=80_000.0, description="No session asks for more [Wh].")
    margin: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.9, description="Nor for more than this share of what the stay allows."
    )
    timezone: Zone = Field(default="Europe/Berlin", description="Zone of the hours.")

    @field_validator("arrival_limits_h", "departure_limits_h")
    @classmethod
    def _ordered(cls, values: list[float]) -> list[float]:
        if values[0] > values[1]:
            raise ValueError("the smallest comes first")
        return values

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.arrival_limits_h[1] >= 24.0 + self.departure_limits_h[0]:
            raise ValueError("departure_limits_h: departures can lie before arrivals")
        return self


class Sessions(Section):
    """Where charging sessions come from: drawn, or a table of the user's."""

    file: str | None = Field(
        default=None,
        description="CSV with columns device, arrival, departure, energy_wh and, where wanted, "
        "session (a name) and, with devices.ev.vehicle, capacity_wh and arrival_soc; a path below "
        "the scenario's folder, `{seed}` in it stands for the seed. null: drawn from published "
        "home-charging statistics.",
    )
    zone: Zone | None = Field(
        default=None,
        description="Time zone of a file's times that have none: Z, +01:00 or Europe/Berlin.",
    )
    statistics: Statistics = Field(
        default_factory=Statistics,
        description="What is drawn without a file. Defaults: Dutch and Norwegian homes, see "
        "docs/models/devices.md.",
    )

    @model_validator(mode="after")
    def _for_a_file(self) -> Self:
        if self.file is None and self.zone is not None:
            raise ValueError("zone: for a file's times; give file, or leave it out")
        return self


class Vehicle(Section):
    """Batteries of the vehicles: with them charging slows down towards the end."""

    capacity_wh: Annotated[list[Positive], Field(min_length=2, max_length=2)] = Field(
        default_factory=lambda: [40_000.0, 80_000.0],
        description="Smallest and largest battery [Wh]; drawn evenly.",
    )
    curve: Annotated[list[_Point], Field(min_length=1, max_length=50)] = Field(
        default_factory=lambda: [[0.8, 1.0], [1.0, 0.1]],
        description="Charging curve: points [state of charge, share of the point's power], joined "
        "by straight lines, level before the first and after the last; shares above 0.",
    )
    charge_efficiency: _Efficiency = Field(
        default=0.9, description="Share of the energy from the socket that is stored."
    )
    full_soc: Annotated[float, Field(gt=0.05, le=1)] = Field(
        default=1.0, description="State of charge with what a drawn session asks for."
    )

    @field_validator("capacity_wh")
    @classmethod
    def _smallest_first(cls, values: list[float]) -> list[float]:
        if values[0] > values[1]:
            raise ValueError("the smallest comes first")
        return values

    @field_validator("curve")
    @classmethod
    def _is_a_curve(cls, points: list[list[float]]) -> list[list[float]]:
        if any(a[0] >= b[0] for a, b in pairwise(points)):
            raise ValueError("states of charge must rise from one point to the next")
        if any(share <= 0 for _, share in points):
            raise ValueError("shares must be above 0, or it never ends")
        return points


class V2g(Section):
    """Vehicles that give energy back, where a set-point is negative."""

    p_max_w: Positive = Field(default=10_000.0, description="Largest power fed back [W].")
    reserve_soc: Share = Field(
        default=0.3, description="State of charge below which nothing is taken."
    )
    efficiency: _Efficiency = Field(
        default=0.9, description="Share of the energy taken that reaches the socket."
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
    i_min_a: Annotated[float, Field(gt=0, le=80)] | None = Field(
        default=None,
        description="Smallest current that can be signalled [A], instead of p_min_w, at 230 V on "
        "each phase: IEC 61851 has 6 A, 1380 W on one phase, 4140 W on three.",
    )
    phases: Literal[1, 3] = Field(
        default=3,
        description="3: balanced; 1: on one phase, drawn for each point (the customer's, where "
        "that is connected to one alone).",
    )
    vehicle: Vehicle | None = Field(
        default=None,
        description="The vehicles' batteries; null: not known, power is constant to the end.",
    )
    v2g: V2g | None = Field(
        default=None, description="Feeding back from vehicles; null: none does. Needs vehicle."
    )
    sessions: Sessions = Field(default_factory=Sessions, description="When they charge what.")

    @property
    def least_w(self) -> float:
        """Smallest charging power when not zero [W]."""
        return self.p_min_w if self.i_min_a is None else self.i_min_a * _V * self.phases

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.i_min_a is not None and self.p_min_w > 0:
            raise ValueError("i_min_a: p_min_w is given too; leave one out")
        if self.least_w > self.p_max_w:
            name = "p_min_w" if self.i_min_a is None else "i_min_a"
            raise ValueError(f"{name}: larger than p_max_w")
        if self.v2g is not None and self.vehicle is None:
            raise ValueError("v2g: only from known batteries; describe them in vehicle")
        return self
