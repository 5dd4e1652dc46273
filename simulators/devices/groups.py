"""The groups of devices that are stepped at the control period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fernwatt.errors import Fault, ScenarioError
from simulators.devices.group import Climate, Group
from simulators.devices.heat_pump import HeatPumpFleet
from simulators.devices.specs import DeviceSpec, HeatPumpSpec, ThermostatSpec
from simulators.devices.thermostat import ThermostatFleet

__all__ = ["make_groups"]

_CLIMATE = ("temperature_c", "ghi_w_m2")


def make_groups(
    specs: Sequence[DeviceSpec], climate: Mapping[str, Any] | None, slots: int
) -> dict[str, Group]:
    """Return a group for each kind there is; ScenarioError for a weather that does not do.

    ``climate`` is ``{temperature_c[slots], ghi_w_m2[slots]}``; heat pumps need it.
    """
    groups: dict[str, Group] = {}
    heat_pumps = [spec for spec in specs if isinstance(spec, HeatPumpSpec)]
    if heat_pumps:
        groups["heat_pump"] = HeatPumpFleet(heat_pumps, _climate(climate, slots))
    thermostats = [spec for spec in specs if isinstance(spec, ThermostatSpec)]
    if thermostats:
        groups["thermostat"] = ThermostatFleet(thermostats)
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
