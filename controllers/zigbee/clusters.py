"""Which attributes of which clusters stand for which variables.

Metering (0x0702): energy delivered and received, each 48 bits, in 0.001 Wh; the register of a
device is their difference. Temperature measurement (0x0402) in 0.01 degC, the tank's at endpoint
2. Electrical measurement (0x0B04): active power in W. What a sensor's number is worth is its own
affair in the standard (multiplier and divisor); here it is fixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from controllers.zigbee.codec import Attribute

__all__ = ["MEASURED", "Measured", "attributes_of", "value_of"]

_METERING, _TEMPERATURE, _ELECTRICAL = 0x0702, 0x0402, 0x0B04
_UINT48, _INT16 = 0x25, 0x29
_DELIVERED, _RECEIVED, _MEASURED_VALUE, _ACTIVE_POWER = 0x0000, 0x0001, 0x0000, 0x050B


@dataclass(frozen=True, slots=True)
class Measured:
    """Where a variable is found: cluster and endpoint; the worth of one step."""

    cluster: int
    endpoint: int
    step: float


MEASURED: Mapping[str, Measured] = {
    "device.energy": Measured(_METERING, 1, 0.001),
    "device.power": Measured(_ELECTRICAL, 1, 1.0),
    "thermal.temperature": Measured(_TEMPERATURE, 1, 0.01),
    "tank.temperature": Measured(_TEMPERATURE, 2, 0.01),
}


def attributes_of(variable: str, value: float) -> tuple[Attribute, ...]:
    """Return the attributes that tell a value, cut to what they can hold."""
    steps = round(value / MEASURED[variable].step)
    if variable == "device.energy":
        top = (1 << 48) - 2
        return (
            Attribute(_DELIVERED, _UINT48, min(max(steps, 0), top)),
            Attribute(_RECEIVED, _UINT48, min(max(-steps, 0), top)),
        )
    number = _ACTIVE_POWER if variable == "device.power" else _MEASURED_VALUE
    return (Attribute(number, _INT16, max(-0x7FFF, min(steps, 0x7FFF))),)


def value_of(variable: str, attributes: tuple[Attribute, ...]) -> float | None:
    """Return the value that attributes tell; None where they tell none."""
    found = {it.number: it.value for it in attributes}
    if variable == "device.energy":
        delivered, received = found.get(_DELIVERED), found.get(_RECEIVED, 0)
        if delivered is None or received is None:
            return None
        return (delivered - received) * MEASURED[variable].step
    number = _ACTIVE_POWER if variable == "device.power" else _MEASURED_VALUE
    value = found.get(number)
    return None if value is None else value * MEASURED[variable].step
