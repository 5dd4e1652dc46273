"""Section on what is wrong in the field: meters that miss something, energy that nobody bills."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scenarios.schema.base import Section, Share

__all__ = ["Imperfections", "Loss", "Meters"]


class Meters(Section):
    """What all customers' meters have in common, apart from their class."""

    gap_probability: Share = Field(
        default=0.0, description="Probability that a meter's sample begins a gap."
    )
    gap_length: Annotated[float, Field(ge=1, le=10_000)] = Field(
        default=1.0, description="Mean length of a gap [samples]."
    )
    rollover_wh: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="Value at which registers begin anew [Wh]; 0: never."
    )
    clock_sd_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=0.0, description="Standard deviation of the clocks' error at the start [s]."
    )
    drift_sd_ppm: Annotated[float, Field(ge=0, le=1000)] = Field(
        default=0.0, description="Standard deviation of the clocks' drift [ppm]."
    )


class Loss(Section):
    """Energy drawn at a terminal and not billed; no unit is told."""

    kind: Literal["bypass", "scaled", "message", "unmetered", "empty", "billing"] = Field(
        description="Theft: bypass (goes round the meter), scaled (the register counts less), "
        "message (less is sent). No theft: unmetered (no meter), empty (connected, nobody's), "
        "billing (booked with a wrong factor)."
    )
    terminal: str = Field(description="Where, as terminal/lv4.101/load-7.")
    share: Annotated[float, Field(ge=-1, le=1)] = Field(
        default=1.0, description="Part of the energy that is missing; below 0 in billing alone."
    )
    hours: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        default=None, description="Hours of the day [UTC] at which a meter is manipulated: 22, 6."
    )
    from_h: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="When it begins, after the start of the run [h]."
    )
    until_h: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="When it ends [h]; the end of the run where not given."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.share < 0 and self.kind != "billing":
            raise ValueError("share: only a billing error can book too much")
        if self.hours is not None:
            if self.kind not in ("bypass", "scaled"):
                raise ValueError(f"hours: a loss of kind {self.kind} knows no hours of the day")
            if not all(0 <= h <= 24 for h in self.hours) or self.hours[0] == self.hours[1]:
                raise ValueError("hours: two different hours from 0 to 24")
        if self.until_h is not None and self.until_h <= self.from_h:
            raise ValueError("until_h: not after from_h")
        return self


class Imperfections(Section):
    """What is wrong in the field."""

    meters: Meters = Field(default_factory=Meters, description="Meters' gaps, registers, clocks.")
    losses: list[Loss] = Field(
        default_factory=list, description="Energy that is not billed; at most one at a terminal."
    )
