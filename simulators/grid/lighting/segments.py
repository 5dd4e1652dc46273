"""Segments of lighting feeders: what flows at their heads, and what the recorder keeps of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.grid.lighting.ladder import ComplexArray, Flow
from simulators.grid.lighting.lamps import FloatArray
from simulators.grid.lighting.specs import FeederSpec

__all__ = ["SegmentValues", "Segments", "SensorValues"]

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SensorValues:
    """What flows at the head of each segment: ``[f, s, 3]``, 0 where a feeder has no such one."""

    v_v: ComplexArray
    i_a: ComplexArray


@dataclass(frozen=True, slots=True)
class SegmentValues:
    """What happens in each segment, ``[s]``.

    ``s_va``: drawn by its lamps and its part of the cable; ``v_end_v``: voltage at its last
    luminaire; ``on``: whether its feeder is switched on; ``due``: luminaires that ought to burn
    by plan or command; ``lit``: that do burn; ``dark``: that ought to and do not.
    """

    s_va: ComplexArray
    v_end_v: FloatArray
    on: BoolArray
    due: FloatArray
    lit: FloatArray
    dark: FloatArray


class Segments:
    """All segments, feeder by feeder, each from its head on.

    Arrays ``[s]``: ``row`` of the feeder, ``number`` in it, ``first`` and ``last`` luminaire, their
    ``count``; ``shape`` is that of feeders and segments.
    """

    def __init__(self, feeders: Sequence[FeederSpec], most: int) -> None:
        self._of = np.zeros((len(feeders), most), dtype=np.int64)
        places: list[tuple[int, int, int, int]] = []
        for row, feeder in enumerate(feeders):
            first = 0
            for number, segment in enumerate(feeder.segments):
                self._of[row, first : first + segment.count] = len(places)
                places.append((row, number, first, first + segment.count - 1))
                first += segment.count
        table = np.array(places, dtype=np.int64).reshape(-1, 4)
        self.row, self.number, self.first, self.last = table.T
        self.count = self.last - self.first + 1
        self.shape = (len(feeders), max((len(f.segments) for f in feeders), default=0))
        self.ids = [f"{f.id}/segment-{n + 1}" for f in feeders for n in range(len(f.segments))]
        self._goes_on = np.append(self.row[1:] == self.row[:-1], False)[: len(places)]

    def heads(self, flow: Flow, cut: IntArray) -> tuple[ComplexArray, ComplexArray]:
        """Return current and voltage at the heads, ``[s, 3]``; ``cut[f]`` is the first luminaire
        that its cable does not reach.
        """
        reached = self.first <= cut[self.row]
        i_a = flow.section_a[self.row, self.first]
        return i_a, flow.node_v[self.row, self.first] * reached[:, None]

    def table(self, flow: Flow, cut: IntArray) -> SensorValues:
        """Return the same by feeder and segment."""
        v_v, i_a = (np.zeros((*self.shape, 3), dtype=complex) for _ in range(2))
        at = self.row, self.number
        i_a[at], v_v[at] = self.heads(flow, cut)
        return SensorValues(v_v, i_a)

    def values(
        self, flow: Flow, cut: IntArray, on: BoolArray, wanted: BoolArray, lit: BoolArray
    ) -> SegmentValues:
        """Return what happens in each segment; ``on``, ``wanted`` ``[f]``, ``lit`` ``[f, j]``."""
        i_a, v_v = self.heads(flow, cut)
        s_va = (v_v * i_a.conj()).sum(axis=1)
        s_va -= np.where(self._goes_on, np.roll(s_va, -1), 0.0)
        end_v = np.where(self.last < cut[self.row], np.abs(flow.v_v[self.row, self.last]), 0.0)
        burn = np.bincount(self._of[lit], minlength=len(self.row)).astype(float)
        due = np.where(wanted[self.row], self.count, 0.0)
        dark = np.where(wanted[self.row], self.count - burn, 0.0)
        return SegmentValues(s_va, end_v, on[self.row], due, burn, dark)
