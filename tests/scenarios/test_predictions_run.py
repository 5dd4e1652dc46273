"""Predictions of a run, with the weather forecast that came over the network, and their KPIs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis import Run
from analysis.report import render
from analysis.report.skills import NAIVE, skills
from scenarios import load, run


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Run:
    scenario = load(
        "scenarios/street.yaml",
        ["time.duration_h=6", "services.forecast={}", "devices.pv.share=0.8"],
    )
    folder = tmp_path_factory.mktemp("predicted") / "run"
    return Run(run(scenario, folder=folder, with_report=False).check().folder)


def test_what_was_said_stands_beside_what_came(predicted: Run) -> None:
    frame = predicted.series("prediction")
    loads = frame[(frame["what"] == "load").to_numpy()]
    assert loads["unit"].nunique() == 41
    assert loads.groupby(["unit", "t_ms"], observed=True).size().max() == 1
    assert (loads["t_ms"] % 900_000 == 0).all()
    assert loads["yesterday_w"].notna().all()  # from the meters' memory of a week
    drawn = predicted.series("device")
    house = loads["unit"].astype(str).iloc[0].partition("/")[2]
    load_of = drawn[(drawn["device"] == f"load/{house}").to_numpy()].set_index("t_ms")["p_w"]
    one = loads[(loads["unit"] == f"cmu/{house}").to_numpy()].set_index("t_ms")["measured_w"]
    both = one.index.intersection(load_of.index)
    assert len(both) > 10
    assert np.abs(one[both] - load_of[both]).max() < 0.03 * load_of.max()  # the meters' class


def test_the_kpis_tell_every_method(predicted: Run) -> None:
    kpis = predicted.kpis
    methods = {"ours", "yesterday", "same weekday", "mean of 7 days"}
    assert set(kpis["load_prediction_nrmse"]["by"]) == methods
    assert set(kpis["feeder_prediction_nrmse"]["by"]) == methods
    assert kpis["feeder_prediction_nrmse"]["value"] < kpis["load_prediction_nrmse"]["value"]
    assert 50 < kpis["load_prediction_coverage_percent"]["value"] < 95
    assert set(kpis["load_prediction_coverage_percent"]["by"]) == {"a week or more"}
    pinball = kpis["load_prediction_pinball"]["by"]
    assert set(pinball) == methods | {"our mean"}
    assert pinball["ours"] < min(loss for name, loss in pinball.items() if name != "ours")


def test_the_report_tells_the_skill_beside_naive_methods(predicted: Run) -> None:
    rows = dict(skills(predicted))
    for title, name in (("a house", "load"), ("an area's houses", "feeder")):
        by = predicted.kpis[f"{name}_prediction_nrmse"]["by"]
        ours, *cells = rows[title]
        assert float(ours) == pytest.approx(by["ours"], abs=6e-4)
        assert [float(cell) for cell in cells[:3]] == pytest.approx(
            [by[method] for method in NAIVE], abs=6e-4
        )
        assert [float(cell) for cell in cells[3:]] == pytest.approx(
            [100 * (1 - by["ours"] / by[method]) for method in NAIVE], abs=0.06
        )
    page = render(predicted)
    table = page[page.index("beside naive methods") :]
    table = table[: table.index("</table>")]
    assert all(cell in table for cells in rows.values() for cell in cells)


@pytest.mark.slow
def test_trees_predict_in_a_scenario(tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    wishes = ["time.duration_h=3", "units.history_days=29", "services.balancing.predictor=boosted"]
    said = {}
    for method in ("regression", "boosted"):
        wishes[-1] = f"services.balancing.predictor={method}"
        done = run(
            load("scenarios/street.yaml", wishes), folder=tmp_path / method, with_report=False
        )
        frame = Run(done.check().folder).series("prediction")
        said[method] = frame[(frame["what"] == "load").to_numpy()].set_index(["unit", "t_ms"])
    plain, trees = said["regression"], said["boosted"]
    both = plain.index.intersection(trees.index)
    assert len(both) > 41
    assert (plain.loc[both, "measured_w"] == trees.loc[both, "measured_w"]).mean() > 0.5
    assert (plain.loc[both, "mean_w"] != trees.loc[both, "mean_w"]).mean() > 0.95
