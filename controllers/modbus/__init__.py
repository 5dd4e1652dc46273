"""Modbus: frames, a device's registers, and service ``modbus``.

With ``role: device`` a unit is a device that knows nothing else; with ``role: master`` it stands
in front of one, and has its values and takes its orders as variables of the Data Interface.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from controllers.modbus.codec import ModbusError
from fernwatt.errors import Fault, ScenarioError

if TYPE_CHECKING:
    from controllers.unit.directory import Directory
    from controllers.unit.service import Service

__all__ = ["ModbusError", "make_service"]


def make_service(
    spec: Mapping[str, Any], params: Mapping[str, Any], directory: Directory
) -> Service:
    """Return the service of a unit's specification, by ``role``; raises ScenarioError."""
    del directory
    from controllers.modbus.service import DeviceService, MasterService

    role = params.get("role")
    if role == "device":
        return DeviceService.make(spec, params)
    if role == "master":
        return MasterService.make(spec, params)
    path = f"{spec['id']}.services.modbus.role"
    raise ScenarioError([Fault(path, f"there is no {role!r}", "device or master")])
