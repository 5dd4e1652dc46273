"""Auctions of power: how often they were held, who took part, what the price was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__: list[str] = []

_NONE = "there was no auction"


@kpi("1", "signals")
def auctions(run: Run) -> Outcome:
    """Auctions held, at all levels; ``again``: for quarter-hours that had had one already."""
    frame = run.columns("auction", "again")
    again = int(frame["again"].sum()) if len(frame) else 0
    return Outcome(len(frame), by={"again": again} if len(frame) else {})


@kpi("%", "signals", Up.GOOD)
def auction_bids_percent(run: Run) -> Outcome:
    """Bids that were there when a quarter-hour's first auction was held, of those expected."""
    frame = run.columns("auction", "bidders", "bids", "again")
    frame = frame[~frame["again"].to_numpy(dtype=bool)]
    if frame.empty:
        return nothing(_NONE)
    return Outcome(float(100.0 * frame["bids"].sum() / frame["bidders"].sum()))


@kpi("1", "signals")
def auction_price_mean(run: Run) -> Outcome:
    """Mean price of the auctions that cleared, on their ladder from 0 to 100."""
    prices = run.columns("auction", "price")["price"].dropna()
    return nothing(_NONE) if prices.empty else Outcome(float(prices.mean()))
