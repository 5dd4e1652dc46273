"""Management units: communication platform and services, one class for every level."""

from controllers.unit.catalogue import CATALOGUE, Catalogue, Variable
from controllers.unit.directory import Directory, Entry
from controllers.unit.hub import Outputs, UnitsCore
from controllers.unit.loopback import Loopback
from controllers.unit.policy import ALL, NONE, READ, READ_WRITE, WRITE, Grant, Policy
from controllers.unit.service import (
    DataInterface,
    Issued,
    Notification,
    Result,
    Service,
    UnitContext,
)
from controllers.unit.sim import UnitsSimulator
from controllers.unit.unit import ManagementUnit

__all__ = [
    "ALL",
    "CATALOGUE",
    "NONE",
    "READ",
    "READ_WRITE",
    "WRITE",
    "Catalogue",
    "DataInterface",
    "Directory",
    "Entry",
    "Grant",
    "Issued",
    "Loopback",
    "ManagementUnit",
    "Notification",
    "Outputs",
    "Policy",
    "Result",
    "Service",
    "UnitContext",
    "UnitsCore",
    "UnitsSimulator",
    "Variable",
]
