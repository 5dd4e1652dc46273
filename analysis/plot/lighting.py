"""Public lighting over time: what it draws, and which lamps are dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.plot.style import COLOURS, Picture, empty, picture, thin, time_axis

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["is_lit", "lighting"]

_SEGMENTS = 8


def is_lit(run: Run) -> bool:
    """Tell whether there is public lighting."""
    return bool(len(run.columns("lighting", "t_ms")))


def lighting(run: Run) -> Picture:
    """Power [W] and dark lamps, by segment, or by feeder where there are many."""
    figure, (upper, lower) = picture(2, height=3.8, width=11.0)
    if not is_lit(run):
        lower.set_axis_off()
        empty(upper, "there is no public lighting")
        return figure
    frame = run.columns("lighting", "t_ms", "segment", "p_w", "dark")
    name = frame["segment"].astype(str).str.removeprefix("lighting/")
    if name.nunique() > _SEGMENTS:
        name = name.str.rpartition("/")[0]
    sums = frame[["p_w", "dark"]].groupby([frame["t_ms"], name]).sum()
    for axes, column in ((upper, "p_w"), (lower, "dark")):
        table = sums[column].unstack()
        table.index = pd.Index(run.times(table.index.to_numpy()))
        table = thin(table)
        for number, part in enumerate(table.columns[:_SEGMENTS]):
            colour = COLOURS[number % len(COLOURS)]
            label = str(part) if column == "p_w" else None
            axes.step(
                table.index, table[part], where="post", color=colour, label=label, linewidth=1.3
            )
        axes.margins(x=0.01)
        axes.set_ylim(bottom=0)
    upper.set_ylabel("power drawn [W]")
    lower.set_ylabel("dark lamps")
    figure.legend(loc="outside upper center", ncols=4)
    time_axis(lower)
    return figure
