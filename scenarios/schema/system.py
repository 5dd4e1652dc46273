"""Sections on time, orchestration, the grid, the weather, and what is recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from fernwatt.timebase import HOUR_MS, SLOT_MS
from scenarios.schema.base import Positive, Section, Share
from scenarios.schema.quality import Frequency, Quality, Transient, TransientRate

__all__ = [
    "Earth",
    "Grid",
    "GridSource",
    "LvGrid",
    "Orchestration",
    "Phases",
    "Record",
    "Time",
    "Upstream",
    "Weather",
]

Process = Literal["grid", "devices", "field", "network", "units"]


class Time(Section):
    """When the scenario begins, and for how long."""

    start: str = Field(
        default="2016-04-20T10:00:00Z",
        description="First instant, ISO 8601, UTC, on a quarter-hour.",
    )
    duration_h: Annotated[float, Field(gt=0, le=8784)] = Field(
        default=24.0, description="Length of the run [h], whole quarter-hours."
    )

    @field_validator("start")
    @classmethod
    def _is_a_quarter_hour(cls, text: str) -> str:
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError("not a time; write it as 2016-04-20T10:00:00Z") from None
        if instant.tzinfo is None or instant.utcoffset():
            raise ValueError("not in UTC; end it with Z")
        if instant.timestamp() * 1000 % SLOT_MS:
            raise ValueError("not on a quarter of an hour; take minute 00, 15, 30 or 45")
        if not 1971 <= instant.year <= 2100:
            raise ValueError("not between 1971 and 2100")
        return text

    @field_validator("duration_h")
    @classmethod
    def _is_whole_slots(cls, hours: float) -> float:
        if hours * HOUR_MS % SLOT_MS:
            raise ValueError("not a whole number of quarter-hours; take a multiple of 0.25")
        return hours

    @property
    def instant(self) -> datetime:
        """The first instant as a datetime in UTC."""
        return datetime.fromisoformat(self.start).astimezone(UTC)

    @property
    def end_ms(self) -> int:
        """The last instant [ms from the start]."""
        return round(self.duration_h * HOUR_MS)


class Orchestration(Section):
    """How mosaik runs the simulators."""

    coupling: Literal["separate", "fused"] = Field(
        default="separate",
        description="separate: each simulator on its own; fused: network and units in one, "
        "the fast mode. Both give the same tables.",
    )
    rt_factor: Positive | None = Field(
        default=None,
        description="Real time: wall-clock seconds per simulated second. null: free-running.",
    )
    processes: list[Process] = Field(
        default_factory=list, description="Simulators that run as processes of their own."
    )

    @model_validator(mode="after")
    def _processes_exist(self) -> Self:
        if len(set(self.processes)) != len(self.processes):
            raise ValueError("processes: a simulator is named twice")
        if self.coupling == "fused" and {"network", "units"} & set(self.processes):
            raise ValueError(
                "processes: network and units are one simulator in fused coupling; "
                "take them out of the list or write coupling: separate"
            )
        return self


class GridSource(Section):
    """Where a grid comes from: exactly one of the three."""

    simbench: str | None = Field(
        default=None, description="SimBench code, such as 1-LV-semiurb4--0-sw (data ODbL)."
    )
    pandapower: str | None = Field(
        default=None, description="Name of a network built into pandapower."
    )
    file: str | None = Field(
        default=None,
        description="pandapower JSON, or a folder with its tables as CSV or JSON; a path below the "
        "scenario's folder.",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if sum(value is not None for value in (self.simbench, self.pandapower, self.file)) != 1:
            raise ValueError("give exactly one of simbench, pandapower, file")
        return self


class LvGrid(Section):
    """A low-voltage grid put in place of an aggregated load of a medium-voltage grid."""

    simbench: str = Field(description="SimBench code of the low-voltage grid.")
    at: str | int = Field(description="Name or number of the medium-voltage load it replaces.")


class Phases(Section):
    """How low-voltage customers are connected (solver four-wire)."""

    single_phase_max_w: Annotated[float, Field(ge=0)] = Field(
        default=4600.0,
        description="Customers whose devices together have up to this rated power [W] get one "
        "phase, the others three.",
    )
    unbalance: Share = Field(
        default=0.3,
        description="u: an area's phases carry (1+u)/3, 1/3 and (1-u)/3 of the single-phase "
        "customers' rated power, in an order drawn for each area.",
    )


class Earth(Section):
    """Neutral and protective earthing (solver four-wire)."""

    system: Literal["TN", "TT"] = Field(
        default="TN",
        description="TN: customers' electrodes are joined to the neutral; TT: they are not.",
    )
    substation_ohm: Positive = Field(
        default=1.0, description="Earthing of the transformers' star-points [ohm]."
    )
    customer_ohm: Positive | None = Field(
        default=10.0, description="Electrode at each bus with customers [ohm]; null: none."
    )
    joint_ohm: Positive | None = Field(
        default=None, description="Electrode at every other low-voltage bus [ohm]; null: none."
    )
    mv_neutral: Literal["isolated", "compensated", "resistance", "solid"] = Field(
        default="compensated", description="Neutral of medium voltage."
    )
    mv_ohm: Positive = Field(
        default=20.0, description="Neutral resistance of medium voltage [ohm], for resistance."
    )


class Upstream(Section):
    """The grid above, as short circuits see it."""

    s_sc_mva: Positive | None = Field(
        default=None, description="Short-circuit power [MVA]; not given: usual at its voltage."
    )
    r_over_x: Positive = Field(default=0.1, description="Resistance by reactance.")
    z0_over_z1: Positive = Field(default=1.0, description="Zero by positive sequence.")


class Grid(Section):
    """The distribution grid."""

    source: GridSource = Field(description="Where the grid comes from.")
    lv: list[LvGrid] = Field(
        default_factory=list, description="Low-voltage grids under a medium-voltage one."
    )
    solver: Literal["auto", "balanced", "four-wire", "pandapower"] = Field(
        default="auto",
        description="balanced: power-grid-model mirror; four-wire: phases and neutral, by "
        "OpenDSS; pandapower: runpp, the reference; auto: four-wire where customers in low "
        "voltage are modelled, else balanced.",
    )
    on_divergence: Literal["stop", "shed"] = Field(
        default="stop",
        description="Where the power flow has no solution: stop ends the run with an error; shed "
        "halves the worst feeder's power until there is one, and records it.",
    )
    phases: Phases = Field(
        default_factory=Phases, description="How customers are connected (solver four-wire)."
    )
    earthing: Earth = Field(
        default_factory=Earth,
        description="Neutral and protective earthing (solver four-wire, and short circuits).",
    )
    upstream: Upstream = Field(
        default_factory=Upstream, description="The grid above, as short circuits see it."
    )
    quality: Quality | None = Field(
        default=None, description="Quality of supply that is recorded; null: none."
    )
    frequency: Frequency | None = Field(
        default=None, description="The mains frequency; null: 50 Hz always."
    )
    transients: list[Transient] = Field(
        default_factory=list, description="Transient overvoltages, one by one."
    )
    transient_rate: TransientRate = Field(
        default_factory=TransientRate, description="Transient overvoltages that are drawn."
    )


class Weather(Section):
    """Sky and temperature: clear sky of the place times a seeded cloud process."""

    latitude_deg: Annotated[float, Field(ge=-66, le=66)] | None = Field(
        default=None, description="Latitude; null: where the grid's coordinates are."
    )
    longitude_deg: Annotated[float, Field(ge=-180, le=180)] | None = Field(
        default=None, description="Longitude; null: where the grid's coordinates are."
    )
    cloudiness: Share = Field(default=0.5, description="Mean cloudiness, 0 clear to 1 overcast.")
    temperature_c: Annotated[float, Field(ge=-40, le=50)] = Field(
        default=10.0, description="Mean outdoor temperature [°C]."
    )
    file: str | None = Field(
        default=None,
        description="EPW, TMY3, PVGIS (TMY as CSV) or a CSV with columns time, ghi_w_m2, "
        "temperature_c and where wanted dni_w_m2, dhi_w_m2, wind_m_s; a path below the scenario's "
        "folder. A typical year is taken by day and time. Then cloudiness and temperature_c say "
        "nothing. null: drawn.",
    )
    zone: Annotated[str, Field(pattern=r"^(Z|UTC|[+-]\d\d:\d\d)$")] | None = Field(
        default=None,
        description="Time zone of a CSV whose times have none, such as +01:00, the whole year.",
    )
    stamps: Literal["begin", "middle", "end"] | None = Field(
        default=None,
        description="What of its interval a CSV's time is; null: its beginning.",
    )

    @model_validator(mode="after")
    def _for_a_file(self) -> Self:
        for name in ("zone", "stamps"):
            if self.file is None and getattr(self, name) is not None:
                raise ValueError(f"{name}: for a weather file; give file, or leave it out")
        return self


class Record(Section):
    """What the run folder keeps."""

    interval_s: Annotated[int, Field(ge=60, le=3600)] = Field(
        default=900, description="Interval [s] over which series are averaged; divides 3600."
    )

    @field_validator("interval_s")
    @classmethod
    def _divides_an_hour(cls, seconds: int) -> int:
        if 3600 % seconds:
            raise ValueError("does not divide an hour; take 60, 300, 600, 900, 1800 or 3600")
        return seconds
