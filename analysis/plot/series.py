"""Figures over time: power, voltage, storage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.plot.style import (
    BLACK,
    BLUE,
    COLOURS,
    GREEN,
    ORANGE,
    VERMILION,
    Picture,
    empty,
    picture,
    thin,
    time_axis,
)

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["loading", "power", "storage", "voltage"]

_KINDS = {"load": BLUE, "ev": VERMILION, "battery": GREEN, "pv": ORANGE}


def power(run: Run) -> Picture:
    """Power at the upstream grid, and of the devices by kind."""
    figure, (axes,) = picture()
    system = run.columns("system", "t_ms", "p_import_w")
    if system.empty:
        empty(axes, "no power was recorded")
        return figure
    device = run.columns("device", "t_ms", "kind", "p_w")
    sums = device.groupby(["t_ms", "kind"], observed=True)["p_w"].sum().unstack()
    sums.columns = pd.Index([str(kind) for kind in sums.columns])
    table = sums.assign(import_=system.set_index("t_ms")["p_import_w"]) / 1000.0
    table.index = run.times(table.index.to_numpy())
    table = thin(table)
    for number, kind in enumerate(sorted(sums.columns)):
        colour = _KINDS.get(kind, COLOURS[(number + 4) % len(COLOURS)])
        axes.step(table.index, table[kind], where="post", color=colour, label=kind, linewidth=1.2)
    axes.step(table.index, table["import_"], where="post", color=BLACK, label="import", linewidth=2)
    axes.axhline(0.0, color="#8a9099", linewidth=0.8)
    axes.set_ylabel("power drawn [kW]")
    axes.margins(x=0.01)
    figure.legend(loc="outside upper center", ncols=6)
    time_axis(axes)
    return figure


def voltage(run: Run) -> Picture:
    """Voltage over all buses: extremes, middle nine tenths, median."""
    figure, (axes,) = picture()
    bus = run.columns("bus", "t_ms", "vm_pu", "vm_min_pu", "vm_max_pu").dropna()
    if bus.empty:
        empty(axes, "no bus was energised")
        return figure
    groups = bus.groupby("t_ms")
    table = pd.DataFrame(
        {
            "low": groups["vm_min_pu"].min(),
            "p05": groups["vm_pu"].quantile(0.05),
            "median": groups["vm_pu"].median(),
            "p95": groups["vm_pu"].quantile(0.95),
            "high": groups["vm_max_pu"].max(),
        }
    )
    table.index = run.times(table.index.to_numpy())
    table = thin(table)
    axes.fill_between(
        table.index,
        table["low"],
        table["high"],
        step="post",
        color=BLUE,
        alpha=0.18,
        linewidth=0,
        label="lowest to highest",
    )
    axes.fill_between(
        table.index,
        table["p05"],
        table["p95"],
        step="post",
        color=BLUE,
        alpha=0.4,
        linewidth=0,
        label="5 to 95 % of buses",
    )
    axes.step(table.index, table["median"], where="post", color=BLACK, label="median")
    for limit in (0.9, 1.1):
        if table["low"].min() < limit + 0.03 and table["high"].max() > limit - 0.03:
            axes.axhline(limit, color=VERMILION, linestyle="--", linewidth=1.2)
    axes.set_ylabel("voltage [pu]")
    axes.margins(x=0.01)
    figure.legend(loc="outside upper center", ncols=3)
    time_axis(axes)
    return figure


def storage(run: Run) -> Picture:
    """Stored energy of the batteries, and vehicles plugged in with what they still want."""
    figure, axes = picture(2, height=3.6)
    device = run.columns("device", "t_ms", "kind", "energy_wh")
    battery = device[(device["kind"] == "battery").to_numpy()].dropna()
    if battery.empty:
        empty(axes[0], "there is no battery")
    else:
        kwh = battery.groupby("t_ms")["energy_wh"].sum().to_frame() / 1000.0
        kwh.index = run.times(kwh.index.to_numpy() + run.interval_ms)
        kwh = thin(kwh)
        axes[0].plot(kwh.index, kwh["energy_wh"], color=GREEN)
        axes[0].set_ylim(bottom=0.0)
        axes[0].set_ylabel("batteries [kWh]")
    session = run.columns("session", "arrival_ms", "departure_ms")
    if session.empty:
        empty(axes[1], "no vehicle was plugged in")
    else:
        t_ms = np.concatenate([session["arrival_ms"], session["departure_ms"]])
        change = pd.Series(np.repeat([1, -1], len(session))).groupby(t_ms).sum()
        change = pd.concat([pd.Series({0: 0}), change]).groupby(level=0).sum()
        count = change.cumsum()[change.index <= run.duration_ms]
        axes[1].step(run.times(count.index.to_numpy()), count, where="post", color=VERMILION)
        axes[1].set_ylabel("vehicles plugged in")
        axes[1].set_ylim(bottom=0.0)
    visible = axes[-1] if not session.empty else axes[0]
    if not (battery.empty and session.empty):
        time_axis(visible)
    return figure


def loading(run: Run) -> Picture:
    """Highest loading of transformers and of lines."""
    figure, (axes,) = picture()
    branch = run.columns("branch", "t_ms", "kind", "loading_max_percent")
    if branch.empty:
        empty(axes, "no branch was recorded")
        return figure
    table = branch.groupby(["t_ms", "kind"], observed=True)["loading_max_percent"].max().unstack()
    table.columns = pd.Index([str(kind) for kind in table.columns])
    table.index = run.times(table.index.to_numpy())
    table = thin(table)
    for kind, colour in (("transformer", BLACK), ("line", BLUE)):
        if kind in table:
            label = f"highest of all {kind}s"
            axes.step(table.index, table[kind], where="post", color=colour, label=label)
    if float(np.nanmax(table.to_numpy())) > 85.0:
        axes.axhline(100.0, color=VERMILION, linestyle="--", linewidth=1.2)
    axes.set_ylabel("loading [%]")
    axes.set_ylim(bottom=0.0)
    axes.margins(x=0.01)
    figure.legend(loc="outside upper center", ncols=2)
    time_axis(axes)
    return figure
