"""Energy: where it came from, where it went, whether it adds up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.kpis.lighting import lighting_w
from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__: list[str] = []

STORAGE = "battery"
_LUTHANDER = "Luthander et al., Applied Energy 142 (2015) 80-94, with storage"


def system(run: Run) -> pd.DataFrame:
    """Return the table ``system`` [W] and the length [h] of each interval, by ``t_ms``."""
    columns = ("p_import_w", "p_terminals_w", "p_loss_w", "p_unmet_w")
    frame = run.columns("system", "t_ms", *columns)
    return frame.assign(h=run.hours(frame["t_ms"])).set_index("t_ms")


def flows(run: Run, *keys: str) -> pd.DataFrame:
    """Return demand, production and storage [W] of all devices, by ``t_ms`` and ``keys``."""
    frame = run.columns("device", "t_ms", "kind", "p_w", *keys)
    p_w = frame["p_w"].to_numpy()
    storage = (frame["kind"] == STORAGE).to_numpy()
    frame = frame[["t_ms", *keys]].assign(
        demand=np.where(storage, 0.0, np.clip(p_w, 0.0, None)),
        production=np.where(storage, 0.0, np.clip(-p_w, 0.0, None)),
        storage=np.where(storage, p_w, 0.0),
        p_w=p_w,
    )
    sums = frame.groupby(["t_ms", *keys], observed=True, sort=True).sum()
    t_ms = sums.index.get_level_values("t_ms")
    return sums.assign(h=run.hours(t_ms))


def _sum_wh(frame: pd.DataFrame, power: pd.Series) -> Outcome:
    if frame.empty:
        return nothing("nothing was recorded")
    return Outcome(float((power * frame["h"]).sum()))


@kpi("Wh", "energy")
def imported_wh(run: Run) -> Outcome:
    """Energy drawn from the upstream grid, in the intervals in which the net flow is inwards."""
    frame = system(run)
    return _sum_wh(frame, frame["p_import_w"].clip(lower=0.0))


@kpi("Wh", "energy")
def exported_wh(run: Run) -> Outcome:
    """Energy fed into the upstream grid, in the intervals in which the net flow is outwards."""
    frame = system(run)
    return _sum_wh(frame, (-frame["p_import_w"]).clip(lower=0.0))


@kpi("Wh", "energy")
def demand_wh(run: Run) -> Outcome:
    """Energy that all devices but batteries draw."""
    frame = flows(run)
    return _sum_wh(frame, frame["demand"])


@kpi("Wh", "energy")
def produced_wh(run: Run) -> Outcome:
    """Energy that all devices but batteries feed in."""
    frame = flows(run)
    return _sum_wh(frame, frame["production"])


@kpi("Wh", "energy", Up.BAD)
def losses_wh(run: Run) -> Outcome:
    """Energy lost in lines, transformers and shunts."""
    frame = system(run)
    return _sum_wh(frame, frame["p_loss_w"])


@kpi("%", "energy", Up.BAD)
def losses_percent(run: Run) -> Outcome:
    """Losses of the grid, of the energy that enters it: imported, and fed in at connection
    points.
    """
    frame = system(run)
    points = run.columns("terminal", "t_ms", "p_w")
    fed_wh = ((-points["p_w"]).clip(lower=0.0) * run.hours(points["t_ms"])).sum()
    entered_wh = (frame["p_import_w"].clip(lower=0.0) * frame["h"]).sum() + fed_wh
    if entered_wh <= 0.0:
        return nothing("no energy entered the grid")
    return Outcome(float(100.0 * (frame["p_loss_w"] * frame["h"]).sum() / entered_wh))


@kpi("1", "energy", Up.BAD)
def energy_balance_gap(run: Run) -> Outcome:
    """How far the books are from closing: |import - sum of all devices - public lighting + what
    of that was asked for and not drawn (without supply, in faults, shed) - losses|, summed over
    the intervals, of the energy that these exchange and the grid loses.
    ``grid`` is the same between import, connection points as solved, and losses; ``devices`` that
    between connection points, devices and lighting; ``branches`` is what the losses of the
    branches lack of all losses (shunts). A sound run is below 1e-6. With simulators of others,
    whose power is in no table, the whole is ``grid`` alone.
    """
    grid = system(run)
    devices = flows(run)
    if grid.empty or devices.empty:
        return nothing("nothing was recorded")
    branch = run.columns("branch", "t_ms", "loss_w").groupby("t_ms")["loss_w"].sum()
    both = grid.join(devices["p_w"], how="inner").join(branch, how="left").fillna(0.0)
    device = run.columns("device", "t_ms", "p_w")
    exchanged = device["p_w"].abs().groupby(device["t_ms"]).sum().reindex(both.index)
    lamps_w = lighting_w(run)
    if len(lamps_w):
        both["p_w"] += lamps_w.reindex(both.index).fillna(0.0)
        exchanged += lamps_w.reindex(both.index).fillna(0.0)
    scale = float(np.sum((exchanged + both["p_loss_w"].abs()).to_numpy() * both["h"].to_numpy()))
    if scale <= 0.0:
        return nothing("no energy was exchanged")
    gaps = {
        "all": both["p_import_w"] - both["p_w"] + both["p_unmet_w"] - both["p_loss_w"],
        "grid": both["p_import_w"] - both["p_terminals_w"] - both["p_loss_w"],
        "devices": both["p_terminals_w"] - both["p_w"] + both["p_unmet_w"],
        "branches": both["p_loss_w"] - both["loss_w"],
    }
    if run.scenario.get("simulators"):
        gaps = {"all": gaps["grid"], "grid": gaps["grid"], "branches": gaps["branches"]}
    shares = {name: float((gap.abs() * both["h"]).sum() / scale) for name, gap in gaps.items()}
    return Outcome(shares.pop("all"), by=shares)


def battery_change_wh(run: Run) -> float | None:
    """Return stored energy at the end less that at the beginning, of all batteries [Wh].

    The content at the beginning is that at the end of the first interval less what went in.
    """
    frame = run.columns("device", "t_ms", "device", "kind", "p_w", "loss_w", "energy_wh")
    frame = frame[(frame["kind"] == STORAGE).to_numpy()].dropna(subset=["energy_wh"])
    if frame.empty:
        return None
    frame = frame.sort_values("t_ms", kind="stable")
    ends = frame.groupby("device", observed=True)
    first, last = ends.head(1), ends.tail(1)
    went_in = (first["p_w"] - first["loss_w"]).to_numpy() * run.hours(first["t_ms"])
    begin_wh = float(first["energy_wh"].sum() - went_in.sum())
    return float(last["energy_wh"].sum() - begin_wh)


@kpi("Wh", "energy")
def storage_change_wh(run: Run) -> Outcome:
    """Energy in all batteries at the end less that at the beginning."""
    change = battery_change_wh(run)
    return nothing("there is no battery") if change is None else Outcome(change)


@kpi("Wh", "energy")
def end_state_wh(run: Run) -> Outcome:
    """What the run leaves to later: energy gained in batteries, less what vehicles still plugged
    in at the end have not got yet. A comparison of two runs subtracts it from the imported
    energy of each.
    """
    owed = run.columns("session", "requested_wh", "delivered_wh", "complete")
    owed = owed[~owed["complete"].to_numpy(dtype=bool)]
    owed_wh = float((owed["requested_wh"] - owed["delivered_wh"]).clip(lower=0.0).sum())
    return Outcome((battery_change_wh(run) or 0.0) - owed_wh)


@kpi("Wh", "energy")
def settled_wh(run: Run) -> Outcome:
    """Energy drawn from the upstream grid less what was fed in and less what the run leaves to
    later (end_state_wh): what two runs of the same scenario can be compared by.
    """
    frame = system(run)
    left_wh = end_state_wh(run).value
    if frame.empty or left_wh is None:
        return nothing("nothing was recorded")
    return Outcome(float((frame["p_import_w"] * frame["h"]).sum()) - left_wh)


def used_of_production(frame: pd.DataFrame) -> pd.Series:
    """Return the production that is not fed in [W]: it goes into demand or into storage."""
    use = frame["demand"] + frame["storage"].clip(lower=0.0)
    return use.clip(upper=frame["production"])


def met_of_demand(frame: pd.DataFrame) -> pd.Series:
    """Return the demand that is not drawn from outside [W]: production and discharge meet it."""
    supply = frame["production"] + (-frame["storage"]).clip(lower=0.0)
    return supply.clip(upper=frame["demand"])


def _share(frame: pd.DataFrame, part: pd.Series, of: str, word: str) -> Outcome:
    total = float((frame[of] * frame["h"]).sum())
    if total <= 0.0:
        return nothing(f"there is no {word}")
    return Outcome(float(100.0 * (part * frame["h"]).sum() / total))


@kpi("%", "energy", Up.GOOD, source=_LUTHANDER)
def self_consumption_percent(run: Run) -> Outcome:
    """Production that is not fed in, of all production: per interval the smaller of production
    and demand plus charging, all devices of the run together. What a battery loses or keeps of
    it counts as used.
    """
    frame = flows(run)
    return _share(frame, used_of_production(frame), "production", "production")


@kpi("%", "energy", Up.GOOD, source=_LUTHANDER)
def self_sufficiency_percent(run: Run) -> Outcome:
    """Demand that is met on the spot, of all demand: per interval the smaller of demand and
    production plus discharge, all devices of the run together. A battery's first content counts;
    storage_change_wh tells how much of it was used up.
    """
    frame = flows(run)
    return _share(frame, met_of_demand(frame), "demand", "demand")


@kpi("%", "energy", Up.GOOD, source=_LUTHANDER)
def customer_self_consumption_percent(run: Run) -> Outcome:
    """Production that does not leave the connection point behind which it is made, of all
    production; as for self-consumption.
    """
    frame = flows(run, "terminal")
    return _share(frame, used_of_production(frame), "production", "production")


@kpi("%", "energy", Up.GOOD, source=_LUTHANDER)
def customer_self_sufficiency_percent(run: Run) -> Outcome:
    """Demand that is met behind its own connection point, of all demand; as for
    self-sufficiency.
    """
    frame = flows(run, "terminal")
    return _share(frame, met_of_demand(frame), "demand", "demand")
