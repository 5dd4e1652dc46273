"""Section on devices: which customers have what."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from scenarios.schema.base import Positive, Section, Share, Zone
from scenarios.schema.vehicles import ElectricVehicles

__all__ = [
    "Appliances",
    "Battery",
    "Boilers",
    "Chp",
    "Devices",
    "Fridges",
    "HeatPumps",
    "Household",
    "Inverter",
    "Photovoltaics",
    "Profiles",
    "WindTurbine",
]


def _divides_a_slot(seconds: int) -> int:
    if 900 % seconds:
        raise ValueError("does not divide 900 s; take 10, 15, 20, 30, 60, 90, 180, 300 or 900")
    return seconds


ControlPeriod = Annotated[int, Field(ge=10, le=900), AfterValidator(_divides_a_slot)]


class Profiles(Section):
    """Loads of the user's: a CSV with a column time, and one for each course."""

    file: str = Field(
        description="CSV: first column time (the beginning of each step, ISO 8601), then one "
        "column for each course; a path below the scenario's folder, `{seed}` in it stands for the "
        "seed. Steps of 15 min or a part."
    )
    zone: Zone | None = Field(
        default=None, description="Time zone of times that have none: Z, +01:00 or Europe/Berlin."
    )
    unit: Literal["W", "kW", "Wh", "kWh"] = Field(
        default="W", description="Of the courses: mean power, or energy, of each step."
    )
    column_of: dict[str, str] = Field(
        default_factory=dict,
        description="Column by terminal. A column that is named like a terminal is its without "
        "this; other terminals keep the grid's own profile.",
    )
    cos_phi: Annotated[float, Field(gt=0.5, le=1)] = Field(
        default=0.95, description="Power factor, under-excited."
    )


class Household(Section):
    """Household loads, from the grid's own profiles or a file's."""

    variation: Share = Field(
        default=0.2, description="How much each customer differs from the standard shape, 0 to 1."
    )
    resample_s: ControlPeriod | None = Field(
        default=None,
        description="Resample their quarter-hours to this step [s], divides 900, by a seeded model "
        "that keeps each quarter-hour's energy. null: constant within them.",
    )
    profiles: Profiles | None = Field(
        default=None, description="Courses of the user's, terminal by terminal. null: none."
    )


def _ordered(values: list[float]) -> list[float]:
    if values[0] > values[1]:
        raise ValueError("the smallest comes first")
    return values


def _rising(values: list[float] | None) -> list[float] | None:
    if values is not None and any(a >= b for a, b in pairwise(values)):
        raise ValueError("must rise from one to the next")
    return values


class Inverter(Section):
    """Grid support of inverters; voltages in pu of the nominal one."""

    q: Literal["none", "cos_phi", "cos_phi_p", "q_u"] = Field(
        default="q_u",
        description="Reactive power: none; cos_phi: fixed, under-excited; cos_phi_p: under-excited "
        "above half the rating; q_u: by the voltage.",
    )
    cos_phi: Annotated[float, Field(gt=0.5, le=1)] = Field(
        default=0.9, description="Smallest power factor, met at the rating."
    )
    q_u_pu: Annotated[list[Positive], Field(min_length=4, max_length=4)] = Field(
        default_factory=lambda: [0.93, 0.97, 1.03, 1.07],
        description="Corners of Q(U): full over-excited, none, none, full under-excited [pu].",
    )
    p_u_pu: Annotated[list[Positive], Field(min_length=2, max_length=2)] | None = Field(
        default=None,
        description="P(U): the power fed in falls to 0 between these voltages [pu]; null: never.",
    )
    tau_s: Positive = Field(default=5.0, description="Time constant of Q(U) and P(U) [s].")
    trip_pu: Annotated[list[Positive], Field(min_length=2, max_length=2)] = Field(
        default_factory=lambda: [0.8, 1.25],
        description="Outside of these voltages it leaves the grid [pu].",
    )
    trip_mean_pu: Annotated[float, Field(ge=1)] = Field(
        default=1.10, description="Above this mean of ten minutes it leaves the grid [pu]."
    )
    return_pu: Annotated[list[Positive], Field(min_length=2, max_length=2)] = Field(
        default_factory=lambda: [0.85, 1.10],
        description="Voltages within which it comes back [pu].",
    )
    reconnect_s: Annotated[float, Field(ge=0)] = Field(
        default=60.0, description="How long the voltage must be fine before it comes back [s]."
    )
    ramp_per_min: Positive = Field(
        default=0.1, description="Rise of its power then, of the rating per minute."
    )

    _check = field_validator("q_u_pu", "p_u_pu", "trip_pu", "return_pu")(_rising)

    @model_validator(mode="after")
    def _can_return(self) -> Self:
        if self.return_pu[0] < self.trip_pu[0] or self.return_pu[1] > self.trip_pu[1]:
            raise ValueError("return_pu: not within trip_pu")
        return self


class Photovoltaics(Section):
    """Roof-top photovoltaics."""

    share: Share = Field(default=0.0, description="Share of the customers that have panels.")
    p_rated_w: list[Positive] = Field(
        default_factory=lambda: [3000.0, 10000.0],
        min_length=2,
        max_length=2,
        description="Smallest and largest rating [W]; drawn evenly.",
    )
    area_m2: Annotated[list[Positive], Field(min_length=2, max_length=2)] | None = Field(
        default=None,
        description="Smallest and largest area of the modules [m²], drawn evenly, instead of "
        "ratings: the rating is area x efficiency x 1000 W/m² / dc_ratio.",
    )
    module_efficiency: Annotated[float, Field(gt=0, le=0.5)] = Field(
        default=0.2, description="Efficiency of the modules at standard conditions, with area_m2."
    )
    dc_ratio: Annotated[float, Field(gt=0, le=5)] = Field(
        default=1.2, description="The modules' power at standard conditions over the rating."
    )
    tilt_deg: Annotated[float, Field(ge=0, le=90)] | None = Field(
        default=None, description="Elevation of the modules, 0 is flat; null: drawn, 20 to 45 °."
    )
    azimuth_deg: Annotated[float, Field(ge=0, lt=360)] | None = Field(
        default=None,
        description="Where they face, clockwise from north; null: drawn, east to west.",
    )
    inverter_curve: Literal["constant", "pvwatts"] = Field(
        default="constant",
        description="Efficiency of inverters: 0.96 always, or falling at part load as in PVWatts.",
    )
    inverter: Inverter | None = Field(
        default=None,
        description="Grid support: Q(U), cos phi(P), P(U), tripping. null: follows the sun alone.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.p_rated_w[0] > self.p_rated_w[1]:
            raise ValueError("p_rated_w: the smallest comes first")
        if self.area_m2 is not None and self.area_m2[0] > self.area_m2[1]:
            raise ValueError("area_m2: the smallest comes first")
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
    standby_w: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="Power of the electronics, drawn always [W]."
    )
    self_discharge_per_day: Annotated[float, Field(ge=0, le=0.99)] = Field(
        default=0.0, description="Share of the content lost in a day."
    )
    reserve_wh: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="Energy that is not discharged [Wh]."
    )
    cycle_fade: Share = Field(
        default=0.0, description="Share of the capacity lost by a full cycle; counted, not felt."
    )
    calendar_fade_per_year: Share = Field(
        default=0.0, description="Share of the capacity lost in a year; counted, not felt."
    )

    @model_validator(mode="after")
    def _reserve_fits(self) -> Self:
        if self.reserve_wh > self.capacity_wh:
            raise ValueError("reserve_wh: larger than capacity_wh")
        return self


class HeatPumps(Section):
    """Heat pumps with their house and hot-water tank, drawn for each customer."""

    share: Share = Field(default=0.0, description="Share of the customers that have a heat pump.")
    source: Literal["air", "brine"] = Field(default="air", description="Where the heat is from.")
    heat_loss_w_per_k: Annotated[list[Positive], Field(min_length=2, max_length=2)] = Field(
        default_factory=lambda: [80.0, 250.0],
        description="Smallest and largest heat loss of the houses [W/K]; drawn evenly.",
    )
    nodes: Literal[1, 2] = Field(
        default=2, description="1: one thermal mass (1R1C); 2: air and mass (2R2C)."
    )
    set_c: Annotated[float, Field(ge=5, le=30)] = Field(
        default=21.0, description="Set-point of the room [°C]."
    )
    switch_k: Annotated[float, Field(gt=0, le=5)] = Field(
        default=0.5, description="The thermostat switches this far from the set-point [K]."
    )
    comfort_c: Annotated[list[float], Field(min_length=2, max_length=2)] = Field(
        default_factory=lambda: [20.0, 22.5],
        description="Comfort band of the room; external set-points stay within [°C].",
    )
    flow_design_c: Annotated[float, Field(ge=25, le=60)] = Field(
        default=45.0, description="Flow temperature on the design day [°C]."
    )
    design_c: Annotated[float, Field(ge=-40, le=10)] = Field(
        default=-12.0, description="Outdoor temperature of the design day [°C]."
    )
    tank_l: Positive = Field(default=200.0, description="Hot-water tank [l].")
    hot_water_wh_per_day: Annotated[float, Field(ge=0)] = Field(
        default=5845.0, description="Mean heat drawn as hot water in a day [Wh]."
    )
    rod_w: Annotated[float, Field(ge=0)] = Field(
        default=3000.0, description="Electric rod that helps when the machine is too weak [W]."
    )

    _check = field_validator("heat_loss_w_per_k")(_ordered)

    @model_validator(mode="after")
    def _switches_within(self) -> Self:
        low, high = self.comfort_c
        if not low < self.set_c - self.switch_k < self.set_c + self.switch_k < high:
            raise ValueError("set_c: give or take switch_k it is not within comfort_c")
        return self


class Fridges(Section):
    """Refrigerators, thermostatic; sizes are drawn."""

    share: Share = Field(default=0.0, description="Share of the customers that have one.")


class Boilers(Section):
    """Electric hot-water boilers, thermostatic."""

    share: Share = Field(default=0.0, description="Share of the customers that have one.")
    volume_l: Positive = Field(default=150.0, description="Contents [l].")
    p_rated_w: Positive = Field(default=2000.0, description="Power of the heater [W].")
    hot_water_wh_per_day: Annotated[float, Field(ge=0)] = Field(
        default=5845.0, description="Mean heat drawn as hot water in a day [Wh]."
    )


class Appliances(Section):
    """Time-shiftable appliances: washing machines, dishwashers."""

    share: Share = Field(default=0.0, description="Share of the customers that have one.")
    cycles_per_week: Annotated[float, Field(ge=0, le=7)] = Field(
        default=4.0, description="Mean number of programs a week, one a day at most."
    )
    flexibility_h: Annotated[float, Field(ge=0, le=8)] = Field(
        default=6.0, description="How long a program may wait [h]."
    )


class WindTurbine(Section):
    """A wind turbine at a connection point."""

    at: str = Field(description="Terminal it stands at, such as terminal/mv1.101/mv-load-3.")
    p_rated_w: Positive = Field(default=100_000.0, description="Rating [W].")
    mean_m_s: Annotated[float, Field(gt=0, le=20)] = Field(
        default=5.5, description="Mean wind speed at the hub [m/s]."
    )
    ramp_per_min: Positive = Field(
        default=0.2, description="Largest change of its power, of the rating per minute."
    )
    start_s: Annotated[float, Field(ge=0)] = Field(
        default=60.0, description="Time from wind or supply to the first power [s]."
    )


class Chp(Section):
    """A heat-led CHP plant with a heat store and a boiler beside it."""

    at: str = Field(description="Terminal it stands at.")
    p_rated_w: Positive = Field(default=50_000.0, description="Electrical rating [W].")
    heat_ratio: Annotated[float, Field(gt=0, le=10)] = Field(
        default=1.8, description="Heat per electricity."
    )
    heat_loss_w_per_k: Annotated[float, Field(ge=0)] = Field(
        default=4_000.0, description="Heat called for per kelvin below 18 °C outside [W/K]."
    )
    base_heat_w: Annotated[float, Field(ge=0)] = Field(
        default=10_000.0, description="Heat called for always, as for hot water [W]."
    )
    store_l: Positive = Field(default=5_000.0, description="Heat store, water [l].")
    ramp_per_min: Positive = Field(
        default=0.5, description="Largest change of its power, of the rating per minute."
    )
    start_s: Annotated[float, Field(ge=0)] = Field(
        default=60.0, description="Time from the start to the first power [s]."
    )


class Devices(Section):
    """Devices behind the customers' connection points."""

    control_s: ControlPeriod = Field(
        default=60,
        description="How often inverters with grid support, thermostats, heat pumps and generators "
        "decide [s]; divides 900.",
    )
    household: Household = Field(default_factory=Household, description="Household loads.")
    pv: Photovoltaics = Field(default_factory=Photovoltaics, description="Photovoltaics.")
    ev: ElectricVehicles = Field(default_factory=ElectricVehicles, description="Charging points.")
    battery: Battery = Field(default_factory=Battery, description="Home batteries.")
    heat_pump: HeatPumps = Field(default_factory=HeatPumps, description="Heat pumps.")
    fridge: Fridges = Field(default_factory=Fridges, description="Refrigerators.")
    boiler: Boilers = Field(default_factory=Boilers, description="Electric boilers.")
    appliance: Appliances = Field(
        default_factory=Appliances, description="Time-shiftable appliances."
    )
    wind: list[WindTurbine] = Field(default_factory=list, description="Wind turbines.")
    chp: list[Chp] = Field(default_factory=list, description="CHP plants.")
