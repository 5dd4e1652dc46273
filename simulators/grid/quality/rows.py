"""Rows of the tables on quality: ``quality``, ``harmonic``, ``harmonic_current``, events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fernwatt.gridmodel.model import FloatArray
from fernwatt.gridmodel.solvers import BoolArray
from fernwatt.quality import VoltageEvent
from simulators.grid.intervals import Rows
from simulators.grid.quality.collect import TenMinutes
from simulators.grid.quality.distortion import Distorted
from simulators.grid.quality.places import Places

__all__ = [
    "Interval",
    "current_rows",
    "event_rows",
    "harmonic_rows",
    "nullable",
    "quality_rows",
    "transient_rows",
]

_TRIPLENS = 3
_NEUTRAL = 3


@dataclass(frozen=True, slots=True)
class Interval:
    """Ten minutes from ``t_ms``: ``plt``, ``thd`` ``[n_buses, 3]``, NaN where not known.

    ``hz``: means of the frequency over ten seconds each.
    """

    t_ms: int
    found: TenMinutes
    plt: FloatArray
    thd: FloatArray
    hz: FloatArray


def quality_rows(interval: Interval, places: Places, nominal_v: FloatArray) -> Rows:
    """Return the interval's row of each place."""
    found, hz = interval.found, interval.hz
    at = places.bus
    columns: dict[str, Any] = {
        "t_ms": interval.t_ms,
        "place": places.ids,
        "nominal_v": nominal_v[at],
    }
    by_phase = {
        "v_{}_v": found.u_pu * nominal_v[:, None],
        "thd_{}_percent": interval.thd,
        "pst_{}": found.pst,
        "plt_{}": interval.plt,
    }
    for name, values in by_phase.items():
        shown = np.where(places.present, values[at], np.nan)
        columns |= {name.format(k + 1): nullable(shown[:, k]) for k in range(3)}
    columns["u2_percent"] = nullable(found.u2_percent[at])
    columns["u0_percent"] = nullable(found.u0_percent[at])
    columns["hz_min"], columns["hz_max"] = float(hz.min()), float(hz.max())
    columns["flagged"] = found.flagged[at]
    return "quality", columns


def harmonic_rows(t_ms: int, places: Places, found: Distorted) -> Rows:
    """Return a row for each place and order."""
    shown = np.where(places.present, found.u_percent[:, places.bus], np.nan)
    count = len(places.ids)
    columns: dict[str, Any] = {
        "t_ms": t_ms,
        "place": places.ids * len(found.orders),
        "harmonic": np.repeat(found.orders.astype(np.int64), count),
    }
    for k in range(3):
        columns[f"u_{k + 1}_percent"] = nullable(shown[:, :, k].ravel())
    return "harmonic", columns


def current_rows(t_ms: int, branches: Sequence[str], which: BoolArray, found: Distorted) -> Rows:
    """Return a row for each branch of low voltage: r.m.s. of its harmonics, and its triplens."""
    i_a = found.i_a[:, which]
    triplen = np.sqrt((i_a[found.orders % _TRIPLENS == 0] ** 2).sum(axis=0))
    every = np.sqrt((i_a**2).sum(axis=0))
    columns: dict[str, Any] = {
        "t_ms": t_ms,
        "branch": [name for name, wanted in zip(branches, which, strict=True) if wanted],
        **{f"i_{k + 1}_a": every[:, k] for k in range(3)},
        "i_neutral_a": every[:, _NEUTRAL],
        **{f"triplen_{k + 1}_a": triplen[:, k] for k in range(3)},
        "triplen_neutral_a": triplen[:, _NEUTRAL],
    }
    return "harmonic_current", columns


def event_rows(events: Sequence[VoltageEvent], places: Places) -> list[Rows]:
    """Return rows of ``voltage_event`` for events that are over; none for none."""
    if not events:
        return []
    columns: Mapping[str, Any] = {
        "begin_us": [event.begin_us for event in events],
        "end_us": [event.end_us for event in events],
        "place": [places.ids[event.place] for event in events],
        "kind": [event.kind for event in events],
        "extreme_pu": [event.extreme_pu for event in events],
        "phases": ["".join(str(phase + 1) for phase in event.phases) for event in events],
        "deep": [event.deep for event in events],
        "complete": [event.complete for event in events],
        "cause": [event.cause for event in events],
        "ended_by": [event.ended_by for event in events],
    }
    return [("voltage_event", columns)]


def transient_rows(t_us: int, bus: str, peak_pu: float, cause: str) -> Rows:
    """Return the row of a transient overvoltage."""
    return "voltage_event", {
        "begin_us": [t_us], "end_us": [t_us], "place": [bus], "kind": ["transient"],
        "extreme_pu": [peak_pu], "phases": ["123"], "deep": [False], "complete": [True],
        "cause": [cause], "ended_by": [""],
    }  # fmt: skip


def nullable(values: FloatArray) -> Any:
    """Return ``values`` of any shape with None in place of NaN, as lists where there is some."""
    unknown = np.isnan(values)
    if not unknown.any():
        return values
    shown = values.astype(object)
    shown[unknown] = None
    return shown.tolist()
