"""What feeds in during a short circuit: converters, limited in current."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fernwatt.gridmodel.faults.network import Bridges
from fernwatt.gridmodel.linetypes import ComplexArray
from fernwatt.gridmodel.model import FloatArray
from fernwatt.gridmodel.solvers.state import BoolArray

__all__ = ["Infeed"]

_TURN = np.exp(2j * np.pi / 3.0 * np.arange(3))
_CLOSE = 1e-9
_QUICK = (12, 1.0)  # rounds, and how much of the step each takes
_PATIENT = (60, 0.5)


@dataclass(frozen=True, slots=True)
class Infeed:
    """How converters behave: at present power up to ``limit`` times its current at nominal voltage.

    Below ``cut_off_pu`` of the nominal voltage they stop.
    """

    limit: float = 1.2
    cut_off_pu: float = 0.15


class Converters:
    """Those loads that feed in, at one phase each or (between phases) with a positive sequence.

    ``power[n]`` [VA] is what each load draws before the short circuit.
    """

    def __init__(self, bridges: Bridges, power: ComplexArray, rule: Infeed) -> None:
        self._rule = rule
        load = bridges.load[: bridges.single]
        self._single = np.flatnonzero(power[load].real < 0.0)
        self._a, self._b = bridges.a[self._single], bridges.b[self._single]
        self._three = np.flatnonzero(power[bridges.three].real < 0.0)
        self._nodes = bridges.three_nodes[self._three]
        single, three = load[self._single], bridges.three[self._three]
        self.load = np.concatenate((single, three))
        self._s = np.concatenate((power[single], power[three] / 3.0))
        many = np.searchsorted(bridges.load[bridges.single :: 3], three) if len(three) else three
        vn_three = bridges.vn_v[bridges.single :: 3][many] / np.sqrt(3.0)
        self._vn_v = np.concatenate((bridges.vn_v[self._single], vn_three))
        self._rated_a = np.abs(self._s) / self._vn_v
        self._on = np.ones(len(self._s), dtype=bool)
        self.i = np.zeros(len(self._s), dtype=complex)

    def at(self, v: ComplexArray) -> ComplexArray:
        """Return their voltages [V]: phase to neutral, or the positive sequence of the phases."""
        positive = (v[self._nodes] * _TURN).sum(axis=1) / 3.0
        out: ComplexArray = np.concatenate((v[self._a] - v[self._b], positive))
        return out

    def wanted(self, v: ComplexArray) -> ComplexArray:
        """Return the currents [A] they draw at node voltages ``v``, those that are on."""
        at = self.at(v)
        size = np.maximum(np.abs(at), 1e-9)
        most = self._rule.limit / self._vn_v
        out: ComplexArray = self._on * self._s.conj() * np.minimum(1.0 / size, most) * at / size
        return out

    def power(self, v: ComplexArray) -> ComplexArray:
        """Return what they draw [VA]."""
        three = np.arange(len(self._s)) >= len(self._a)
        out: ComplexArray = self.at(v) * self.i.conj() * np.where(three, 3.0, 1.0)
        return out

    def inject(self, into: ComplexArray, i: ComplexArray) -> None:
        """Add what they give to the nodes ``into`` when they draw ``i``."""
        single = i[: len(self._a)]
        np.subtract.at(into, self._a, single)
        np.add.at(into, self._b, single)
        np.subtract.at(into, self._nodes, i[len(self._a) :, None] * _TURN.conj())

    def settle(
        self, v: ComplexArray, solve: Callable[[ComplexArray], ComplexArray]
    ) -> ComplexArray:
        """Return the voltages at which currents and voltages agree; ``solve`` gives v for i.

        Each round takes the currents that the voltages of the last one ask for. When they agree,
        those below the cut-off voltage stop, for good, and it goes on. Where they do not come to
        rest, nothing but their own current holds the angle: those below the cut-off voltage stop,
        else those that move most, as a converter does that loses its synchronism.
        """
        self._on[:] = True
        self.i = self.wanted(v)
        while True:
            v, moved = self._agree(solve, *_QUICK)
            stop = self._below(v)
            if moved.any():
                stop &= moved > _CLOSE
                if not stop.any():
                    v, moved = self._agree(solve, *_PATIENT)
                    stop = moved > 0.5 * moved.max() if moved.any() else self._below(v)
            if not stop.any():
                return v
            self._on &= ~stop
            self.i[stop] = 0.0

    def _below(self, v: ComplexArray) -> BoolArray:
        below: BoolArray = self._on & (np.abs(self.at(v)) < self._rule.cut_off_pu * self._vn_v)
        return below

    def _agree(
        self, solve: Callable[[ComplexArray], ComplexArray], rounds: int, step: float
    ) -> tuple[ComplexArray, FloatArray]:
        """Return the voltages after the last round, and by how much currents still move [pu]."""
        v = solve(self.i)
        for _ in range(rounds):
            change = self.wanted(v) - self.i
            moved = np.abs(change) / self._rated_a
            if not (moved > _CLOSE).any():
                break
            self.i += step * change
            v = solve(self.i)
        else:
            return v, moved
        return v, np.zeros(len(self.i))
