"""Who is without supply: customers, and nodes of the network, around the faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes

from analysis.plot.style import BLACK, BLUE, VERMILION, Picture, empty, picture, time_axis

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["supply", "was_interrupted"]

FloatArray = npt.NDArray[np.float64]


def was_interrupted(run: Run) -> bool:
    """Tell whether there was a fault, or somebody without supply."""
    return bool(len(run.columns("interruption", "begin_us"))) or bool(len(_faults(run)))


def supply(run: Run) -> Picture:
    """Customers without supply and dark nodes over time; a line for each fault that begins."""
    figure, (upper, lower) = picture(2, height=3.6, width=11.0)
    if not was_interrupted(run):
        lower.set_axis_off()
        empty(upper, "nobody was without supply")
        return figure
    found = run.columns("interruption", "begin_us", "end_us", "customer")
    found = found[(found["customer"] != "").to_numpy()]
    begin_us, end_us = (found[name].to_numpy() for name in ("begin_us", "end_us"))
    _steps(run, upper, begin_us, end_us, VERMILION)
    upper.set_ylabel("customers without")
    events = run.columns("event", "t_us", "source", "kind")
    events = events[(events["source"] == "network").to_numpy()]
    down_us, up_us = (
        events["t_us"].to_numpy()[(events["kind"] == kind).to_numpy()]
        for kind in ("node_down", "node_up")
    )
    _steps(run, lower, down_us, up_us, BLUE)
    lower.set_ylabel("dark nodes")
    for axes in (upper, lower):
        for t in run.times(_faults(run), "us"):
            axes.axvline(t, color=BLACK, linewidth=0.9, linestyle=":")  # type: ignore[arg-type]
        axes.margins(x=0.01)
        axes.set_ylim(bottom=0)
    time_axis(lower)
    return figure


def _faults(run: Run) -> npt.NDArray[np.int64]:
    events = run.columns("event", "t_us", "kind")
    t_us: npt.NDArray[np.int64] = events["t_us"].to_numpy()[
        (events["kind"] == "fault_begins").to_numpy()
    ]
    return t_us


def _steps(run: Run, axes: Axes, begin_us: FloatArray, end_us: FloatArray, colour: str) -> None:
    """Draw how many have begun and not ended; what an instant holds shows at full height."""
    change = pd.Series(
        np.concatenate((np.ones(len(begin_us)), -np.ones(len(end_us)))),
        index=np.concatenate((begin_us, end_us)),
    )
    count = change.groupby(level=0).sum().sort_index().cumsum()
    t_us = np.concatenate(([0], count.index.to_numpy(), [1000 * run.duration_ms]))
    values = np.concatenate(([0.0], count.to_numpy(), count.to_numpy()[-1:] if len(count) else [0]))
    times = run.times(t_us, "us")
    axes.step(times, values, where="post", color=colour)
    axes.fill_between(times, values, step="post", color=colour, alpha=0.2, linewidth=0)
