"""One look for all figures: Okabe-Ito colours, dark text, SVG that is the same every time."""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

__all__ = ["COLOURS", "INK", "Picture", "empty", "picture", "thin", "time_axis"]

INK = "#1b1f24"
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, "#7f7f7f", BLACK)

STYLE: dict[str, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#8a9099",
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.7,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "fernwatt",
    "path.simplify": True,
}


class Picture(Figure):
    """A matplotlib figure that Jupyter shows, and that gives the same SVG every time."""

    def svg(self, name: str = "figure") -> str:
        """Return the figure as an SVG element; its identifiers begin with ``name``."""
        with mpl.rc_context(STYLE):
            stream = io.StringIO()
            self.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
        text = stream.getvalue()
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
        return text.strip()

    def _repr_svg_(self) -> str:
        return self.svg()


def picture(
    rows: int = 1, *, height: float = 3.1, width: float = 5.8
) -> tuple[Picture, list[Axes]]:
    """Return a figure with ``rows`` axes over one time axis."""
    figure = Picture(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    return figure, list(axes)


def empty(axes: Axes, text: str) -> None:
    """Say in an axes that there is nothing to show."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, color="#5a626c")


def time_axis(axes: Axes) -> None:
    """Write times briefly: hours, with the date where it changes."""
    locator = AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_xlabel("time (UTC)")


def thin(frame: pd.DataFrame, points: int = 800) -> pd.DataFrame:
    """Return a table with a time index reduced to about ``points`` rows, by means."""
    if len(frame) <= points:
        return frame
    group = np.arange(len(frame)) // -(-len(frame) // points)
    reduced = frame.groupby(group).mean()
    reduced.index = frame.index[np.searchsorted(group, reduced.index.to_numpy())]
    return reduced
