"""The groups of devices that are stepped at the control period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fernwatt.errors import Fault, ScenarioError
from simulators.devices.appliance import ApplianceFleet
from simulators.devices.generators import ChpFleet, WindFleet
from simulators.devices.group import Climate, Group
from simulators.devices.heat_pump import HeatPumpFleet
from simulators.devices.specs import (
    ApplianceSpec,
    ChpSpec,
    DeviceSpec,
    HeatPumpSpec,
    ThermostatSpec,
    WindSpec,
)
from simulators.devices.thermostat import ThermostatFleet

__all__ = ["make_groups"]

_CLIMATE = ("temperature_c", "ghi_w_m2")


def make_groups(
    specs: Sequence[DeviceSpec], climate: Mapping[str, Any] | None, slots: int
) -> dict[str, Group]:
    """Return a group for each kind there is; ScenarioError for a weather that does not do.

    ``climate`` is ``{temperature_c[slots], ghi_w_m2[slots]}``; heat pumps need it.
    """
    found: dict[type[DeviceSpec], list[Any]] = {}
    for spec in specs:
        found.setdefault(type(spec), []).append(spec)
    groups: dict[str, Group] = {}
    if HeatPumpSpec in found:
        groups["heat_pump"] = HeatPumpFleet(found[HeatPumpSpec], _climate(climate, slots))
    if ThermostatSpec in found:
        groups["thermostat"] = ThermostatFleet(found[ThermostatSpec])
    if ApplianceSpec in found:
        groups["appliance"] = ApplianceFleet(found[ApplianceSpec])
    if WindSpec in found:
        groups["wind"] = WindFleet(found[WindSpec])
    if ChpSpec in found:
        groups["chp"] = ChpFleet(found[ChpSpec])
    return groups


def _climate(given: Mapping[str, Any] | None, slots: int) -> Climate:
    if given is None:
        message = "heat pumps need the outdoor temperature and the sun"
        raise ScenarioError([Fault("climate", message, f"give {', '.join(_CLIMATE)}")])
    faults, columns = [], []
    for name in _CLIMATE:
        values = np.asarray(given.get(name, ()), dtype=float)
        if values.ndim != 1 or len(values) < slots:
            message = f"has {values.size} values"
            faults.append(
                Fault(f"climate.{name}", message, f"the run needs {slots} quarters of an hour")
            )
        elif not np.isfinite(values).all():
            slot = int(np.flatnonzero(~np.isfinite(values))[0])
            faults.append(Fault(f"climate.{name}[{slot}]", "must be a finite number"))
        columns.append(values)
    if faults:
        raise ScenarioError(faults)
    return Climate(*columns)
