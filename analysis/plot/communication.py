"""Figures of what units say to each other: negotiation, requests, the tree of units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.collections import LineCollection

from analysis.kpis.negotiation import level_rounds
from analysis.plot.style import BLACK, COLOURS, Picture, empty, picture

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["layout", "negotiation", "network", "requests"]


def negotiation(run: Run) -> Picture:
    """Distance from the desired profile, round by round, relative to the first, by level."""
    figure, (axes,) = picture()
    frame = level_rounds(run)
    frame = frame[frame["distance_after_w"].notna().to_numpy()]
    first = frame.groupby(["unit", "id"])["distance_before_w"].transform("first")
    frame = frame[(first > 0.0).to_numpy()].assign(first=first)
    if frame.empty:
        empty(axes, "there was no negotiation")
        return figure
    frame = frame.assign(share=100.0 * frame["distance_after_w"] / frame["first"])
    for number, (level, some) in enumerate(frame.groupby("level")):
        table = some.pivot_table(index=["unit", "id"], columns="round", values="share")
        table = table.ffill(axis=1)
        table.insert(0, -1, 100.0)
        x = table.columns.to_numpy() + 1
        low, middle, high = np.quantile(table.to_numpy(), (0.1, 0.5, 0.9), axis=0)
        colour = COLOURS[number % len(COLOURS)]
        axes.fill_between(x, low, high, color=colour, alpha=0.25, linewidth=0)
        axes.plot(
            x,
            middle,
            color=colour,
            marker="o",
            markersize=3,
            label=f"{level} ({len(table)}), median and 10 to 90 %",
        )
    axes.set_xlabel("rounds done")
    axes.set_ylabel("distance [% of the first]")
    axes.set_ylim(bottom=0.0)
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def layout(units: list[dict[str, Any]]) -> dict[str, tuple[float, float]]:
    """Return a place for each unit: leaves side by side, parents above the middle of theirs."""
    parent = {unit["id"]: unit.get("parent") or "" for unit in units}
    children: dict[str, list[str]] = {}
    for child in sorted(parent):
        children.setdefault(parent[child] if parent[child] in parent else "", []).append(child)
    place: dict[str, tuple[float, float]] = {}
    count = 0
    pending = [(root, 0, False) for root in reversed(children.get("", []))]
    while pending:
        unit, depth, done = pending.pop()
        below = children.get(unit, [])
        if below and not done:
            pending.append((unit, depth, True))
            pending.extend((child, depth + 1, False) for child in reversed(below))
        elif below:
            xs = [place[child][0] for child in below]
            place[unit] = ((min(xs) + max(xs)) / 2.0, -float(depth))
        else:
            place[unit] = (float(count), -float(depth))
            count += 1
    return place


def network(run: Run) -> Picture:
    """The tree of management units, each link coloured by the share of messages it delivered."""
    figure, (axes,) = picture(width=11.0, height=3.8)
    units = run.topology.get("units") or []
    place = layout(units)
    if not place:
        empty(axes, "the run folder has no topology")
        return figure
    share = _delivery(run, {unit["id"]: unit.get("parent") or "" for unit in units})
    lines, values = [], []
    for unit in sorted(units, key=lambda item: str(item["id"])):
        parent = unit.get("parent") or ""
        if parent in place:
            lines.append([place[unit["id"]], place[parent]])
            values.append(share.get(unit["id"], np.nan))
    collection = LineCollection(
        lines,
        cmap=colormaps["cividis"].with_extremes(bad="#c5cad1"),
        linewidths=1.3,
        zorder=1,
        rasterized=len(lines) > 2000,
    )
    known = np.array(values, dtype=float)
    low = float(np.nanmin(known)) if np.isfinite(known).any() else 100.0
    collection.set_array(np.ma.masked_invalid(known))
    collection.set_clim(min(low, 99.0), 100.0)
    axes.add_collection(collection)
    kinds = sorted({unit["kind"] for unit in units})
    for number, kind in enumerate(kinds):
        spots = np.array([place[unit["id"]] for unit in units if unit["kind"] == kind])
        axes.scatter(
            spots[:, 0],
            spots[:, 1],
            s=22,
            color=COLOURS[number % len(COLOURS)],
            marker="osD^vP*X"[number % 8],
            edgecolor=BLACK,
            linewidth=0.4,
            zorder=2,
            label=f"{kind} ({len(spots)})",
            rasterized=len(spots) > 2000,
        )
    axes.set_axis_off()
    axes.margins(0.03, 0.1)
    figure.legend(loc="outside upper center", ncols=len(kinds))
    if np.isfinite(known).any():
        figure.colorbar(collection, ax=axes, label="delivered [%]", shrink=0.8, pad=0.01)
    return figure


def _delivery(run: Run, parent: dict[str, str]) -> dict[str, float]:
    """Return the share [%] of messages delivered over the link from each unit to its parent.

    A message counts for all links of the tree between its sender and its receiver.
    """
    frame = run.columns("message", "src", "dst", "fate")
    frame = frame[(frame["fate"] != "in-flight").to_numpy()]
    frame = frame.assign(good=frame["fate"] == "delivered")
    sums = frame.groupby(["src", "dst"], observed=True)["good"].agg(["sum", "count"]).reset_index()
    total: dict[str, list[int]] = {}
    for src, dst, got, count in sums.itertuples(index=False):
        for unit in set(_ancestry(str(src), parent)) ^ set(_ancestry(str(dst), parent)):
            pair = total.setdefault(unit, [0, 0])
            pair[0] += int(got)
            pair[1] += int(count)
    return {unit: 100.0 * got / count for unit, (got, count) in total.items()}


def _ancestry(unit: str, parent: dict[str, str]) -> list[str]:
    """Return a unit and all above it."""
    found = [unit]
    while parent.get(found[-1]) and parent[found[-1]] not in found:
        found.append(parent[found[-1]])
    return found


def requests(run: Run) -> Picture:
    """Requests of the Data Interface by variable and result, the most frequent variables."""
    figure, (axes,) = picture()
    frame = run.columns("request", "variable", "result")
    if frame.empty:
        empty(axes, "no request was made")
        return figure
    table = frame.groupby(["variable", "result"], observed=True).size().unstack(fill_value=0)
    table = table.loc[table.sum(axis=1).sort_values(ascending=False, kind="stable").index[:8]]
    names = [str(name) for name in table.index]
    results = sorted(
        (str(result) for result in table.columns), key=lambda name: (name != "ok", name)
    )
    left = np.zeros(len(table))
    for number, result in enumerate(results):
        width = table[result].to_numpy()
        axes.barh(
            names, width, left=left, label=result, height=0.65, color=COLOURS[number % len(COLOURS)]
        )
        left += width
    axes.set_xlabel("requests")
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    figure.legend(loc="outside upper center", ncols=4)
    return figure
