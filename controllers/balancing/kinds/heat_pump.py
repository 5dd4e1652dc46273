"""Heat pumps: on or off, for a room and a tank that keep warm for a while.

What is planned is when the machine runs, so that the room stays within its comfort band; how often
it runs follows from what would hold the room at its set-point, so that heat is shifted, not spent.
The tank goes first when it runs: it takes its part of the running time. Where the room needs next
to nothing (summer) it is the tank that is planned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from controllers.balancing.devices import (
    STEP_H,
    Flexible,
    GivenUp,
    Ints,
    Power,
    Problem,
    Span,
)
from controllers.balancing.kinds.building import Building, State
from controllers.balancing.kinds.onoff import OnOff
from controllers.balancing.planners import Watts
from controllers.balancing.switched import Switched
from fernwatt.timebase import SLOT_MS

__all__ = ["HeatPump"]

_GUARD_K, _BEGIN_K = 0.3, 0.5  # inside of the comfort band; to begin a run, below its upper end
_USUAL_C = 5.0  # outdoors, while there is no forecast
_WATER_W = 300.0  # hot water of a household, and what the tank loses
_TANK_FLOW_K, _LEAST_FLOW_C = 5.0, 25.0
_TANK_GUARD_K, _TANK_BEGIN_K = 2.5, 2.0
_NEAR_MS, _KEPT_SLOTS = 10_000, 8
_LITTLE_KH = 0.01
_OUTDOOR_C = (-20.0, 20.0)
_MOST_SHARE = 1.25  # of its rating, which is for one point of the map
_FLOW_C = (25.0, 60.0)


@dataclass(frozen=True, slots=True)
class _Running(OnOff):
    """A heat pump; ``comfort_low`` is the lower end of its comfort band.

    Beyond it may go ``hard_k`` lower.
    """

    hard_k: float = 0.0
    comfort_low: float = 0.0
    colder: bool = False

    @property
    def exceeds(self) -> bool:
        return self.colder

    def beyond(self) -> Problem | None:
        if self.colder or self.hard_k <= 0.0:
            return None
        colder = replace(self.switched, low=self.switched.low - self.hard_k, count=None)
        return replace(self, switched=colder, colder=True)

    def given_up(self, profile_w: Ints) -> GivenUp | None:
        if not self.colder:
            return None
        contents = self.switched.course(profile_w > 0)
        below_kh = float(np.maximum(self.comfort_low - contents, 0.0).sum()) * STEP_H
        return GivenUp("warmth", round(below_kh, 3), "Kh") if below_kh > _LITTLE_KH else None


@dataclass(slots=True)
class HeatPump(Flexible):
    """A heat pump, the building and the tank behind it."""

    plate: Mapping[str, Any] = field(default_factory=dict)
    building: Building = field(init=False)
    rated_w: float = 0.0
    air: dict[int, float] = field(default_factory=dict)  # by slot boundary
    tank: dict[int, float] = field(default_factory=dict)
    state: State | None = None
    slot: int = -1  # of ``state``
    outdoor: tuple[int, Watts] | None = None

    weather: ClassVar[bool] = True
    on_off: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.building = Building(self.plate["building"])

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> HeatPump:
        """Return the device of its configuration."""
        rated_w = float(config["p_rated_w"])
        common = cls._common({**config, "p_max_w": _MOST_SHARE * rated_w})
        return cls(**common, plate=config, rated_w=rated_w)

    def present(self, now_ms: int) -> bool:  # noqa: ARG002
        """Tell whether its temperature is known."""
        return bool(self.air)

    def take(self, variable: str, value: Any, t_ms: int) -> bool:
        """Take a temperature."""
        slot = (t_ms + SLOT_MS // 2) // SLOT_MS
        seen = {"thermal.temperature": self.air, "tank.temperature": self.tank}.get(variable)
        if seen is None or value is None or abs(t_ms - slot * SLOT_MS) > _NEAR_MS:
            return False
        seen[slot] = float(value)
        for old in [one for one in seen if one < slot - _KEPT_SLOTS]:
            del seen[old]
        return False

    def take_forecast(self, record: Mapping[str, Any]) -> None:
        """Take the temperatures of a weather forecast."""
        before = self.outdoor
        step = record["step_ms"] // SLOT_MS
        values = np.repeat(np.asarray(record["temperature_c"], dtype=float), step)
        self.outdoor = record["start_ms"] // SLOT_MS, values
        if before is None and values.size:  # what was taken for a loss has a name now
            now_c = float(self._outdoor_c(max(self.slot, self.outdoor[0]), 1)[0])
            self.building.gains_w += self.building.loss_w_per_k * (_USUAL_C - now_c)

    def problem(self, span: Span, power: Power) -> Problem | None:
        """Return the heat that is to be made, the state carried on by what was ordered."""
        self._learn()
        start = self._carried(span.first_slot, power)
        if start is None:
            return None
        outdoor_c = self._outdoor_c(span.first_slot, span.slots)
        room_w, room_heat_w = self._room(outdoor_c)
        tank_w, tank_heat_w = self._water(outdoor_c)
        held_w, mass_c = self.building.hold(start, self._set_c, room_heat_w, outdoor_c)
        of_tank = _WATER_W / float(tank_heat_w.mean())
        of_room = float((held_w / room_heat_w).mean())
        if of_tank > of_room and self.tank:
            return self._of_tank(span, tank_w, tank_heat_w)
        share = of_tank / (of_tank + of_room)
        on_w = (1.0 - share) * room_w + share * tank_w
        heat_w = (1.0 - share) * room_heat_w
        plate, building = self.plate["building"], self.building
        low_c = float(plate["low_c"]) + _GUARD_K
        drift = building.air_mass * mass_c + building.air_out * outdoor_c
        switched = Switched(
            on_w=span.unit_w * np.floor(on_w / span.unit_w),
            start=start.air_c,
            keep=building.air_air,
            drift=drift + building.air_heat * building.gains_w,
            gain=building.air_heat * heat_w,
            low=np.full(span.slots, low_c),
            high=np.full(span.slots, float(plate["high_c"]) - _GUARD_K / 2),
            most_on=float(plate["high_c"]) - _BEGIN_K,
            count=float((held_w / heat_w).sum()),
        )
        thermostat = self._set_c, float(plate["switch_k"])
        return self._problem(switched, thermostat, float(plate["low_c"]))

    # -- what is known

    @property
    def _set_c(self) -> float:
        return float(self.plate["building"]["set_c"])

    def _outdoor_c(self, first: int, slots: int) -> Watts:
        if self.outdoor is None or not self.outdoor[1].size:
            return np.full(slots, _USUAL_C)
        begin, values = self.outdoor
        at = np.clip(np.arange(first, first + slots) - begin, 0, values.size - 1)
        said: Watts = values[at]
        return said

    def _room(self, outdoor_c: Watts) -> tuple[Watts, Watts]:
        """Return electrical power and heat of the machine, heating the room."""
        given, set_c = self.plate["building"], self._set_c
        need = (set_c - outdoor_c) / (set_c - given["design_c"])
        flow_c = set_c + (given["flow_design_c"] - set_c) * np.clip(need, 0.0, 1.0)
        return self._machine(outdoor_c, np.maximum(flow_c, _LEAST_FLOW_C))

    def _water(self, outdoor_c: Watts) -> tuple[Watts, Watts]:
        """Return electrical power and heat of the machine, heating the tank."""
        given = self.plate["tank"]
        mean_c = given["set_c"] - given["switch_k"] / 2
        return self._machine(outdoor_c, np.full(len(outdoor_c), mean_c + _TANK_FLOW_K))

    def _machine(self, outdoor_c: Watts, flow_c: Watts) -> tuple[Watts, Watts]:
        outdoor_c, flow_c = np.clip(outdoor_c, *_OUTDOOR_C), np.clip(flow_c, *_FLOW_C)
        air = self.plate.get("source", "air") == "air"
        source_c = outdoor_c if air else np.full(len(outdoor_c), float(self.plate["brine_c"]))
        power, cop = (
            a * source_c + b * flow_c + c * outdoor_c + d
            for a, b, c, d in (self.plate["power_map"], self.plate["cop_map"])
        )
        p_w = self.rated_w * np.maximum(power, 0.25)
        return p_w, p_w * np.maximum(cop, 1.0)

    def _learn(self) -> None:
        """Follow the building through all slots that are measured by now."""
        if self.state is None or self.slot not in self.air:
            newest = max(self.air)
            usual_c = float(self._outdoor_c(newest, 1)[0])
            self.state = self.building.settled(self.air[newest], usual_c)
            self.slot = newest
        while self.slot + 1 in self.air:
            p_w = self.energy.mean_w(self.slot)
            if p_w is None and max(self.air) < self.slot + 4:
                return  # its reading is still to come
            measured_c = self.air[self.slot + 1]
            if p_w is None:
                self.state = State(measured_c, self.state.mass_c)
            else:
                outdoor_c = self._outdoor_c(self.slot, 1)
                heat_w = self._room_heat_w(p_w, outdoor_c)
                outside = float(outdoor_c[0])
                self.state = self.building.learn(self.state, heat_w, outside, measured_c)
            self.slot += 1

    def _room_heat_w(self, p_w: float, outdoor_c: Watts) -> float:
        """Return what the room got of a slot's mean power: all but what warmed the tank."""
        (room_w, room_heat_w), (tank_w, tank_heat_w) = self._room(outdoor_c), self._water(outdoor_c)
        begin_c, end_c = (self.tank.get(slot) for slot in (self.slot, self.slot + 1))
        of_tank_w = 0.0
        if begin_c is not None and end_c is not None:
            warmed_w = float(self.plate["tank"]["c_wh_per_k"]) * (end_c - begin_c) / STEP_H
            of_tank_w = max(warmed_w, 0.0) * float(tank_w[0] / tank_heat_w[0])
        return max(p_w - of_tank_w, 0.0) * float(room_heat_w[0] / room_w[0])

    def _carried(self, first: int, power: Power) -> State | None:
        """Return the state at the begin of a slot, by what was ordered until then."""
        state = self.state
        if state is None:
            return None
        for slot in range(self.slot, first):
            outdoor_c = self._outdoor_c(slot, 1)
            newest = [p_w for t_ms, p_w in power if t_ms < (slot + 1) * SLOT_MS]
            if newest:
                heat_w = float(self._room(outdoor_c)[1][0]) if newest[-1] > 0.0 else 0.0
            else:  # its thermostat holds it
                most_w = self._room(outdoor_c)[1]
                heat_w = float(self.building.hold(state, self._set_c, most_w, outdoor_c)[0][0])
            state = self.building.step(state, heat_w, float(outdoor_c[0]))
        return state

    # -- what is planned

    def _of_tank(self, span: Span, on_w: Watts, heat_w: Watts) -> Problem:
        """Return the problem of the tank alone."""
        given, capacity = self.plate["tank"], float(self.plate["tank"]["c_wh_per_k"])
        water_c = self.tank[max(self.tank)]
        gain = heat_w * STEP_H / capacity
        drift = np.full(span.slots, -_WATER_W * STEP_H / capacity)
        set_c, low_c = float(given["set_c"]), float(given["useful_c"]) + _TANK_GUARD_K
        middle_c = set_c - float(given["switch_k"]) / 2
        switched = Switched(
            on_w=span.unit_w * np.floor(on_w / span.unit_w),
            start=water_c,
            keep=1.0,
            drift=drift,
            gain=gain,
            low=np.full(span.slots, low_c),
            high=np.maximum(set_c + gain / 2, low_c + 1.0),
            most_on=set_c - _TANK_BEGIN_K,
            count=max((middle_c - water_c - float(drift.sum())) / float(gain.mean()), 0.0),
        )
        half = float(given["switch_k"]) / 2
        return self._problem(switched, (set_c - half, half), float(given["useful_c"]))

    def _problem(
        self, switched: Switched, thermostat: tuple[float, float], low_c: float
    ) -> Problem:
        newest_w = self.energy.mean_w((self.energy.newest_ms or 0) // SLOT_MS - 1) or 0.0
        runs = newest_w >= self.rated_w / 4
        on = switched.thermostat(*thermostat, runs=runs)
        free = np.where(on, switched.on_w, 0.0).astype(np.int64)
        hard_k = float(self.plate.get("hard_k", 0.0))
        least_w = self.rated_w / 2 + 1.0
        return _Running(switched, least_w, free, hard_k, low_c)
