"""MQTT 3.1.1 (ISO/IEC 20922): packets, a client and a broker without input or output."""

from __future__ import annotations

from controllers.mqtt.packets import MqttError

__all__ = ["MqttError"]
