"""Sections on quality of supply: what is recorded of it, mains frequency, transients."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from scenarios.schema.base import Positive, Section

__all__ = ["Background", "Excursion", "Frequency", "Quality", "Transient", "TransientRate"]

_SECONDS = Annotated[float, Field(ge=0, le=8784 * 3600)]
_LEAST_HZ, _MOST_HZ = 40.0, 60.0
_HZ = Annotated[float, Field(ge=_LEAST_HZ, le=_MOST_HZ)]
_PEAK = Annotated[float, Field(gt=1, le=20)]
_PAIR = Annotated[list[_SECONDS], Field(min_length=2, max_length=2)]
Kind = Literal[
    "load", "pv", "ev", "battery", "heat_pump", "thermostat", "appliance", "chp", "wind",
    "lighting", "discharge_lamp",
]  # fmt: skip
Spectrum = Literal[
    "linear", "household", "inverter", "charger", "drive", "motor", "led", "discharge", "rectifier",
    "six-pulse", "twelve-pulse",
]  # fmt: skip


class Background(Section):
    """A harmonic voltage that the grid above brings along."""

    order: Annotated[int, Field(ge=3, le=25)] = Field(description="Order, an odd one.")
    percent: Annotated[float, Field(ge=0, le=20)] = Field(
        description="Its size, by the nominal voltage [%]."
    )

    @field_validator("order")
    @classmethod
    def _is_odd(cls, order: int) -> int:
        if order % 2 == 0:
            raise ValueError("only odd orders are solved")
        return order


class Quality(Section):
    """What is recorded of the quality of supply, every ten minutes and at each dip and swell."""

    places: Literal["all", "lv"] | Annotated[list[str], Field(min_length=1)] = Field(
        default="lv",
        description="Where: all buses, those of low voltage, or buses and terminals by identifier.",
    )
    harmonics: bool | None = Field(
        default=None,
        description="Whether harmonics are solved; null: where the solver knows the phases.",
    )
    spectra: dict[Kind, Spectrum] = Field(
        default_factory=dict,
        description="Kinds of devices that have another spectrum than the library's "
        "(fernwatt/gridmodel/harmonics/kinds.csv).",
    )
    background: list[Background] = Field(
        default_factory=list, description="Harmonic voltages of the grid above."
    )
    interruption_percent: Annotated[float, Field(ge=1, le=10)] = Field(
        default=5.0,
        description="Voltage below which, in all phases, supply is interrupted (EN 50160: 5).",
    )


class Excursion(Section):
    """A time in which the mains frequency is another one."""

    at_s: _SECONDS = Field(description="When it begins, after the start of the run [s].")
    duration_s: Positive = Field(description="How long it lasts [s].")
    hz: _HZ = Field(description="The frequency during it [Hz].")


class Frequency(Section):
    """The mains frequency: exactly one of the three; 50 Hz where nothing is said."""

    series: list[_PAIR] | None = Field(
        default=None,
        description="Pairs of time [s] and frequency [Hz], which holds until the next.",
    )
    excursions: list[Excursion] | None = Field(
        default=None, description="Times in which it is not 50 Hz, one after the other."
    )
    file: str | None = Field(
        default=None,
        description="CSV with columns t_s and hz, a path below the scenario's folder; each "
        "frequency holds until the next.",
    )

    @model_validator(mode="after")
    def _one_course(self) -> Self:
        given = [name for name in ("series", "excursions", "file") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError("give exactly one of series, excursions, file")
        for (one, _), (other, _) in pairwise(self.series or ()):
            if other <= one:
                raise ValueError(f"series: {other:g} s does not come after {one:g} s")
        for at_s, hz in self.series or ():
            if not _LEAST_HZ <= hz <= _MOST_HZ:
                raise ValueError(f"series: {hz:g} Hz at {at_s:g} s is not from 40 to 60 Hz")
        for first, second in pairwise(self.excursions or ()):
            if second.at_s < first.at_s + first.duration_s:
                raise ValueError(f"excursions: one begins at {second.at_s:g} s, within another")
        return self


class Transient(Section):
    """A transient overvoltage, as lightning and switching bring about."""

    at_s: _SECONDS = Field(description="When, after the start of the run [s].")
    bus: str = Field(description="Where, as bus/lv4.101/bus-12.")
    peak_pu: _PEAK = Field(description="Its peak, by the peak of the nominal voltage.")


class TransientRate(Section):
    """Transients that are drawn: a Poisson process at each bus."""

    per_bus_year: Annotated[float, Field(ge=0, le=1e5)] = Field(
        default=0.0, description="How many at each bus of low voltage in a year."
    )
    peak_pu: Annotated[list[_PEAK], Field(min_length=2, max_length=2)] = Field(
        default_factory=lambda: [1.5, 4.0],
        description="Their peaks: drawn between these, small ones more often.",
    )

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.peak_pu[0] > self.peak_pu[1]:
            raise ValueError("peak_pu: from the smaller to the larger one")
        return self
