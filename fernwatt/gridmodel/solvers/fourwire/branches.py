"""Currents of branches, from node voltages and the admittances that OpenDSS has of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from fernwatt.gridmodel.linetypes import ComplexArray
from fernwatt.gridmodel.solvers.fourwire.circuit import Circuit

__all__ = ["Branches", "IntArray", "node_rows"]

IntArray = npt.NDArray[np.int64]
_ENDS = 8  # two ends of four conductors


def node_rows(circuit: Circuit) -> IntArray:
    """Return where nodes 1 to 4 of each bus are among the voltages: ``[n, 4]``, 0 for none."""
    found = np.zeros((len(circuit.vn_v), 4), dtype=np.int64)
    for number, name in enumerate(circuit.dss.YNodeOrder):
        bus, node = name.split(".")
        found[int(bus[1:]), int(node) - 1] = number + 1
    return found


class Branches:
    """Lines, transformers and bus-bus switches, one after another.

    Columns 0 to 3 of ``nodes[n, 8]`` are phases 1, 2, 3 and neutral of the first end, 4 to 7 of
    the second; ``parts`` says which branches are of which kind. ``rows`` are those of
    ``node_rows``.
    """

    def __init__(self, circuit: Circuit, names: dict[str, list[str]], rows: IntArray) -> None:
        self._circuit, self.rows = circuit, rows
        self._names = [name for part in names.values() for name in part]
        self.parts: dict[str, slice] = {}
        begin = 0
        for kind, part in names.items():
            self.parts[kind] = slice(begin, begin + len(part))
            begin += len(part)
        self.nodes = np.zeros((begin, _ENDS), dtype=np.int64)
        self._y = np.zeros((begin, _ENDS, _ENDS), dtype=complex)
        self._shunts: dict[int, ComplexArray] = {}
        self._read(range(begin))

    @property
    def admittances(self) -> ComplexArray:
        """Admittances ``[n, 8, 8]`` [S] in the order of ``nodes``, as they are now."""
        return self._y

    def read(self, changed: Mapping[str, Iterable[int]]) -> None:
        """Take over the admittances of some branches as OpenDSS has them now."""
        for kind, numbers in changed.items():
            self._read(self.parts[kind].start + number for number in sorted(numbers))

    def _read(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            places, nodes, y = self._element(self._names[number])
            self.nodes[number, places] = nodes
            self._y[number] = 0.0
            self._y[number][np.ix_(places, places)] = y
            self._y[number] += self._shunts.get(number, 0.0)

    def add_shunt(self, kind: str, row: int, names: Iterable[str]) -> None:
        """Count other elements at a branch's ends as part of it, as they are now."""
        number = self.parts[kind].start + row
        own = {int(node): place for place, node in enumerate(self.nodes[number]) if node}
        shunt = np.zeros((_ENDS, _ENDS), dtype=complex)
        for name in names:
            _, nodes, y = self._element(name)
            for a, one in enumerate(nodes):
                for b, other in enumerate(nodes):
                    if one and other:
                        shunt[own[one], own[other]] += y[a, b]
        self._y[number] += shunt - self._shunts.get(number, 0.0)
        self._shunts[number] = shunt

    def currents(self, v: ComplexArray) -> ComplexArray:
        """Return what flows into the branches, ``[n, 8]`` [A], at their ends' voltages ``v``."""
        out: ComplexArray = np.matmul(self._y, v[:, :, None])[:, :, 0]
        return out

    def _element(self, name: str) -> tuple[list[int], list[int], ComplexArray]:
        dss = self._circuit.dss
        dss.SetActiveElement(name)
        element: Any = dss.ActiveCktElement
        size = element.NumTerminals * element.NumConductors
        y = np.asarray(element.Yprim).view(complex).reshape(size, size).T
        order, buses = list(element.NodeOrder), list(element.BusNames)
        places, nodes = [], []
        for number, node in enumerate(order):
            end, wire = divmod(number, element.NumConductors)
            bus = int(buses[end].split(".")[0][1:])
            known = 1 <= node <= 4 and self.rows[bus, node - 1] > 0
            places.append(4 * end + (node - 1 if known else wire))
            nodes.append(int(self.rows[bus, node - 1]) if known else 0)
        return places, nodes, y
