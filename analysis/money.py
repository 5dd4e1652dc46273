"""Who pays whom how much, and who emits how much: of a run, and against another one.

Every payment has a payer and a payee, so all balances sum to zero; who is not in the testbed is a
payee, too: the market (generation and the grid above) and the levies (taxes and surcharges). What a
run leaves in batteries, or owes to vehicles, is no payment: it is valued apart, and taken off where
runs are compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.kpis.energy import end_state_wh, system
from analysis.kpis.profile import slot_profile
from analysis.kpis.signals import course, prices
from fernwatt.errors import UsageError
from fernwatt.timebase import HOUR_MS

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = [
    "AGGREGATOR",
    "CUSTOMERS",
    "LEVIES",
    "MARKET",
    "OPERATOR",
    "Payment",
    "against",
    "balances",
    "customers_of",
    "emissions",
    "has_money",
    "left_eur",
    "payments",
    "slot_energies",
]

CUSTOMERS, OPERATOR, AGGREGATOR = "customers", "operator", "aggregator"
MARKET, LEVIES, SUPPLIER = "market", "levies", "supplier"
_HOURS_A_YEAR = 8760.0
_MWH, _KWH, _KG = 1e6, 1e3, 1e3
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Payment:
    """What one stakeholder pays another, of a service: supply, losses, capacity, response, …."""

    service: str
    what: str
    payer: str
    payee: str
    eur: float


def has_money(run: Run) -> bool:
    """Tell whether a run's scenario says what things cost, and there are customers to pay."""
    return bool(run.scenario.get("money")) and bool(customers_of(run))


def customers_of(run: Run) -> dict[str, str]:
    """Return the supplier of each metered customer, by the end of its meter's name."""
    return {
        unit["id"].partition("/")[2]: _name(unit)
        for unit in run.topology.get("units", ())
        if unit["kind"] == "meter"
    }


def _name(unit: dict[str, Any]) -> str:
    return f"{SUPPLIER}/{unit['supplier']}" if unit.get("supplier") else SUPPLIER


@lru_cache(maxsize=2)
def slot_energies(run: Run) -> pd.DataFrame:
    """Return what each supplier's customers draw and feed in, each by itself, interval by interval.

    Columns ``supplier``, ``t_ms``, ``drawn_wh``, ``fed_in_wh``, ``h``.
    """
    of = customers_of(run)
    frame = run.columns("terminal", "t_ms", "terminal", "p_w")
    supplier = frame["terminal"].astype(str).str.split("/", n=1).str[1].map(of)
    frame = frame.assign(supplier=supplier)[supplier.notna().to_numpy()]
    wh = frame["p_w"].to_numpy() * run.hours(frame["t_ms"])
    frame = frame.assign(drawn_wh=np.clip(wh, 0, None), fed_in_wh=np.clip(-wh, 0, None))
    sums = frame.groupby(["supplier", "t_ms"])[["drawn_wh", "fed_in_wh"]].sum().reset_index()
    return sums.assign(h=run.hours(sums["t_ms"]))


def _by_hour(run: Run, value: float | list[float], t_ms: npt.NDArray[np.int64]) -> Floats:
    """Return a course at some instants."""
    if not isinstance(value, list):
        return np.full(len(t_ms), float(value))
    begin_ms = int(run.start.timestamp() * 1000)
    return np.asarray(value, dtype=float)[(begin_ms + t_ms) // HOUR_MS % 24]


def _tariff(run: Run, t_ms: npt.NDArray[np.int64], name: str, otherwise: float) -> Floats:
    """Return the price that was issued for each instant [EUR/Wh], the scenario's where none was."""
    issued = course(prices(run), t_ms, name)
    return np.where(np.isnan(issued), otherwise / _MWH, issued)


def payments(run: Run) -> list[Payment]:
    """Return all payments of a run; raises UsageError where its scenario states no prices."""
    if not has_money(run):
        raise UsageError(f"{run.name} has no section money, or no customers")
    return [*_supply(run), *_grid(run), *_services(run)]


def _supply(run: Run) -> Iterator[Payment]:
    """Yield what customers and their suppliers pay for energy."""
    money, energies = run.scenario["money"], slot_energies(run)
    issued = bool(prices(run))
    for supplier, frame in energies.groupby("supplier", sort=True):
        who, t_ms = str(supplier), frame["t_ms"].to_numpy()
        drawn, fed_in = (frame[name].to_numpy() for name in ("drawn_wh", "fed_in_wh"))
        retail = _tariff(run, t_ms, "cent_per_mwh", money["retail_per_mwh"])
        back = _tariff(run, t_ms, "feed_in_cent_per_mwh", money["feed_in_per_mwh"])
        wholesale = _by_hour(run, money["wholesale_per_mwh"], t_ms) / _MWH
        mwh = float(drawn.sum()) / _MWH
        # a tariff's own feed-in is the supplier's business; without one the levies pay for it
        taker = who if issued else LEVIES
        yield Payment("supply", "drawn", CUSTOMERS, who, float((drawn * retail).sum()))
        yield Payment("supply", "fed in", taker, CUSTOMERS, float((fed_in * back).sum()))
        yield Payment("supply", "wholesale", who, MARKET, float((drawn * wholesale).sum()))
        yield Payment("supply", "resale", MARKET, taker, float((fed_in * wholesale).sum()))
        yield Payment("supply", "levies", who, LEVIES, mwh * money["levies_per_mwh"])
        yield Payment("supply", "network", who, OPERATOR, mwh * money["network_per_mwh"])


def _grid(run: Run) -> Iterator[Payment]:
    """Yield what the operator pays for losses and for its highest quarter-hour."""
    money, grid = run.scenario["money"], system(run)
    wholesale = _by_hour(run, money["wholesale_per_mwh"], grid.index.to_numpy()) / _MWH
    lost_wh = (grid["p_loss_w"] * grid["h"]).to_numpy()
    yield Payment("losses", "losses", OPERATOR, MARKET, float((lost_wh * wholesale).sum()))
    if money["peak_per_kw_a"]:
        peak_kw = max(0.0, float(slot_profile(run)["p_w"].max())) / _KWH
        share = float(grid["h"].sum()) / _HOURS_A_YEAR
        eur = peak_kw * share * money["peak_per_kw_a"]
        yield Payment("capacity", "peak", OPERATOR, MARKET, eur)


def _services(run: Run) -> Iterator[Payment]:
    """Yield what was paid for demand response and flexibility, as those who settled recorded it."""
    told = run.columns("event", "kind", "element", "value")
    kinds = told["kind"].astype(str)

    def eur(kind: str, key: str) -> list[tuple[str, float]]:
        mine = told[(kinds == kind).to_numpy()]
        return [
            (str(element), float(json.loads(text)[key]) / 100.0)
            for element, text in zip(mine["element"], mine["value"], strict=True)
        ]

    # a request is settled anew when readings come late: its last word counts
    for request, paid in sorted(dict(eur("response_settled", "paid_cent")).items()):
        yield Payment("response", request, AGGREGATOR, CUSTOMERS, paid)
    for order, paid in eur("flex_settled", "cent"):
        yield Payment("flexibility", order, OPERATOR, AGGREGATOR, paid)
    for order, paid in eur("flex_paid", "cent"):
        yield Payment("flexibility", order, AGGREGATOR, CUSTOMERS, paid)


def balances(run: Run) -> pd.DataFrame:
    """Return what each stakeholder (row) has of each service (column) [EUR], and ``all``.

    Positive: more is got than paid. Each column sums to zero.
    """
    rows: dict[str, dict[str, float]] = {}
    for one in payments(run):
        for who, eur in ((one.payer, -one.eur), (one.payee, one.eur)):
            row = rows.setdefault(who, {})
            row[one.service] = row.get(one.service, 0.0) + eur
    frame = pd.DataFrame.from_dict(rows, orient="index").fillna(0.0).sort_index()
    frame = frame.reindex(columns=sorted(frame.columns))
    return frame.assign(all=frame.sum(axis=1))


def emissions(run: Run) -> pd.Series:
    """Return the CO2 [kg] of what each supplier's customers draw net of what they feed in, and of
    the grid's losses, by the factor of the time.
    """
    factor, energies = run.scenario["money"]["co2_g_per_kwh"], slot_energies(run)
    grams = _by_hour(run, factor, energies["t_ms"].to_numpy()) / _KWH
    net_wh = (energies["drawn_wh"] - energies["fed_in_wh"]).to_numpy()
    by = pd.Series(net_wh * grams / _KG).groupby(energies["supplier"].to_numpy()).sum()
    out = {_of_customers(str(supplier)): float(kg) for supplier, kg in by.items()}
    grid = system(run)
    lost_wh = (grid["p_loss_w"] * grid["h"]).to_numpy()
    lost = lost_wh * _by_hour(run, factor, grid.index.to_numpy()) / _KWH / _KG
    return pd.Series(out | {"losses": float(lost.sum())})


def _of_customers(supplier: str) -> str:
    name = supplier.partition("/")[2]
    return f"{CUSTOMERS} of {name}" if name else CUSTOMERS


def left_eur(run: Run) -> float:
    """Return what the energy that a run leaves to later is worth to customers [EUR].

    Gained in batteries, less what vehicles have not got yet, at the mean price of what is drawn.
    """
    drawn = [one for one in payments(run) if one.what == "drawn"]
    wh = float(slot_energies(run)["drawn_wh"].sum())
    left_wh = end_state_wh(run).value or 0.0
    return left_wh * sum(one.eur for one in drawn) / wh if wh else 0.0


def against(run: Run, other: Run) -> pd.DataFrame:
    """Return what each stakeholder has in a run, in its counterfactual, and more than there.

    Rows: stakeholder and service [EUR], customers' energy left to later, and CO2 [kg]; columns
    ``run``, ``other``, ``more``. Raises UsageError where one of them states no prices.
    """
    rows: dict[tuple[str, str], list[float]] = {}
    for place, one in enumerate((run, other)):
        for service, column in balances(one).drop(columns="all").items():
            for who, eur in column.to_dict().items():
                rows.setdefault((str(who), f"{service} [EUR]"), [0.0, 0.0])[place] = float(eur)
        rows.setdefault((CUSTOMERS, "left to later [EUR]"), [0.0, 0.0])[place] = left_eur(one)
        for who, kg in emissions(one).items():
            rows.setdefault((str(who), "CO2 [kg]"), [0.0, 0.0])[place] = float(kg)
    frame = pd.DataFrame.from_dict(dict(sorted(rows.items())), orient="index")
    frame.columns = pd.Index(["run", "other"])
    frame.index = pd.MultiIndex.from_tuples(frame.index, names=["who", "what"])
    return frame.assign(more=frame["run"] - frame["other"])
