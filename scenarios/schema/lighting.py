"""Section on public lighting: feeders of luminaires, when they burn, what fails."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from scenarios.schema.base import Name, Positive, Section

__all__ = [
    "Cable",
    "CableCut",
    "Feeder",
    "FeederDesign",
    "LampFailure",
    "LampSet",
    "Lighting",
    "Stuck",
    "Switching",
]

_HOURS = Annotated[float, Field(ge=0, le=8784)]


class LampSet(Section):
    """Luminaires of one type behind one sensor."""

    lamp: Literal["high-pressure-sodium", "metal-halide", "led"] = Field(
        default="high-pressure-sodium", description="Type of the lamps."
    )
    count: Annotated[int, Field(ge=1, le=1000)] = Field(default=8, description="How many.")
    figures: dict[str, float] = Field(
        default_factory=dict,
        description="Figures of the lamps that are others than the type's: p_w, power_factor, "
        "warm_up_s, life_h, …; all of them in docs/models/lighting.md.",
    )


class Cable(Section):
    """One conductor for each phase, and a neutral; by default 4 x 16 mm2 copper."""

    r_ohm_per_km: Positive = Field(default=1.15, description="Resistance of a phase [ohm/km].")
    x_ohm_per_km: Annotated[float, Field(ge=0)] = Field(
        default=0.09, description="Reactance of a phase [ohm/km]."
    )
    neutral_r_ohm_per_km: Positive = Field(
        default=1.15, description="Resistance of the neutral [ohm/km]."
    )
    neutral_x_ohm_per_km: Annotated[float, Field(ge=0)] = Field(
        default=0.09, description="Reactance of the neutral [ohm/km]."
    )


class Switching(Section):
    """When a feeder burns."""

    mode: Literal["twilight", "timetable"] = Field(
        default="twilight",
        description="twilight: while the sun is below elevation_deg; timetable: from burns_from "
        "to burns_until.",
    )
    burns_from: str = Field(default="18:00", description="Time of day (UTC), for timetable.")
    burns_until: str = Field(
        default="06:00", description="Time of day (UTC); the same as burns_from: always."
    )
    elevation_deg: Annotated[float, Field(gt=-90, lt=90)] = Field(
        default=-4.0, description="Elevation of the sun below which it burns [°]."
    )

    @field_validator("burns_from", "burns_until")
    @classmethod
    def _is_a_time_of_day(cls, text: str) -> str:
        hours, colon, rest = text.partition(":")
        digits = hours.isdigit() and rest.isdigit() and len(hours) == len(rest) == 2
        if not (colon and digits and int(hours) < 24 and int(rest) < 60):
            raise ValueError('no time of day; write it as "18:30"')
        return text


class FeederDesign(Section):
    """How a lighting feeder is built."""

    segments: list[LampSet] = Field(
        default_factory=lambda: [LampSet() for _ in range(4)],
        min_length=1,
        max_length=50,
        description="Segments along the cable, each with a sensor at its head.",
    )
    span_m: Positive = Field(default=30.0, description="Cable between two luminaires [m].")
    phases: list[Annotated[int, Field(ge=1, le=3)]] = Field(
        default=[1, 2, 3],
        min_length=1,
        max_length=6,
        description="Phases of the luminaires, in turn along the cable.",
    )
    cable: Cable = Field(default_factory=Cable, description="The cable.")
    age_h: list[Annotated[float, Field(ge=0)]] = Field(
        default=[0.0, 8000.0],
        min_length=2,
        max_length=2,
        description="Hours that the lamps have burnt at the start, drawn between the two.",
    )
    switching: Switching = Field(default_factory=Switching, description="When it burns.")

    @model_validator(mode="after")
    def _ages_rise(self) -> Self:
        if self.age_h[0] > self.age_h[1]:
            raise ValueError("age_h: the first is above the second")
        return self


class Feeder(FeederDesign):
    """One lighting feeder; its identifier is ``lighting/<area>/<name>``."""

    name: Name = Field(description="Its name, in its area.")
    at: str = Field(
        description="Low-voltage bus that feeds it, as bus/lv4.101/bus-12; a terminal stands for "
        "its bus."
    )


class LampFailure(Section):
    """A lamp that fails at a certain time, besides those whose life ends."""

    lamp: str = Field(description="Which, as lighting/lv4.101/feeder-1/lamp-003 (from 000).")
    at_h: _HOURS = Field(description="When, after the start of the run [h].")


class Stuck(Section):
    """A feeder's contactor that stays as it is."""

    feeder: str = Field(description="Which, as lighting/lv4.101/feeder-1.")
    from_h: _HOURS = Field(default=0.0, description="From when, after the start of the run [h].")
    until_h: Annotated[float, Field(gt=0, le=8784)] | None = Field(
        default=None, description="Until when [h]; not given: to the end, or until a repair."
    )

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.until_h is not None and self.until_h <= self.from_h:
            raise ValueError("until_h: not after from_h")
        return self


class CableCut(Section):
    """A feeder's cable that breaks; what is behind is dark."""

    feeder: str = Field(description="Which, as lighting/lv4.101/feeder-1.")
    before: Annotated[int, Field(ge=0)] = Field(
        description="First luminaire that is not reached any more, from 0."
    )
    at_h: _HOURS = Field(description="When, after the start of the run [h].")
    until_h: Annotated[float, Field(gt=0, le=8784)] | None = Field(
        default=None, description="Until when [h]; not given: to the end, or until a repair."
    )

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.until_h is not None and self.until_h <= self.at_h:
            raise ValueError("until_h: not after at_h")
        return self


class Lighting(Section):
    """Public lighting; none unless areas or feeders are named."""

    areas: Literal["all"] | list[str] = Field(
        default_factory=list,
        description="Low-voltage areas with one feeder, feeder-1, at their busbar.",
    )
    design: FeederDesign = Field(
        default_factory=FeederDesign, description="How the feeders of areas are built."
    )
    feeders: list[Feeder] = Field(default_factory=list, description="Single feeders.")
    failures: list[LampFailure] = Field(default_factory=list, description="Lamps that fail.")
    stuck: list[Stuck] = Field(default_factory=list, description="Contactors that stick.")
    cuts: list[CableCut] = Field(default_factory=list, description="Cables that break.")
