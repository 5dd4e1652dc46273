"""Figure of demand response: baselines, what was asked, promised and drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.dates import date2num

from analysis.plot.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    VERMILION,
    Picture,
    empty,
    picture,
    time_axis,
)
from analysis.response import course
from fernwatt.timebase import SLOT_MS

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["response", "was_asked"]

_LINES = (
    ("measured_w", "measured", BLACK, 2.2, "-"),
    ("without_w", "without the request", VERMILION, 1.6, "-"),
    ("baseline_w", "agreed before", BLUE, 1.4, "--"),
    ("days_w", "days before", GREEN, 1.4, "--"),
    ("promised_w", "promised", PURPLE, 1.4, "-."),
)


def was_asked(run: Run) -> bool:
    """Tell whether anything was asked of customers."""
    return len(run.columns("response", "t_ms")) > 0


def response(run: Run, other: Run | None = None) -> Picture:
    """The first three requests: power of the customers that follow [kW]."""
    table = course(run, other)
    keys = list(dict.fromkeys(table["id"])) if len(table) else []
    figure, axes = picture(
        max(min(len(keys), 3), 1), height=1.2 + 2.6 * max(min(len(keys), 3), 1), width=11.0
    )
    if not keys:
        empty(axes[0], "no reduction was asked for")
        return figure
    for place, key in zip(axes, keys, strict=False):
        place.sharex(place)
        part = table[(table["id"] == key).to_numpy()]
        times = run.times(part["t_ms"].to_numpy())
        inside = part[(part["phase"] == "window").to_numpy()]
        edges = run.times([*inside["t_ms"], inside["t_ms"].max() + SLOT_MS])
        place.axvspan(*date2num([edges[0], edges[-1]]), color="#f1f2f4", zorder=0)
        high_kw = inside["baseline_w"].to_numpy() / 1000.0
        low_kw = high_kw - inside["asked_w"].to_numpy() / 1000.0
        place.fill_between(
            edges, [*low_kw, low_kw[-1]], [*high_kw, high_kw[-1]], step="post",
            color=ORANGE, alpha=0.35, linewidth=0, label="asked for",
        )  # fmt: skip
        for column, label, colour, width, style in _LINES:
            if column in part and part[column].notna().any():
                place.step(
                    times, part[column] / 1000.0, where="post", color=colour, linewidth=width,
                    linestyle=style, label=label,
                )  # fmt: skip
        place.set_ylabel("power drawn [kW]")
        place.set_ylim(bottom=min(0.0, float(part["measured_w"].min()) / 1000.0))
        place.margins(x=0.01)
        time_axis(place)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure
