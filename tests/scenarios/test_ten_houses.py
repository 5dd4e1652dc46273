"""The street of ten houses: inputs that anybody can make anew, and what they add up to."""

import csv
import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import scenarios.ten_houses as inputs
from fernwatt.errors import ScenarioError
from scenarios import load, run
from scenarios.study import load_study
from scenarios.ten_houses.tables import P_MAX_W, uncontrolled, write_all

FOLDER = Path(inputs.__file__).parent
RUN_SLOTS = inputs.DAYS * 96


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """All inputs, made anew."""
    folder = tmp_path_factory.mktemp("ten_houses")
    write_all(folder)
    return folder


def test_the_committed_inputs_are_what_the_generator_makes(made):
    names = {path.relative_to(made).as_posix() for path in made.rglob("*") if path.is_file()}
    assert len(names) == 2 * len(inputs.SEEDS) + 2 + 5
    for name in sorted(names):
        if name.startswith("grid/"):  # pandapower's own columns differ between its versions
            both = [pd.read_csv(folder / name, index_col=0) for folder in (made, FOLDER)]
            shared = both[0].columns.intersection(both[1].columns)
            assert len(shared) >= 6
            pd.testing.assert_frame_equal(both[0][shared], both[1][shared])
        else:
            assert (made / name).read_bytes() == (FOLDER / name).read_bytes(), name


@pytest.mark.parametrize("seed", inputs.SEEDS)
def test_the_street_is_what_it_is_said_to_be(seed):
    with (FOLDER / f"sessions-{seed}.csv").open() as file:
        visits = list(csv.DictReader(file))
    energy_wh = sum(int(visit["energy_wh"]) for visit in visits)
    assert 400_000 <= energy_wh <= 450_000
    for visit in visits:
        begin, end = (datetime.fromisoformat(visit[name]) for name in ("arrival", "departure"))
        could_wh = P_MAX_W * (end - begin) / timedelta(hours=1)
        assert inputs.START <= begin < inputs.START + timedelta(days=inputs.DAYS)
        assert int(visit["energy_wh"]) < 0.75 * could_wh  # all can be served
    loads = pd.read_csv(FOLDER / f"loads-{seed}.csv", index_col="time")
    assert len(loads) == (inputs.HISTORY_DAYS + inputs.DAYS) * 96
    assert len(loads.columns) == 10
    assert (loads > 0).all().all()
    per_day = loads.mean() * 0.024
    assert per_day.between(4.5, 13.0).all()
    all_w = loads.iloc[-RUN_SLOTS:].sum(axis=1).to_numpy() + uncontrolled(
        inputs.sessions(seed, P_MAX_W)
    )
    assert 30_000 <= all_w.max() <= 40_000
    told = json.loads((FOLDER / "statistics.json").read_text())[str(seed)]
    assert told["peak_w"] == round(float(all_w.max()))
    assert told["norm_w"] == round(float(np.linalg.norm(all_w)))


def test_each_seed_has_its_own_inputs():
    names = {seed: sorted(load("ten_houses", [f"seed={seed}"]).files) for seed in inputs.SEEDS}
    for seed, files in names.items():
        assert f"ten_houses/loads-{seed}.csv" in files
        assert f"ten_houses/sessions-{seed}.csv" in files
    with pytest.raises(ScenarioError, match=r"no file ten_houses/loads-6\.csv"):
        load("ten_houses", ["seed=6"])


PRICES = {"tariff": {"kind": "dynamic", "file": "ten_houses/prices.csv", "feed_in_per_mwh": 80}}
CONTROLS = {
    "steering": ["services.balancing.mode=steering"],
    "auction": ["services.auction.supply_w=[0, 20000]"],
    "nobody": [],
    "one price": [f"services.signals={json.dumps(PRICES)}", "services.control.signal=price"],
}


def kpis(folder, *settings):
    """The KPIs of a part of the street's days."""
    done = run(load("ten_houses", settings), folder=folder, with_report=False).check().folder
    return {
        name: entry["value"] for name, entry in json.loads((done / "kpis.json").read_text()).items()
    }


def test_an_auction_shares_out_what_supply_there_is(tmp_path):
    evening = ["time.duration_h=10", "units.history_days=1"]
    free = kpis(tmp_path / "free", *evening, "devices.battery.share=0")
    settings = [*evening, "devices.battery.share=0", "services.auction.supply_w=[0, 12000]"]
    told = kpis(tmp_path / "told", *settings)
    assert free["peak_import_w"] > 15_000
    assert told["peak_import_w"] < 0.75 * free["peak_import_w"]
    assert told["ev_not_served_wh"] in (None, 0.0)
    assert told["auctions"] >= 40
    assert told["auction_bids_percent"] > 99.0
    assert 0 < told["auction_price_mean"] < 100
    assert told["energy_balance_gap"] < 1e-6
    orders = pq.read_table(tmp_path / "told" / "events.parquet").to_pylist()
    prices = [event for event in orders if event["kind"] == "price"]
    given = [event for event in orders if event["kind"] == "order"]
    assert prices
    assert given
    assert all(event["cause"] for event in given)
    # what vehicles leave to later is owed, in both runs
    late_wh = told["settled_wh"] - free["settled_wh"]
    assert abs(late_wh) < 0.02 * free["settled_wh"]


@pytest.mark.slow
def test_the_order_is_steering_auction_nobody_one_price(tmp_path):
    peaks = {}
    for name, settings in CONTROLS.items():
        found = kpis(tmp_path / name, "time.duration_h=48", *settings)
        assert found["ev_not_served_wh"] == pytest.approx(0.0, abs=1.0), name
        peaks[name] = found["peak_settled_w"]
    assert list(peaks.values()) == sorted(peaks.values())
    assert peaks["steering"] < 0.4 * peaks["nobody"]
    assert peaks["one price"] > 1.1 * peaks["nobody"]


def test_each_point_of_a_study_has_the_inputs_of_its_seed(tmp_path):
    text = "fernwatt-study: 1\nname: two\nscenario: ten_houses\nseeds: [1, 2]\n"
    (tmp_path / "two.yaml").write_text(text + "parameters: {time.duration_h: [24]}\n")
    points = load_study(tmp_path / "two.yaml").points
    for point in points:
        assert f"ten_houses/loads-{point.seed}.csv" in point.text
        assert f"ten_houses/loads-{point.seed}.csv" in point.files
    assert len({point.run for point in points}) == 2
    (tmp_path / "two.yaml").write_text(text.replace("[1, 2]", "[2, 7]") + "count: null\n")
    two, seven = load_study(tmp_path / "two.yaml").points
    assert not two.error
    assert "no file ten_houses/loads-7.csv" in seven.error
