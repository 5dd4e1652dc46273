"""Instruments and actuators: what stands between the plant and the units."""

from simulators.field.actuators import Actuators
from simulators.field.instruments import Instruments
from simulators.field.plantview import PlantView
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
    "FieldSimulator",
    "InstrumentSpec",
    "Instruments",
    "PlantView",
    "parse_actuators",
    "parse_instruments",
]
