"""Ten minutes of every bus: r.m.s. voltage, unbalance, flicker, from the states that hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.model import FloatArray
from fernwatt.gridmodel.solvers import BoolArray, GridState
from fernwatt.quality import flicker_s, short_term_flicker, unbalance_percent

__all__ = ["Collector", "TenMinutes", "bus_voltages"]

_NORMAL_PU = (0.9, 1.1)
_LOW_V = 1000.0


def bus_voltages(state: GridState, vn_v: FloatArray) -> FloatArray:
    """Return phase-to-neutral voltages ``[n_buses, 3]`` [pu], 0 without supply."""
    if state.conductors is not None:
        by_phase: FloatArray = np.nan_to_num(state.conductors.v_bus_v) / vn_v[:, None]
        return by_phase
    mean = np.where(state.energised, state.vm_pu, 0.0)
    return np.repeat(np.nan_to_num(mean)[:, None], 3, axis=1)


@dataclass(frozen=True, slots=True)
class TenMinutes:
    """Values of all buses: ``u_pu[n, 3]``, ``pst[n, 3]``; unbalance ``[n]``, NaN where dead.

    ``flagged[n]``: a phase was below 0.9 or above 1.1 pu at some instant, so that the
    values say little (IEC 61000-4-30).
    """

    u_pu: FloatArray
    u2_percent: FloatArray
    u0_percent: FloatArray
    pst: FloatArray
    flagged: BoolArray


class Collector:
    """Collects states; ``end`` gives what they came to, and begins anew.

    Means are r.m.s. values over time. Each change of the voltage that leaves it within 0.9 to
    1.1 pu counts as a step for the flicker.
    """

    def __init__(self, model: GridModel) -> None:
        nominal = np.array([bus.vn_v for bus in model.buses])
        self._low, self._vn_v = nominal <= _LOW_V, nominal / np.sqrt(3.0)
        n = len(nominal)
        self._u_pu, self._known = np.zeros((n, 3)), False
        self._uneven = np.full((2, n), np.nan)
        self._since_us = self._begin_us = 0
        self._flagged = np.zeros(n, dtype=bool)
        self._restart()

    def hold(self, t_us: int, state: GridState) -> FloatArray:
        """Let a state hold from ``t_us`` on; return its voltages ``[n_buses, 3]`` [pu]."""
        self._count(t_us)
        u_pu = bus_voltages(state, self._vn_v)
        normal = _is_normal(u_pu)
        if self._known:
            steps = flicker_s(100.0 * (u_pu - self._u_pu))
            self._flicker_s += np.where(normal & _is_normal(self._u_pu), steps, 0.0)
        self._flagged |= ~normal.all(axis=1)
        self._u_pu, self._known = u_pu, True
        self._uneven = self._unbalance(state)
        return u_pu

    def end(self, t_us: int) -> TenMinutes:
        """Return what the time until ``t_us`` came to."""
        self._count(t_us)
        span_us = float(t_us - self._begin_us)
        live_us = np.where(self._live_us > 0, self._live_us, np.nan)
        u2, u0 = np.sqrt(self._uneven_squares / live_us)
        done = TenMinutes(
            u_pu=np.sqrt(self._squares / span_us), u2_percent=u2, u0_percent=u0,
            pst=short_term_flicker(self._flicker_s, span_us * 1e-6), flagged=self._flagged,
        )  # fmt: skip
        self._begin_us = t_us
        self._restart()
        return done

    def _restart(self) -> None:
        n = len(self._vn_v)
        self._squares, self._flicker_s = np.zeros((n, 3)), np.zeros((n, 3))
        self._uneven_squares, self._live_us = np.zeros((2, n)), np.zeros(n)
        self._flagged = np.asarray(self._known & ~_is_normal(self._u_pu).all(axis=1))

    def _count(self, t_us: int) -> None:
        span_us = t_us - self._since_us
        self._since_us = t_us
        if span_us > 0 and self._known:
            self._squares += self._u_pu**2 * span_us
            live = ~np.isnan(self._uneven[0])
            self._live_us += live * float(span_us)
            self._uneven_squares += np.nan_to_num(self._uneven) ** 2 * span_us

    def _unbalance(self, state: GridState) -> FloatArray:
        """Return negative and zero sequence [%], ``[2, n_buses]``, NaN where dead."""
        if state.conductors is None:
            return np.where(state.energised, np.zeros((2, 1)), np.nan)
        v = state.conductors.v_node_v
        neutral = np.where(self._low, v[:, 3], 0.0)
        both = np.stack(unbalance_percent(v[:, :3] - neutral[:, None]))
        return np.where(state.energised, both, np.nan)


def _is_normal(u_pu: FloatArray) -> BoolArray:
    least, most = _NORMAL_PU
    return np.asarray((u_pu >= least) & (u_pu <= most))
