"""The street of ten houses: inputs that anybody can make anew, and what they add up to."""

import csv
import json
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scenarios.ten_houses as inputs
from fernwatt.errors import ScenarioError
from scenarios import load
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
