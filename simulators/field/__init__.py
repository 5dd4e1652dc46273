"""Instruments and actuators: what stands between the plant and the units."""

from simulators.field.actuators import Actuators
from simulators.field.crews import Crews, CrewSpec, Job, parse_crews
from simulators.field.indicators import Indication, Indicators, parse_indicators
from simulators.field.instruments import Instruments
from simulators.field.losses import Losses, LossSpec, parse_losses
from simulators.field.plantview import PlantView
from simulators.field.sensors import Sensors, parse_sensors
from simulators.field.sim import FieldSimulator
from simulators.field.specs import (
    ActuatorSpec,
    InstrumentSpec,
    parse_actuators,
    parse_instruments,
)

__all__ = [
    "ActuatorSpec",
    "Actuators",
    "CrewSpec",
    "Crews",
    "FieldSimulator",
    "Indication",
    "Indicators",
    "InstrumentSpec",
    "Instruments",
    "Job",
    "LossSpec",
    "Losses",
    "PlantView",
    "Sensors",
    "parse_actuators",
    "parse_crews",
    "parse_indicators",
    "parse_instruments",
    "parse_losses",
    "parse_sensors",
]
