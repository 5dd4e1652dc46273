"""Figures of the messages: delay against what is asked, its parts, losses, load of the media."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.kpis.flows import Flow, flows
from analysis.kpis.media import loads
from analysis.kpis.messages import PARTS
from analysis.plot.style import COLOURS, Picture, empty, picture
from analysis.text import delay_text
from analysis.ways import way_of_messages

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["latency", "losses", "media", "parts", "parts_by_technology"]

_SHARES = np.unique(np.concatenate([np.linspace(0.0, 1.0, 101), [0.995, 0.999]]))
_SHOWN, _OF_EACH = 10, 3  # bars of a figure, media of one technology
_NONE_ARRIVED = "no message arrived"


def latency(run: Run) -> Picture:
    """Share of the messages there within a delay, by flow, with what is asked of each flow."""
    figure, (axes,) = picture(height=3.4)
    shown = [flow for flow in flows(run) if flow.delivered]
    if not shown:
        empty(axes, _NONE_ARRIVED)
        return figure
    for number, flow in enumerate(shown):
        colour = COLOURS[number % len(COLOURS)]
        quantiles = np.quantile(flow.delays_ms, _SHARES)
        axes.step(
            quantiles,
            100.0 * _SHARES * flow.delivered / max(1, flow.known),
            where="post",
            label=f"{flow.name} ({flow.known:,})",
            color=colour,
            linestyle=("-", "--", ":")[number // len(COLOURS) % 3],
        )
    axes.set_xscale("log")
    axes.set_ylim(0.0, 103.0)
    axes.set_xlabel("delay [ms]")
    axes.set_ylabel("messages there within it [%]")
    _limits(axes, shown)
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def _limits(axes: Axes, shown: list[Flow]) -> None:
    """Draw the limit of each flow's class, and the network's own part of it, where there is one."""
    for number, flow in enumerate(shown):
        if flow.application is None:
            continue
        asked, colour = flow.application.requirement, COLOURS[number % len(COLOURS)]
        for limit_ms, style in ((asked.limit_ms, "--"), (asked.network_ms, ":")):
            axes.axvline(limit_ms, color=colour, linestyle=style, linewidth=1.0, zorder=1)
        axes.annotate(
            f"{asked.name.partition('/')[2]} {delay_text(1e3 * asked.limit_ms)}",
            (asked.limit_ms, 0.02),
            xycoords=("data", "axes fraction"),
            xytext=(-2 - 9 * _before(shown, number), 0),
            textcoords="offset points",
            rotation=90,
            fontsize=7,
            ha="right",
            va="bottom",
            color=colour,
        )


def _before(shown: list[Flow], number: int) -> int:
    """Return how many flows before have the same limit: their names stand beside one another."""
    mine = shown[number].application
    return sum(
        mine is not None
        and flow.application is not None
        and flow.application.requirement.limit_ms == mine.requirement.limit_ms
        for flow in shown[:number]
    )


def parts(run: Run) -> Picture:
    """Mean delay of each flow by its parts."""
    return _parts(run, run.columns("message", "flow")["flow"])


def parts_by_technology(run: Run) -> Picture:
    """Mean delay by its parts, by the technologies between sender and receiver."""
    return _parts(run, way_of_messages(run))


def _parts(run: Run, group: pd.Series) -> Picture:
    figure, (axes,) = picture()
    columns = [f"{part}_us" for part in PARTS]
    frame = run.columns("message", "fate", *columns)
    there = (frame["fate"] == "delivered").to_numpy()
    grouped = frame.loc[there, columns].groupby(group[there], observed=True)
    means, count = grouped.mean() / 1000.0, grouped.size()
    if means.empty:
        empty(axes, _NONE_ARRIVED)
        return figure
    means = means.loc[count.sort_values(ascending=False, kind="stable").index[:_SHOWN]]
    names = [f"{name} ({count[name]:,})" for name in means.index]
    left = np.zeros(len(means))
    for number, part in enumerate(PARTS):
        width = means[f"{part}_us"].to_numpy()
        axes.barh(names, width, left=left, color=COLOURS[number], label=part, height=0.65)
        left += width
    axes.set_xlabel("mean delay [ms]")
    _bars(axes)
    figure.legend(loc="outside upper center", ncols=4)
    return figure


def losses(run: Run) -> Picture:
    """Share of the messages of each flow that were lost, by cause."""
    figure, (axes,) = picture()
    frame = run.columns("message", "flow", "fate", "loss")
    lost = frame[(frame["fate"] == "lost").to_numpy()]
    if lost.empty:
        empty(axes, "no message was lost")
        return figure
    table = lost.groupby(["flow", "loss"], observed=True).size().unstack(fill_value=0)
    known = pd.Series({flow.name: flow.known for flow in flows(run)})
    shares = 100.0 * table.div(known.loc[table.index.astype(str)].to_numpy(), axis=0)
    names = [
        f"{name} ({total:,})" for name, total in zip(table.index, table.sum(axis=1), strict=True)
    ]
    left = np.zeros(len(shares))
    for number, cause in enumerate(sorted(map(str, shares.columns))):
        width = shares[cause].to_numpy()
        axes.barh(
            names, width, left=left, label=cause, height=0.65, color=COLOURS[number % len(COLOURS)],
            hatch=("", "//", "xx")[number // len(COLOURS) % 3],
        )  # fmt: skip
        left += width
    axes.set_xlabel("messages lost [% of those whose fate is known]")
    _bars(axes)
    figure.legend(loc="outside upper center", ncols=4)
    return figure


def media(run: Run) -> Picture:
    """How busy the busiest media of each technology are: on the mean, in the busiest interval."""
    figure, (axes,) = picture()
    table = loads(run)
    table = table[(table["transmissions"] > 0).to_numpy()]
    table = table.groupby("technology", sort=False).head(_OF_EACH).head(_SHOWN)
    if table.empty:
        empty(axes, "nothing was transmitted")
        return figure
    technologies = list(dict.fromkeys(table["technology"]))
    place = np.arange(len(table))
    for number, technology in enumerate(technologies):
        mine = (table["technology"] == technology).to_numpy()
        some = table[mine]
        axes.barh(
            place[mine], some["busy_percent"], height=0.6, color=COLOURS[number % len(COLOURS)],
            label=technology,
        )  # fmt: skip
    axes.plot(
        table["busiest_percent"], place, "|", color="#1b1f24", markersize=11, markeredgewidth=1.8,
        label="busiest interval", linestyle="none",
    )  # fmt: skip
    failed = 100.0 * (table["collisions"] + table["errors"]) / table["transmissions"]
    axes.set_yticks(place, [_short(name) for name in table.index])
    right = float(table["busiest_percent"].max())
    for row, (collisions, lost) in enumerate(
        zip(100.0 * table["collisions"] / table["transmissions"], failed, strict=True)
    ):
        axes.annotate(
            f"{lost:.2g} % failed, {collisions:.2g} % collided" if lost else "none failed",
            (table["busiest_percent"].iloc[row], row), xytext=(6, 0), textcoords="offset points",
            va="center", fontsize=7, color="#5a626c",
        )  # fmt: skip
    axes.set_xlim(0.0, right * 1.55 or 1.0)
    axes.set_xlabel("time it is busy [%]")
    _bars(axes)
    figure.legend(loc="outside upper center", ncols=4)
    return figure


def _bars(axes: Axes) -> None:
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")


def _short(name: str, most: int = 28) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
