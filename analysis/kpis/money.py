"""Money and CO2 of each stakeholder; what energy costs and emits is stated by the scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis import money
from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__: list[str] = []

_NONE = "the scenario states no prices, or there is no metered customer"
_NO_AGGREGATOR = "no aggregator paid or was paid"
_GERMANY = "factors: see docs/models/money.md"


def _parts(run: Run, who: str, sign: float) -> dict[str, float]:
    """Return what a stakeholder gets (or pays, with ``sign`` -1) of each service, by what for."""
    parts: dict[str, float] = {}
    for one in money.payments(run):
        name = one.what if one.service in {"supply", "losses", "capacity"} else one.service
        for side, eur in ((one.payee, one.eur), (one.payer, -one.eur)):
            if side == who or (who == money.SUPPLIER and side.startswith(f"{who}/")):
                parts[name] = parts.get(name, 0.0) + sign * eur
    return parts


def _outcome(parts: dict[str, float]) -> Outcome:
    return Outcome(sum(parts.values()), by=parts)


@kpi("EUR", "money", Up.BAD, source=_GERMANY)
def customers_cost_eur(run: Run) -> Outcome:
    """What all metered customers pay less what they are paid, by what for: energy drawn, fed in,
    demand response, flexibility.
    """
    if not money.has_money(run):
        return nothing(_NONE)
    return _outcome(_parts(run, money.CUSTOMERS, -1.0))


@kpi("EUR", "money", Up.GOOD, source=_GERMANY)
def suppliers_margin_eur(run: Run) -> Outcome:
    """What suppliers are paid less what they pay (wholesale, levies, network), by supplier."""
    if not money.has_money(run):
        return nothing(_NONE)
    table = money.balances(run)["all"]
    by = {str(k): float(v) for k, v in table.items() if str(k).startswith(money.SUPPLIER)}
    return _outcome(by)


@kpi("EUR", "money", Up.GOOD, source=_GERMANY)
def operator_margin_eur(run: Run) -> Outcome:
    """What the network operator is paid less what it pays: network charges, losses, the highest
    quarter-hour, flexibility.
    """
    if not money.has_money(run):
        return nothing(_NONE)
    return _outcome(_parts(run, money.OPERATOR, 1.0))


@kpi("EUR", "money", Up.GOOD, source=_GERMANY)
def aggregator_margin_eur(run: Run) -> Outcome:
    """What aggregators are paid less what they pay customers, by service."""
    if not money.has_money(run):
        return nothing(_NONE)
    parts = _parts(run, money.AGGREGATOR, 1.0)
    return _outcome(parts) if parts else nothing(_NO_AGGREGATOR)


@kpi("EUR", "money", source=_GERMANY)
def outside_eur(run: Run) -> Outcome:
    """What those get, less what they pay, who are not in the testbed: the market (generation and
    the grid above), and taxes, levies and surcharges.
    """
    if not money.has_money(run):
        return nothing(_NONE)
    table = money.balances(run)["all"]
    by = {who: float(table.get(who, 0.0)) for who in (money.MARKET, money.LEVIES)}
    return _outcome(by)


@kpi("EUR", "money", Up.BAD)
def payments_gap_eur(run: Run) -> Outcome:
    """How far the balances of all stakeholders together are from zero, by service."""
    if not money.has_money(run):
        return nothing(_NONE)
    by = {str(service): abs(float(eur)) for service, eur in money.balances(run).sum().items()}
    return Outcome(by.pop("all"), by=by)


@kpi("EUR", "money", source=_GERMANY)
def left_to_later_eur(run: Run) -> Outcome:
    """What the energy that a run leaves to later (``end_state_wh``) is worth to customers at the
    mean price of what they draw. A comparison of two runs takes it off their cost.
    """
    if not money.has_money(run):
        return nothing(_NONE)
    return Outcome(money.left_eur(run))


@kpi("kg", "money", Up.BAD, source=_GERMANY)
def co2_kg(run: Run) -> Outcome:
    """CO2 of what customers draw, less what they feed in, and of the grid's losses."""
    if not money.has_money(run):
        return nothing(_NONE)
    return _outcome({str(who): float(kg) for who, kg in money.emissions(run).items()})


@kpi("W", "profile", Up.BAD)
def supplier_peak_w(run: Run) -> Outcome:
    """Highest net import of a recording interval of the customers of one supplier together, by
    supplier.
    """
    if not money.customers_of(run):
        return nothing(_NONE)
    frame = money.slot_energies(run)
    frame = frame[(frame["h"] > 0.0).to_numpy()]
    if frame.empty:
        return nothing("nothing was recorded")
    net_w = (frame["drawn_wh"] - frame["fed_in_wh"]) / frame["h"]
    by = net_w.groupby(frame["supplier"]).max().clip(lower=0.0)
    return Outcome(float(by.max()), by={str(who): float(p_w) for who, p_w in by.items()})
