"""How a grid's neutrals are earthed: data of the scenario, for the solvers that have a neutral."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import inf, isfinite
from typing import Any, Literal, get_args

from fernwatt.errors import Fault, ScenarioError

__all__ = ["Earthing", "MvNeutral"]

MvNeutral = Literal["isolated", "compensated", "resistance", "solid"]


@dataclass(frozen=True, slots=True)
class Earthing:
    """Resistances from the neutral conductor to earth [ohm]; ``inf`` where there is none.

    ``substation_ohm``: at the star-point of each transformer into low voltage.
    ``customer_ohm``: at each bus with customers. TN: their electrodes are joined to the neutral
    (PEN) conductor. TT: their electrodes carry protective earth alone, so ``inf``.
    ``joint_ohm``: at each other low-voltage bus (cabinets, joints).
    ``mv_neutral``: medium voltage: ``isolated``; ``compensated`` by a coil tuned to the lines'
    capacitance; ``resistance`` of ``mv_ohm`` [ohm]; ``solid``.
    """

    substation_ohm: float = 1.0
    customer_ohm: float = 10.0
    joint_ohm: float = inf
    mv_neutral: MvNeutral = "compensated"
    mv_ohm: float = 20.0

    @classmethod
    def of(cls, settings: Mapping[str, Any] | None) -> Earthing:
        """Return the earthing that a scenario's ``grid.earthing`` states.

        ``{system: TN | TT, substation_ohm, customer_ohm, joint_ohm, mv_neutral, mv_ohm}``; null
        is no electrode. Raises ScenarioError for what is impossible.
        """
        given = dict(settings or {})
        system = given.pop("system", "TN")
        values: dict[str, Any] = {
            name: inf if value is None else value for name, value in given.items()
        }
        if system == "TT":
            values["customer_ohm"] = values["joint_ohm"] = inf
        faults = _faults(system, values)
        if faults:
            raise ScenarioError(faults)
        return cls(**values)


def _faults(system: Any, values: Mapping[str, Any]) -> list[Fault]:
    faults = []
    known = {field.name for field in fields(Earthing)}
    if system not in ("TN", "TT"):
        faults.append(Fault("grid.earthing.system", f"{system!r} is neither TN nor TT"))
    for name, value in values.items():
        place = f"grid.earthing.{name}"
        if name not in known:
            faults.append(Fault(place, "is unknown", f"known: {', '.join(sorted(known))}"))
        elif name == "mv_neutral":
            if value not in get_args(MvNeutral):
                faults.append(Fault(place, f"{value!r} is none of {get_args(MvNeutral)}"))
        elif not isinstance(value, int | float) or not value > 0:
            faults.append(Fault(place, f"{value!r} is no resistance above 0 ohm"))
    if not faults and not isfinite(values.get("substation_ohm", 1.0)):
        hint = "without it nothing holds the neutral at earth"
        faults.append(Fault("grid.earthing.substation_ohm", "must be a number", hint))
    return faults
