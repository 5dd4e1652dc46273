"""Quality of supply of the plant: ten-minute values, harmonics, voltage events, frequency."""

from __future__ import annotations

from simulators.grid.quality.distortion import Distorted, Distortion, KindsDrawn
from simulators.grid.quality.frequency import Frequency
from simulators.grid.quality.places import Places, find_places
from simulators.grid.quality.play import Quality, Recorder, make_quality

__all__ = [
    "Distorted",
    "Distortion",
    "Frequency",
    "KindsDrawn",
    "Places",
    "Quality",
    "Recorder",
    "find_places",
    "make_quality",
]
