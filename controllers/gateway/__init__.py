"""Service ``gateway``: gathers an area's readings, publishes them by MQTT, takes commands back."""

from __future__ import annotations

from controllers.gateway.gateway import Gateway, make_service

__all__ = ["Gateway", "make_service"]
