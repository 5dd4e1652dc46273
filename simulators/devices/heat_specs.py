"""Name plates of heat pumps with their building and tank, and of thermostatic devices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.devices.checks import Checker
from simulators.devices.heat_pump_map import SOURCES
from simulators.devices.specbase import DeviceSpec, FloatArray, Head

__all__ = [
    "BuildingSpec",
    "HeatPumpSpec",
    "TankSpec",
    "ThermostatSpec",
    "parse_heat_pump",
    "parse_thermostat",
]

_WH_PER_L_K = 4.186 / 3.6  # water


@dataclass(frozen=True, slots=True)
class BuildingSpec:
    """A heated building of one or two nodes.

    ``heat_loss_w_per_k`` is the whole conductance to outside in the steady state, ``direct_share``
    the part of it from the air (windows, ventilation), the rest goes through the mass, which is
    coupled to the air by ``coupling_w_per_k``. With ``c_mass_wh_per_k`` 0 there is one node.
    ``solar_m2`` is what the windows let in, as an area under the global irradiance, ``gains_w``
    people and appliances. The comfort band is ``low_c`` to ``high_c``, the thermostat's set-point
    ``set_c`` with a half width of ``switch_k``.
    """

    heat_loss_w_per_k: float
    direct_share: float
    coupling_w_per_k: float
    c_air_wh_per_k: float
    c_mass_wh_per_k: float
    solar_m2: float
    gains_w: float
    set_c: float
    switch_k: float
    low_c: float
    high_c: float
    initial_c: float
    flow_design_c: float
    design_c: float


@dataclass(frozen=True, slots=True)
class TankSpec:
    """A hot-water tank, fully mixed, in a cellar.

    It is heated to ``set_c`` when it is ``switch_k`` below. ``draw_w[slots]``, given as the heat
    pump's ``hot_water_w``, is the heat that is drawn as hot water, above ``cold_c``; ``useful_c``
    is the least temperature that is of use.
    """

    c_wh_per_k: float
    set_c: float
    switch_k: float
    loss_w_per_k: float
    cellar_c: float
    cold_c: float
    useful_c: float
    draw_w: FloatArray
    initial_c: float


@dataclass(frozen=True, slots=True)
class HeatPumpSpec(DeviceSpec):
    """A heat pump that switches on and off; ``p_rated_w`` is electrical, at the map's reference.

    ``rod_w`` is an electric heater that helps below the comfort band or the useful temperature.
    """

    p_rated_w: float
    source: str
    brine_c: float
    rod_w: float
    cos_phi: float
    min_on_s: float
    min_off_s: float
    building: BuildingSpec
    tank: TankSpec


@dataclass(frozen=True, slots=True)
class ThermostatSpec(DeviceSpec):
    """A device of one temperature that switches; ``cools`` for refrigerators.

    ``cop`` is the heat moved per electrical energy, ``low_c`` to ``high_c`` the limits that also
    hold for set-points. ``hot_water_w[slots]`` is heat drawn above ``cold_c`` (boilers).
    """

    p_rated_w: float
    cools: bool
    cop: float
    cos_phi: float
    c_wh_per_k: float
    loss_w_per_k: float
    surroundings_c: float
    set_c: float
    switch_k: float
    low_c: float
    high_c: float
    cold_c: float
    initial_c: float
    min_on_s: float
    min_off_s: float
    hot_water_w: FloatArray


def parse_thermostat(check: Checker, head: Head, slots: int) -> DeviceSpec:
    """Return a thermostatic device."""
    cools = check.other("cools", default=False)
    if not isinstance(cools, bool):
        check.fault("cools", f"must be true or false, not {cools!r}")
    low = check.number("low_c", least=-60.0, most=95.0)
    high = check.number("high_c", least=-60.0, most=95.0)
    set_c = check.number("set_c", least=-60.0, most=95.0)
    switch_k = check.number("switch_k", above=0.0, most=20.0)
    if not low <= set_c - switch_k < set_c + switch_k <= high:
        message = f"set_c {set_c:g} ± switch_k {switch_k:g} is not within {low:g} to {high:g}"
        check.fault("set_c", message, "let the thermostat switch within the limits")
    draw_w = _hot_water(check, slots)
    if cools and draw_w.any():
        check.fault("hot_water_w", "nothing that cools gives hot water")
    return ThermostatSpec(
        *head,
        check.number("p_rated_w", above=0.0),
        bool(cools),
        check.number("cop", 1.0, above=0.0, most=10.0),
        check.number("cos_phi", 1.0, above=0.5, most=1.0),
        check.number("c_wh_per_k", above=0.0),
        check.number("loss_w_per_k", least=0.0),
        check.number("surroundings_c", 20.0, least=-40.0, most=50.0),
        set_c,
        switch_k,
        low,
        high,
        check.number("cold_c", 10.0, least=0.0, most=30.0),
        check.number("initial_c", set_c, least=-60.0, most=95.0),
        check.number("min_on_s", 0.0, least=0.0),
        check.number("min_off_s", 0.0, least=0.0),
        draw_w,
    )


def parse_heat_pump(check: Checker, head: Head, slots: int) -> DeviceSpec:
    """Return a heat pump; both ``building`` and ``tank`` are objects of their own."""
    source = check.text("source", "air")
    if source not in SOURCES:
        check.fault("source", f"must be one of {', '.join(SOURCES)}, not {source!r}")
    return HeatPumpSpec(
        *head,
        check.number("p_rated_w", above=0.0),
        source,
        check.number("brine_c", 5.0, least=-10.0, most=20.0),
        check.number("rod_w", 0.0, least=0.0),
        check.number("cos_phi", 0.95, above=0.5, most=1.0),
        check.number("min_on_s", 600.0, least=0.0),
        check.number("min_off_s", 600.0, least=0.0),
        _building(_within(check, "building")),
        _tank(_within(check, "tank"), _hot_water(check, slots)),
    )


def _within(check: Checker, field: str) -> Checker:
    found = check.child(field)
    if found is None:
        check.fault(field, "is missing")
        return Checker({}, "", [])
    return found


def _building(check: Checker) -> BuildingSpec:
    low = check.number("low_c", 20.0, least=5.0, most=30.0)
    high = check.number("high_c", 22.5, least=5.0, most=35.0)
    set_c = check.number("set_c", 21.0, least=5.0, most=30.0)
    switch_k = check.number("switch_k", 0.5, above=0.0, most=5.0)
    if not low < set_c - switch_k < set_c + switch_k < high:
        message = f"set_c {set_c:g} ± switch_k {switch_k:g} is not within {low:g} to {high:g}"
        check.fault("set_c", message, "let the thermostat switch inside of the comfort band")
    design = check.number("design_c", -12.0, least=-40.0, most=10.0)
    made = BuildingSpec(
        check.number("heat_loss_w_per_k", above=0.0),
        check.number("direct_share", 0.4, above=0.0, most=0.99),
        check.number("coupling_w_per_k", 600.0, above=0.0),
        check.number("c_air_wh_per_k", above=0.0),
        check.number("c_mass_wh_per_k", 0.0, least=0.0),
        check.number("solar_m2", 0.0, least=0.0),
        check.number("gains_w", 0.0, least=0.0),
        set_c,
        switch_k,
        low,
        high,
        check.number("initial_c", set_c, least=-20.0, most=40.0),
        check.number("flow_design_c", 45.0, least=25.0, most=60.0),
        design,
    )
    if made.c_mass_wh_per_k and made.coupling_w_per_k * made.direct_share <= 0:
        check.fault("coupling_w_per_k", "must be more than 0")
    through = made.heat_loss_w_per_k * (1 - made.direct_share)
    if made.c_mass_wh_per_k and made.coupling_w_per_k <= through:
        message = f"must be more than what goes through the mass, {through:g} W/K"
        check.fault("coupling_w_per_k", message)
    check.no_others()
    return made


def _hot_water(check: Checker, slots: int) -> FloatArray:
    draw_w = check.series("hot_water_w", slots, default=0.0)
    if (draw_w < 0).any():
        slot = int(np.flatnonzero(draw_w < 0)[0])
        check.fault(f"hot_water_w[{slot}]", f"must not be negative, is {draw_w[slot]:g}")
    return draw_w


def _tank(check: Checker, draw_w: FloatArray) -> TankSpec:
    volume_l = check.number("volume_l", 200.0, above=0.0)
    cold = check.number("cold_c", 10.0, least=0.0, most=30.0)
    useful = check.number("useful_c", 42.0, above=cold, most=60.0)
    set_c = check.number("set_c", 52.0, above=useful, most=55.0)
    switch_k = check.number("switch_k", 6.0, above=0.0, most=max(set_c - useful, 0.1))
    made = TankSpec(
        volume_l * _WH_PER_L_K,
        set_c,
        switch_k,
        check.number("loss_w_per_k", 1.5, least=0.0),
        check.number("cellar_c", 15.0, least=-10.0, most=30.0),
        cold,
        useful,
        draw_w,
        check.number("initial_c", set_c, least=cold, most=95.0),
    )
    check.no_others()
    return made
