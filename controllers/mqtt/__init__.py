"""MQTT 3.1.1 (ISO/IEC 20922): packets, a client and a broker without input or output.

Service ``mqtt`` is a broker for the gateways of other units.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from controllers.mqtt.packets import MqttError

if TYPE_CHECKING:
    from controllers.unit.directory import Directory
    from controllers.unit.service import Service

__all__ = ["MqttError", "make_service"]


def make_service(
    spec: Mapping[str, Any], params: Mapping[str, Any], directory: Directory
) -> Service:
    """Return the broker of a unit's specification."""
    del spec, directory
    from controllers.mqtt.service import BrokerService

    return BrokerService.make(params)
