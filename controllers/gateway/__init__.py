"""Service ``gateway``: gathers an area's readings, publishes them by MQTT, takes commands back.

With ``role: application`` it is the other end: it shows what gateways publish, and orders.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.gateway.application import Application
from controllers.gateway.gateway import Gateway
from controllers.gateway.settings import read_settings
from controllers.unit.directory import Directory
from controllers.unit.service import Service
from fernwatt.errors import Fault, ScenarioError

__all__ = ["Application", "Gateway", "make_service"]


def make_service(
    spec: Mapping[str, Any], params: Mapping[str, Any], directory: Directory
) -> Service:
    """Return the service of a unit's specification; raises ScenarioError."""
    del directory
    params = dict(params)
    role = params.pop("role", "gateway")
    if role == "gateway":
        return Gateway(read_settings(spec["id"], params))
    if role == "application":
        return Application.make(spec, params)
    path = f"{spec['id']}.services.gateway.role"
    raise ScenarioError([Fault(path, f"there is no {role!r}", "gateway or application")])
