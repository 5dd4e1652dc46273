"""What kinds of devices inject: spectra in parts of their current, with sources, and limits.

``spectra.csv``: magnitude [% of the fundamental current], angle [degrees] against h times that of
the fundamental current, and how far the angle is spread among devices of a kind (uniform, up to
this to either side). ``kinds.csv``: which spectrum a kind of device has, under which class of IEC
61000-3-2, which part of its power is resistive at harmonics too, and its filter's capacitance.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel.linetypes import ComplexArray
from fernwatt.gridmodel.model import FloatArray

__all__ = ["Kind", "Spectrum", "class_limits", "kinds_of", "spectrum"]

_CLASS_A = {3: 2.30, 5: 1.14, 7: 0.77, 9: 0.40, 11: 0.33, 13: 0.21}
_CLASS_A_REST = 2.25  # from 15 on: 0.15 A * 15 / h
_CLASS_C = {3: 30.0, 5: 10.0, 7: 7.0, 9: 5.0}
_CLASS_C_REST = 3.0


@dataclass(frozen=True, slots=True)
class Spectrum:
    """Harmonic currents by the fundamental, ``[orders]``; ``spread_deg`` to either side."""

    share: ComplexArray
    spread_deg: FloatArray


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of devices: spectrum (None: linear), class of limits, and what it is passively."""

    name: str
    spectrum: Spectrum | None
    limit_class: str
    resistive: float
    filter_f: float


@cache
def _table(name: str) -> list[dict[str, str]]:
    text = files("fernwatt.gridmodel.harmonics").joinpath(name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def spectrum(name: str, orders: Sequence[float]) -> Spectrum:
    """Return a spectrum of the library; ScenarioError for a name that it has not."""
    rows = {float(row["order"]): row for row in _table("spectra.csv") if row["spectrum"] == name}
    if not rows:
        known = ", ".join(sorted({row["spectrum"] for row in _table("spectra.csv")}))
        raise ScenarioError([Fault("grid.quality.spectra", f"{name!r} is none", f"one of {known}")])
    share, spread = np.zeros(len(orders), dtype=complex), np.zeros(len(orders))
    for number, order in enumerate(orders):
        row = rows.get(float(order))
        if row is not None:
            angle = np.deg2rad(float(row["angle_deg"]))
            share[number] = float(row["percent"]) / 100.0 * np.exp(1j * angle)
            spread[number] = float(row["spread_deg"])
    return Spectrum(share, spread)


def kinds_of(
    names: Sequence[str], orders: Sequence[float], other: Mapping[str, str] | None = None
) -> list[Kind]:
    """Return kinds of devices by name; ``other`` gives kinds another spectrum ("linear": none).

    A kind that the library does not know is taken for a load.
    """
    rows = {row["kind"]: row for row in _table("kinds.csv")}
    found = []
    for name in names:
        row = rows.get(name, rows["load"])
        wanted = (other or {}).get(name, row["spectrum"])
        own = None if wanted in ("", "linear") else spectrum(wanted, orders)
        limits = row["class"] if wanted == row["spectrum"] else ""
        resistive, filter_uf = float(row["resistive"]), float(row["filter_uf"])
        found.append(Kind(name, own, limits, resistive, filter_uf * 1e-6))
    return found


def class_limits(limit_class: str, orders: Sequence[float]) -> tuple[FloatArray, FloatArray]:
    """Return limits of IEC 61000-3-2 for a device: in A, and in % of its current, ``[orders]``.

    ``inf`` where there is none. Class A: up to 16 A a phase. Class C: luminaires above 25 W
    (the third harmonic's limit at a power factor of 1).
    """
    none = np.full(len(orders), np.inf)
    if limit_class == "A":
        return np.array([_CLASS_A.get(int(h), _CLASS_A_REST / h) for h in orders]), none
    if limit_class == "C":
        return none, np.array([_CLASS_C.get(int(h), _CLASS_C_REST) for h in orders])
    return none, none
