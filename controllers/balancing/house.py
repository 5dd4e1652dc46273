"""What a child knows of its house: meter, devices, predictions, from notifications alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from controllers.balancing.boosted import make_predictor
from controllers.balancing.devices import Flexible
from controllers.balancing.issue import Said
from controllers.balancing.kinds import KINDS
from controllers.balancing.kinds.panels import Panels
from controllers.balancing.loads import LoadPredictor
from controllers.balancing.panels import Panel, PvPredictor
from controllers.balancing.planners import Watts
from controllers.balancing.registers import Register
from controllers.unit.service import Notification
from fernwatt.timebase import HOUR_MS, SLOT_MS, Clock

__all__ = ["House", "MeteredLoad"]

_PATIENCE = 4


class MeteredLoad:
    """Slot means of a meter's net power, and the prediction that is made of them."""

    def __init__(self, start: Clock, settings: Mapping[str, Any]) -> None:
        self.predictor = make_predictor(start, settings)
        self._import, self._export = Register(), Register()
        self.causes: dict[str, str] = {}
        self.history: tuple[int, Watts] | None = None

    def take(self, notification: Notification) -> None:
        """Take a register or the meter's memory of earlier days."""
        self.causes[notification.variable] = notification.id
        value = notification.value
        if notification.variable == "energy.import":
            self._import.add(notification.t_ms, float(value))
        elif notification.variable == "energy.export":
            self._export.add(notification.t_ms, float(value))
        elif notification.variable == "load_profile" and self.history is None:
            self.history = slot_means(value)

    @property
    def first_slot(self) -> int | None:
        """Return the first slot that both registers cover."""
        first = (self._import.first_slot, self._export.first_slot)
        return None if first[0] is None or first[1] is None else max(first[0], first[1])

    def net_w(self, slot: int) -> float | None:
        """Return the net mean power of a slot; None while it is not measured."""
        drawn, fed = self._import.mean_w(slot), self._export.mean_w(slot)
        return None if drawn is None or fed is None else drawn - fed


class House:
    """Base load, panels and flexible devices of one customer."""

    def __init__(self, params: Mapping[str, Any], start: Clock) -> None:
        self.load = MeteredLoad(start, params.get("predictor", {}))
        self._metered = params.get("meter") != ""  # a plant has no load beside it
        self.flexible: dict[str, Flexible] = {}
        self.pv: dict[str, PvPredictor] = {}
        self.units: dict[str, str] = {}  # device: unit
        self._told: dict[str, tuple[str, ...]] = {}  # device: what its unit is asked for
        self._pv_energy: dict[str, Register] = {}
        self._said: list[tuple[int, str, float, Said]] = []
        self._next_slot: int | None = None
        self._primed = False
        for config in params.get("devices", ()):
            self._add(config, params, start)
        self._by_unit = {unit: device for device, unit in self.units.items()}

    def _add(self, config: Mapping[str, Any], params: Mapping[str, Any], start: Clock) -> None:
        device, kind = str(config["id"]), config["kind"]
        if kind in KINDS:
            self.flexible[device] = KINDS[kind].make(config)
            self._told[device] = KINDS[kind].variables
        else:
            place = float(params["latitude_deg"]), float(params["longitude_deg"])
            angles = float(config["tilt_deg"]), float(config["azimuth_deg"])
            panel = Panel(float(config["p_rated_w"]), *angles, *place)
            self.pv[device] = PvPredictor(panel, start)
            self._pv_energy[device] = Register()
            if config.get("curtail"):
                known = Panels.of(config, self.pv[device], self._pv_energy[device])
                self.flexible[device] = known
        self.units[device] = str(config["unit"])

    def variables(self) -> list[tuple[str, str]]:
        """Return each (unit, variable) of a device that the house wants to hear of."""
        return [
            (unit, variable)
            for device, unit in sorted(self.units.items())
            for variable in [*self._told.get(device, ()), "device.energy"]
        ]

    @property
    def wants_forecasts(self) -> bool:
        """Tell whether the weather matters to the house."""
        return bool(self.pv) or any(known.weather for known in self.flexible.values())

    def holder(self, now_ms: int) -> str | None:
        """Return the one battery that can hold the house at a profile, if there is one."""
        batteries = [
            device
            for device, known in self.flexible.items()
            if known.holds and known.present(now_ms)
        ]
        return batteries[0] if len(batteries) == 1 else None

    def reads(self, notification: Notification) -> bool:
        """Tell whether it is a reading of a device: a plant's own unit has both, and its orders."""
        device = self._by_unit.get(notification.location, "")
        told = (*self._told.get(device, ()), "device.energy")
        return bool(device) and notification.variable in told

    def take_device(self, notification: Notification) -> str | None:
        """Take a device's reading; return the device if it is to be planned anew at once."""
        device = self._by_unit.get(notification.location)
        if device is None:
            return None
        value, t_ms = notification.value, notification.t_ms
        known = self.flexible.get(device)
        if notification.variable == "device.energy":
            register = known.energy if known is not None else self._pv_energy[device]
            register.add(t_ms, float(value))
        if known is None:
            return None
        known.causes[notification.variable] = notification.id
        return device if known.take(notification.variable, value, t_ms) else None

    def silent(self, slot: int) -> list[str]:
        """Return the units of which nothing was heard since the slot began."""
        return [
            unit
            for device, unit in sorted(self.units.items())
            if (self._register(device).newest_ms or -1) < slot * SLOT_MS
        ]

    def learn(self) -> None:
        """Hand every slot that is completely measured by now to the predictors."""
        self._prime()
        if self._next_slot is None:
            self._next_slot = self.load.first_slot
        while self._next_slot is not None:
            net_w = self.load.net_w(self._next_slot)
            if net_w is None or not self._learn(self._next_slot, net_w):
                return
            self._next_slot += 1

    def take_forecast(self, record: Mapping[str, Any]) -> None:
        """Take a weather forecast for all panels and devices."""
        for panel in self.pv.values():
            panel.take_forecast(record)
        for known in self.flexible.values():
            known.take_forecast(record)

    def said(self) -> list[tuple[int, str, float, Said]]:
        """Return what was predicted a day ahead of what was learnt since the last time.

        Each slot, what (``load`` or a panel), mean power measured [W], and what was said.
        """
        out, self._said = self._said, []
        return out

    def predict(self, first_slot: int, slots: int) -> Watts:
        """Return base load and panels together [W]."""
        total = np.zeros(slots)
        if self._metered:
            total = self.load.predictor.predict(first_slot, slots)
        for panel in self.pv.values():
            total = total + panel.predict(first_slot, slots)
        return total

    def causes(self) -> list[str]:
        """Return the notifications that the prediction rests on."""
        return [self.load.causes[name] for name in sorted(self.load.causes)]

    def _register(self, device: str) -> Register:
        known = self.flexible.get(device)
        return known.energy if known is not None else self._pv_energy[device]

    def _learn(self, slot: int, net_w: float) -> bool:
        """Return False where a device's reading is still to come."""
        late = self.load.net_w(slot + _PATIENCE) is not None
        base_w, complete = net_w, True
        for device in self.units:
            register = self._register(device)
            mean_w = register.mean_w(slot)
            if mean_w is None:
                if not late:
                    return False
                # A device never heard of is part of the base load; one that fell silent spoils it.
                complete = complete and register.newest_ms is None
                continue
            base_w -= mean_w
            known = self.flexible.get(device)
            if device in self.pv and (known is None or known.tells(slot)):
                self._observe(device, self.pv[device], slot, mean_w)
        if complete:
            self._observe("load", self.load.predictor, slot, base_w)
        return True

    def _observe(
        self, what: str, predictor: LoadPredictor | PvPredictor, slot: int, p_w: float
    ) -> None:
        said = predictor.said(slot)
        if said is not None:
            self._said.append((slot, what, p_w, said))
        predictor.observe(slot, p_w)

    def _prime(self) -> None:
        """Take the meter's memory of earlier days; what was fed in then came from the panels."""
        if self._primed or self.load.history is None:
            return
        self._primed = True
        first, net_w = self.load.history
        if self.pv and (net_w < 0.0).any():
            for panel in self.pv.values():
                net_w = net_w - panel.predict(first, net_w.size)
            net_w = np.maximum(net_w, 0.0)
        self.load.predictor.load_history(first, net_w.tolist())


def slot_means(record: Mapping[str, Any]) -> tuple[int, Watts]:
    """Return first slot and net mean powers [W] of a meter's ``load_profile``."""
    step_ms, start_ms = int(record["step_ms"]), int(record["start_ms"])
    net_wh = np.asarray(record["import_wh"], dtype=float) - np.asarray(record["export_wh"])
    edges_ms = start_ms + step_ms * np.arange(net_wh.size + 1)
    first, last = -(-start_ms // SLOT_MS), int(edges_ms[-1]) // SLOT_MS
    bounds_ms = np.arange(first, last + 1) * SLOT_MS
    register = np.interp(bounds_ms, edges_ms, np.concatenate(([0.0], np.cumsum(net_wh))))
    return first, np.diff(register) * HOUR_MS / SLOT_MS
