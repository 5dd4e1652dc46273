"""Grids: where they come from, what they consist of, and how their power flow is solved."""

from __future__ import annotations

from fernwatt.gridmodel.loader import load_grid
from fernwatt.gridmodel.model import (
    Area,
    Bus,
    GridModel,
    Line,
    Profiles,
    RecordDevice,
    Switch,
    Terminal,
    Transformer,
)
from fernwatt.gridmodel.profiles import load_profiles

__all__ = [
    "Area",
    "Bus",
    "GridModel",
    "Line",
    "Profiles",
    "RecordDevice",
    "Switch",
    "Terminal",
    "Transformer",
    "load_grid",
    "load_profiles",
]
