"""Sections on faults of the grid, and on switches that are operated by plan."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scenarios.schema.base import Positive, Section, Share

__all__ = ["FaultRates", "FaultStage", "GridFault", "Operation"]

Kind = Literal[
    "three-phase", "two-phase", "two-phase-ground", "single-phase-ground", "broken-conductor"
]
_PHASES: dict[str, list[int]] = {
    "three-phase": [1, 2, 3],
    "two-phase": [1, 2],
    "two-phase-ground": [1, 2],
    "single-phase-ground": [1],
    "broken-conductor": [1],
}
_HOURS = Annotated[float, Field(ge=0, le=8784)]


class FaultStage(Section):
    """What a fault is like."""

    kind: Kind = Field(default="three-phase", description="What touches what, or what breaks.")
    phases: list[Annotated[int, Field(ge=1, le=4)]] | None = Field(
        default=None,
        description="Conductors 1, 2, 3; 4 is the neutral, for broken-conductor alone. Not given: "
        "the first ones.",
    )
    r_ohm: Annotated[float, Field(ge=0, le=1e6)] = Field(
        default=0.0, description="Resistance of the arc or of the way to earth [ohm]."
    )
    broken: list[Annotated[int, Field(ge=1, le=4)]] = Field(
        default_factory=list,
        description="Conductors that are torn there besides, as one that lies on the ground.",
    )
    side: Literal["from", "to"] | None = Field(
        default=None,
        description="Which piece of a torn conductor touches, towards the line's from or to bus; "
        "not given: the one with supply.",
    )

    @model_validator(mode="after")
    def _phases_fit(self) -> Self:
        if self.broken and self.kind == "broken-conductor":
            raise ValueError("broken: of a broken conductor, phases says which")
        if self.phases is None:
            return self
        broken, wanted = self.kind == "broken-conductor", len(_PHASES[self.kind])
        if len(set(self.phases)) != len(self.phases):
            raise ValueError("phases: one is named twice")
        if not broken and (len(self.phases) != wanted or 4 in self.phases):
            raise ValueError(f"phases: a {self.kind} fault has {wanted} of the phases 1, 2, 3")
        return self

    @property
    def shorted(self) -> list[int]:
        """The phases that touch something, from 0."""
        return [] if self.kind == "broken-conductor" else self._conductors(self.phases)

    @property
    def torn(self) -> list[int]:
        """The conductors that are interrupted, from 0; 3 is the neutral."""
        broken = self.kind == "broken-conductor"
        return self._conductors(self.phases if broken else self.broken or [])

    def _conductors(self, given: list[int] | None) -> list[int]:
        wanted = _PHASES[self.kind] if given is None else given
        return sorted(number - 1 for number in wanted)


class LaterStage(FaultStage):
    """What a fault becomes."""

    after_s: Positive = Field(description="When, after the fault's beginning [s].")


class GridFault(FaultStage):
    """One fault, at a line or at a bus."""

    at_h: _HOURS = Field(description="When it begins [h]; after the run's end it does not.")
    line: str | None = Field(default=None, description="Where, as line/mv1.101/line-7.")
    bus: str | None = Field(default=None, description="Where, as bus/lv4.101/bus-12.")
    position: Share = Field(
        default=0.5, description="Distance from the line's from bus, as part of its length."
    )
    lasts: Literal["permanent", "transient"] = Field(
        default="permanent",
        description="transient: an arc, which goes out when its current has gone.",
    )
    arc_s: Positive = Field(
        default=0.2, description="Time without current after which an arc does not come back [s]."
    )
    hold_a: Positive | None = Field(
        default=None,
        description="Current below which an arc cannot last [A]; not given: 35 in medium, 1 in "
        "low voltage.",
    )
    becomes: list[LaterStage] = Field(
        default_factory=list, description="How it evolves, one stage after the other."
    )
    repaired_after_h: Positive | None = Field(
        default=None, description="When it is repaired by itself, after its beginning [h]."
    )

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if (self.line is None) == (self.bus is None):
            raise ValueError("give exactly one of line, bus")
        stages: list[FaultStage] = [self, *self.becomes]
        breaks = any(stage.torn for stage in stages)
        if breaks and self.bus is not None:
            raise ValueError("bus: only lines have conductors that break")
        if breaks and self.lasts == "transient":
            raise ValueError("lasts: what is broken does not mend by itself; write permanent")
        times = [stage.after_s for stage in self.becomes]
        if times != sorted(set(times)):
            raise ValueError("becomes: stages follow each other in time")
        return self


class Mix(Section):
    """How often a drawn fault is of which kind; the shares add up to 1."""

    single_phase_ground: Share = Field(default=0.70, description="Share of single phase to ground.")
    two_phase_ground: Share = Field(default=0.10, description="Share of two phases to ground.")
    two_phase: Share = Field(default=0.10, description="Share of two phases.")
    three_phase: Share = Field(default=0.10, description="Share of three phases.")

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        total = sum(value for _, value in self)
        if abs(total - 1.0) > 1e-9:
            raise ValueError(f"the shares add up to {total:g}, not to 1")
        return self


class FaultRates(Section):
    """Faults that are drawn: a Poisson process along each line."""

    mv_per_km_year: Annotated[float, Field(ge=0, le=1e5)] = Field(
        default=0.0, description="Faults of medium-voltage lines per km and year, in calm weather."
    )
    lv_per_km_year: Annotated[float, Field(ge=0, le=1e5)] = Field(
        default=0.0, description="Faults of low-voltage lines per km and year, in calm weather."
    )
    overhead_only: bool = Field(
        default=False, description="Whether cables are spared, as by a storm."
    )
    storm_m_per_s: Positive | None = Field(
        default=None,
        description="Wind speed [m/s] from which overhead lines fail more often: the rate grows "
        "with (wind/this)² - 1, times storm_factor. Not given: no influence of the weather.",
    )
    wind_mean_m_per_s: Positive = Field(
        default=5.0, description="Mean wind speed of the place [m/s], about which it varies."
    )
    storm_factor: Annotated[float, Field(ge=0, le=1000)] = Field(
        default=10.0, description="How much more often, see storm_m_per_s."
    )
    transient: Share = Field(
        default=0.8, description="Share of overhead lines' faults that are transient arcs."
    )
    kinds: Mix = Field(default_factory=Mix, description="Kinds of faults.")
    r_ohm: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2, max_length=2)] = (
        Field(default_factory=lambda: [0.0, 10.0], description="Resistance, from and to [ohm].")
    )
    repaired_after_h: Positive | None = Field(
        default=None, description="Mean time to repair, drawn exponentially [h]; null: never."
    )

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.r_ohm[0] > self.r_ohm[1]:
            raise ValueError("r_ohm: from the smaller to the larger one")
        return self


class Operation(Section):
    """A switch that somebody operates at a given time."""

    at_h: _HOURS = Field(description="When, after the start of the run [h].")
    switch: str = Field(description="Which, as switch/mv1.101/loop_line_switch-1.2.")
    closed: bool = Field(description="Whether it is closed then.")
