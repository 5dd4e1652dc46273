"""Faults of a grid and what they set off: relays, fuses, arcs that go out, operations by plan."""

from simulators.grid.incidents.faults import Change, Faults
from simulators.grid.incidents.play import Incidents, make_incidents
from simulators.grid.incidents.specs import (
    FaultSpec,
    OperationSpec,
    Stage,
    parse_faults,
    parse_operations,
)

__all__ = [
    "Change",
    "FaultSpec",
    "Faults",
    "Incidents",
    "OperationSpec",
    "Stage",
    "make_incidents",
    "parse_faults",
    "parse_operations",
]
