"""Devices behind the connection points: loads, PV systems, charging points, batteries.

``DevicesCore`` steps all of them together in arrays, ``DevicesSimulator`` is its mosaik form.
The rest makes the parameters of a run: weather, profiles, sessions, who has which device.
"""

from simulators.devices.core import DevicesCore
from simulators.devices.fleet import (
    assign,
    charging_points,
    home_batteries,
    households,
    pv_systems,
    roofs,
)
from simulators.devices.profiles import vary
from simulators.devices.pv import PvSystem, pv_power
from simulators.devices.sessions import SessionStatistics, read_sessions, sample_sessions
from simulators.devices.sim import DevicesSimulator
from simulators.devices.specs import parse_devices
from simulators.devices.weather import Forecast, Weather, make_weather

__all__ = [
    "DevicesCore",
    "DevicesSimulator",
    "Forecast",
    "PvSystem",
    "SessionStatistics",
    "Weather",
    "assign",
    "charging_points",
    "home_batteries",
    "households",
    "make_weather",
    "parse_devices",
    "pv_power",
    "pv_systems",
    "read_sessions",
    "roofs",
    "sample_sessions",
    "vary",
]
