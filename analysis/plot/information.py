"""Flows of information between kinds of units, drawn from the frames that passed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path as MplPath

from analysis.information import FLOWS, levels
from analysis.plot.style import BLUE, GREEN, ORANGE, PURPLE, VERMILION, Picture, empty, picture

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["information"]

_COLOURS = dict(zip(FLOWS, (BLUE, GREEN, VERMILION, ORANGE, PURPLE, "#7f7f7f", "#7f7f7f"),
                    strict=True))  # fmt: skip
_PLATE = {"boxstyle": "square,pad=0.06", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
_TITLES = {
    "energy": "energy data",
    "status": "status of assets",
    "control": "control",
    "information": "prices, forecasts,\ndescriptions",
    "balancing": "balancing",
    "platform": "of the platform",
    "other": "not attributed",
}


def information(run: Run) -> Picture:
    """What passed between kinds of units, a diagram for each flow; items, width by bytes."""
    table = run.flows
    carried = table[table["items"] > 0]
    columns = ["flow", "source", "target"]
    sums = carried.groupby(columns, as_index=False)[["items", "bytes"]].sum()
    there = set(sums["flow"])
    shown = [flow for flow in FLOWS if flow in there]
    kinds = levels(run)
    if not shown:
        figure, (axes,) = picture(width=11.0, height=2.0)
        empty(axes, "no item of data passed between units")
        return figure
    figure = Picture(figsize=(11.0, 1.5 + 0.62 * len(kinds)), layout="constrained")
    panels = figure.subplots(1, len(shown), squeeze=False)[0]
    for axes, flow in zip(panels, shown, strict=True):
        _panel(axes, flow, sums[sums["flow"] == flow], kinds)
    return figure


def _panel(axes: Axes, flow: str, sums: pd.DataFrame, kinds: list[str]) -> None:
    """Draw one flow: kinds from the top down, what goes up on the right, down on the left."""
    row = {kind: -number for number, kind in enumerate(kinds)}
    used = {kind for name in ("source", "target") for kind in sums[name]}
    for kind in kinds:
        ink = "#1b1f24" if kind in used else "#b5bbc3"
        axes.text(
            0.0, row[kind], kind, ha="center", va="center", fontsize=8.5, color=ink,
            bbox={"boxstyle": "round,pad=0.28", "facecolor": "white", "edgecolor": ink, "lw": 0.8},
            zorder=3,
        )  # fmt: skip
    reach = 1.0
    columns = (sums[name].tolist() for name in ("source", "target", "items", "bytes"))
    for source, target, items, size in zip(*columns, strict=True):
        if source in row and target in row and source != target:
            reach = max(reach, _arrow(axes, flow, (row[source], row[target]), items, size))
    axes.set_xlim(-reach - 0.35, reach + 0.35)
    axes.set_ylim(-len(kinds) + 0.45, 0.55)
    axes.set_title(_TITLES[flow], fontsize=9.5, color=_COLOURS[flow])
    axes.set_axis_off()


def _arrow(axes: Axes, flow: str, rows: tuple[int, int], items: int, size: int) -> float:
    """Draw one arrow, straight to the next level, bowed past others; return how far it reaches."""
    begin, end = rows
    span, side = abs(end - begin), 1.0 if end > begin else -1.0
    edge, gap = (0.16, 0.26) if span == 1 else (0.34, 0.08)
    bow = 0.0 if span == 1 else 0.55 + 0.42 * (span - 2)
    toward = math.copysign(gap, end - begin)
    ends = [(side * edge, begin + toward), (side * edge, end - toward)]
    middle = (side * (edge + bow), (begin + end) / 2.0)
    curve = MplPath([ends[0], middle, ends[1]], [MplPath.MOVETO, MplPath.CURVE3, MplPath.CURVE3])
    axes.add_patch(
        FancyArrowPatch(
            path=curve, arrowstyle="-|>", mutation_scale=8.0, color=_COLOURS[flow], alpha=0.85,
            linewidth=0.7 + 0.55 * math.log10(1.0 + size / 100.0), zorder=2,
        )
    )  # fmt: skip
    at = side * (edge + bow / 2.0 + 0.06)
    axes.text(
        at, middle[1], f"{items:,}", fontsize=7.5, va="center", color="#1b1f24",
        ha="left" if side > 0 else "right", zorder=4, bbox=_PLATE,
    )  # fmt: skip
    return abs(at) + 0.3
