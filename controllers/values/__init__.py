"""Values that a unit derives of its instruments' readings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.values.meter import MeterValues
from controllers.values.sensors import SensorValues

__all__ = ["MeterValues", "SensorValues", "make_service"]


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> MeterValues | SensorValues:
    """Return the service ``values``: of a meter its registers', of others their sensors'.

    ``params``: ``quality_s``, ``nominal_v``, ``day_ms`` (time of day at 0) of a meter;
    ``sensors``, units below that have one, of others.
    """
    del directory
    if unit_spec["kind"] == "meter":
        return MeterValues(
            quality_ms=round(params.get("quality_s", 3600) * 1000),
            nominal_v=float(params.get("nominal_v", 230.0)),
            day_ms=int(params.get("day_ms", 0)),
        )
    return SensorValues(tuple(params.get("sensors", ())))
