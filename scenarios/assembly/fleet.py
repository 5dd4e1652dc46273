"""The devices of a run: the record's loads varied by customer, and what the scenario adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from fernwatt.timebase import DAY_MS, SLOT_MS, Clock
from scenarios.assembly.households import make_households, to_milliwatts
from scenarios.assembly.sky import Sky
from scenarios.faults import nearest
from scenarios.loader import Scenario
from scenarios.schema.devices import Chp, Photovoltaics, WindTurbine
from scenarios.schema.vehicles import ElectricVehicles
from simulators.devices import (
    HeatPumpPlan,
    PvSystem,
    SessionStatistics,
    VehiclePlan,
    Weather,
    appliances,
    assign,
    boilers,
    cars,
    charging_points,
    fridges,
    heat_pumps,
    home_batteries,
    on_one_phase,
    parse_devices,
    pv_systems,
    read_sessions,
    roofs,
    turbine_power,
)

__all__ = ["Fleet", "make_fleet"]

FloatArray = NDArray[np.float64]
_SLOTS_A_DAY = DAY_MS // SLOT_MS
_NOTICE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """All devices, and what else assembly needs of them.

    ``history_w`` is each terminal's mean power in the quarter-hours before the run, of what
    stood there already (``history_slots`` of them); ``place`` is (latitude, longitude) [°];
    ``climate`` is what devices feel of the weather, None where none of them does; ``forecasts``
    are what a provider issues during the run.
    """

    devices: list[dict[str, Any]]
    panels: Mapping[str, PvSystem]
    history_w: Mapping[str, FloatArray]
    place: tuple[float, float]
    climate: dict[str, FloatArray] | None = None
    forecasts: tuple[dict[str, Any], ...] = ()


def make_fleet(scenario: Scenario, model: GridModel) -> Fleet:
    """Return the devices of a scenario; raises ScenarioError for whatever is wrong with them."""
    config = scenario.config
    slots, before = config.time.end_ms // SLOT_MS, config.units.history_days * _SLOTS_A_DAY
    sky = Sky(scenario, model)
    devices, history_w = make_households(scenario, model, slots, before)
    customers = sorted((t.id for t in model.terminals if t.customer), key=str.encode)
    wanted, seed = config.devices, config.seed
    nominal_v = _nominal_voltages(model)
    roofed = assign(wanted.pv.share, customers, seed, "pv")
    low, high = wanted.pv.p_rated_w
    panels = roofs(roofed, seed, p_rated_w=(low, high), **_roof(wanted.pv))
    heated = assign(wanted.heat_pump.share, customers, seed, "heat_pump")
    needs_weather = roofed or heated or wanted.chp
    weather = sky.weather if needs_weather else None
    if roofed and weather is not None:
        devices += [
            to_milliwatts(system) | _inverter(scenario, panels[system["id"]], nominal_v, system)
            for system in pv_systems(roofed, panels, weather)
        ]
    devices += _vehicles(scenario, assign(wanted.ev.share, customers, seed, "ev"))
    devices += home_batteries(
        assign(wanted.battery.share, customers, seed, "battery"),
        capacity_wh=wanted.battery.capacity_wh,
        p_max_w=wanted.battery.p_max_w,
        efficiency=wanted.battery.efficiency,
        initial_wh=wanted.battery.capacity_wh / 2,
        **_battery_details(scenario),
    )
    devices += _heat_pumps(scenario, heated)
    devices += _thermostats(scenario, customers)
    devices += _appliances(scenario, customers)
    devices += _generators(scenario, model, sky)
    parse_devices(devices, model.terminal_ids, slots)  # as the simulator will: faults show now
    climate = _climate(weather) if heated and weather is not None else None
    return Fleet(devices, panels, history_w, sky.place, climate, sky.forecasts())


def _climate(weather: Weather) -> dict[str, FloatArray]:
    """Return the weather as devices feel it, rounded: libraries differ in the last bits."""
    return {
        "temperature_c": np.round(weather.temperature_c, 4),
        "ghi_w_m2": np.round(weather.ghi_slots, 2),
    }


def _heat_pumps(scenario: Scenario, owners: Mapping[str, str]) -> list[dict[str, Any]]:
    config = scenario.config
    given = config.devices.heat_pump.model_dump(exclude={"share"})
    pairs = {name: tuple(given[name]) for name in ("heat_loss_w_per_k", "comfort_c")}
    plan = HeatPumpPlan(**(given | pairs))
    clock = Clock(config.time.instant)
    return heat_pumps(owners, plan, clock=clock, end_ms=config.time.end_ms, seed=config.seed)


def _nominal_voltages(model: GridModel) -> dict[str, float]:
    """Return each terminal's nominal voltage, phase to neutral [V]."""
    buses = {bus.id: bus.vn_v for bus in model.buses}
    return {terminal.id: float(buses[terminal.bus] / 3**0.5) for terminal in model.terminals}


def _inverter(
    scenario: Scenario, panel: PvSystem, nominal_v: Mapping[str, float], system: Mapping[str, Any]
) -> dict[str, Any]:
    wanted = scenario.config.devices.pv.inverter
    if wanted is None:
        return {}
    settings = wanted.model_dump(exclude={"trip_pu"})
    low, high = wanted.trip_pu
    return {
        "inverter": settings
        | {
            "p_rated_w": panel.p_rated_w,
            "v_nominal_v": nominal_v[system["terminal"]],
            "trip_low_pu": low,
            "trip_high_pu": high,
        }
    }


def _thermostats(scenario: Scenario, customers: list[str]) -> list[dict[str, Any]]:
    config = scenario.config
    fridge, boiler, seed = config.devices.fridge, config.devices.boiler, config.seed
    return fridges(assign(fridge.share, customers, seed, "fridge"), seed) + boilers(
        assign(boiler.share, customers, seed, "boiler"),
        clock=Clock(config.time.instant),
        end_ms=config.time.end_ms,
        seed=seed,
        volume_l=boiler.volume_l,
        p_rated_w=boiler.p_rated_w,
        wh_per_day=boiler.hot_water_wh_per_day,
    )


def _appliances(scenario: Scenario, customers: list[str]) -> list[dict[str, Any]]:
    config = scenario.config
    wanted = config.devices.appliance
    made = appliances(
        assign(wanted.share, customers, config.seed, "appliance"),
        clock=Clock(config.time.instant),
        end_ms=config.time.end_ms,
        seed=config.seed,
        cycles_per_week=wanted.cycles_per_week,
        flexibility_h=wanted.flexibility_h,
    )
    if "appliance" in config.units.control:  # its owner puts the job in before
        made = [device | {"notice_s": _NOTICE_S} for device in made]
    return made


def _generators(scenario: Scenario, model: GridModel, sky: Sky) -> list[dict[str, Any]]:
    """Return wind turbines and CHP plants; ScenarioError where a connection point is unknown."""
    wanted, known = scenario.config.devices, set(model.terminal_ids)
    plants = [("wind", n, plant.at) for n, plant in enumerate(wanted.wind)]
    plants += [("chp", n, plant.at) for n, plant in enumerate(wanted.chp)]
    faults = [
        Fault(f"devices.{kind}[{n}].at", f"there is no terminal {at}", nearest(at, known))
        for kind, n, at in plants
        if at not in known
    ]
    if faults:
        raise ScenarioError(faults)
    made = [_turbine(plant, n, sky) for n, plant in enumerate(wanted.wind)]
    return made + [_chp(plant, n, sky.weather) for n, plant in enumerate(wanted.chp)]


def _plant(plant: WindTurbine | Chp, kind: str, number: int) -> dict[str, Any]:
    return {
        "id": f"{kind}/{plant.at.partition('/')[2]}/{number}",
        "kind": kind,
        "terminal": plant.at,
        "p_rated_w": plant.p_rated_w,
        "ramp_per_min": plant.ramp_per_min,
        "start_s": plant.start_s,
    }


def _turbine(plant: WindTurbine, number: int, sky: Sky) -> dict[str, Any]:
    power_w = turbine_power(sky.wind(plant.mean_m_s), plant.p_rated_w)
    return to_milliwatts(_plant(plant, "wind", number) | {"p_w": power_w})


def _chp(plant: Chp, number: int, weather: Weather) -> dict[str, Any]:
    cold_k = np.maximum(18.0 - weather.temperature_c, 0.0)
    return _plant(plant, "chp", number) | {
        "heat_ratio": plant.heat_ratio,
        "heat_w": np.round(plant.base_heat_w + plant.heat_loss_w_per_k * cold_k, 3),
        "c_wh_per_k": plant.store_l * 4.186 / 3.6,
        "loss_w_per_k": round(0.05 * plant.store_l ** (2 / 3), 3),
    }


def _battery_details(scenario: Scenario) -> dict[str, float]:
    """Return what a scenario says of its batteries beyond size and efficiency."""
    battery = scenario.config.devices.battery
    details = {
        "standby_w": battery.standby_w,
        "self_discharge_per_day": battery.self_discharge_per_day,
        "reserve_wh": battery.reserve_wh,
        "cycle_fade": battery.cycle_fade,
        "calendar_fade_per_year": battery.calendar_fade_per_year,
    }
    return {name: value for name, value in details.items() if value}


def _vehicles(scenario: Scenario, owners: Mapping[str, str]) -> list[dict[str, Any]]:
    config = scenario.config
    wanted, clock, end_ms = config.devices.ev, Clock(config.time.instant), config.time.end_ms
    plan = _vehicle_plan(wanted)
    known = None if plan is None else cars(owners, plan, wanted.p_max_w, config.seed)
    sessions = None
    if wanted.sessions.file is not None:
        sessions = read_sessions(
            scenario.files[wanted.sessions.file],
            clock=clock,
            end_ms=end_ms,
            p_max_w=dict.fromkeys(owners, wanted.p_max_w),
            zone=wanted.sessions.zone,
            cars=known,
        )
    points = charging_points(
        owners,
        clock=clock,
        end_ms=end_ms,
        seed=config.seed,
        p_max_w=wanted.p_max_w,
        p_min_w=wanted.least_w,
        statistics=_statistics(wanted),
        sessions=sessions,
        vehicles=known,
        p_discharge_w=wanted.v2g.p_max_w if wanted.v2g is not None else 0.0,
    )
    return on_one_phase(points, config.seed) if wanted.phases == 1 else points


def _statistics(wanted: ElectricVehicles) -> SessionStatistics:
    given = wanted.sessions.statistics.model_dump()
    pairs = {name: tuple(value) for name, value in given.items() if isinstance(value, list)}
    return SessionStatistics(**(given | pairs))


def _vehicle_plan(wanted: ElectricVehicles) -> VehiclePlan | None:
    if wanted.vehicle is None:
        return None
    low, high = wanted.vehicle.capacity_wh
    plan = VehiclePlan(
        capacity_wh=(low, high),
        full_soc=wanted.vehicle.full_soc,
        curve=tuple((soc, share) for soc, share in wanted.vehicle.curve),
        charge_efficiency=wanted.vehicle.charge_efficiency,
    )
    if wanted.v2g is None:
        return plan
    back = wanted.v2g
    return replace(plan, discharge_efficiency=back.efficiency, reserve_soc=back.reserve_soc)


def _roof(wanted: Photovoltaics) -> dict[str, Any]:
    """Return what a scenario says of its roofs beyond their rating."""
    given: dict[str, Any] = {"dc_ratio": wanted.dc_ratio, "curve": wanted.inverter_curve}
    fixed = {"tilt_deg": wanted.tilt_deg, "azimuth_deg": wanted.azimuth_deg}
    given |= {name: value for name, value in fixed.items() if value is not None}
    if wanted.area_m2 is not None:
        low, high = wanted.area_m2
        given |= {"area_m2": (low, high), "module_efficiency": wanted.module_efficiency}
    return given
