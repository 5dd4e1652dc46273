"""The page of a study: what it says of means, differences and failures."""

import numpy as np
import pytest
from scipy import stats

from analysis.text import number
from scenarios.study import Outcome, Point, PointResult, load_study
from scenarios.study.report import report_text

LOSSES = {("plc-prime", 1): 5000.0, ("plc-prime", 2): 9000.0, ("plc-prime", 3): 7000.0,
          ("lte-m", 1): 5090.0, ("lte-m", 2): 9110.0, ("lte-m", 3): 7100.0}  # fmt: skip


@pytest.fixture
def make(tmp_path):
    """Return a function that gives the page of a study with the results given."""
    path = tmp_path / "study.yaml"
    path.write_text(
        "fernwatt-study: 1\nname: links\nscenario: street\nseeds: [1, 2, 3]\n"
        "parameters: {network.lv_fan: [plc-prime, lte-m]}\nkpis: [losses_wh]\n"
    )
    study = load_study(path)

    def page(results: dict[tuple[str, int], PointResult]) -> str:
        points = tuple(
            (Point(number, {"network.lv_fan": fan}, seed), result)
            for number, ((fan, seed), result) in enumerate(results.items())
        )
        outcome = Outcome("links", tmp_path / "s", ("network.lv_fan",), ("losses_wh",), points)
        return report_text(study, outcome)

    return page


def complete() -> dict[tuple[str, int], PointResult]:
    """Return results that differ little by setting and much by seed."""
    return {key: PointResult("complete", {"losses_wh": value}) for key, value in LOSSES.items()}


def half(values: list[float]) -> float:
    """Return half of the 95 % confidence interval of a mean, from scipy's own."""
    low, high = stats.t.interval(
        0.95, len(values) - 1, loc=np.mean(values), scale=stats.sem(values)
    )
    return float(high - low) / 2


def test_means_are_over_seeds_and_differences_between_runs_of_one_seed(make):
    page = make(complete())
    plc = [value for (fan, _), value in LOSSES.items() if fan == "plc-prime"]
    assert f"<td>7 kWh ± {number(half(plc), 'Wh')}</td>" in page
    pairs = [90.0, 110.0, 100.0]
    assert f"<b>+100 Wh ± {number(half(pairs), 'Wh')}</b>" in page
    assert "Differences from plc-prime" in page
    assert "Study complete" in page
    assert "What failed" not in page
    assert page.count("<svg") == 1
    assert page == make(complete())


def test_a_difference_within_its_interval_is_not_bold(make):
    results = complete()
    results["lte-m", 1] = PointResult("complete", {"losses_wh": 4000.0})
    page = make(results)
    assert "<b>" not in page.partition("Differences")[2].partition("Runs")[0]


def test_errors_are_text_and_failed_settings_are_no_reference(make):
    results = complete()
    for seed in (1, 2, 3):
        results["plc-prime", seed] = PointResult("failed", error="a <b>wire</b> broke")
    page = make(results)
    assert "3 of 6; their errors" in page
    assert page.count("a &lt;b&gt;wire&lt;/b&gt; broke") == 3
    assert "Differences from lte-m" in page
    assert "0 of 3" in page


def test_a_study_that_was_stopped_says_what_is_left(make):
    results = complete()
    results["lte-m", 3] = PointResult("open")
    page = make(results)
    assert "1 of 6 have not been run" in page
    assert "Study complete" not in page
