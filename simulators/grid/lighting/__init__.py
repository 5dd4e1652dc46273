"""Public lighting: feeders of luminaires in segments, each with a sensor at its head."""

from simulators.grid.lighting.cables import overload
from simulators.grid.lighting.lamps import LAMPS, LampType, life_h
from simulators.grid.lighting.lighting import FAILED, Lighting
from simulators.grid.lighting.segments import SegmentValues, SensorValues
from simulators.grid.lighting.specs import FeederSpec, Segment, Switching, parse_feeders
from simulators.grid.lighting.switching import switchings

__all__ = [
    "FAILED",
    "LAMPS",
    "FeederSpec",
    "LampType",
    "Lighting",
    "Segment",
    "SegmentValues",
    "SensorValues",
    "Switching",
    "life_h",
    "overload",
    "parse_feeders",
    "switchings",
]
