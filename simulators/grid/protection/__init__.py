"""Protection: relays, reclosers, sectionalisers and fuses, resolved to the microsecond."""

from simulators.grid.protection.curves import CURVES, Curve, operate_s, reset_s
from simulators.grid.protection.desk import Operation, Outcome
from simulators.grid.protection.fuses import FuseCurve, fuse_curve, fuse_types
from simulators.grid.protection.grading import Place, grade
from simulators.grid.protection.scheme import Protection
from simulators.grid.protection.specs import (
    Breaker,
    Device,
    Fuse,
    Sectionaliser,
    Stage,
    parse_devices,
)

__all__ = [
    "CURVES",
    "Breaker",
    "Curve",
    "Device",
    "Fuse",
    "FuseCurve",
    "Operation",
    "Outcome",
    "Place",
    "Protection",
    "Sectionaliser",
    "Stage",
    "fuse_curve",
    "fuse_types",
    "grade",
    "operate_s",
    "parse_devices",
    "reset_s",
]
