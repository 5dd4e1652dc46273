"""Harmonics of a grid: what devices inject, and the voltages and currents that come of it."""

from __future__ import annotations

from fernwatt.gridmodel.harmonics.network import ORDERS, Above, HarmonicNetwork, Points
from fernwatt.gridmodel.harmonics.sources import Drawn, HarmonicSources
from fernwatt.gridmodel.harmonics.spectra import Kind, Spectrum, class_limits, kinds_of, spectrum

__all__ = [
    "ORDERS",
    "Above",
    "Drawn",
    "HarmonicNetwork",
    "HarmonicSources",
    "Kind",
    "Points",
    "Spectrum",
    "class_limits",
    "kinds_of",
    "spectrum",
]
