"""Nodes that sleep: how long their batteries last, and what for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

_FAMILY = "communication"
_NONE = "no node sleeps"


@kpi("d", _FAMILY, Up.GOOD)
def battery_life_d(run: Run) -> Outcome:
    """How long the battery of a sleeping node lasts at the run's use of energy: the shortest, with
    the node; the shortest by technology.
    """
    frame = run.columns("node_energy", "node", "technology", "life_d")
    frame = frame[frame["life_d"].notna().to_numpy()]
    if frame.empty:
        return nothing("no node sleeps on a battery")
    row = int(np.argmin(frame["life_d"].to_numpy()))
    by = frame.groupby("technology", observed=True)["life_d"].min()
    return Outcome(
        float(frame["life_d"].iloc[row]),
        by={str(name): float(life) for name, life in by.items()},
        element=str(frame["node"].iloc[row]),
    )


@kpi("J", _FAMILY, Up.BAD)
def node_energy_j(run: Run) -> Outcome:
    """Energy that a sleeping node uses in a day, mean over the nodes, by technology."""
    frame = run.columns("node_energy", "technology", "day_j")
    if frame.empty:
        return nothing(_NONE)
    by = frame.groupby("technology", observed=True)["day_j"].mean()
    return Outcome(
        float(frame["day_j"].mean()), by={str(name): float(mean) for name, mean in by.items()}
    )


@kpi("%", _FAMILY, Up.BAD)
def node_awake_percent(run: Run) -> Outcome:
    """Share of time that sleeping nodes are awake, transmitting included, by technology."""
    times = ("transmit_us", "listen_us", "sleep_us")
    frame = run.columns("node_energy", "technology", *times)
    sums = frame.groupby("technology", observed=True)[list(times)].sum()
    total = sums.sum(axis=1)
    sums, total = sums[(total > 0).to_numpy()], total[total > 0]
    if sums.empty:
        return nothing(_NONE)
    awake = sums["transmit_us"] + sums["listen_us"]
    by = {str(name): float(share) for name, share in (100.0 * awake / total).items()}
    return Outcome(float(100.0 * awake.sum() / total.sum()), by=by)
