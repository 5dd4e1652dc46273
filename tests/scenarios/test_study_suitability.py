"""Which technology is enough for which application: verdicts over seeds, and how they are shown."""

from __future__ import annotations

import pandas as pd
import pytest
from scipy import stats

from analysis.plot import suitability as figures
from analysis.requirement_classes import classes
from analysis.suitability import Enough, Estimate, verdict
from scenarios.study import Outcome, Point, PointResult, load_study
from scenarios.study.report import report_text
from scenarios.study.suitability import is_about_links, services, write_services

IN_TIME = {  # share of set-points within 500 ms, by seed
    "fibre": [100.0, 100.0, 100.0],
    "plc-prime": [99.0, 98.9, 99.1],
    "gprs": [41.0, 42.0, 43.0],
}


def outcome(folder=None, parameters=("network.lv_fan",)):
    points = []
    for number, (fan, shares) in enumerate(IN_TIME.items()):
        for seed, share in enumerate(shares, start=1):
            by = {
                "in_time_percent": {
                    "control iec-61850-5/tt2": share,
                    "control iec-61850-5/tt2 network": share - 10,
                    "control iec-61850-5/tt3": share - 5,
                    "control of-old/class": 1.0,
                },
                "message_delay_p95_ms": {"control": 10.0 * seed + 100 * number},
                "delivery_percent": {"control": 99.5},
            }
            result = PointResult("complete", {"message_delay_p95_ms": 1.0}, by=by)
            points.append((Point(number, {parameters[0]: fan}, seed), result))
    points.append((Point(9, {parameters[0]: "lte"}, 1), PointResult("failed", error="broke")))
    return Outcome("links", folder, parameters, ("message_delay_p95_ms",), tuple(points))


def found():
    return services(outcome().settings(), lambda setting: str(setting.values["network.lv_fan"]))


def test_a_verdict_takes_the_interval_over_the_seeds_into_account():
    own = {item.setting: item for item in found() if item.first and not item.network}
    assert list(own) == ["fibre", "plc-prime", "gprs"]  # lte has no run that came to its end
    assert {name: item.enough for name, item in own.items()} == {
        "fibre": Enough.YES, "plc-prime": Enough.OPEN, "gprs": Enough.NO,
    }  # fmt: skip
    low, high = stats.t.interval(0.95, 2, loc=42.0, scale=stats.sem(IN_TIME["gprs"]))
    assert own["gprs"].in_time.half == pytest.approx((high - low) / 2)
    assert own["gprs"].p95_ms.mean == pytest.approx(220.0)
    assert own["gprs"].asked is classes()["iec-61850-5/tt2"]


def test_one_seed_is_taken_at_its_word():
    assert verdict(Estimate(99.0, None), 99.0) is Enough.YES
    assert verdict(Estimate(98.9, None), 99.0) is Enough.NO
    assert verdict(Estimate(98.9, 0.2), 99.0) is Enough.OPEN
    assert verdict(Estimate(99.1, 0.2), 99.0) is Enough.OPEN


def test_classes_of_both_budgets_are_there_and_those_nobody_knows_are_not():
    keys = {(item.asked.name, item.network) for item in found()}
    assert keys == {
        ("iec-61850-5/tt2", False), ("iec-61850-5/tt2", True), ("iec-61850-5/tt3", False)
    }  # fmt: skip
    network = next(item for item in found() if item.network)
    assert network.limit_ms == pytest.approx(100.0)


@pytest.mark.parametrize("name", ["matrix", "delays", "every_class"])
def test_figures_are_the_same_every_time_and_there_is_one_of_nothing(name):
    draw = getattr(figures, name)
    text = draw(found()).svg(name)
    assert text == draw(found()).svg(name)
    assert "plc-prime" in text
    assert "no run has messages" in draw([]).svg(name)


def test_the_matrix_says_delay_delivery_and_verdict():
    text = figures.matrix(found()).svg("x")
    assert "✓  20 ms ± 24.8 ms" in text
    assert "99.5 ± 0 % delivered" in text
    assert text.count("✕") == text.count("?  ") == 1
    assert "99 % within 500 ms" in text


def test_the_table_holds_every_class_with_both_budgets(tmp_path):
    write_services(outcome(), tmp_path, lambda setting: setting.values["network.lv_fan"])
    table = pd.read_csv(tmp_path / "services.csv")
    assert len(table) == 9
    row = table[(table["setting"] == "gprs") & table["judged_by"]].iloc[0]
    assert (row["class"], row["limit_ms"], row["asked_percent"]) == ("iec-61850-5/tt2", 500.0, 99.0)
    assert (row["enough"], row["in_time_percent"], row["p95_ms"]) == ("no", 42.0, 220.0)
    assert row["in_time_percent_half"] == pytest.approx(4.302652730 / 3**0.5)
    assert table[table["network"]]["limit_ms"].tolist() == [100.0] * 3
    (tmp_path / "services.csv").unlink()
    write_services(outcome(parameters=("devices.pv.share",)), tmp_path, str)
    assert not (tmp_path / "services.csv").exists()


def study(folder, parameter):
    path = folder / "study.yaml"
    path.write_text(
        "fernwatt-study: 1\nname: links\nscenario: street\n"
        f"parameters: {{{parameter}: [0.5]}}\nkpis: [message_delay_p95_ms]\n"
    )
    return load_study(path)


def test_the_page_of_a_study_of_links_answers_and_that_of_another_does_not(tmp_path):
    about = study(tmp_path, "network.loss")
    page = report_text(about, outcome(tmp_path))
    assert "Which technology is enough" in page
    assert "<td>99 % within 500 ms</td>" in page
    assert all(word in page for word in ("✓ yes", "✕ no", "? open"))
    assert is_about_links(["network.lv_fan"])
    assert not is_about_links(["devices.pv.share"])
    other = report_text(about, outcome(tmp_path, parameters=("devices.pv.share",)))
    assert "Which technology is enough" not in other
