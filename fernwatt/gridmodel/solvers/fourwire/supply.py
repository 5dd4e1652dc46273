"""What is supplied: conductors that switches open or that break, and what hangs on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from fernwatt.gridmodel.model import GridModel
from fernwatt.gridmodel.raw import rows
from fernwatt.gridmodel.solvers.state import BoolArray

__all__ = ["Conductors", "Supplied"]

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Supplied:
    """``live[n_buses, 3]``: phases that a source reaches. ``whole[n_buses]``: over sound elements.

    An element is sound unless some, but not all, of its conductors are interrupted.
    """

    live: BoolArray
    whole: BoolArray


class Conductors:
    """Which conductors are interrupted, at which end of which element.

    ``open`` maps ``line``, ``transformer`` and ``tie`` (a bus-bus switch) to ``[n, 2, 4]``: true
    where a conductor is interrupted at an end. Switches have three ``poles`` ``[n_switches, 3]``,
    true where closed; the neutral goes on.
    """

    def __init__(self, model: GridModel) -> None:
        net = model.net
        self._switch = list(rows(net.switch))
        closed = np.array([switch.closed for switch in model.switches], dtype=bool)
        self.poles = np.repeat(closed[:, None], 3, axis=1)
        self._ties = [n for n, row in enumerate(self._switch) if row.et == "b"]
        tie_row = {number: row for row, number in enumerate(self._ties)}
        self._place: list[tuple[str, int, int]] = []
        for number, row in enumerate(self._switch):
            if row.et == "b":
                self._place.append(("tie", tie_row[number], 0))
            else:
                kind, table, first = (
                    ("line", net.line, "from_bus") if row.et == "l"
                    else ("transformer", net.trafo, "hv_bus")
                )  # fmt: skip
                at_first = int(table[first].iloc[row.element]) == row.bus
                self._place.append((kind, int(row.element), 0 if at_first else 1))
        self.broken = np.zeros((len(net.line), 4), dtype=bool)
        self._line = net.line[["from_bus", "to_bus"]].to_numpy(int)
        self._trafo = net.trafo[["hv_bus", "lv_bus"]].to_numpy(int)
        pairs = [(self._switch[n].bus, self._switch[n].element) for n in self._ties]
        self._tie = np.array(pairs, dtype=int).reshape(len(pairs), 2)
        self._sources = net.ext_grid["bus"].to_numpy(int)
        self._n = len(net.bus)

    @property
    def ties(self) -> list[int]:
        """Numbers of the switches between two buses."""
        return self._ties

    def open(self) -> dict[str, BoolArray]:
        """Return the interrupted conductors of every element."""
        out = self.switched()
        out["line"][:, 0] |= self.broken
        return out

    def switched(self) -> dict[str, BoolArray]:
        """Return the conductors of every element that switches interrupt."""
        counts = {"line": len(self._line), "transformer": len(self._trafo), "tie": len(self._tie)}
        out = {kind: np.zeros((n, 2, 4), dtype=bool) for kind, n in counts.items()}
        for switch in np.flatnonzero(~self.poles.all(axis=1)):
            kind, row, end = self._place[switch]
            out[kind][row, end, :3] |= ~self.poles[switch]
        return out

    def supplied(self) -> Supplied:
        """Return what the sources reach."""
        gone: dict[str, BoolArray] = {
            kind: np.asarray(part.any(axis=1)) for kind, part in self.open().items()
        }
        torn = {kind: part | part.any(axis=1, keepdims=True) for kind, part in gone.items()}
        live, whole = (self._reached(part).reshape(self._n, 3) for part in (gone, torn))
        return Supplied(live, np.asarray(whole.any(axis=1)))

    def _reached(self, gone: dict[str, BoolArray]) -> BoolArray:
        phases = np.arange(3)
        edges = []
        for ends, open_ in ((self._line, gone["line"][:, :3]), (self._tie, gone["tie"][:, :3])):
            a, b = (3 * ends[:, side, None] + phases for side in (0, 1))
            edges.append(np.stack((a[~open_], b[~open_])))
        joined = ~gone["transformer"][:, :3].all(axis=1)
        hv, lv = self._trafo[joined, 0], self._trafo[joined, 1]
        # windings couple all phases: whatever reaches one of them reaches all
        edges.append(np.stack((np.repeat(3 * hv, 3), (3 * lv[:, None] + phases).ravel())))
        edges.append(np.stack((np.repeat(3 * lv, 3), (3 * hv[:, None] + phases).ravel())))
        a, b = np.concatenate(edges, axis=1)
        size = 3 * self._n
        graph = coo_matrix((np.ones(len(a)), (a, b)), shape=(size, size))
        part = connected_components(graph, directed=False)[1]
        sources = (3 * self._sources[:, None] + phases).ravel()
        return np.isin(part, part[sources])
