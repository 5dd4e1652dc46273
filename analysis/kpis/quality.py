"""Quality of supply by EN 50160, of the places that a scenario records."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.kpis.registry import Outcome, Up, kpi, nothing
from fernwatt.quality import LIMITS_LV, LIMITS_MV, Measured, Verdict, assess, quantile

if TYPE_CHECKING:
    from analysis.run import Run

__all__: list[str] = []

_EN_50160 = "EN 50160, over the run instead of a week"
_NONE = "grid.quality records nothing"
_PLT_STEP = 12  # ten minutes in two hours
_TEN_MINUTES_MS, _MINUTE_US = 600_000, 60_000_000
_LOW_V = 1000.0 / math.sqrt(3.0)


def _quality(run: Run) -> pd.DataFrame:
    """Return the table ``quality``."""
    names = [f"{name}_{k}{unit}" for name, unit in (("v", "_v"), ("thd", "_percent"), ("plt", ""))
             for k in (1, 2, 3)]  # fmt: skip
    return run.columns(
        "quality", "t_ms", "place", "nominal_v", "u2_percent", "hz_min", "hz_max", *names
    )


def _disturbed(run: Run) -> dict[str, list[tuple[float, float]]]:
    """Return when [ms] each place had an interruption, or a dip or swell of up to a minute.

    What lasts longer is no event but a voltage that is too low or too high.
    """
    frame = run.columns("voltage_event", "begin_us", "end_us", "place", "kind")
    found: dict[str, list[tuple[float, float]]] = {}
    for begin, end, place, kind in frame.itertuples(index=False):
        if kind == "interruption" or (kind in ("dip", "swell") and end - begin <= _MINUTE_US):
            found.setdefault(str(place), []).append((begin / 1000, end / 1000))
    return found


def _steady(t_ms: np.ndarray, disturbed: list[tuple[float, float]]) -> np.ndarray:
    """Tell which ten minutes from ``t_ms`` on had no event."""
    steady = np.ones(len(t_ms), dtype=bool)
    for begin_ms, end_ms in disturbed:
        steady &= (t_ms + _TEN_MINUTES_MS <= begin_ms) | (t_ms >= end_ms)
    return steady


def _phases(frame: pd.DataFrame, name: str) -> np.ndarray:
    values = frame[[name.format(k) for k in (1, 2, 3)]].to_numpy(float)
    return values[:, ~np.isnan(values).all(axis=0)]


def _measured(run: Run) -> Iterator[tuple[str, float, Measured]]:
    """Yield each place, its nominal voltage to neutral [V], and what was measured there."""
    frame, disturbed = _quality(run), _disturbed(run)
    orders = run.columns(
        "harmonic", "t_ms", "place", "harmonic", *(f"u_{k}_percent" for k in (1, 2, 3))
    )
    harmonics = {str(place): part for place, part in orders.groupby("place", observed=True)}
    for place, part in frame.groupby("place", observed=True):
        steady = _steady(part["t_ms"].to_numpy(), disturbed.get(str(place), []))
        nominal_v = float(part["nominal_v"].iloc[0])
        plt = _phases(part, "plt_{}")[_PLT_STEP - 1 :: _PLT_STEP]
        own = harmonics.get(str(place))
        yield str(place), nominal_v, Measured(
            voltage_pu=_or_none(_phases(part, "v_{}_v")[steady] / nominal_v),
            unbalance_percent=_or_none(part["u2_percent"].to_numpy(float)[steady]),
            thd_percent=_or_none(_phases(part, "thd_{}_percent")),
            harmonics_percent={} if own is None else {
                int(str(order)): _phases(rows, "u_{}_percent")
                for order, rows in own.groupby("harmonic")
            },
            plt=_or_none(plt),
            frequency_hz=part[["hz_min", "hz_max"]].to_numpy(float).ravel(),
        )  # fmt: skip


def _or_none(values: np.ndarray) -> np.ndarray | None:
    return values if values.size and not np.isnan(values).all() else None


def _quantity(verdict: Verdict) -> str:
    name = verdict.quantity.removesuffix("_always")
    return "harmonics" if name.startswith("harmonic_") else name


@kpi("%", "quality", Up.GOOD, source=_EN_50160)
def en50160_percent(run: Run) -> Outcome:
    """Share of the recorded places at which voltage, unbalance, harmonics, distortion, flicker
    and frequency kept the limits of EN 50160; `by` each of them alone. Ten minutes with an
    interruption, or with a dip or a swell of up to a minute, do not count for voltage and
    unbalance. Frequency by the lowest and highest ten seconds of each ten minutes.
    """
    kept: dict[str, list[bool]] = {}
    every = []
    for _, nominal_v, measured in _measured(run):
        verdicts = assess(measured, LIMITS_LV if nominal_v <= _LOW_V else LIMITS_MV)
        own: dict[str, bool] = {}
        for verdict in verdicts:
            name = _quantity(verdict)
            own[name] = own.get(name, True) and verdict.passed
        for name, passed in own.items():
            kept.setdefault(name, []).append(passed)
        every.append(all(own.values()))
    if not every:
        return nothing(_NONE)
    by = {name: 100.0 * float(np.mean(passed)) for name, passed in kept.items()}
    return Outcome(100.0 * float(np.mean(every)), by=by)


def _highest_quantile(run: Run, columns: tuple[str, ...], reason: str) -> Outcome:
    frame = run.columns("quality", "place", *columns)
    best, element = -math.inf, ""
    for place, part in frame.groupby("place", observed=True):
        for column in columns:
            values = part[column].to_numpy(float)
            if not np.isnan(values).all() and (value := quantile(values, 95.0)) > best:
                best, element = value, str(place)
    return Outcome(best, element=element) if element else nothing(reason)


@kpi("%", "quality", Up.BAD, source=_EN_50160)
def thd_95_percent(run: Run) -> Outcome:
    """Total harmonic distortion that 95 % of the ten-minute values do not exceed, of the worst
    phase of the worst place.
    """
    columns = tuple(f"thd_{k}_percent" for k in (1, 2, 3))
    return _highest_quantile(run, columns, "no harmonics were solved")


@kpi("%", "quality", Up.BAD, source=_EN_50160)
def unbalance_95_percent(run: Run) -> Outcome:
    """Negative- by positive-sequence voltage that 95 % of the ten-minute values do not exceed,
    at the worst place.
    """
    return _highest_quantile(run, ("u2_percent",), _NONE)


@kpi("1", "quality", Up.BAD, source="EN 50160, 5.3: dips, swells, interruptions; own count")
def voltage_events(run: Run) -> Outcome:
    """Dips, swells and interruptions at the recorded places, and transients; `by` kind. What was
    a dip and went into an interruption is one of each.
    """
    if not len(run.columns("quality", "t_ms")) and not len(run.columns("voltage_event", "kind")):
        return nothing(_NONE)
    counts = run.columns("voltage_event", "kind")["kind"].value_counts()
    by = {str(kind): int(count) for kind, count in counts.items() if count}
    return Outcome(int(counts.sum()), by=by)
