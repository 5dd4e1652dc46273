"""A line with short circuits on it: split there, and seen from its two ends again.

The pieces are pi-sections by their length. What lies between the ends is eliminated, so that the
grid's matrix keeps its order and its pattern whatever the faults are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fernwatt.gridmodel.linetypes import ComplexArray
from fernwatt.gridmodel.model import FloatArray
from fernwatt.gridmodel.solvers.state import BoolArray

__all__ = ["Point", "Span", "split"]

_AT_END = 1e-9
_HELD_S = 1e-12  # holds what nothing else would; OpenDSS's own is as small


@dataclass(frozen=True, slots=True)
class Span:
    """A line: ``z_ohm[w, w]`` in series, ``y_siemens[w, w]`` across, of ``w`` conductors.

    ``open_[2, w]``: conductors that switches interrupt at either end; ``broken[w]``: those that
    are torn, at the first point.
    """

    z_ohm: ComplexArray
    y_siemens: ComplexArray
    open_: BoolArray
    broken: BoolArray


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a line, and the loops ``incidence[4, k]`` of what is short-circuited there.

    ``side``: which piece of a torn conductor touches, 0 the one towards the from bus.
    """

    position: float
    side: int
    incidence: FloatArray


@dataclass(frozen=True, slots=True)
class Split:
    """What a split line is to the grid: ``y[8, 8]`` [S] of its ends, as ``Branches`` has it.

    Currents ``j[k]`` in the loops add ``reach[8, k] @ j`` to what flows into the ends; their
    voltage is ``reach.T @ v - z_ohm[k, k] @ j``.
    """

    y: ComplexArray
    reach: ComplexArray
    z_ohm: ComplexArray


def split(span: Span, points: Sequence[Point]) -> Split:
    """Return a line with short circuits at ``points``, in ascending order of position."""
    w = len(span.z_ohm)
    chain = _Chain(span, points)
    ends, inner = np.arange(2 * w), np.arange(2 * w, chain.count)
    y, c = chain.admittances(), chain.incidence(points)
    at = np.concatenate((np.arange(w), 4 + np.arange(w)))
    z_inner = np.linalg.inv(y[np.ix_(inner, inner)])
    across = y[np.ix_(ends, inner)] @ z_inner
    y_ends, reach = np.zeros((8, 8), dtype=complex), np.zeros((8, c.shape[1]), dtype=complex)
    y_ends[np.ix_(at, at)] = y[np.ix_(ends, ends)] - across @ y[np.ix_(inner, ends)]
    reach[at] = c[ends] - across @ c[inner]
    z_ohm: ComplexArray = np.array(c[inner].T @ z_inner @ c[inner], dtype=complex)
    return Split(y_ends, reach, z_ohm)


class _Chain:
    """Nodes of a split line: 0 to w-1 its from end, w to 2w-1 its to end, then those between.

    ``left[s]``, ``right[s]``: the nodes at station s, towards the from and the to bus.
    """

    def __init__(self, span: Span, points: Sequence[Point]) -> None:
        w = len(span.z_ohm)
        self._span, self.count = span, 2 * w
        begin = self._end(np.arange(w), span.open_[0])
        end = self._end(np.arange(w, 2 * w), span.open_[1])
        self._at, self._left, self._right = [0.0], [begin], [begin]
        for number, point in enumerate(points):
            broken = span.broken if number == 0 else np.zeros(w, dtype=bool)
            self._station(point.position, broken, end)
        self._at.append(1.0)
        self._left.append(end)
        self._right.append(end)

    def _end(self, outside: np.ndarray, open_: BoolArray) -> np.ndarray:
        return np.where(open_, self._new(len(open_)), outside)

    def _new(self, w: int) -> np.ndarray:
        self.count += w
        return np.arange(self.count - w, self.count)

    def _station(self, position: float, broken: BoolArray, end: np.ndarray) -> None:
        w = len(broken)
        before = self._right[-1]
        if position - self._at[-1] < _AT_END:
            position, left = self._at[-1], before
        else:
            left = self._new(w)
        right = np.where(broken, self._new(w), left)
        if 1.0 - position < _AT_END:
            position = 1.0
            left, right = np.where(broken, left, end), end
        self._at.append(position)
        self._left.append(left)
        self._right.append(right)

    def admittances(self) -> ComplexArray:
        """Return the admittances of all nodes [S]."""
        y = np.zeros((self.count, self.count), dtype=complex)
        one = np.linalg.inv(self._span.z_ohm)
        for s in range(len(self._at) - 1):
            share = self._at[s + 1] - self._at[s]
            if share < _AT_END:
                continue
            series, half = one / share, self._span.y_siemens * (share / 2.0)
            a, b = self._right[s], self._left[s + 1]
            y[np.ix_(a, a)] += series + half
            y[np.ix_(b, b)] += series + half
            y[np.ix_(a, b)] -= series
            y[np.ix_(b, a)] -= series
        inner = np.arange(2 * len(one), self.count)
        y[inner, inner] += _HELD_S
        return y

    def incidence(self, points: Sequence[Point]) -> FloatArray:
        """Return the loops of all points by node."""
        w = len(self._span.z_ohm)
        columns = []
        for s, point in enumerate(points, start=1):
            nodes = self._right[s] if point.side else self._left[s]
            c = np.zeros((self.count, point.incidence.shape[1]))
            c[nodes] = point.incidence[:w]
            columns.append(c)
        return np.concatenate(columns, axis=1)
