"""Short circuits: the same circuit as the power flow's, with sources' impedances and faults."""

from __future__ import annotations

from fernwatt.gridmodel.faults.infeed import Infeed
from fernwatt.gridmodel.faults.shorts import Short
from fernwatt.gridmodel.faults.solver import FaultSolver
from fernwatt.gridmodel.faults.upstream import Upstream

__all__ = ["FaultSolver", "Infeed", "Short", "Upstream"]
