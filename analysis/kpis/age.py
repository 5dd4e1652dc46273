"""Age of information: how old what a receiver knows of a sender is, at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["ages"]

_FAMILY = "communication"
_US = 1e6
_UPDATES = 2  # how often a stream has to renew what is known, to be one of updates
_KAUL = "S. Kaul, R. Yates, M. Gruteser: Real-time status: how often should one update?, 2012"
_COSTA = "M. Costa, M. Codreanu, A. Ephremides: Age of information with packet management, 2014"


def _updates(run: Run) -> pd.DataFrame:
    """Return the messages that brought something newer than was known, by stream and time.

    A stream is the messages of one flow from one sender to one receiver. Columns: ``flow``,
    ``src``, ``dst``, ``stream`` (number), ``sent_s`` and ``there_s``.
    """
    frame = run.columns("message", "flow", "src", "dst", "fate", "t_send_us", "delay_us")
    frame = frame[(frame["fate"] == "delivered").to_numpy()]
    codes = [frame[key].cat.codes.to_numpy().astype(np.int64) for key in ("flow", "src", "dst")]
    sizes = [len(frame[key].cat.categories) for key in ("flow", "src", "dst")]
    stream = (codes[0] * sizes[1] + codes[1]) * sizes[2] + codes[2]
    sent_s = frame["t_send_us"].to_numpy() / _US
    there_s = sent_s + frame["delay_us"].to_numpy() / _US
    order = np.lexsort((-sent_s, there_s, stream))  # of several at once the newest
    table = (
        frame[["flow", "src", "dst"]]
        .iloc[order]
        .assign(stream=stream[order], sent_s=sent_s[order], there_s=there_s[order])
    )
    newest = table.groupby("stream")["sent_s"].cummax()
    before = newest.groupby(table["stream"]).shift()
    return table[(before.isna() | (newest > before)).to_numpy()]


def ages(run: Run) -> pd.DataFrame:
    """Return the age of information of each stream: flow, ``src``, ``dst``.

    The age is t less the sending time of the newest message there; it grows with time and falls
    when a newer one arrives. ``mean_s`` is the area below it from the first arrival to the end of
    the run by that time ``length_s``, ``peak_s`` the mean of the ages just before it falls
    (null: it never fell).
    """
    table = _updates(run)
    stream, there_s = table["stream"].to_numpy(), table["there_s"].to_numpy()
    sent_s, end_s = table["sent_s"].to_numpy(), run.duration_ms / 1000.0
    last = np.append(stream[1:] != stream[:-1], [True] * (len(stream) > 0)).astype(bool)
    until_s = np.where(last, np.maximum(end_s, there_s), np.roll(there_s, -1))
    length_s = until_s - there_s
    area = (there_s - sent_s) * length_s + length_s**2 / 2.0
    parts = table.assign(
        area=area, length_s=length_s, peak_s=np.where(last, np.nan, until_s - sent_s)
    )
    grouped = parts.groupby("stream")
    found = grouped[["flow", "src", "dst"]].first()
    sums = grouped[["area", "length_s"]].sum()
    return found.assign(
        length_s=sums["length_s"],
        area=sums["area"],
        mean_s=sums["area"] / sums["length_s"].where(sums["length_s"] > 0.0),
        peak_s=grouped["peak_s"].mean(),
        falls=grouped["peak_s"].count(),
    )


def _receivers(table: pd.DataFrame) -> pd.Series:
    """Return flow and kind of receiver as one text for each stream."""
    kinds = {name: str(name).partition("/")[0] for name in table["dst"].cat.categories}
    return table["flow"].astype(str) + " to " + table["dst"].astype(str).map(kinds)


def _mean(table: pd.DataFrame, value: str, weight: str) -> Outcome:
    """Return sums of ``value`` by sums of ``weight``, by flow and kind of receiver."""
    table = table[(table["falls"] >= _UPDATES).to_numpy()]
    if table.empty:
        return nothing(f"no sender's information was renewed {_UPDATES} times")
    sums = table.groupby(_receivers(table))[[value, weight]].sum()
    by = {str(name): float(row[value] / row[weight]) for name, row in sums.iterrows()}
    return Outcome(float(table[value].sum() / table[weight].sum()), by=by)


@kpi("s", _FAMILY, Up.BAD, source=_KAUL)
def age_mean_s(run: Run) -> Outcome:
    """Mean age of information: at any time, how long ago the newest message there was sent; for
    each flow, sender and receiver with three messages or more, from the first arrival to the end
    of the run, mean over all of that time, by flow and kind of receiver.
    """
    return _mean(ages(run), "area", "length_s")


@kpi("s", _FAMILY, Up.BAD, source=_COSTA)
def age_peak_s(run: Run) -> Outcome:
    """Mean peak age of information: the age just before a newer message arrives, by flow and kind
    of receiver.
    """
    table = ages(run)
    table = table.assign(peaks=table["peak_s"].fillna(0.0) * table["falls"])
    return _mean(table, "peaks", "falls")
