"""Voltages along lighting cables: phases and neutral, luminaires in a row, all feeders at once.

Feeders are rows of equal length; where a feeder is shorter, the rest has no lamps. Section j
leads to luminaire j. Its phase conductors carry what the luminaires from j on draw from that
phase, its neutral carries all of it back. Mutual coupling between conductors is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fernwatt.errors import ConvergenceError

__all__ = ["ComplexArray", "Flow", "Ladder"]

ComplexArray = NDArray[np.complex128]
IntArray = NDArray[np.int64]
_TOLERANCE_V = 1e-7
_ITERATIONS, _LEAST_STEP = 400, 1.0 / 8.0


@dataclass(frozen=True, slots=True)
class Flow:
    """A solved state.

    ``v_v[f, j]`` is the voltage between phase and neutral at luminaire j, ``section_a[f, j, 3]``
    the current into section j, ``node_v[f, j, 3]`` the voltages of the three phases to neutral
    at the beginning of section j; ``s_va[f, 3]`` is drawn from each phase at the head.
    """

    v_v: ComplexArray
    section_a: ComplexArray
    node_v: ComplexArray
    s_va: ComplexArray


class Ladder:
    """Cables of feeders: impedances [ohm] of each section, the phase (0, 1, 2) of each lamp."""

    def __init__(self, phase_ohm: ComplexArray, neutral_ohm: ComplexArray, phase: IntArray) -> None:
        self._phase_ohm, self._neutral_ohm = phase_ohm[:, :, None], neutral_ohm
        self._at = np.arange(3) == phase[:, :, None]  # [f, j, 3]
        self._own = np.arange(phase.size).reshape(phase.shape) * 3 + phase

    def solve(
        self, head_v: ComplexArray, power: Callable[[NDArray[np.float64]], ComplexArray]
    ) -> Flow:
        """Return the flow for head voltages ``[f, 3]`` and lamps that draw ``power(|V|)`` [VA].

        Where steps hardly shrink they are halved. Raises ConvergenceError where the
        cable cannot carry the lamps.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            drop_v, section_a = self._settle(head_v, power)
        nodes_v = head_v[:, None, :] - drop_v
        begin_v = np.concatenate((head_v[:, None, :], nodes_v[:, :-1]), axis=1)
        v_v = nodes_v.ravel()[self._own]
        s_va = head_v * np.conj(section_a[:, 0])
        return Flow(v_v, section_a, begin_v, s_va)

    def _settle(
        self, head_v: ComplexArray, power: Callable[[NDArray[np.float64]], ComplexArray]
    ) -> tuple[ComplexArray, ComplexArray]:
        """Return the voltages lost on the way ``[f, j, 3]`` and the currents into the sections."""
        drop_v = np.zeros((head_v.shape[0], *self._at.shape[1:]), dtype=complex)
        before_v, step = np.inf, 1.0
        for _ in range(_ITERATIONS):
            nodes_v = head_v[:, None, :] - drop_v
            v_v = nodes_v.ravel()[self._own]
            size_v = np.abs(v_v)
            i_a = np.conj(power(size_v) / np.where(size_v > 0, v_v, 1.0))
            section_a = _from_the_end(self._at * np.where(size_v > 0, i_a, 0.0)[:, :, None])
            back_v = self._neutral_ohm * section_a.sum(axis=2)
            fresh_v = np.cumsum(self._phase_ohm * section_a + back_v[:, :, None], axis=1)
            change_v = np.abs(fresh_v - drop_v).max(initial=0.0)
            if change_v < _TOLERANCE_V:
                return fresh_v, section_a
            if not np.isfinite(change_v):
                break
            if change_v > 0.8 * before_v and step > _LEAST_STEP:
                step /= 2.0
            before_v = change_v
            drop_v = fresh_v if step == 1.0 else drop_v + step * (fresh_v - drop_v)
        raise ConvergenceError("a lighting cable cannot carry its lamps")


def _from_the_end(values: ComplexArray) -> ComplexArray:
    summed: ComplexArray = np.cumsum(values[:, ::-1], axis=1)[:, ::-1]
    return summed
