"""Figures on which link technology is enough for which application."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from analysis.plot.style import COLOURS, INK, STYLE, Picture, empty
from analysis.suitability import Enough, Service
from analysis.text import delay_text

__all__ = ["delays", "every_class", "matrix"]

_WIDE = 11.0  # inches of a figure over the whole page
_FILL = {Enough.YES: "#cfe6f5", Enough.NO: "#f6d3c0", Enough.OPEN: "#eceff2"}
_MARK = {Enough.YES: "✓", Enough.NO: "✕", Enough.OPEN: "?"}
_EDGE = {Enough.YES: "#0072B2", Enough.NO: "#D55E00", Enough.OPEN: "#8a9099"}


def _names(items: Sequence[Any]) -> list[Any]:
    return list(dict.fromkeys(items))


def _drawn(
    draw: Callable[[Picture, Axes], None], width: float, height: float, *, some: bool
) -> Picture:
    with mpl.rc_context(STYLE):
        figure = Picture(figsize=(width, height), layout="constrained")
        axes = figure.subplots()
        if some:
            draw(figure, axes)
        else:
            empty(axes, "no run has messages of a known application")
    return figure


def matrix(services: Sequence[Service]) -> Picture:
    """One cell per setting and flow: delay (95 %), what was delivered, whether it is enough."""
    own = [item for item in services if item.first and not item.network]
    settings, flows = _names([s.setting for s in own]), _names([s.flow for s in own])

    def draw(_: Picture, axes: Axes) -> None:
        for item in own:
            x, y = flows.index(item.flow), settings.index(item.setting)
            axes.add_patch(_cell(x, y, item.enough))
            axes.text(
                x, y, f"{_MARK[item.enough]}  {_delay(item)}\n{_delivered(item)}",
                ha="center", va="center", fontsize=8.5, linespacing=1.35,
            )  # fmt: skip
        asked = {item.flow: item.asked for item in own}
        heads = [
            f"{flow}\n{asked[flow].name}\n{asked[flow].delivered_percent:g} % within "
            f"{delay_text(1e3 * asked[flow].limit_ms)}"
            for flow in flows
        ]
        _grid(axes, heads, settings)

    width, height = max(_WIDE, 1.9 + 2.35 * len(flows)), 1.1 + 0.45 * len(settings)
    return _drawn(draw, width, height, some=bool(own))


def every_class(services: Sequence[Service]) -> Picture:
    """One cell per setting and class: the share of messages [%] that was there in time."""
    settings = _names([item.setting for item in services])
    keys = _names([(item.flow, item.asked.name, item.network) for item in services])

    def draw(_: Picture, axes: Axes) -> None:
        for item in services:
            x = settings.index(item.setting)
            y = keys.index((item.flow, item.asked.name, item.network))
            axes.add_patch(_cell(x, y, item.enough))
            axes.text(x, y, f"{_MARK[item.enough]} {_share(item.in_time.mean)}", ha="center",
                      va="center", fontsize=8)  # fmt: skip
        known = {(item.flow, item.asked.name, item.network): item for item in services}
        rows = [
            f"{flow}: {name}{', network' if network else ''}, "
            f"{_limit(known[flow, name, network].limit_ms)}"
            for flow, name, network in keys
        ]
        _grid(axes, settings, rows)
        for label in axes.get_xticklabels():
            label.set_rotation(35)
            label.set_horizontalalignment("left")
        for row, key in enumerate(keys):
            if known[key].first and not key[2]:
                axes.get_yticklabels()[row].set_fontweight("bold")

    width, height = max(_WIDE, 4.2 + 0.68 * len(settings)), 1.2 + 0.27 * len(keys)
    return _drawn(draw, width, height, some=bool(services))


def delays(services: Sequence[Service]) -> Picture:
    """Delay (95 %) of each flow over each setting with its interval, and what is asked of it."""
    own = [item for item in services if item.first and not item.network and item.p95_ms]
    settings, flows = _names([s.setting for s in own]), _names([s.flow for s in own])

    def draw(figure: Picture, axes: Axes) -> None:
        step = 0.7 / max(1, len(flows))
        for item in own:
            assert item.p95_ms is not None
            number = flows.index(item.flow)
            x = settings.index(item.setting) - 0.35 + step * (number + 0.5)
            mean, half = item.p95_ms.mean, item.p95_ms.half or 0.0
            low = min(half, 0.9 * mean)  # the axis is a logarithm
            axes.errorbar([x], [mean], yerr=[[low], [half]], fmt="osD^v"[number % 5],
                          color=COLOURS[number % len(COLOURS)], markersize=5, capsize=3,
                          label=item.flow)  # fmt: skip
        limits: dict[float, list[str]] = {}
        for flow in flows:
            asked = next(item.asked for item in own if item.flow == flow)
            limits.setdefault(asked.limit_ms, []).append(flow)
        for limit_ms, some in limits.items():
            colour = COLOURS[flows.index(some[0]) % len(COLOURS)] if len(some) == 1 else INK
            axes.axhline(limit_ms, color=colour, linestyle="--", linewidth=1.0)
            axes.annotate(
                f"limit of {', '.join(some)}: {delay_text(1e3 * limit_ms)}", (1.0, limit_ms),
                xycoords=("axes fraction", "data"), xytext=(-2, 2), textcoords="offset points",
                ha="right", va="bottom", fontsize=7.5, color=colour,
            )  # fmt: skip
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: delay_text(1e3 * value))
        axes.set_xticks(range(len(settings)), settings)
        long = len(settings) > 4 or any(len(name) > 12 for name in settings)
        if long:
            axes.tick_params(axis="x", rotation=25)
            for label in axes.get_xticklabels():
                label.set_horizontalalignment("right")
        axes.set_xlim(-0.6, len(settings) - 0.4)
        axes.grid(visible=False, axis="x")
        axes.set_ylabel("delay, 95 % of the messages")
        handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=4)

    return _drawn(draw, max(_WIDE, 1.5 + 0.6 * len(settings)), 3.8, some=bool(own))


def _cell(x: int, y: int, enough: Enough) -> Rectangle:
    return Rectangle(
        (x - 0.47, y - 0.45), 0.94, 0.9, facecolor=_FILL[enough], edgecolor=_EDGE[enough],
        linewidth=0.8,
    )  # fmt: skip


def _grid(axes: Axes, columns: list[str], rows: list[str]) -> None:
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelcolor=INK)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _delay(item: Service) -> str:
    if item.p95_ms is None:
        return "–"
    half = "" if item.p95_ms.half is None else f" ± {delay_text(1e3 * item.p95_ms.half)}"
    return delay_text(1e3 * item.p95_ms.mean) + half


def _delivered(item: Service) -> str:
    if item.delivered is None:
        return "–"
    half = "" if item.delivered.half is None else f" ± {item.delivered.half:.2g}"
    return f"{_share(item.delivered.mean)}{half} % delivered"


def _share(percent: float) -> str:
    """Return a share so that 100 is only said of all."""
    text = f"{percent:.4g}"
    return "> 99.99" if text == "100" and percent < 100.0 else text


def _limit(limit_ms: float) -> str:
    return delay_text(1e3 * limit_ms) if np.isfinite(limit_ms) else "no limit"
