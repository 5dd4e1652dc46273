"""What may be ordered of devices beyond a power, by the action of an actuation.

- ``set_band`` {low_c, high_c, until_ms}: temperatures between which a thermostat switches.
- ``start_at`` {id, at_ms}: when an appliance begins the job it has asked for.
- ``set_reactive`` {q_var, until_ms}: reactive power of an inverter with grid support.

``until_ms`` null means for good.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from simulators.devices.appliance import ApplianceFleet
from simulators.devices.bands import Bands
from simulators.devices.group import Group
from simulators.devices.heat_pump import HeatPumpFleet
from simulators.devices.setpoints import NEVER_MS, SetPoints
from simulators.devices.static import PvFleet
from simulators.devices.thermostat import ThermostatFleet

__all__ = ["Orders", "Taken"]

Taken = tuple[str, dict[str, Any]]
"""Kind of event and what it tells of an order that was taken."""
_Take = Callable[[str, int, Mapping[str, Any], int], Taken | str]


class Orders:
    """Takes orders for the devices of a run and ends those that hold for a while."""

    def __init__(self, groups: Mapping[str, Group], pv: PvFleet) -> None:
        self._bands: dict[str, Bands] = {
            kind: group.bands
            for kind, group in groups.items()
            if isinstance(group, HeatPumpFleet | ThermostatFleet)
        }
        self._appliances = groups.get("appliance")
        self._pv = pv
        self._reactive: SetPoints = pv.reactive
        self._takers: dict[str, _Take] = {
            "set_band": self._band,
            "start_at": self._start,
            "set_reactive": self._q,
        }
        self._given: dict[tuple[str, str, int], str] = {}

    def take(self, kind: str, row: int, action: str, value: Any, t_ms: int) -> Taken | str:
        """Return what was taken, or why not."""
        taker = self._takers.get(action)
        if taker is None:
            return f"a device cannot {action}, only set_power, {', '.join(self._takers)}"
        if not isinstance(value, dict):
            return f"{action} needs a record"
        return taker(kind, row, value, t_ms)

    def note(self, event: str, kind: str, row: int, identifier: str) -> None:
        """Remember the event of an order, which will be the cause of its end."""
        self._given[event, kind, row] = identifier

    def expired(self, t_ms: int) -> list[tuple[str, str, int, str]]:
        """Return event, kind, row and cause of each order that ends now."""
        ended = [
            ("band", kind, row)
            for kind, bands in self._bands.items()
            if bands.due_ms <= t_ms
            for row in bands.expired(t_ms).tolist()
        ]
        if self._reactive.due_ms <= t_ms:
            ended += [("reactive", "pv", row) for row in self._reactive.expired(t_ms).tolist()]
        return [
            (f"{what}_ended", kind, row, self._given.pop((f"{what}_changed", kind, row), ""))
            for what, kind, row in ended
        ]

    @property
    def due_ms(self) -> int:
        """When the next order ends."""
        return min([self._reactive.due_ms, *(bands.due_ms for bands in self._bands.values())])

    # -- one action each ---------------------------------------------------------------------

    def _band(self, kind: str, row: int, value: Mapping[str, Any], t_ms: int) -> Taken | str:
        bands = self._bands.get(kind)
        if bands is None:
            return f"a device of kind {kind} has no thermostat"
        low_c, high_c = (_number(value.get(name)) for name in ("low_c", "high_c"))
        if low_c is None or high_c is None:
            return "a band is {low_c, high_c, until_ms}"
        until = _until(value, t_ms)
        refusal = until if isinstance(until, str) else bands.refusal(row, low_c, high_c)
        if refusal or isinstance(until, str):
            return refusal
        bands.set(row, low_c, high_c, until)
        told = {"low_c": low_c, "high_c": high_c, "until_ms": value["until_ms"]}
        return "band_changed", told

    def _start(self, kind: str, row: int, value: Mapping[str, Any], t_ms: int) -> Taken | str:
        if not isinstance(self._appliances, ApplianceFleet) or kind != "appliance":
            return f"a device of kind {kind} has no jobs"
        at_ms = value.get("at_ms")
        if type(at_ms) is not int:
            return "a start is {id, at_ms}"
        refusal = self._appliances.order(row, value.get("id"), at_ms, t_ms)
        return refusal or ("start_ordered", {"id": value["id"], "at_ms": at_ms})

    def _q(self, kind: str, row: int, value: Mapping[str, Any], t_ms: int) -> Taken | str:
        if kind != "pv" or row not in self._pv.smart_rows:
            return "only an inverter with grid support has a reactive power of its own"
        q_var = _number(value.get("q_var"))
        if q_var is None:
            return "a reactive set-point is {q_var, until_ms}"
        until = _until(value, t_ms)
        if isinstance(until, str):
            return until
        self._reactive.set(row, q_var, until)
        return "reactive_changed", {"q_var": q_var, "until_ms": value["until_ms"]}


def _number(value: Any) -> float | None:
    usable = type(value) in (int, float) and math.isfinite(value)
    return float(value) if usable else None


def _until(value: Mapping[str, Any], t_ms: int) -> int | str:
    if "until_ms" not in value:
        return "until_ms is missing"
    until_ms = value["until_ms"]
    if until_ms is None:
        return NEVER_MS
    if type(until_ms) is not int:
        return "until_ms is no integer"
    return until_ms if until_ms > t_ms else "until_ms is over"
