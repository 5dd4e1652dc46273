"""Sections on what hangs in the grid: indicators, sensors, drives of switches and taps, crews."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scenarios.schema.base import Positive, Section, Share

__all__ = ["Crews", "DeviceDrives", "Indicators", "LineSensors", "SwitchDrives", "TapDrives"]

NotNegative = Annotated[float, Field(ge=0)]
Phase = Annotated[int, Field(ge=-3, le=3)]
Wires = Annotated[list[Phase], Field(min_length=3, max_length=3)]


class _Hung(Section):
    """What instruments at places of the grid have in common."""

    at: Annotated[list[str], Field(min_length=1)] = Field(
        description="Where: lines, transformers, switches, segments of lighting feeders by their "
        "identifiers; * and ? stand for any letters: line/mv1.101/*."
    )
    end: Literal[0, 1] = Field(
        default=0,
        description="Which end: 0 the from bus of a line or the upper side of a transformer, 1 the "
        "other. Current counts into the element there.",
    )
    unit: str | None = Field(
        default=None,
        description="Unit that has it; not given: that of the substation of its area.",
    )
    clock_sd_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=0.0, description="Standard deviation of the clocks' error at the start [s]."
    )
    drift_sd_ppm: Annotated[float, Field(ge=0, le=1000)] = Field(
        default=0.0, description="Standard deviation of the clocks' drift [ppm]."
    )
    gap_probability: Share = Field(
        default=0.0, description="Probability that a sample or a report begins a gap."
    )
    gap_length: Annotated[float, Field(ge=1, le=10_000)] = Field(
        default=1.0, description="Mean length of a gap [samples]."
    )


class Indicators(_Hung):
    """Fault passage indicators of one kind."""

    phase_a: NotNegative = Field(
        default=400.0, description="Phase current from which they operate [A]; 0: none."
    )
    earth_a: NotNegative = Field(
        default=0.0, description="Residual current from which they operate [A]; 0: none."
    )
    minimum_ms: NotNegative = Field(default=40.0, description="How long it has to last [ms].")
    hold_h: Positive = Field(default=4.0, description="How long they show it [h].")
    reset_by_voltage: bool = Field(
        default=False, description="Whether returning voltage ends an indication."
    )
    live_v: NotNegative = Field(
        default=1000.0, description="Voltage to earth that counts as returned [V]."
    )
    directional: bool = Field(default=False, description="Whether they tell the direction.")
    miss_probability: Share = Field(
        default=0.0, description="Probability that a passage is not shown."
    )
    false_per_year: NotNegative = Field(
        default=0.0, description="False operations of each in a year."
    )

    @model_validator(mode="after")
    def _operates(self) -> Self:
        if self.phase_a == self.earth_a == 0:
            raise ValueError("phase_a: without a threshold they never operate")
        return self


class LineSensors(_Hung):
    """Sensors of voltage, current, power and temperature of one kind."""

    accuracy_class: Annotated[float, Field(json_schema_extra={"enum": [0, 0.2, 0.5, 1, 2, 3]})] = (
        Field(default=1.0, description="Class of voltage and current [%]; 0: ideal.")
    )
    rated_a: Positive = Field(default=100.0, description="Rated current [A].")
    period_s: Annotated[float, Field(ge=1, le=86400)] = Field(
        default=60.0, description="Period of the samples [s]."
    )
    window_s: NotNegative = Field(
        default=0.0, description="Averaging window before each sample [s]; 0: the instant."
    )
    voltage_wiring: Wires = Field(
        default_factory=lambda: [1, 2, 3],
        description="Phase of each voltage channel as it is; negative: backwards.",
    )
    current_wiring: Wires = Field(
        default_factory=lambda: [1, 2, 3],
        description="Phase of each current channel as it is; negative: backwards.",
    )
    rise_c: NotNegative = Field(
        default=20.0, description="By how much rated current heats the place [K]."
    )
    tau_s: Positive = Field(default=900.0, description="Time constant of the heating [s].")
    temperature_sd_c: NotNegative = Field(
        default=0.5, description="Standard deviation of the thermometers' error [K]."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.accuracy_class not in (0.0, 0.2, 0.5, 1.0, 2.0, 3.0):
            raise ValueError("accuracy_class: must be 0, 0.2, 0.5, 1, 2 or 3")
        if self.window_s > self.period_s:
            raise ValueError("window_s: longer than the period")
        if 0 in (*self.voltage_wiring, *self.current_wiring):
            raise ValueError("wiring: phases are 1, 2, 3")
        return self


class DeviceDrives(Section):
    """What the actuators of all devices have in common: relays, inverters' set-points."""

    delay_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=0.0, description="From the command to its effect [s]."
    )
    jitter_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=0.0, description="Largest extra delay, drawn evenly [s]."
    )
    failure_probability: Share = Field(
        default=0.0, description="Probability that a command has no effect."
    )
    misreport_probability: Share = Field(
        default=0.0, description="Probability that the contrary of what happened is reported."
    )


class SwitchDrives(DeviceDrives):
    """Switches with remote control; all others are worked by crews."""

    delay_s: Annotated[float, Field(ge=0, le=3600)] = Field(
        default=2.0, description="Operating time [s]."
    )
    types: list[Literal["CB", "LBS", "LS", "DS"]] = Field(
        default=["CB"],
        description="Types of the record that have a drive: CB circuit breakers, LBS load-break "
        "switches, LS load switches, DS disconnectors.",
    )
    levels: list[Literal["lv", "mv", "hv"]] = Field(
        default=["mv", "hv"], description="Voltage levels in which they have one."
    )
    also: list[str] = Field(
        default_factory=list, description="Further switches; * and ? stand for any letters."
    )
    by_hand: list[str] = Field(
        default_factory=list, description="Switches that have none all the same; * and ? likewise."
    )


class TapDrives(DeviceDrives):
    """Transformers with an on-load tap changer."""

    at: Annotated[list[str], Field(min_length=1)] = Field(
        description="Which; * and ? stand for any letters: transformer/mv1.101/*."
    )
    step_s: Positive = Field(default=5.0, description="Time of one step [s].")


class Crews(Section):
    """Crews that switch and repair by hand, and their desk at the top-level unit."""

    count: Annotated[int, Field(ge=1, le=1000)] = Field(default=2, description="How many.")
    depot: str | None = Field(
        default=None,
        description="Bus at which they begin; not given: the busbar of the grid's upper area.",
    )
    speed_km_h: Positive = Field(default=40.0, description="Speed on the road [km/h].")
    detour: Annotated[float, Field(ge=1)] = Field(
        default=1.3, description="Length of the road by that of the straight line."
    )
    dispatch_min: NotNegative = Field(default=10.0, description="From order to departure [min].")
    switch_min: NotNegative = Field(default=10.0, description="Work at a switch or tap [min].")
    repair_h: NotNegative = Field(default=2.0, description="Work of a repair [h].")
    spread: NotNegative = Field(
        default=0.0, description="Relative standard deviation of times of work (log-normal)."
    )
    notice_min: Positive | None = Field(
        default=None,
        description="After this time somebody reports a fault that is still there, and a crew is "
        "sent to repair it [min]; null: crews wait for orders.",
    )
