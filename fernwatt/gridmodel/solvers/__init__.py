"""Power flows of a grid behind one protocol, chosen by name."""

from __future__ import annotations

import difflib

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.model import GridModel
from fernwatt.gridmodel.solvers.balanced import BalancedSolver
from fernwatt.gridmodel.solvers.fourwire import FourWireSolver
from fernwatt.gridmodel.solvers.reference import PandapowerSolver
from fernwatt.gridmodel.solvers.state import BoolArray, BranchState, Conductors, GridState, Solver

__all__ = [
    "SOLVERS",
    "BalancedSolver",
    "BoolArray",
    "BranchState",
    "Conductors",
    "FourWireSolver",
    "GridState",
    "PandapowerSolver",
    "Solver",
    "make_solver",
]

SOLVERS: dict[str, type[BalancedSolver] | type[PandapowerSolver] | type[FourWireSolver]] = {
    "balanced": BalancedSolver,
    "four-wire": FourWireSolver,
    "pandapower": PandapowerSolver,
}


def make_solver(name: str, model: GridModel, earthing: Earthing | None = None) -> Solver:
    """Return the solver called ``name``; ScenarioError for a name that is none.

    ``earthing`` is for the solvers that have a neutral.
    """
    if name not in SOLVERS:
        near = difflib.get_close_matches(name, SOLVERS, 1, 0.3)
        hint = f"one of {', '.join(SOLVERS)}" + (f"; did you mean {near[0]}?" if near else "")
        raise ScenarioError([Fault("grid.solver", f"{name!r} is no solver", hint)])
    if name == "four-wire":
        return FourWireSolver(model, earthing)
    return SOLVERS[name](model)
