"""Kinds of devices that balancing can plan, in one register.

A kind is a ``Flexible`` with its ``Problem`` (``controllers.balancing.devices``) in a module of
its own. To add one: write it, name it here, say in ``scenarios.assembly.outfits`` what its unit
measures and takes, and in ``scenarios.assembly.plates`` what a customer unit is told of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from controllers.balancing.devices import Flexible
from controllers.balancing.kinds.appliance import Appliance
from controllers.balancing.kinds.boiler import Boiler
from controllers.balancing.kinds.chp import Chp
from controllers.balancing.kinds.heat_pump import HeatPump
from controllers.balancing.kinds.storage import Battery
from controllers.balancing.kinds.vehicle import Vehicle

__all__ = ["KINDS", "Kind"]


@dataclass(frozen=True, slots=True)
class Kind:
    """How a device of a kind is made of its configuration, and what must be known of it.

    ``needed`` are keys of the configuration beside ``id`` and ``unit``, ``variables`` what its
    unit is asked for beside ``device.energy``.
    """

    make: Callable[[Mapping[str, Any]], Flexible]
    needed: tuple[str, ...]
    variables: tuple[str, ...]


KINDS: dict[str, Kind] = {
    "ev": Kind(Vehicle.of, ("p_max_w",), ("ev.session",)),
    "battery": Kind(Battery.of, ("p_max_w", "capacity_wh"), ("battery.soc",)),
    "heat_pump": Kind(
        HeatPump.of,
        ("p_rated_w", "building", "tank", "power_map", "cop_map"),
        ("thermal.temperature", "tank.temperature"),
    ),
    "boiler": Kind(
        Boiler.of,
        (
            "p_rated_w",
            "cop",
            "c_wh_per_k",
            "loss_w_per_k",
            "surroundings_c",
            "set_c",
            "switch_k",
            "low_c",
            "high_c",
        ),
        ("thermal.temperature",),
    ),
    "appliance": Kind(Appliance.of, ("p_max_w",), ("appliance.request",)),
    "chp": Kind(
        Chp.of,
        (
            "p_rated_w",
            "heat_ratio",
            "c_wh_per_k",
            "loss_w_per_k",
            "surroundings_c",
            "set_c",
            "switch_k",
            "low_c",
            "high_c",
        ),
        ("thermal.temperature",),
    ),
}
