"""Units die in the middle of a run and begin anew: nothing that was acknowledged is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from ruamel.yaml import YAML

from analysis import Run
from fernwatt.errors import ScenarioError
from scenarios import load, run
from scenarios.assembly import assemble

FAILURES = [
    {"unit": "lvgmu/lv4.101", "at_h": 0.9, "lasts_s": 400},
    {"unit": "meter/lv4.101/load-1*", "at_h": 1.3, "lasts_s": 120},
    {"unit": "cmu/lv4.101/load-2*", "at_h": 1.6, "lasts_s": 30},
]


def go(folder: Path, **units: object) -> Run:
    source = YAML(typ="safe").load(Path("scenarios/street.yaml"))
    source["time"] = {"start": "2016-04-20T15:00:00Z", "duration_h": 3}
    source["units"] |= {"history_days": 1, **units}
    folder.mkdir()
    with (folder / "case.yaml").open("w") as file:
        YAML().dump(source, file)
    return Run(
        run(load(str(folder / "case.yaml")), folder=folder / "run", with_report=False)
        .check()
        .folder
    )


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return go(tmp_path_factory.mktemp("failing") / "a", failures=FAILURES)


def of_kind(found: Run, kind: str) -> pd.DataFrame:
    events = found.events
    return events[events["kind"] == kind]


@pytest.mark.slow
@pytest.mark.requirement("CP-04")
def test_killed_units_come_back_and_the_sums_are_whole_again(failed: Run) -> None:
    killed, back = of_kind(failed, "unit_killed"), of_kind(failed, "unit_restarted")
    assert len(killed) == len(back) > 10
    down = of_kind(failed, "node_down")
    assert set(killed["element"]) <= set(down["element"])
    # the meters still knew the substation's subscriptions when it asked for them again
    requests = failed.series("request")
    again = requests[(requests["unit"] == "lvgmu/lv4.101") & (requests["t_ms"] > 0.9 * 3_600_000)]
    results = again[again["operation"] == "event"]["result"].value_counts()
    assert results["replaced"] >= 82
    assert results.get("ok", 0) == 0
    # and the substation those of the level above: its sums go on, soon with all meters
    sums = of_kind(failed, "area_energy")
    last = sums[sums["element"].str.contains("lv4.101")].iloc[-1]
    assert json.loads(last["value"])["missing"] == 0


@pytest.mark.slow
def test_memory_on_disk_gives_the_same_tables(
    failed: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    disk = go(tmp_path_factory.mktemp("disk") / "a", failures=FAILURES, memory="disk")
    for name in ("message", "request", "event", "terminal"):
        pd.testing.assert_frame_equal(failed.series(name), disk.series(name))


def test_a_unit_that_is_not_there_is_refused() -> None:
    scenario = load("street", ["units.failures=[{unit: meter/lv9/*, at_h: 1}]"])
    with pytest.raises(ScenarioError, match=r"units.failures\[0\].unit"):
        assemble(scenario)
