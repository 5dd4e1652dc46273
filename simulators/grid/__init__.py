"""The grid: power held at its terminals, voltages, flows, switches, energy registers."""

from __future__ import annotations

from simulators.grid.plant import Plant, SupplyChange
from simulators.grid.sim import GridSimulator

__all__ = ["GridSimulator", "Plant", "SupplyChange"]
