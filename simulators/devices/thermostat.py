"""Thermostatic devices: refrigerators, electric boilers, anything of one temperature.

``C dT/dt = -U (T - T_s) + heat - draw``, with heat = ± COP times the electrical power, solved in
closed form. The thermostat switches at its set-point plus or minus a half width, and keeps least
times on and off. A set-point asks a device to run (half its power or more) or to wait (less); it
does so as long as the temperature will be within its limits at the next decision.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from simulators.devices.bands import Bands
from simulators.devices.group import Change, Now
from simulators.devices.heat_specs import ThermostatSpec
from simulators.devices.setpoints import NEVER_MS, SetPoints
from simulators.devices.specbase import FloatArray
from simulators.devices.thermal import Comfort, OneNode

__all__ = ["ThermostatFleet"]

_MS_PER_H = 3.6e6
_DECIDED = ("on", "_called", "_since_ms", "p_w", "q_var", "_draw_w")


class ThermostatFleet:
    """All thermostatic devices of a run, in arrays of length n.

    ``body`` holds their temperatures. Energy is kept: what is drawn is stored (as heat, or as
    cold), lost (less what a cooling machine or heat pump brings in) or served as hot water.
    """

    periodic = True

    def __init__(self, specs: Sequence[ThermostatSpec]) -> None:
        def column(name: str) -> FloatArray:
            return np.array([getattr(spec, name) for spec in specs], dtype=float)

        n = len(specs)
        self.rated_w, self.cop = column("p_rated_w"), column("cop")
        self.sign = np.where(np.array([spec.cools for spec in specs], dtype=bool), -1.0, 1.0)
        self._tan_phi = np.tan(np.arccos(column("cos_phi")))
        self._around_c, self._set_c = column("surroundings_c"), column("set_c")
        self._cold_c = column("cold_c")
        low_c, high_c = column("low_c"), column("high_c")
        self.bands = Bands(self._set_c, column("switch_k"), low_c, high_c)
        heats = self.sign > 0
        # along y = sign (T - set) a device that runs always goes up
        self._least_k = np.where(heats, low_c - self._set_c, self._set_c - high_c)
        self._most_k = np.where(heats, high_c - self._set_c, self._set_c - low_c)
        self._zero_c = np.where(heats, self._cold_c, high_c)
        self._min_ms = tuple(column(name) * 1000 for name in ("min_off_s", "min_on_s"))
        draws = [spec.hot_water_w for spec in specs]
        self._draws_w = np.array(draws, dtype=float).reshape(n, -1).T.copy()
        self.body = OneNode(column("c_wh_per_k"), column("loss_w_per_k"), column("initial_c"))
        self.comfort = Comfort(low_c, high_c, self.body.t_c)
        self.p_w, self.q_var, self._draw_w = np.zeros(n), np.zeros(n), np.zeros(n)
        self.served_wh = np.zeros(n)
        self.on, self._called = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        self._since_ms = np.full(n, -(2**40), dtype=np.int64)
        self.set_points = SetPoints(n)

    def draw(self, t_ms: int, span_ms: int) -> tuple[FloatArray, FloatArray]:  # noqa: ARG002
        """Let everything hold for ``span_ms``; return the energy drawn and lost [Wh]."""
        h = span_ms / _MS_PER_H
        heat_w = self.sign * self.cop * self.p_w - self._draw_w
        out_wh = self.body.advance(h, self._around_c, heat_w)
        self.served_wh = self.served_wh + self._draw_w * h
        self.comfort.follow(span_ms, self.body.t_c)
        drawn_wh = self.p_w * h
        return drawn_wh, self.sign * out_wh - (self.cop - 1.0) * drawn_wh

    @property
    def stored_wh(self) -> FloatArray:
        """Heat above cold water, or cold below the upper limit [Wh]."""
        stored: FloatArray = self.body.c_wh_per_k * self.sign * (self.body.t_c - self._zero_c)
        return stored

    def decide(self, now: Now) -> list[Change]:
        """Work out what runs from now on."""
        before = {name: getattr(self, name) for name in _DECIDED}
        span_h = max(now.until_ms - now.t_ms, 1) / _MS_PER_H
        slot = min(now.slot, len(self._draws_w) - 1)
        above_wh = self.body.c_wh_per_k * (self.body.t_c - self._cold_c)
        self._draw_w = np.minimum(self._draws_w[slot], np.maximum(above_wh, 0.0) / span_h)
        y_k = self.sign * (self.body.t_c - self.bands.set_c)
        half_k = self.bands.switch_k
        self._called = (y_k < -half_k) | (self._called & (y_k < half_k))
        ordered = self.set_points.present
        on = np.where(ordered, self._asked(span_h), self._called) if ordered.any() else self._called
        held_ms = now.t_ms - self._since_ms
        stays = held_ms < np.where(self.on, self._min_ms[1], self._min_ms[0])
        on = np.where(stays, self.on, on) & now.live
        self._since_ms = np.where(on != self.on, now.t_ms, self._since_ms)
        self.on, self.p_w = on, np.where(on, self.rated_w, 0.0)
        self.q_var = self.p_w * self._tan_phi
        for name, old in before.items():
            setattr(self, name, np.where(now.due, getattr(self, name), old))
        return []

    def _asked(self, span_h: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return who runs where a set-point asks for it, within the limits."""
        heat_w = self.sign * self.cop * self.rated_w
        ends_k = [
            self.sign
            * (self.body.ahead(span_h, self._around_c, given - self._draw_w) - self._set_c)
            for given in (heat_w, np.zeros_like(heat_w))
        ]
        runs = self.set_points.p_w >= self.rated_w / 2
        asked: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.where(
            runs, ends_k[0] <= self._most_k, ends_k[1] < self._least_k
        )
        return asked

    @property
    def due_ms(self) -> int:
        """Nothing happens between two decisions."""
        return NEVER_MS

    def rows(self) -> dict[str, FloatArray | list[None]]:
        """Return the columns of table ``thermal`` for the interval that ends now."""
        return {**self.comfort.take(), "tank_c": [None] * len(self.p_w)}
