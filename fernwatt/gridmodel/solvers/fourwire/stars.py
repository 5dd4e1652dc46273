"""Star-points of medium voltage: where its neutral is earthed, and over what."""

from __future__ import annotations

from math import pi

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.linetypes import LineConductors
from fernwatt.gridmodel.model import FloatArray, GridModel
from fernwatt.gridmodel.raw import rows

__all__ = ["star_points"]

IntArray = npt.NDArray[np.int64]

_SOLID_OHM = 1e-3
_COIL_LOSS = 0.025
"""Resistance by reactance of a coil: 2 to 3 % of its current is active (recalled)."""


def star_points(
    model: GridModel, lines: LineConductors, earthing: Earthing
) -> list[tuple[int, complex]]:
    """Return rows of buses with an earthed star-point, and its zero-sequence impedance [ohm].

    Medium voltage below a delta winding is earthed as by an earthing transformer. Coils are tuned
    to the lines that they are joined with in the record's position of switches; where
    several are joined they share it evenly.
    """
    low = model.net.bus["vn_kv"].to_numpy(float) <= 1.0
    at = [
        int(row.lv_bus)
        for row in rows(model.net.trafo)
        if not low[row.lv_bus] and "d" in str(row.vector_group)
    ]
    if earthing.mv_neutral == "isolated":
        return []
    if earthing.mv_neutral == "solid":
        return [(bus, complex(_SOLID_OHM)) for bus in at]
    if earthing.mv_neutral == "resistance":
        return [(bus, complex(3.0 * earthing.mv_ohm)) for bus in at]
    section, c0_nf = _sections(model, lines)
    found = []
    for bus in at:
        joined = sum(section[other] == section[bus] for other in at)
        if c0_nf[section[bus]] > 0:
            x_ohm = joined * 1e9 / (2 * pi * float(model.net.f_hz) * c0_nf[section[bus]])
            found.append((bus, complex(_COIL_LOSS * x_ohm, x_ohm)))
    return found


def _sections(model: GridModel, lines: LineConductors) -> tuple[IntArray, FloatArray]:
    """Return the section that each bus belongs to, and the sections' capacitance [nF].

    A line that is open at one end belongs to the section at its other one.
    """
    ends = model.net.line[["from_bus", "to_bus"]].to_numpy(int)
    closed = np.ones(ends.shape, dtype=bool)
    pairs = []
    for row, switch in zip(rows(model.net.switch), model.switches, strict=True):
        if row.et == "b" and switch.closed:
            pairs.append((row.bus, row.element))
        elif row.et == "l" and not switch.closed:
            closed[row.element, int(ends[row.element, 0] != row.bus)] = False
    whole = closed.all(axis=1)
    a, b = np.concatenate((ends[whole], np.array(pairs, dtype=int).reshape(-1, 2))).T
    n = len(model.buses)
    graph = coo_matrix((np.ones(len(a)), (a, b)), shape=(n, n))
    section = np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
    live = closed.any(axis=1)
    at = section[np.where(closed[:, 0], ends[:, 0], ends[:, 1])]
    c0_nf = lines.c0_nf_per_km * model.net.line["length_km"].to_numpy(float)
    return section, np.bincount(at[live], c0_nf[live], minlength=n).astype(float)
