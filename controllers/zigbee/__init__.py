"""ZigBee-like sensors: APS and ZCL frames, and service ``zigbee``.

With ``role: sensor`` a unit is a plain sensor that reports its attributes and knows nothing else;
with ``role: coordinator`` it hears one, and has its values as variables of the Data Interface.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from controllers.zigbee.codec import ZigbeeError
from fernwatt.errors import Fault, ScenarioError

if TYPE_CHECKING:
    from controllers.unit.directory import Directory
    from controllers.unit.service import Service

__all__ = ["ZigbeeError", "make_service"]


def make_service(
    spec: Mapping[str, Any], params: Mapping[str, Any], directory: Directory
) -> Service:
    """Return the service of a unit's specification, by ``role``; raises ScenarioError."""
    del directory
    from controllers.zigbee.service import CoordinatorService, SensorService

    role = params.get("role")
    if role == "sensor":
        return SensorService(params["to"])
    if role == "coordinator":
        return CoordinatorService(params["sensor"])
    path = f"{spec['id']}.services.zigbee.role"
    raise ScenarioError([Fault(path, f"there is no {role!r}", "sensor or coordinator")])
