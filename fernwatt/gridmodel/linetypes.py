"""Line impedances by conductor: what the record's positive sequence leaves open.

The library ``linetypes.csv`` knows families of standard types, with sources. Self and mutual
impedances with earth return follow Carson's series, first term [1], at conductor ``i``::

    z_ii = r_i + r_e + j w' ln(D_e / GMR_i)      z_ij = r_e + j w' ln(D_e / D_ij)

with r_e = w mu0 / 8, w' = w mu0 / (2 pi), D_e = 658.5 m * sqrt(rho / f), rho = 100 ohm m. The
distance between phases is the one that gives the record's reactance. The positive sequence is
therefore exactly the record's, and the loop impedances depend on no assumption on the earth.

[1] J. R. Carson, Wave Propagation in Overhead Wires with Ground Return, BSTJ 5 (1926).
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import log, pi, sqrt

import numpy as np
import numpy.typing as npt

from fernwatt.gridmodel.model import FloatArray, GridModel
from fernwatt.gridmodel.raw import rows

__all__ = [
    "ComplexArray",
    "LineConductors",
    "LineType",
    "find_type",
    "is_overhead",
    "line_conductors",
]

ComplexArray = npt.NDArray[np.complex128]

_MU0 = 4e-7 * pi
_EARTH_OHM_M = 100.0
_ALUMINIUM = 28.3  # ohm mm² / km, EN 60889 at 20 °C
_COPPER = 17.8  # screens: ohm mm² / km
_SOLID = 0.7788  # GMR of a solid round conductor by its radius, e^(-1/4)
_SEMICONDUCTING_MM = 1.3


@dataclass(frozen=True, slots=True)
class LineType:
    """A standard type: ``section_mm2`` 0 where only its resistance tells.

    ``z0_ohm_per_km`` is the zero sequence as published, None where it has to be worked out.
    """

    family: str
    kind: str
    section_mm2: float
    neutral_share: float
    screen_mm2: float
    insulation_mm: float
    z0_ohm_per_km: complex | None
    source: str


@dataclass(frozen=True, slots=True)
class LineConductors:
    """Lines by conductor, per km of the whole line (parallel systems together).

    ``z_ohm_per_km[n, 4, 4]`` of phases 1, 2, 3 and neutral; the neutral's row and column are
    zero where ``four_wire[n]`` is false. ``c_nf_per_km[n]`` to earth of each conductor,
    ``c0_nf_per_km[n]`` the zero sequence's.
    ``unknown`` are the standard types that the library does not know.
    """

    z_ohm_per_km: ComplexArray
    c_nf_per_km: FloatArray
    c0_nf_per_km: FloatArray
    four_wire: npt.NDArray[np.bool_]
    unknown: tuple[str, ...]


@cache
def _library() -> list[tuple[re.Pattern[str], dict[str, str]]]:
    text = files("fernwatt.gridmodel").joinpath("linetypes.csv").read_text("utf-8")
    return [(re.compile(row["pattern"]), row) for row in csv.DictReader(text.splitlines())]


def is_overhead(std_type: str) -> bool:
    """Tell whether lines of a standard type hang in the air; unknown ones are taken as cables."""
    known = find_type(std_type)
    return known is not None and known.kind == "overhead"


def find_type(std_type: str) -> LineType | None:
    """Return what the library knows of a standard type, None for nothing."""
    for pattern, row in _library():
        found = pattern.match(std_type)
        if found:
            parts = found.groupdict()
            return LineType(
                family=row["family"],
                kind=row["kind"],
                section_mm2=float(parts.get("mm2") or 0.0),
                neutral_share=float(row["neutral_share"] or 0.0),
                screen_mm2=float(parts.get("screen") or row["screen_mm2"] or 0.0),
                insulation_mm=float(row["insulation_mm"] or 0.0),
                z0_ohm_per_km=_published(row["r0_ohm_per_km"], row["x0_ohm_per_km"]),
                source=row["source"],
            )
    return None


def _published(r0: str, x0: str) -> complex | None:
    return complex(float(r0), float(x0)) if r0 and x0 else None


def line_conductors(model: GridModel) -> LineConductors:
    """Return the lines of a grid by conductor.

    Lines up to 1 kV have four conductors. The record's own zero sequence, where it has one, wins
    over the library's: for four wires it is the impedance of phases with return in the neutral.
    """
    net, f_hz = model.net, float(model.net.f_hz)
    n = len(model.lines)
    low = net.bus["vn_kv"].to_numpy(float)[net.line["from_bus"].to_numpy(int)] <= 1.0
    z = np.zeros((n, 4, 4), dtype=complex)
    c1, c0, unknown = np.zeros(n), np.zeros(n), set()
    for number, (row, line) in enumerate(zip(rows(net.line), model.lines, strict=True)):
        known = find_type(line.std_type)
        if known is None:
            unknown.add(line.std_type)
        z1 = complex(row.r_ohm_per_km, row.x_ohm_per_km)
        z0 = complex(getattr(row, "r0_ohm_per_km", np.nan), getattr(row, "x0_ohm_per_km", np.nan))
        make = _four if low[number] else _three
        z[number] = make(z1, None if np.isnan(z0) else z0, known, f_hz) / row.parallel
        c1[number] = row.c_nf_per_km * row.parallel
        stated = getattr(row, "c0_nf_per_km", np.nan) * row.parallel
        overhead = known is not None and known.kind == "overhead"
        share = 0.5 if overhead and not low[number] else 1.0
        c0[number] = c1[number] * share if np.isnan(stated) else stated
    return LineConductors(z, c1, c0, low, tuple(sorted(unknown)))


def _four(z1: complex, z0: complex | None, known: LineType | None, f_hz: float) -> ComplexArray:
    """Return phases and neutral at equal distances, as in a cable of twisted cores."""
    w_km = _MU0 * f_hz * 1e3
    r_e = pi / 4 * _MU0 * f_hz * 1e3
    gmr_m = _SOLID * _radius_m(z1.real, known)
    own = complex(z1.real + r_e, w_km * log(_depth_m(f_hz) / gmr_m))
    mutual = own - z1
    if z0 is not None:
        neutral = mutual + (z0 - z1) / 3.0
    else:
        share = known.neutral_share if known is not None and known.neutral_share else 1.0
        neutral = own + complex(z1.real / share - z1.real, -w_km * log(sqrt(share)))
    z = np.full((4, 4), mutual)
    np.fill_diagonal(z, [own, own, own, neutral])
    return z


def _three(z1: complex, z0: complex | None, known: LineType | None, f_hz: float) -> ComplexArray:
    if z0 is None:
        published = known.z0_ohm_per_km if known is not None else None
        z0 = published or _zero_sequence(z1, known, f_hz)
    z = np.zeros((4, 4), dtype=complex)
    z[:3, :3] = (z0 - z1) / 3.0
    z[[0, 1, 2], [0, 1, 2]] += z1
    return z


def _zero_sequence(z1: complex, known: LineType | None, f_hz: float) -> complex:
    """Return the zero sequence with return in earth, and in screens bonded at both ends."""
    w_km = _MU0 * f_hz * 1e3
    r_e = pi / 4 * _MU0 * f_hz * 1e3
    depth_m, radius_m = _depth_m(f_hz), _radius_m(z1.real, known)
    between_m = _SOLID * radius_m * np.exp(z1.imag / w_km)
    core = z1 + complex(3 * r_e, 3 * w_km * log(depth_m / between_m))
    if known is None or known.kind != "screened":
        return core
    screen_m = radius_m * 1.1 + (known.insulation_mm + 2 * _SEMICONDUCTING_MM) * 1e-3
    mutual = complex(3 * r_e, w_km * (log(depth_m / screen_m) + 2 * log(depth_m / between_m)))
    screen = _COPPER / known.screen_mm2 + mutual
    return core - mutual**2 / screen


def _radius_m(r_ohm_per_km: float, known: LineType | None) -> float:
    stated = known.section_mm2 if known is not None else 0.0
    section_mm2 = stated or _ALUMINIUM / max(r_ohm_per_km, 1e-3)
    return sqrt(section_mm2 / pi) * 1e-3


def _depth_m(f_hz: float) -> float:
    return 658.5 * sqrt(_EARTH_OHM_M / f_hz)
