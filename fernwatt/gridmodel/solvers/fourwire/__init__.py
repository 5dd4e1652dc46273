"""Power flow with phases and neutral: an OpenDSS circuit made of the model, and kept alive."""

from __future__ import annotations

from fernwatt.gridmodel.solvers.fourwire.circuit import check_model
from fernwatt.gridmodel.solvers.fourwire.solver import FourWireSolver

__all__ = ["FourWireSolver", "check_model"]
