"""The single-line diagram, coloured by what happened at one moment."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from analysis.plot.style import BLACK, Picture, empty, picture

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["diagram", "positions"]

_MANY = 2_000  # elements; more are drawn as pixels


def positions(grid: dict[str, Any]) -> dict[str, tuple[float, float]]:
    """Return a place for each bus: its own where all have one, else a tree from the source."""
    buses = grid.get("buses") or []
    if buses and all(bus.get("x") is not None and bus.get("y") is not None for bus in buses):
        spots = {(bus["x"], bus["y"]) for bus in buses}
        if len(spots) > len(buses) // 2:
            return {bus["id"]: (float(bus["x"]), float(bus["y"])) for bus in buses}
    return _tree(sorted(bus["id"] for bus in buses), _edges(grid))


def _edges(grid: dict[str, Any]) -> list[tuple[str, str, str]]:
    lines = [(line["id"], line["from_bus"], line["to_bus"]) for line in grid.get("lines") or []]
    trafos = [
        (item["id"], item["hv_bus"], item["lv_bus"]) for item in grid.get("transformers") or []
    ]
    return sorted(lines + trafos)


def _tree(buses: list[str], edges: list[tuple[str, str, str]]) -> dict[str, tuple[float, float]]:
    near: dict[str, list[str]] = defaultdict(list)
    for _, one, other in edges:
        near[one].append(other)
        near[other].append(one)
    roots = [one for name, one, _ in edges if name.startswith("transformer")] + buses
    place: dict[str, tuple[float, float]] = {}
    seen: set[str] = set()
    leaves = 0
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        stack: list[tuple[str, int, list[str] | None]] = [(root, 0, None)]
        while stack:
            bus, depth, below = stack.pop()
            if below is None:
                below = [other for other in sorted(near[bus]) if other not in seen]
                seen.update(below)
                stack.append((bus, depth, below))
                stack.extend((other, depth + 1, None) for other in reversed(below))
                continue
            xs = [place[other][0] for other in below]
            leaves += not xs
            place[bus] = ((min(xs) + max(xs)) / 2.0 if xs else float(leaves), -float(depth))
    return place


def diagram(run: Run, t_ms: int | None = None) -> Picture:
    """The grid in the recording interval at ``t_ms`` (that of the peak import if not given)."""
    figure, (axes,) = picture(width=11.0, height=5.6)
    place = positions(run.grid)
    if not place:
        empty(axes, "the run folder has no description of the grid")
        return figure
    t_ms = _peak_ms(run) if t_ms is None else t_ms // run.interval_ms * run.interval_ms
    _branches(run, figure, axes, place, t_ms)
    _buses(run, figure, axes, place, t_ms)
    axes.set_axis_off()
    axes.margins(0.03)
    axes.set_title(f"{run.times([t_ms])[0]:%Y-%m-%d %H:%M} UTC", loc="left", fontsize=9.5)
    return figure


def _peak_ms(run: Run) -> int:
    system = run.columns("system", "t_ms", "p_import_w")
    return (
        0 if system.empty else int(system["t_ms"].iloc[int(np.argmax(system["p_import_w"].abs()))])
    )


def _branches(
    run: Run, figure: Picture, axes: Axes, place: dict[str, tuple[float, float]], t_ms: int
) -> None:
    frame = run.columns("branch", "t_ms", "branch", "loading_percent")
    now = frame[(frame["t_ms"] == t_ms).to_numpy()]
    loading = dict(zip(now["branch"].astype(str), now["loading_percent"], strict=True))
    edges = _edges(run.grid)
    values = np.array([loading.get(name, np.nan) for name, _, _ in edges], dtype=float)
    top = max(100.0, float(np.nanmax(values))) if np.isfinite(values).any() else 100.0
    lines = LineCollection(
        [[place[one], place[other]] for _, one, other in edges],
        cmap=colormaps["viridis_r"].with_extremes(bad="#c5cad1"),
        zorder=1,
        rasterized=len(edges) > _MANY,
        linewidths=1.2 + 4.0 * np.nan_to_num(values) / top,
    )
    lines.set_array(np.ma.masked_invalid(values))
    lines.set_clim(0.0, top)
    axes.add_collection(lines)
    figure.colorbar(lines, ax=axes, label="loading [%]", shrink=0.75, pad=0.01)
    trafos = [
        (place[item["hv_bus"]], place[item["lv_bus"]])
        for item in run.grid.get("transformers") or []
    ]
    if trafos:
        middle = np.mean(np.array(trafos), axis=1)
        axes.scatter(
            middle[:, 0],
            middle[:, 1],
            marker="s",
            s=46,
            facecolor="white",
            edgecolor=BLACK,
            zorder=3,
            label="transformer",
        )
        axes.legend(loc="upper right")


def _buses(
    run: Run, figure: Picture, axes: Axes, place: dict[str, tuple[float, float]], t_ms: int
) -> None:
    frame = run.columns("bus", "t_ms", "bus", "vm_pu")
    now = frame[(frame["t_ms"] == t_ms).to_numpy()]
    vm_pu = dict(zip(now["bus"].astype(str), now["vm_pu"], strict=True))
    names = sorted(place)
    spots = np.array([place[name] for name in names])
    values = np.array([vm_pu.get(name, np.nan) for name in names], dtype=float)
    reach = 0.02
    if np.isfinite(values).any():
        reach = max(reach, float(np.nanmax(np.abs(values - 1.0))))
    dark = ~np.isfinite(values)
    axes.scatter(spots[dark, 0], spots[dark, 1], marker="x", color="#5a626c", s=22, zorder=2)
    dots = axes.scatter(
        spots[~dark, 0],
        spots[~dark, 1],
        c=values[~dark],
        cmap="PuOr",
        s=30,
        edgecolor="#3a4048",
        linewidth=0.5,
        vmin=1.0 - reach,
        vmax=1.0 + reach,
        zorder=2,
        rasterized=len(names) > _MANY,
    )
    figure.colorbar(dots, ax=axes, label="voltage [pu]", shrink=0.75, pad=0.01)
