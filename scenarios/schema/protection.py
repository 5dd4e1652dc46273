"""Sections on protection: the standard scheme, and devices of one's own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from scenarios.schema.base import Positive, Section, Share

__all__ = ["Breaker", "Fuse", "Protection", "RelayStage", "Sectionaliser"]

_Ms = Annotated[int, Field(ge=0, le=3_600_000)]
_NotNegative = Annotated[float, Field(ge=0)]


class RelayStage(Section):
    """One stage of a relay."""

    pickup_a: Positive = Field(description="Setting [A].")
    quantity: Literal["phase", "earth"] = Field(
        default="phase", description="Largest phase current, or residual current."
    )
    direction: Literal["any", "forward", "reverse"] = Field(
        default="any", description="forward: into the element behind the switch."
    )
    curve: str = Field(
        default="definite",
        description="definite, normal-inverse, very-inverse, extremely-inverse, long-inverse, "
        "ieee-moderately-inverse, ieee-very-inverse, ieee-extremely-inverse.",
    )
    tms: Positive = Field(default=1.0, description="Time multiplier of the curve.")
    delay_s: _NotNegative = Field(default=0.0, description="Delay, added to the curve's time [s].")
    minimum_s: _NotNegative = Field(default=0.0, description="Least operate time [s].")
    dropout: Share = Field(default=0.95, description="Drop-out by pick-up.")
    reset: Literal["instant", "hold", "inverse"] = Field(
        default="instant", description="How it goes back."
    )
    reset_s: _NotNegative = Field(default=0.0, description="Hold time [s], for hold.")
    shots: list[Annotated[int, Field(ge=0, le=10)]] = Field(
        default_factory=list, description="Trips of a reclosing sequence at which it is in use."
    )


class Breaker(Section):
    """A circuit breaker or recloser with its relay."""

    switch: str = Field(description="The switch it is.")
    stages: list[RelayStage] = Field(min_length=1, description="Stages of its relay.")
    open_ms: _Ms = Field(default=60, description="From the trip to open contacts [ms].")
    close_ms: _Ms = Field(default=80, description="From the order to closed contacts [ms].")
    dead_ms: list[Annotated[int, Field(ge=1, le=3_600_000)]] = Field(
        default_factory=list, description="Dead times before each reclosing [ms]."
    )
    reclaim_ms: _Ms = Field(default=30_000, description="After it, a sequence begins anew [ms].")
    failure_probability: Share = Field(default=0.0, description="Probability of not opening.")
    backup: str = Field(default="", description="Switch of the breaker that is tripped then.")
    backup_ms: _Ms = Field(default=200, description="When, after the trip [ms].")
    phase_deg: float = Field(default=45.0, description="Characteristic angle of phases [°].")
    earth_deg: float = Field(default=0.0, description="Characteristic angle to earth [°].")
    polarising_v: _NotNegative = Field(
        default=10.0, description="Least voltage that tells a direction [V]."
    )


class Fuse(Section):
    """Three fuse links, one in each phase."""

    switch: str = Field(description="The switch it is.")
    curve: str = Field(description="Type of pandapower's library: NH-2-250, HV 25A.")
    cooling_s: _NotNegative = Field(default=120.0, description="Time constant of cooling [s].")


class Sectionaliser(Section):
    """A switch that opens without current, by itself."""

    switch: str = Field(description="The switch it is.")
    mode: Literal["count", "voltage"] = Field(
        default="count", description="count: after interruptions; voltage: when it has gone."
    )
    pickup_a: _NotNegative = Field(default=0.0, description="Fault current that counts [A].")
    counts: Annotated[int, Field(ge=1, le=10)] = Field(
        default=2, description="Interruption within which it opens."
    )
    memory_ms: _Ms = Field(default=30_000, description="After it, it forgets [ms].")
    live_v: Positive = Field(default=1_000.0, description="Voltage that counts as some [V].")
    open_ms: _Ms = Field(default=100, description="Time to open [ms].")
    delay_ms: _Ms = Field(default=500, description="From loss of voltage to opening [ms].")
    close_after_ms: Annotated[int, Field(ge=-1, le=3_600_000)] = Field(
        default=-1, description="From return of voltage to closing [ms]; -1: not by itself."
    )
    lock_within_ms: _Ms = Field(
        default=5_000, description="Voltage lost so soon after closing locks it [ms]."
    )


class Protection(Section):
    """Relays and fuses: a standard scheme, and devices that replace it at their switch."""

    scheme: Literal["auto", "standard", "none"] = Field(
        default="auto",
        description="standard: relays at breakers, fuses at transformers and at the heads of "
        "low-voltage feeders; auto: that where the scenario has faults, else none.",
    )
    step_s: Positive = Field(
        default=0.3, description="Time between a relay and the one that feeds it [s]."
    )
    earth_fault: Literal["trip", "signal"] = Field(
        default="trip",
        description="What is done about an earth fault of isolated or compensated medium voltage.",
    )
    earth_s: Positive = Field(
        default=1.0, description="How long such an earth fault may last before that [s]."
    )
    reclosing_s: list[Positive] | None = Field(
        default=None,
        description="Dead times of feeders' breakers [s]; not given: 0.3 with overhead lines, "
        "none with cables alone.",
    )
    breakers: list[Breaker] = Field(default_factory=list, description="Breakers of your own.")
    fuses: list[Fuse] = Field(default_factory=list, description="Fuses of your own.")
    sectionalisers: list[Sectionaliser] = Field(
        default_factory=list, description="Sectionalisers of your own."
    )
