"""Money and CO2: who pays whom, and that nothing is lost or made on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import Run, money
from analysis.kpis import KPIS
from analysis.report.stakes import stakes
from fernwatt.errors import UsageError

PRICES: dict[str, Any] = {
    "retail_per_mwh": 286.9, "feed_in_per_mwh": 123.1, "levies_per_mwh": 155.1,
    "network_per_mwh": 71.7, "wholesale_per_mwh": 28.8, "peak_per_kw_a": 60.0,
    "co2_g_per_kwh": 527.0,
}  # fmt: skip
SUPPLIERS = ["green", "green", "blue", "blue", "blue", ""]


@pytest.fixture(name="valued")
def fixture_valued(write_run: Callable[..., Path], tmp_path: Path) -> Callable[..., Run]:
    """Make a run folder with prices, suppliers and events."""

    def make(*, seed: int = 1, events: Any = (), readings: Any = (), **prices: Any) -> Run:
        folder = write_run(tmp_path / f"{seed}-{len(list(tmp_path.iterdir()))}", seed=seed)
        text = (folder / "scenario.yaml").read_text() + f"money: {json.dumps(PRICES | prices)}\n"
        (folder / "scenario.yaml").write_text(text)
        topology = json.loads((folder / "topology.json").read_text())
        meters = [unit for unit in topology["units"] if unit["kind"] == "meter"]
        for unit, supplier in zip(meters, SUPPLIERS, strict=True):
            if supplier:
                unit["supplier"] = supplier
        (folder / "topology.json").write_text(json.dumps(topology))
        run = Run(folder)
        _more(run, "event", events)
        _more(run, "reading", readings)
        return run

    return make


def _more(run: Run, table: str, rows: Any) -> None:
    """Have a run's table hold further rows."""
    if not rows:
        return
    read = run.columns

    def columns(name: str, *wanted: str) -> pd.DataFrame:
        frame = read(name, *wanted)
        if name != table:
            return frame
        return pd.concat([frame.astype(object), pd.DataFrame(rows)[list(wanted)]])

    run.columns = columns  # type: ignore[method-assign]


def eur(table: pd.DataFrame, who: str, service: str = "all") -> float:
    return float(table[service].to_dict()[who])


def told(kind: str, element: str, **value: Any) -> dict[str, Any]:
    return {"t_us": 0, "kind": kind, "element": element, "value": json.dumps(value)}


def test_every_service_sums_to_zero_and_no_stakeholder_is_forgotten(
    valued: Callable[..., Run],
) -> None:
    events = [
        told("response_settled", "r1", paid_cent=500),
        told("response_settled", "r1", paid_cent=620),
        told("flex_settled", "a/1/bid/order", cent=900),
        told("flex_paid", "a/1/bid/order", cent=700),
        told("flex_paid", "a/1/bid/order", cent=50),
    ]
    table = money.balances(valued(events=events))
    assert table.sum().abs().max() < 1e-9
    assert set(table.index) == {
        "customers", "supplier", "supplier/green", "supplier/blue", "operator", "aggregator",
        "market", "levies",
    }  # fmt: skip
    # the request's last word counts, and the aggregator keeps what it does not pass on
    assert eur(table, "customers", "response") == pytest.approx(6.20)
    assert eur(table, "customers", "flexibility") == pytest.approx(7.50)
    assert eur(table, "aggregator", "flexibility") == pytest.approx(1.50)
    assert eur(table, "operator", "flexibility") == pytest.approx(-9.00)
    assert eur(table, "operator", "capacity") < 0.0


def test_bills_are_energies_times_prices(valued: Callable[..., Run]) -> None:
    run = valued()
    frame = run.columns("terminal", "t_ms", "terminal", "p_w")
    wh = frame["p_w"].to_numpy() * 0.25
    drawn, fed_in = np.clip(wh, 0, None).sum() / 1e6, np.clip(-wh, 0, None).sum() / 1e6
    assert fed_in > 0.0
    parts = KPIS["customers_cost_eur"].compute(run)
    assert parts.by["drawn"] == pytest.approx(286.9 * drawn)
    assert parts.by["fed in"] == pytest.approx(-123.1 * fed_in)
    lost = run.columns("system", "p_loss_w")["p_loss_w"].sum() * 0.25 / 1e6
    co2 = KPIS["co2_kg"].compute(run)
    assert co2.value == pytest.approx(527.0 * (drawn - fed_in + lost))
    assert set(co2.by) == {"customers", "customers of green", "customers of blue", "losses"}
    margins = KPIS["suppliers_margin_eur"].compute(run)
    assert margins.value == pytest.approx((286.9 - 155.1 - 71.7 - 28.8) * drawn)
    assert KPIS["payments_gap_eur"].compute(run).value == pytest.approx(0.0, abs=1e-9)
    peaks = KPIS["supplier_peak_w"].compute(run)
    assert peaks.value == max(peaks.by.values())
    assert sum(peaks.by.values()) >= run.columns("system", "p_terminals_w")["p_terminals_w"].max()


def test_courses_go_by_the_hour_of_the_day(valued: Callable[..., Run]) -> None:
    flat = valued(co2_g_per_kwh=400.0, wholesale_per_mwh=30.0)
    as_course = valued(co2_g_per_kwh=[400.0] * 24, wholesale_per_mwh=[30.0] * 24)
    pd.testing.assert_frame_equal(money.balances(flat), money.balances(as_course))
    pd.testing.assert_series_equal(money.emissions(flat), money.emissions(as_course))
    noon = valued(co2_g_per_kwh=[0.0] * 12 + [1000.0] + [0.0] * 11)
    frame = noon.columns("terminal", "t_ms", "p_w")
    at = (frame["t_ms"] // 3_600_000 == 12).to_numpy()
    kwh = float(frame["p_w"][at].sum()) * 0.25 / 1000.0
    assert money.emissions(noon).drop("losses").sum() == pytest.approx(kwh)


def test_a_tariff_that_was_issued_counts_and_its_feed_in_is_the_suppliers(
    valued: Callable[..., Run],
) -> None:
    issued = {
        "issued_ms": 0, "start_ms": 0, "step_ms": 86_400_000, "cent_per_mwh": [20_000],
        "feed_in_cent_per_mwh": [5000],
    }  # fmt: skip
    row = {"variable": "signal.price", "record": json.dumps(issued), "t_sample_ms": 0}
    run, usual = valued(readings=[row]), valued()
    cost, plain = (KPIS["customers_cost_eur"].compute(one).by for one in (run, usual))
    assert cost["drawn"] == pytest.approx(plain["drawn"] * 200.0 / 286.9)
    assert cost["fed in"] == pytest.approx(plain["fed in"] * 50.0 / 123.1)
    assert money.balances(run).sum().abs().max() < 1e-9
    levies = sum(one.eur for one in money.payments(run) if one.what == "levies")
    assert eur(money.balances(run), "levies") == pytest.approx(levies)


def test_runs_are_held_against_each_other_with_what_they_leave(valued: Callable[..., Run]) -> None:
    run, other = valued(seed=1), valued(seed=2)
    table = money.against(run, other)
    assert set(table.columns) == {"run", "other", "more"}
    np.testing.assert_allclose(table["more"], table["run"] - table["other"])
    paid = table[table.index.get_level_values("what").str.contains("EUR")].drop(
        ("customers", "left to later [EUR]")
    )
    assert paid.sum().abs().max() < 1e-9
    left = table["run"].to_dict()["customers", "left to later [EUR]"]
    assert left == pytest.approx(KPIS["left_to_later_eur"].compute(run).value)
    same = money.against(run, run)
    assert (same["more"] == 0.0).all()
    shown = stakes(run, other)
    assert ("losses", "CO2 [kg]") in {(who, what) for who, what, _ in shown}
    assert stakes(run, None) == []


def test_a_run_without_prices_says_so(folder: Path) -> None:
    run = Run(folder)
    with pytest.raises(UsageError, match="no section money"):
        money.payments(run)
    for name, item in KPIS.items():
        if item.family == "money":
            assert item.compute(run).value is None, name
    assert stakes(run, run) == []


@given(
    retail=st.floats(0, 1000), feed_in=st.floats(0, 500), wholesale=st.floats(-500, 500),
    network=st.floats(0, 300), peak=st.floats(0, 200), cents=st.lists(st.integers(-5000, 5000)),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_payments_sum_to_zero_whatever_they_are(
    folder: Path, retail: float, feed_in: float, wholesale: float, network: float, peak: float,
    cents: list[int],
) -> None:  # fmt: skip
    run = Run(folder)
    run.scenario["money"] = PRICES | {
        "retail_per_mwh": retail, "feed_in_per_mwh": feed_in, "wholesale_per_mwh": wholesale,
        "network_per_mwh": network, "peak_per_kw_a": peak,
    }  # fmt: skip
    _more(run, "event", [told("flex_settled", f"o{n}", cent=cent) for n, cent in enumerate(cents)])
    table = money.balances(run)
    assert table.sum().abs().max() <= 1e-9 * max(1.0, float(table.abs().to_numpy().max()))
