"""Service ``home`` of a customer's unit: what the devices do, what the meter passes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.home.service import Home

__all__ = ["Home", "make_service"]


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> Home:
    """Return the service.

    ``params``: ``meter``, ``devices`` (unit → ``{kind, p_max_w}``), ``obeys``: whether it keeps the
    vehicles to the load-control set-point.
    """
    del unit_spec, directory
    obeys = bool(params.get("obeys", False))
    return Home(str(params["meter"]), dict(params.get("devices", {})), obeys=obeys)
