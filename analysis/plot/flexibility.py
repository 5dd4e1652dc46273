"""Figure of flexibility: what a transformer carries, may carry, and would without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.plot.style import (
    BLACK,
    BLUE,
    ORANGE,
    VERMILION,
    Picture,
    empty,
    picture,
    time_axis,
)
from fernwatt.timebase import DAY_MS, HOUR_MS, SLOT_MS

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["flexibility", "was_watched"]

_MOST = 3
_SLOTS_PER_H = HOUR_MS / SLOT_MS


def _watched(run: Run) -> list[tuple[str, str, float]]:
    """Return unit, transformer and limit [W] of each congestion point, in order of their names."""
    targets = {one["id"]: one["target"] for one in run.topology.get("instruments", ())}
    found = []
    for unit in run.topology.get("units", ()):
        params = unit.get("services", {}).get("flexibility", {})
        target = targets.get(f"{unit['id']}/transformer")
        if params.get("role") == "operator" and target is not None:
            found.append((unit["id"], target, float(params["limit_w"])))
    return sorted(found)


def was_watched(run: Run) -> bool:
    """Tell whether an operator watched a transformer."""
    return bool(_watched(run))


def _carried_kw(run: Run, transformer: str) -> pd.Series:
    frame = run.columns("branch", "t_ms", "branch", "p_from_w")
    frame = frame[(frame["branch"] == transformer).to_numpy()].sort_values("t_ms")
    return pd.Series(frame["p_from_w"].to_numpy() / 1000.0, index=run.times(frame["t_ms"]))


def flexibility(run: Run, other: Run | None = None) -> Picture:
    """The first three congestion points: power into the area [kW], without flexibility (``other``),
    the limit; what was bought.
    """
    watched = _watched(run)[:_MOST]
    rows = max(len(watched), 1)
    figure, axes = picture(rows, height=1.2 + 2.6 * rows, width=11.0)
    if not watched:
        empty(axes[0], "no operator watched a transformer")
        return figure
    bought = run.columns("flexibility", "t_ms", "unit", "ordered_wh")
    for place, (unit, transformer, limit_w) in zip(axes, watched, strict=True):
        carried = _carried_kw(run, transformer)
        if other is not None:
            without = _carried_kw(other, transformer)
            place.step(
                without.index, without, where="post", color=VERMILION, linewidth=1.4,
                label="without flexibility",
            )  # fmt: skip
        place.step(
            carried.index, carried, where="post", color=BLACK, linewidth=2.0, label="carried"
        )
        own = bought[(bought["unit"] == unit).to_numpy()].groupby("t_ms")["ordered_wh"].sum()
        if len(own):
            kw = own.to_numpy() * _SLOTS_PER_H / 1000.0
            times = run.times(own.index.to_numpy())
            place.bar(
                times,
                kw,
                width=SLOT_MS / DAY_MS,
                align="edge",
                color=ORANGE,
                alpha=0.5,
                label="bought",
            )
        place.axhline(limit_w / 1000.0, color=BLUE, linestyle="--", linewidth=1.3, label="limit")
        place.set_ylabel("power [kW]")
        place.set_title(transformer.removeprefix("transformer/"), loc="left", fontsize=9)
        place.margins(x=0.01)
    time_axis(axes[-1])
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4)
    return figure
