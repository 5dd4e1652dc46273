"""Quality of supply of a street with many chargers and panels, from the scenario to the KPIs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from fernwatt.errors import ScenarioError
from fernwatt.gridmodel import load_grid
from scenarios import load
from scenarios.assembly import assemble

FOUR = "grid.solver=four-wire"
SETTINGS = (
    FOUR, "time.duration_h=3", "time.start='2016-04-20T16:00:00Z'",
    "units.history_days=1", "devices.ev.share=0.9", "devices.pv.share=0.6",
    "grid.quality.places=lv", "grid.quality.background=[{order: 5, percent: 1.0}]",
    "grid.frequency.excursions=[{at_s: 900, duration_s: 60, hz: 49.7}]",
    "grid.transients=[{at_s: 100.5, bus: bus/lv4.101/bus-2, peak_pu: 2.5}]",
)  # fmt: skip
TABLES = ("quality", "harmonic", "harmonic_current", "voltage_event")


def run(home: Path, name: str, *settings: str) -> Path:
    words = [word for setting in settings for word in ("--set", setting)]
    done = subprocess.run(
        [sys.executable, "-m", "scenarios.cli", "run", "street", "--runs", name, *words],
        cwd=home, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONHASHSEED": name[-1]},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder,) = (home / name).iterdir()
    return folder


def table(folder: Path, name: str):
    return pq.read_table(folder / f"series/{name}.parquet").to_pandas()


@pytest.mark.slow
@pytest.mark.requirement("GR-05")
def test_a_street_of_chargers(tmp_path):
    first = run(tmp_path, "run1", *SETTINGS)
    quality, harmonic = table(first, "quality"), table(first, "harmonic")
    current, events = table(first, "harmonic_current"), table(first, "voltage_event")
    places = quality["place"].nunique()
    assert len(quality) == 18 * places
    assert len(harmonic) == 12 * len(quality)
    # all finite; long-term flicker after two hours
    phases = [1, 2, 3]
    for names in ("v_{}_v", "thd_{}_percent", "pst_{}"):
        values = quality[[names.format(k) for k in phases]].to_numpy(float)
        assert np.isfinite(values).all(), names
    assert quality["plt_1"].notna().sum() == 7 * places
    assert quality["v_1_v"].between(200, 250).all()
    # distortion: the root of the sum of squares of the orders, below what EN 50160 allows
    rows = harmonic.assign(square=harmonic["u_2_percent"] ** 2)
    total = rows.groupby(["t_ms", "place"])["square"].sum() ** 0.5
    told = quality.set_index(["t_ms", "place"])["thd_2_percent"]
    assert np.allclose(total.loc[told.index], told)
    assert 0.3 < told.max() < 8.0
    # the grid above has a fifth harmonic of 1 %
    fifth = harmonic[harmonic["harmonic"] == 5]["u_1_percent"]
    assert 0.5 < fifth.mean() < 2.0
    # triplens of the phases add up in the neutral
    busy = current[current["triplen_1_a"] > 1.0]
    assert len(busy) > 20
    most = busy[[f"triplen_{k}_a" for k in phases]].max(axis=1)
    assert (busy["triplen_neutral_a"] > most).all()
    assert (busy["triplen_neutral_a"] / most).median() > 2.0
    # frequency and transient as stated
    assert quality["hz_min"].min() == pytest.approx(49.7)
    assert set(quality[quality["hz_min"] < 50]["t_ms"]) == {600_000}
    assert list(events["kind"]) == ["transient"]
    assert (events["begin_us"][0], events["place"][0]) == (100_500_000, "bus/lv4.101/bus-2")
    kpis = json.loads((first / "kpis.json").read_text())
    assert kpis["voltage_events"]["by"] == {"transient": 1}
    assert kpis["en50160_percent"]["by"]["voltage"] == 100.0
    assert kpis["thd_95_percent"]["value"] == pytest.approx(told.max(), rel=0.5)
    # the same bytes once more, in another process
    again = run(tmp_path, "run2", *SETTINGS)
    for name in TABLES:
        ours, theirs = (folder / f"series/{name}.parquet" for folder in (first, again))
        assert ours.read_bytes() == theirs.read_bytes(), name
    # and what is not about quality is as if nobody had asked for it
    without = run(tmp_path, "run3", *(words for words in SETTINGS if "grid." not in words), FOUR)
    for path in sorted((without / "series").iterdir()):
        if path.stem not in TABLES:
            assert path.read_bytes() == (first / "series" / path.name).read_bytes(), path.name


@pytest.mark.slow
def test_meters_measure_what_the_plant_offers(tmp_path):
    folder = run(
        tmp_path, "run4", FOUR, "time.duration_h=1", "units.history_days=1",
        "field.meters.window_s=600", "grid.quality.places=lv",
        "grid.frequency.series=[[0, 50.0], [900, 49.7], [2000, 50.1]]",
    )  # fmt: skip
    reading, quality = table(folder, "reading"), table(folder, "quality")
    told = reading[reading["variable"] == "voltage.quality"]
    values = [json.loads(text) for text in told["record"]]
    assert len(told) > 100
    hz = np.array([value["hz"] for value in values])
    true = np.select([told["t_sample_ms"] < 900_000, told["t_sample_ms"] < 2_000_000], [50.0, 49.7],
                     50.1)  # fmt: skip
    assert np.abs(hz - true).max() <= 0.0506
    shown = np.array([v["thd_percent"] for v in values if "thd_percent" in v], dtype=float)
    assert np.isfinite(shown).any(axis=1).all()
    most = quality[[f"thd_{k}_percent" for k in (1, 2, 3)]].to_numpy(float).max()
    assert 0.05 < np.nanmedian(shown) <= 1.05 * most


@pytest.mark.slow
def test_dips_and_interruptions_are_those_of_a_fault(tmp_path):
    """A cable fault that a fuse clears: who is behind it has lost supply, all others had a dip."""
    terminals = load_grid({"simbench": "1-LV-semiurb4--0-sw"}).terminal_ids
    folder = run(
        tmp_path, "run5", FOUR, "time.duration_h=0.75", "units.history_days=1",
        "grid.quality.harmonics=false", f"grid.quality.places=[{', '.join(terminals)}]",
        "faults=[{at_h: 0.2, line: line/lv4.101/line-31, kind: three-phase}]",
        "devices.pv.share=0", "devices.battery.share=0",
    )  # fmt: skip
    events, gaps = table(folder, "voltage_event"), table(folder, "interruption")
    news = pq.read_table(folder / "events.parquet").to_pandas().set_index("id")
    dips = events[events["kind"] == "dip"]
    assert set(dips["place"]) == set(terminals)
    assert set(dips["begin_us"]) == {720_000_000}
    assert set(news.loc[dips["cause"], "kind"]) == {"fault_begins"}
    over = dips[dips["complete"]]
    assert len(over)
    assert set(news.loc[over["ended_by"], "kind"]) == {"switch_opened"}
    assert (over["extreme_pu"] < 0.9).all()
    assert ((over["end_us"] - over["begin_us"]) < 2_000_000).all()
    # the table of the plant's own interruptions tells of the same terminals
    lost = events[(events["kind"] == "interruption") & ~events["complete"]]
    assert len(lost)
    assert set(lost["place"]) == set(gaps["terminal"]) != set(terminals)
    assert set(dips[dips["deep"]]["place"]) >= set(lost["place"])


def refused(*settings: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        assemble(load("street", ["units.history_days=1", "time.duration_h=1", *settings]))
    return "\n".join(f"{fault.path} {fault.message} {fault.hint}" for fault in caught.value.faults)


def test_what_the_grid_has_not_is_refused():
    said = refused("grid.quality.places=[bus/lv4.101/bus-2000, bus/lv4.101/bus-2]")
    assert "grid.quality.places[0] the grid has no bus/lv4.101/bus-2000" in said
    assert "places[1]" not in said
    said = refused("grid.transients=[{at_s: 1, bus: bus/lv4.101/bus-x, peak_pu: 2}]")
    assert "grid.transients[0].bus" in said
    said = refused("grid.solver=balanced", "grid.quality.harmonics=true")
    assert "grid.quality.harmonics" in said


TWICE = "[{at_s: 0, duration_s: 9, hz: 49}, {at_s: 5, duration_s: 9, hz: 51}]"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("grid.frequency.series=[[0, 50], [0, 49.9]]", "does not come after"),
        ("grid.frequency={series: [[0, 50]], file: f.csv}", "exactly one"),
        (f"grid.frequency.excursions={TWICE}", "within another"),
        ("grid.frequency.series=[[0, 66]]", "60"),
        ("grid.quality.background=[{order: 4, percent: 1}]", "only odd orders"),
        ("grid.quality.spectra={ev: sixpulse}", "six-pulse"),
        ("grid.transients=[{at_s: 1, bus: b, peak_pu: 0.5}]", "1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(settings, message):
    assert message in refused(settings)


def test_frequency_comes_from_a_file(tmp_path):
    scenario = tmp_path / "s.yaml"
    scenario.write_text(
        "fernwatt: 1\nname: s\nextends: street\ntime: {duration_h: 1}\n"
        "units: {history_days: 1}\ngrid: {frequency: {file: hz.csv}}\n"
    )
    (tmp_path / "hz.csv").write_text("t_s,hz\n0.5,49.98\n10,50.02\n")
    plan = assemble(load(str(scenario)))
    assert plan.params["grid"]["frequency"] == [[500, 49.98], [10_000, 50.02]]
    for text, message in (
        ("t_s,hz\n0,50\n0,50\n", "hz.csv:3.*t_s 0 does not come after"),
        ("t_s,hz\n0,fifty\n-1,50\n", "no numbers"),
        ("t,hz\n0,50\n", "columns t_s and hz"),
        ("t_s,hz\n0,nan\n", "not from 40 to 60"),
    ):
        (tmp_path / "hz.csv").write_text(text)
        with pytest.raises(ScenarioError, match=message):
            assemble(load(str(scenario)))


def test_drawn_transients_are_the_same_again_and_as_many_as_stated():
    settings = ["units.history_days=1", "time.duration_h=1", "seed=4"]
    rate = "grid.transient_rate={per_bus_year: 87600, peak_pu: [2, 4]}"  # ten an hour
    one, other = (assemble(load("street", [*settings, rate])).params["grid"] for _ in range(2))
    assert one["transients"] == other["transients"]
    buses = {item["bus"] for item in one["transients"]}
    assert len(one["transients"]) == pytest.approx(10 * len(buses), rel=0.15)
    peaks = np.array([item["peak_pu"] for item in one["transients"]])
    assert peaks.min() >= 2
    assert peaks.max() <= 4
    assert np.median(peaks) == pytest.approx(8**0.5, rel=0.05)
    plain = assemble(load("street", settings)).params
    assert not {"quality", "frequency", "transients"} & plain["grid"].keys()
    assert "by_kind" not in plain["devices"]
