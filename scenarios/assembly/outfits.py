"""What the management unit of each kind of device measures and moves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["ALWAYS", "OUTFITS", "PLANTS", "Outfit", "kind_of", "unit_name"]


@dataclass(frozen=True, slots=True)
class Outfit:
    """Kind of the energy register; kind of the gauge, and the variables that its actuator takes.

    The last two only where the scenario wants the kind controlled.
    """

    register: str
    gauge: str
    orders: tuple[str, ...]

    def variables(self, device: Mapping[str, Any]) -> tuple[str, ...]:
        """Return what may be written to the unit of ``device``."""
        plain = device["kind"] == "pv" and "inverter" not in device
        return tuple(one for one in self.orders if not (plain and one == "reactive_set_point"))


_THERMOSTAT = Outfit("device", "thermometer", ("set_point", "thermal.band"))
OUTFITS = {
    "ev": Outfit("charger", "", ("set_point",)),
    "battery": Outfit("battery", "", ("set_point",)),
    "pv": Outfit("pv", "wattmeter", ("set_point", "reactive_set_point")),
    "heat_pump": _THERMOSTAT,
    "fridge": _THERMOSTAT,
    "boiler": _THERMOSTAT,
    "appliance": Outfit("device", "panel", ("set_point", "appliance.start")),
    "chp": Outfit("device", "thermometer", ("set_point",)),
    "wind": Outfit("device", "wattmeter", ("set_point",)),
}
ALWAYS = ("ev", "battery", "pv")
"""Kinds that have a management unit whether they are controlled or not."""
PLANTS = ("wind", "chp")
"""Kinds that may stand where there is no house."""


def kind_of(device: Mapping[str, Any]) -> str:
    """Return the kind of a device as its identifier has it: ``fridge``, not ``thermostat``."""
    return str(device["id"].split("/")[0])


def unit_name(device: Mapping[str, Any]) -> str:
    """Return the name of a device's unit; of plants there may be several at a terminal."""
    kind, tail = kind_of(device), device["terminal"].partition("/")[2]
    number = device["id"].removeprefix(f"{kind}/{tail}").removeprefix("/")
    return f"dmu/{tail}/{kind}-{number}" if number else f"dmu/{tail}/{kind}"
