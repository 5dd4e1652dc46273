"""Devices behind the connection points: what draws, feeds in, stores and heats.

``DevicesCore`` steps all of them together in arrays, ``DevicesSimulator`` is its mosaik form.
The rest makes the parameters of a run: weather, profiles, sessions, who has which device.
"""

from simulators.devices.core import DevicesCore
from simulators.devices.fleet import (
    assign,
    charging_points,
    home_batteries,
    households,
    on_one_phase,
    pv_systems,
    roofs,
)
from simulators.devices.heat_pump_map import datasheet
from simulators.devices.homes import (
    HeatPumpPlan,
    appliances,
    boilers,
    fridges,
    heat_pumps,
    hot_water,
)
from simulators.devices.profile_files import ProfileTable, read_profiles
from simulators.devices.profiles import vary
from simulators.devices.pv import PvSystem, pv_power
from simulators.devices.resample import refine
from simulators.devices.session_files import read_sessions
from simulators.devices.sessions import SessionStatistics, sample_sessions
from simulators.devices.sim import DevicesSimulator
from simulators.devices.specs import parse_devices
from simulators.devices.vehicles import VehiclePlan, cars
from simulators.devices.weather import Forecast, ForecastQuality, Weather, make_weather
from simulators.devices.weather_course import weather_of
from simulators.devices.weather_files import read_weather
from simulators.devices.wind import turbine_power, wind_speed

__all__ = [
    "DevicesCore",
    "DevicesSimulator",
    "Forecast",
    "ForecastQuality",
    "HeatPumpPlan",
    "ProfileTable",
    "PvSystem",
    "SessionStatistics",
    "VehiclePlan",
    "Weather",
    "appliances",
    "assign",
    "boilers",
    "cars",
    "charging_points",
    "datasheet",
    "fridges",
    "heat_pumps",
    "home_batteries",
    "hot_water",
    "households",
    "make_weather",
    "on_one_phase",
    "parse_devices",
    "pv_power",
    "pv_systems",
    "read_profiles",
    "read_sessions",
    "read_weather",
    "refine",
    "roofs",
    "sample_sessions",
    "turbine_power",
    "vary",
    "weather_of",
    "wind_speed",
]
