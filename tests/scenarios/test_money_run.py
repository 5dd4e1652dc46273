"""Money and CO2 of a real street with a tariff and suppliers, and of it without steering."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import Run, money
from analysis.report import page
from scenarios import load, run

SUPPLIERS = "services.balancing.suppliers=[{name: green, share: 0.5}, {name: blue}]"
TARIFF = (
    "services.signals={tariff: {kind: time-of-use, feed_in_per_mwh: 80, bands: "
    "[{begin: '00:00', per_mwh: 220}, {begin: '06:00', per_mwh: 300}, "
    "{begin: '13:00', per_mwh: 420}]}}"
)
COMMON = (SUPPLIERS, TARIFF, "money.peak_per_kw_a=60", "time.duration_h=3",
          "time.start='2016-04-20T09:00:00Z'")  # fmt: skip


@pytest.mark.slow
@pytest.mark.requirement("BA-09")
def test_each_stakeholder_is_held_against_the_street_without_the_service(tmp_path: Path) -> None:
    runs = []
    for name, changes in (("steered", ()), ("local", ("services.balancing.mode=local",))):
        run(load("street", (*COMMON, *changes)), folder=tmp_path / name, with_report=False).check()
        runs.append(Run(tmp_path / name))
    for done in runs:
        kpis = done.kpis
        # two ways to the same bill: by the reckoning of signals, and by who pays whom
        assert kpis["customers_cost_eur"]["value"] == pytest.approx(
            kpis["tariff_cost_eur"]["value"], rel=1e-9
        )
        assert kpis["payments_gap_eur"]["value"] == pytest.approx(0.0, abs=1e-9)
        assert set(kpis["suppliers_margin_eur"]["by"]) == {"supplier/green", "supplier/blue"}
        together = (
            -kpis["customers_cost_eur"]["value"] + kpis["suppliers_margin_eur"]["value"]
            + kpis["operator_margin_eur"]["value"] + kpis["outside_eur"]["value"]
        )  # fmt: skip
        assert together == pytest.approx(0.0, abs=1e-9)
        drawn_kwh = (done.kpis["imported_wh"]["value"] - done.kpis["exported_wh"]["value"]) / 1000
        assert kpis["co2_kg"]["value"] == pytest.approx(0.527 * drawn_kwh, rel=1e-6, abs=1e-3)
    table = money.against(*runs)
    peaks = [done.kpis["peak_import_w"]["value"] / 1000 for done in runs]
    more = table["more"].to_dict()["operator", "capacity [EUR]"]
    expected = -60.0 * 3.0 / 8760.0 * (peaks[0] - peaks[1])
    assert more == pytest.approx(expected, abs=1e-9)
    assert ("customers of green", "CO2 [kg]") in table.index
    text = page.write(tmp_path / "steered", counterfactual=tmp_path / "local").read_text("utf-8")
    assert "Money and CO2 against the other run" in text
    assert "supplier/green" in text
