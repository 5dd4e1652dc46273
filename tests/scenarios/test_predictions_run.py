"""Predictions of a run, with the weather forecast that came over the network, and their KPIs."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import Run
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
