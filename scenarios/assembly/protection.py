"""The standard scheme of protection, worked out from the operator's model of the grid.

Medium voltage: definite-time overcurrent at every breaker, each a step later than those it feeds.
Transformers into low voltage: high-voltage fuses. Low-voltage feeders: NH fuses at their heads.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.feeding import Feeding, feeding
from fernwatt.gridmodel.linetypes import is_overhead
from fernwatt.gridmodel.model import Switch, Transformer
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig
from scenarios.schema.protection import Protection
from simulators.grid.protection import fuse_curve, fuse_types, parse_devices

__all__ = ["protection_devices"]

_LV_MAX_V = 1_000.0
_PICKUP, _HIGH_SET = 1.3, 8.0  # of rated current
_LEAST_S = 0.1
_FUSE_BY_TRANSFORMER = 2.0  # holds its inrush
_FEEDER_BY_TRANSFORMER = 0.8  # a feeder's fuse is smaller than what its transformer carries
_FUSE_MARGIN = 1.4  # melting time of the upper fuse by that of the lower one
_DYN = 2.0 / math.sqrt(3.0)  # two phases short-circuited below are more than their share above
_EARTH_A = {"isolated": 1.0, "compensated": 1.0, "resistance": 40.0, "solid": 40.0}
_EARTH_DEG = {"isolated": 90.0, "compensated": 0.0, "resistance": 0.0, "solid": -45.0}


def protection_devices(config: ScenarioConfig, model: GridModel) -> list[dict[str, Any]]:
    """Return all protective devices of a scenario, as ``parse_devices`` takes them."""
    own = _own(config.protection, model)
    wanted = config.protection.scheme == "standard" or (
        config.protection.scheme == "auto" and bool(config.faults or config.fault_rates)
    )
    if wanted:
        taken = {device["switch"] for device in own}
        breakers = {device["switch"] for device in own if device["kind"] == "breaker"}
        made = _Scheme(config, model, breakers).devices()
        own += [device for device in made if device["switch"] not in taken]
    _check_backups(own)
    return own


def _check_backups(devices: Sequence[Mapping[str, Any]]) -> None:
    breakers = {device["id"] for device in devices if device["kind"] == "breaker"}
    faults = [
        Fault(f"protection.breakers[{number}].backup", f"no breaker at {device['backup']}")
        for number, device in enumerate(devices)
        if device.get("backup") and device["backup"] not in breakers
    ]
    if faults:
        raise ScenarioError(faults)


def _own(section: Protection, model: GridModel) -> list[dict[str, Any]]:
    """Return the scenario's own devices; ScenarioError with all that is wrong with them."""
    switches = {switch.id for switch in model.switches}
    faults: list[Fault] = []
    made = []
    for kind in ("breaker", "fuse", "sectionaliser"):
        path = f"protection.{kind}s"
        devices: list[dict[str, Any]] = []
        for number, device in enumerate(getattr(section, f"{kind}s")):
            values = device.model_dump()
            backup = values.pop("backup", "")
            if backup:
                values["backup"] = _name("breaker", backup)
            devices.append({"kind": kind, "id": _name(kind, device.switch), **values})
            for name, switch in (("switch", device.switch), ("backup", backup)):
                if switch not in {"", *switches}:
                    hint = nearest(switch, switches)
                    faults.append(Fault(f"{path}[{number}].{name}", f"no switch {switch!r}", hint))
        try:
            parse_devices([{**device, "backup": ""} if kind == "breaker" else device
                           for device in devices], path)  # fmt: skip
        except ScenarioError as error:
            faults += error.faults
        made += devices
    if faults:
        raise ScenarioError(faults)
    return made


def _name(kind: str, switch: str) -> str:
    return f"{kind}/{switch.partition('/')[2]}"


class _Scheme:
    def __init__(self, config: ScenarioConfig, model: GridModel, own: Collection[str]) -> None:
        self._settings, self._earthing = config.protection, config.grid.earthing
        self._model, self._own = model, own
        self._fed: Feeding = feeding(model)
        self._vn_v = {bus.id: bus.vn_v for bus in model.buses}
        self._lines = {line.id: line for line in model.lines}
        self._trafos = {trafo.id: trafo for trafo in model.transformers}
        self._uk = dict(zip(self._trafos, model.net.trafo["vk_percent"] / 100.0, strict=True))
        self._overhead = {line.id for line in model.lines if is_overhead(line.std_type)}

    def devices(self) -> list[dict[str, Any]]:
        """Return the scheme's devices."""
        breakers = self._breakers()
        steps = self._steps(breakers)
        return [
            *(self._breaker(switch, steps[switch.id]) for switch in breakers),
            *self._transformer_fuses(),
            *self._feeder_fuses(),
        ]

    # -- relays ------------------------------------------------------------------------------

    def _breakers(self) -> list[Switch]:
        """Return the switches that get a relay: breakers, and those at the heads of feeders."""
        busbars = {area.bus for area in self._model.areas}
        return [
            switch
            for switch in self._model.switches
            if switch.kind != "bus"
            and self._vn_v[switch.bus] > _LV_MAX_V
            and not self._feeds_low(switch)
            and self._is_fed_at(switch)
            and (
                switch.type == "CB"
                or switch.id in self._own
                or (switch.kind == "line" and switch.bus in busbars)
            )
        ]

    def _feeds_low(self, switch: Switch) -> bool:
        trafo = self._trafos.get(switch.element)
        return trafo is not None and self._vn_v[trafo.lv_bus] <= _LV_MAX_V

    def _is_fed_at(self, switch: Switch) -> bool:
        """Tell whether power comes through this switch: at a line's head, a transformer's sides."""
        head = self._fed.head.get(switch.element)
        return head is not None and (switch.kind == "transformer" or head == switch.bus)

    def _steps(self, breakers: Iterable[Switch]) -> dict[str, int]:
        """Return for each relay how many others there are behind it, one after the other."""
        by_element: dict[str, list[Switch]] = {}
        for switch in breakers:
            by_element.setdefault(switch.element, []).append(switch)
        for switches in by_element.values():  # of a transformer: from the source on
            switches.sort(key=lambda switch: switch.bus != self._fed.head[switch.element])
        steps = {switch.id: 0 for switches in by_element.values() for switch in switches}
        for element, own in by_element.items():
            above = self._fed.path(self._fed.head[element])
            chain = [s for e in above for s in by_element.get(e, ())] + own
            for distance, switch in enumerate(reversed(chain)):
                steps[switch.id] = max(steps[switch.id], distance)
        return steps

    def _breaker(self, switch: Switch, step: int) -> dict[str, Any]:
        rated_a, later_s = self._rated_a(switch), step * self._settings.step_s
        stages: list[dict[str, Any]] = [
            {"pickup_a": _PICKUP * rated_a, "delay_s": 0.4 + later_s},
            {"pickup_a": _HIGH_SET * rated_a, "delay_s": _LEAST_S + later_s},
        ]
        feeder = switch.kind == "line"
        if feeder and self._has_earth(switch):
            stages += self._earth_stage(later_s)
        return {
            "kind": "breaker", "id": _name("breaker", switch.id), "switch": switch.id,
            "stages": stages, "earth_deg": _EARTH_DEG[self._earthing.mv_neutral],
            "polarising_v": 0.01 * self._vn_v[switch.bus],
            "dead_ms": self._dead_ms(switch) if feeder else [],
        }  # fmt: skip

    def _rated_a(self, switch: Switch) -> float:
        line = self._lines.get(switch.element)
        if line is not None:
            return line.max_i_a
        return self._trafos[switch.element].sn_va / math.sqrt(3.0) / self._vn_v[switch.bus]

    def _has_earth(self, switch: Switch) -> bool:
        """Tell whether the neutral at this voltage is the scenario's: below a transformer."""
        return any(trafo.lv_bus in self._upstream(switch) for trafo in self._trafos.values())

    def _upstream(self, switch: Switch) -> set[str]:
        found, bus = {switch.bus}, switch.bus
        while (before := self._fed.parent.get(bus, "")) and self._vn_v[before] == self._vn_v[bus]:
            found.add(bus := before)
        return found

    def _earth_stage(self, later_s: float) -> list[dict[str, Any]]:
        neutral = self._earthing.mv_neutral
        high_ohmic = neutral in ("isolated", "compensated")
        if high_ohmic and self._settings.earth_fault == "signal":
            return []
        return [
            {
                "quantity": "earth", "pickup_a": _EARTH_A[neutral],
                "direction": "forward" if high_ohmic else "any",
                "delay_s": (self._settings.earth_s if high_ohmic else 0.4) + later_s,
            }
        ]  # fmt: skip

    def _dead_ms(self, switch: Switch) -> list[int]:
        if self._settings.reclosing_s is not None:
            return [round(1000 * dead_s) for dead_s in self._settings.reclosing_s]
        behind = {switch.element, *self._behind(switch.element)}
        return [300] if behind & self._overhead else []

    def _behind(self, element: str) -> set[str]:
        return {other for other, head in self._fed.head.items() if element in self._fed.path(head)}

    # -- fuses -------------------------------------------------------------------------------

    def _transformer_fuses(self) -> list[dict[str, Any]]:
        made = []
        for switch in self._model.switches:
            trafo = self._trafos.get(switch.element)
            if trafo is None or switch.bus != trafo.hv_bus or not self._feeds_low(switch):
                continue
            made.append(_fuse(switch, self._above(trafo)))
        return made

    def _above(self, trafo: Transformer) -> str:
        """Return the smallest fuse that holds the transformer and lets feeders' fuses go first."""
        heads = [self._low_fuse(line, trafo) for line in self._heads(trafo.lv_bus)]
        rated_a = trafo.sn_va / math.sqrt(3.0) / self._vn_v[trafo.hv_bus]
        ratio = self._vn_v[trafo.lv_bus] / self._vn_v[trafo.hv_bus]
        largest_a = rated_a / ratio / self._uk[trafo.id]
        i_a = np.geomspace(0.05 * largest_a, largest_a, 60)
        below_s = np.max([fuse_curve(name).melt_s(i_a) for name in heads], axis=0, initial=0.0)
        names = [name for a, name in _ratings("HV ") if a >= _FUSE_BY_TRANSFORMER * rated_a]
        for name in names:
            above_s = fuse_curve(name).melt_s(i_a * ratio * _DYN)
            if (above_s[np.isfinite(above_s)] > _FUSE_MARGIN * below_s[np.isfinite(above_s)]).all():
                return name
        return names[-1] if names else _ratings("HV ")[-1][1]

    def _heads(self, bus: str) -> list[str]:
        return [line for line in self._lines if self._fed.head.get(line) == bus]

    def _low_fuse(self, line: str, trafo: Transformer | None) -> str:
        limit_a = self._lines[line].max_i_a
        if trafo is not None:
            rated_a = trafo.sn_va / math.sqrt(3.0) / self._vn_v[trafo.lv_bus]
            limit_a = min(limit_a, _FEEDER_BY_TRANSFORMER * rated_a)
        return _at_most("NH-", limit_a)

    def _feeder_fuses(self) -> list[dict[str, Any]]:
        """Return NH fuses where low-voltage lines leave a busbar."""
        busbars = {area.bus for area in self._model.areas}
        feeds = {trafo.lv_bus: trafo for trafo in self._trafos.values()}
        return [
            _fuse(switch, self._low_fuse(switch.element, feeds.get(switch.bus)))
            for switch in self._model.switches
            if switch.kind == "line"
            and switch.bus in busbars
            and self._vn_v[switch.bus] <= _LV_MAX_V
            and self._fed.head.get(switch.element) == switch.bus
        ]


def _fuse(switch: Switch, curve: str) -> dict[str, Any]:
    ident = _name("fuse", switch.id)
    return {"kind": "fuse", "id": ident, "switch": switch.id, "curve": curve}


def _ratings(prefix: str) -> list[tuple[float, str]]:
    """Return the ratings [A] of a family, each with its type, rising."""
    by_rating: dict[float, str] = {}
    for name in fuse_types():
        if name.startswith(prefix):
            by_rating.setdefault(fuse_curve(name).rated_a, name)
    return sorted(by_rating.items())


def _at_most(prefix: str, i_a: float) -> str:
    ratings = _ratings(prefix)
    return next((name for rating, name in reversed(ratings) if rating <= i_a), ratings[0][1])
