"""Section on the field: instruments and drives, what is wrong with them, what nobody bills."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scenarios.schema.base import Section, Share
from scenarios.schema.instruments import (
    DeviceDrives,
    Indicators,
    LineSensors,
    SwitchDrives,
    TapDrives,
)

__all__ = ["Imperfections", "Loss", "Meters"]


class ClassShare(Section):
    """How many of the meters are of one class."""

    accuracy_class: Annotated[float, Field(json_schema_extra={"enum": [0.5, 1, 2]})] = Field(
        description="Accuracy class (IEC 62053): 0.5, 1 or 2."
    )
    share: Share = Field(description="Share of the meters, each drawn.")

    @model_validator(mode="after")
    def _is_a_class(self) -> Self:
        if self.accuracy_class not in (0.5, 1.0, 2.0):
            raise ValueError("accuracy_class: must be 0.5, 1 or 2")
        return self


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
    classes: list[ClassShare] = Field(
        default_factory=list,
        description="Mix of classes; the rest of the meters has units.accuracy_class.",
    )
    by_phase: bool = Field(
        default=False,
        description="Whether meters also tell voltage, current and power of each conductor.",
    )
    window_s: Annotated[float, Field(ge=0, le=86400)] = Field(
        default=0.0,
        description="Window of the r.m.s. means of the voltages that meters tell at its end [s]: "
        "600 for EN 50160; 0: none.",
    )

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if sum(part.share for part in self.classes) > 1 + 1e-9:
            raise ValueError("classes: the shares add up to more than 1")
        names = [part.accuracy_class for part in self.classes]
        if len(set(names)) != len(names):
            raise ValueError("classes: a class is named twice")
        return self


class Wiring(Section):
    """A connection that is not as the records say (solver four-wire); no unit is told."""

    terminal: str = Field(description="Where, as terminal/lv4.101/load-7.")
    phases: Annotated[list[int], Field(min_length=3, max_length=3)] = Field(
        description="Phases on which the conductors 1, 2, 3 of the records are: 2, 3, 1."
    )

    @model_validator(mode="after")
    def _is_an_order(self) -> Self:
        if sorted(self.phases) != [1, 2, 3]:
            raise ValueError("phases: must be an order of 1, 2, 3")
        return self


class WrongPhases(Section):
    """Connections that are drawn to be not as the records say (solver four-wire)."""

    share: Share = Field(description="Share of the customers, each drawn.")


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
    """Instruments and drives in the field, and what is wrong there."""

    meters: Meters = Field(
        default_factory=Meters, description="Meters' classes, phases, gaps, registers, clocks."
    )
    wiring: list[Wiring] = Field(
        default_factory=list, description="Connections that are not as the records say."
    )
    wrong_phases: WrongPhases | None = Field(
        default=None, description="Further such connections, drawn; null: none."
    )
    indicators: list[Indicators] = Field(
        default_factory=list, description="Fault passage indicators."
    )
    sensors: list[LineSensors] = Field(
        default_factory=list, description="Sensors at lines, transformers and lighting feeders."
    )
    drives: SwitchDrives | None = Field(
        default=None, description="Remote control of switches; null: units know of none."
    )
    contactors: DeviceDrives | None = Field(
        default=None,
        description="Remote control of lighting feeders; null: their timetable alone.",
    )
    taps: list[TapDrives] = Field(default_factory=list, description="On-load tap changers.")
    actuators: DeviceDrives = Field(
        default_factory=DeviceDrives, description="Actuators of devices."
    )
    losses: list[Loss] = Field(
        default_factory=list, description="Energy that is not billed; at most one at a terminal."
    )
