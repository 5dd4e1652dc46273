"""Service ``pairing``: devices are paired through a cloud, then controlled past it.

``role: roster`` is the cloud, ``device`` and ``controller`` are who is paired.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.pairing.controller import Controller
from controllers.pairing.device import Device
from controllers.pairing.roster import Roster
from controllers.unit.directory import Directory
from controllers.unit.service import Service
from fernwatt.errors import Fault, ScenarioError

__all__ = ["Controller", "Device", "Roster", "make_service"]


def make_service(
    spec: Mapping[str, Any], params: Mapping[str, Any], directory: Directory
) -> Service:
    """Return the service of a unit's specification, by ``role``; raises ScenarioError."""
    del directory
    role = params.get("role")
    if role == "roster":
        return Roster.make(params)
    if role == "device":
        return Device.make(params)
    if role == "controller":
        return Controller.make(params)
    path = f"{spec['id']}.services.pairing.role"
    raise ScenarioError([Fault(path, f"there is no {role!r}", "roster, device or controller")])
