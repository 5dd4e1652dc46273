"""Heat pumps: machine, building, hot-water tank, and the firmware that keeps them comfortable.

The machine is on or off. On, it heats the tank (which goes first, unless the building is at the
lower end of its comfort band) or the building; power and COP come from the performance map at the
flow temperature that is needed: the heating curve's for the building, 5 K above the tank's for the
tank. An electric rod helps below the comfort band, and for water below its useful temperature.
Compressors keep a least time on and off.

Between decisions all heat flows hold, and building and tank follow in closed form. A set-point asks
it to run (half the rated power or more) or to wait (less); it does so as far as the comfort band
and the useful water temperature allow.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from simulators.devices.bands import Bands
from simulators.devices.group import Change, Climate, Now
from simulators.devices.heat_pump_map import SOURCES, performance
from simulators.devices.heat_specs import BuildingSpec, HeatPumpSpec, TankSpec
from simulators.devices.setpoints import NEVER_MS, SetPoints
from simulators.devices.specbase import FloatArray
from simulators.devices.thermal import Comfort, OneNode, TwoNodes

__all__ = ["HARD_K", "HeatPumpFleet"]

HARD_K = 2.0
"""How far below its comfort band a room may go where its owner lets it."""

BoolArray = NDArray[np.bool_]
_MS_PER_H = 3.6e6
_FLOW_ABOVE_TANK_K, _LEAST_FLOW_C = 5.0, 25.0
_GUARD_K = 0.1  # set-points are left this far inside of the comfort band
_ROOM_K = 0.5  # room that a set-point must find in the band, for a least run or a least rest
_TANK_GUARD_K = 2.0
_NO_MASS_WH_PER_K = 1.0
_DECIDED = ("on", "_to_tank", "_since_ms", "p_w", "heat_w", "q_var", "_drawn_w")


class HeatPumpFleet:
    """All heat pumps of a run, in arrays of length n.

    ``house`` and ``tank`` hold the temperatures, ``heat_w`` what the machines give, ``served_wh``
    the hot water drawn since the start. Energy is kept: what is drawn is stored, lost or served,
    where *lost* is what goes outside less what sun, people and the heat pump's source bring in.
    """

    periodic = True

    def __init__(self, specs: Sequence[HeatPumpSpec], climate: Climate) -> None:
        def column(name: str, part: str = "") -> FloatArray:
            owners = [getattr(spec, part) if part else spec for spec in specs]
            return np.array([getattr(owner, name) for owner in owners], dtype=float)

        n = len(specs)
        self._climate = climate
        self.rated_w, self.rod_w = column("p_rated_w"), column("rod_w")
        self._source = np.array([SOURCES.index(spec.source) for spec in specs], dtype=float)
        self._brine_c, self._tan_phi = column("brine_c"), np.tan(np.arccos(column("cos_phi")))
        self._min_ms = tuple(column(name) * 1000 for name in ("min_off_s", "min_on_s"))
        self._building = {name: column(name, "building") for name in BuildingSpec.__slots__}
        plate = [name for name in TankSpec.__slots__ if name != "draw_w"]
        self._plate = {name: column(name, "tank") for name in plate}
        draws = [spec.tank.draw_w for spec in specs]
        self._draw_w = np.array(draws).reshape(n, -1).T.copy() if n else np.zeros((1, 0))
        self.house = _house(self._building)
        self.tank = OneNode(
            self._plate["c_wh_per_k"], self._plate["loss_w_per_k"], self._plate["initial_c"]
        )
        self.comfort = Comfort(self._building["low_c"], self._building["high_c"], self.house.air_c)
        limits = self._building["low_c"] + _GUARD_K, self._building["high_c"] - _GUARD_K
        self.bands = Bands(self._building["set_c"], self._building["switch_k"], *limits)
        self.p_w, self.q_var, self.heat_w = np.zeros(n), np.zeros(n), np.zeros(n)
        self.served_wh = np.zeros(n)
        self.on, self._to_tank = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        self._calls = {"house": np.zeros(n, dtype=bool), "tank": np.zeros(n, dtype=bool)}
        self._since_ms = np.full(n, -(2**40), dtype=np.int64)
        self._drawn_w, self._rod_w, self._slot = np.zeros(n), np.zeros(n), 0
        self.set_points = SetPoints(n)

    # -- energy ----------------------------------------------------------------------------

    def draw(self, t_ms: int, span_ms: int) -> tuple[FloatArray, FloatArray]:  # noqa: ARG002
        """Let everything hold for ``span_ms``; return the energy drawn and lost [Wh]."""
        h, slot = span_ms / _MS_PER_H, self._slot
        outdoor_c = self._climate.temperature_c[slot]
        gains_w = self._building["solar_m2"] * self._climate.ghi_w_m2[slot]
        gains_w = gains_w + self._building["gains_w"]
        house_w = np.where(self._to_tank, 0.0, self.heat_w)
        tank_w = np.where(self._to_tank, self.heat_w, 0.0)
        lost_wh = self.house.advance(h, outdoor_c, house_w + gains_w, np.zeros_like(gains_w))
        lost_wh = lost_wh + self.tank.advance(h, self._plate["cellar_c"], tank_w - self._drawn_w)
        self.served_wh = self.served_wh + self._drawn_w * h
        self.comfort.follow(span_ms, self.house.air_c)
        from_source_w = self.heat_w - self.p_w
        return self.p_w * h, lost_wh - (gains_w + from_source_w) * h

    @property
    def stored_wh(self) -> FloatArray:
        """Heat in the building above the comfort band's lower end, and in the water above cold."""
        low_c = self._building["low_c"]
        house_wh = self.house.c_air * (self.house.air_c - low_c)
        has_mass = self._building["c_mass_wh_per_k"] > 0
        mass_wh = np.where(has_mass, self.house.c_mass * (self.house.mass_c - low_c), 0.0)
        water_wh = self.tank.c_wh_per_k * (self.tank.t_c - self._plate["cold_c"])
        stored_wh: FloatArray = house_wh + mass_wh + water_wh
        return stored_wh

    # -- firmware --------------------------------------------------------------------------

    def decide(self, now: Now) -> list[Change]:
        """Work out what runs from now on."""
        before = {name: getattr(self, name) for name in _DECIDED}
        calls = self._calls
        self._slot = min(now.slot, len(self._climate.temperature_c) - 1)
        outdoor_c = np.full(len(self.p_w), self._climate.temperature_c[self._slot])
        house, tank = self._wishes()
        wanted = house | tank
        held_ms = now.t_ms - self._since_ms
        cold = self.house.air_c < self._low_c
        stays = held_ms < np.where(self.on, self._min_ms[1], self._min_ms[0])
        hot = (self.house.air_c >= self._building["high_c"] - _GUARD_K) & ~self._to_tank
        hot |= (self.tank.t_c >= self._plate["set_c"] + _TANK_GUARD_K) & self._to_tank
        on = np.where(stays & ~(self.on & hot), self.on, wanted) & now.live
        self._since_ms = np.where(on != self.on, now.t_ms, self._since_ms)
        self.on, self._to_tank = on, np.where(wanted, tank, self._to_tank) & on
        self._run(outdoor_c, cold & house & now.live)
        self._drawn_w = self._hot_water(now)
        for name, old in before.items():
            setattr(self, name, np.where(now.due, getattr(self, name), old))
        self._calls = {name: np.where(now.due, self._calls[name], calls[name]) for name in calls}
        return []

    def _wishes(self) -> tuple[BoolArray, BoolArray]:
        """Return who wants heat in the building, and in the tank."""
        air_c, water_c = self.house.air_c, self.tank.t_c
        given, plate = self._building, self._plate
        calls: dict[str, BoolArray] = {}
        for name, t_c, low_c, high_c in (
            (
                "house",
                air_c,
                self.bands.set_c - self.bands.switch_k,
                self.bands.set_c + self.bands.switch_k,
            ),
            ("tank", water_c, plate["set_c"] - plate["switch_k"], plate["set_c"]),
        ):
            calls[name] = (t_c < low_c) | (self._calls[name] & (t_c < high_c))
        self._calls = calls
        asked_w = self.set_points.p_w
        runs = asked_w >= self.rated_w / 2
        waits = asked_w < self.rated_w / 2
        room_k = np.where(self.on & ~self._to_tank, _GUARD_K, _ROOM_K)
        house = np.where(runs, air_c < given["high_c"] - room_k, self._calls["house"])
        rest_k = np.where(self.on, _ROOM_K, _GUARD_K)  # what runs may only stop for a least rest
        house = np.where(waits, air_c < self._low_c + rest_k, house)
        tank = np.where(runs, water_c < plate["set_c"], self._calls["tank"])
        tank = np.where(waits, water_c < plate["useful_c"] + _TANK_GUARD_K, tank)
        return house, tank & ~(house & (air_c < self._low_c + _GUARD_K))

    @property
    def _low_c(self) -> FloatArray:
        """Return how cold rooms may be now."""
        low_c: FloatArray = self._building["low_c"]
        return low_c - np.where(self.set_points.beyond, HARD_K, 0.0)

    def _run(self, outdoor_c: FloatArray, cold: BoolArray) -> None:
        given = self._building
        need = (given["set_c"] - outdoor_c) / (given["set_c"] - given["design_c"])
        curve_c = given["set_c"] + (given["flow_design_c"] - given["set_c"]) * np.clip(need, 0, 1)
        flow_c = np.where(
            self._to_tank, self.tank.t_c + _FLOW_ABOVE_TANK_K, np.maximum(curve_c, _LEAST_FLOW_C)
        )
        source_c = np.where(self._source > 0, self._brine_c, outdoor_c)
        share, cop = performance(self._source, source_c, flow_c, outdoor_c)
        machine_w = np.where(self.on, share * self.rated_w, 0.0)
        scant = self._to_tank & (self.tank.t_c < self._plate["useful_c"])
        rod_w = np.where(self.on & (scant | (cold & ~self._to_tank)), self.rod_w, 0.0)
        self.p_w, self.heat_w = machine_w + rod_w, machine_w * cop + rod_w
        self.q_var = machine_w * self._tan_phi

    def _hot_water(self, now: Now) -> FloatArray:
        """Return the heat drawn as water: no more than what brings the tank down to cold."""
        slot = min(now.slot, len(self._draw_w) - 1)
        span_h = max(now.until_ms - now.t_ms, 1) / _MS_PER_H
        above_wh = self.tank.c_wh_per_k * (self.tank.t_c - self._plate["cold_c"])
        drawn_w: FloatArray = np.minimum(self._draw_w[slot], np.maximum(above_wh, 0.0) / span_h)
        return drawn_w

    @property
    def due_ms(self) -> int:
        """Nothing happens between two decisions."""
        return NEVER_MS

    def rows(self) -> dict[str, FloatArray]:
        """Return the columns of table ``thermal`` for the interval that ends now."""
        return {**self.comfort.take(), "tank_c": self.tank.t_c}


def _house(given: dict[str, FloatArray]) -> TwoNodes:
    """Return the buildings; the path through the mass is split so that the whole loss is right."""
    one = given["c_mass_wh_per_k"] == 0
    loss, coupling = given["heat_loss_w_per_k"], given["coupling_w_per_k"]
    through = loss * (1 - given["direct_share"])
    outer = through * coupling / np.where(one, 1.0, coupling - through)
    c_mass = np.where(one, _NO_MASS_WH_PER_K, given["c_mass_wh_per_k"])
    # in balance with a heated air at the start, outdoors taken at the design's middle
    share = outer / (coupling + outer)
    middle_c = (given["set_c"] + given["design_c"]) / 2
    mass_c = np.where(one, 0.0, given["initial_c"] - share * (given["initial_c"] - middle_c))
    return TwoNodes(
        (given["c_air_wh_per_k"], c_mass),
        np.where(one, loss, loss * given["direct_share"]),
        np.where(one, 0.0, coupling),
        np.where(one, 0.0, outer),
        (given["initial_c"], mass_c),
    )
