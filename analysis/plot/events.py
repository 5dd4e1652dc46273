"""What happened when, by kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analysis.plot.style import COLOURS, Picture, empty, picture, time_axis

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["timeline"]

_KINDS, _MARKS = 26, 400


def timeline(run: Run) -> Picture:
    """The events, one line per kind; a kind with very many is thinned to its first per bin."""
    frame = run.columns("event", "t_us", "kind")
    counts = frame["kind"].value_counts()
    kinds = sorted(str(kind) for kind, count in counts.head(_KINDS).items() if count)
    figure, (axes,) = picture(width=11.0, height=0.9 + 0.27 * max(4, len(kinds)))
    if not kinds:
        empty(axes, "there was no event")
        return figure
    t_us = frame["t_us"].to_numpy()
    span = max(1, run.duration_ms * 1000)
    for row, kind in enumerate(kinds):
        some = t_us[(frame["kind"] == kind).to_numpy()]
        _, first = np.unique(some * _MARKS // span, return_index=True)
        axes.scatter(
            run.times(some[first], "us"),
            np.full(len(first), row),
            marker="|",
            s=70,
            color=COLOURS[row % len(COLOURS)],
        )
    axes.set_yticks(range(len(kinds)), [f"{kind} ({counts[kind]:,})" for kind in kinds])
    axes.invert_yaxis()
    axes.margins(x=0.01)
    time_axis(axes)
    return figure
