"""Public lighting from the scenario to the tables: dusk, a dip, failed lamps, and the books."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pvlib
import pytest

from analysis import Run
from fernwatt.adapter import plain_value
from fernwatt.errors import ScenarioError
from scenarios import load
from scenarios.assembly import assemble

HOME = Path(__file__).parents[2]
FEEDER = "lighting/lv4.101/main-street"
H_MS = 3_600_000
DIP_MS = round(3.5 * H_MS)
TYPES = [("high-pressure-sodium", 8), ("metal-halide", 6), ("led", 8), ("high-pressure-sodium", 8)]
SHORT = ["time.duration_h=3.75"]
EVENING = """{areas: all, design: {switching: {mode: timetable, burns_from: "10:15",
  burns_until: "10:45"}}, failures: [{lamp: lighting/lv4.101/feeder-1/lamp-001, at_h: 0.5}]}"""


def run(home: Path, name: str, scenario: str, *settings: str, hash_seed: int = 0) -> Path:
    """Run a scenario in a process of its own; return its folder."""
    words = [word for setting in settings for word in ("--set", setting)]
    done = subprocess.run(
        [sys.executable, "-m", "scenarios.cli", "run", scenario, "--runs", name, *words],
        cwd=home, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONHASHSEED": str(hash_seed)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (folder,) = (home / name).iterdir()
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Return a run of the packaged scenario, until a quarter of an hour after the dip."""
    return run(tmp_path_factory.mktemp("lights"), "first", "lights", *SHORT, hash_seed=1)


@pytest.fixture(scope="module")
def found(folder) -> Run:
    return Run(folder)


def lamps(kind: str) -> set[str]:
    names, first = set(), 0
    for lamp, count in TYPES:
        if lamp == kind:
            names |= {f"{FEEDER}/lamp-{n:03}" for n in range(first, first + count)}
        first += count
    return names


def seen(found: Run) -> pd.DataFrame:
    """Return active power by phase at the heads of the segments, as their sensors told it."""
    table = found.series("reading")
    table = table[table["instrument"].str.startswith("sensor/lv4.101/main-street/")]
    records = [json.loads(text) for text in table["record"]]
    segment = [int(record["element"].rpartition("-")[2]) for record in records]
    index = pd.MultiIndex.from_arrays([table["t_sample_ms"], segment])
    return pd.DataFrame([record["p_w"] for record in records], index=index)


@pytest.mark.requirement("GR-04")
def test_dusk_switches_when_the_sun_is_where_it_has_to_be(found):
    (on,) = found.events[found.events["kind"] == "lighting_on"].itertuples()
    assert on.element == FEEDER
    buses = found.grid["buses"]
    place = [sum(bus[axis] for bus in buses) / len(buses) for axis in ("y", "x")]
    around = pd.DatetimeIndex([on.time + pd.Timedelta(seconds=s) for s in (-2, 2)])
    height = pvlib.solarposition.get_solarposition(around, *place)["elevation"].to_numpy()
    assert height[0] > -4.0 > height[1]
    table = found.series("lighting")
    before = table[table["time"] + pd.Timedelta(minutes=1) <= on.time]
    assert len(before)
    assert (before[["p_w", "due", "lit"]].to_numpy() == 0.0).all()
    after = table[(table["time"] > on.time) & (table["t_ms"] < 2.5 * H_MS)]
    assert (after["lit"] == after["lamps"]).all()
    assert after.groupby("t_ms")["lamps"].sum().eq(30).all()


def test_the_books_close_with_lamps(found):
    assert found.kpis["energy_balance_gap"]["value"] < 1e-6
    lighting = found.series("lighting").groupby("t_ms")["p_w"].sum()
    point = found.series("terminal")
    point = point[point["terminal"] == "terminal/lv4.101/lighting-main-street"].set_index("t_ms")
    np.testing.assert_allclose(lighting, point["p_w"], atol=0.01)
    # import is devices, lamps and losses, but for what customers behind the fuse do not get
    system = found.series("system").set_index("t_ms")
    devices = found.series("device").groupby("t_ms")["p_w"].sum()
    drawn = devices + lighting - system["p_unmet_w"]
    gap = system["p_import_w"] - drawn - system["p_loss_w"]
    assert gap.abs().max() < 1e-6 * system["p_import_w"].max()
    assert system["p_unmet_w"][system.index < DIP_MS].abs().max() < 1e-3
    assert system["p_unmet_w"][DIP_MS] > 100.0
    assert lighting.max() > 0.03 * system["p_import_w"].max()
    assert found.kpis["lighting_wh"]["value"] == pytest.approx(lighting.sum() / 60)


@pytest.mark.requirement("GR-04")
def test_a_failed_lamp_shows_in_its_segment_by_its_share_and_nowhere_else(found):
    """Lamp 010 is a halide one on phase 2, of two in its segment on that phase."""
    p_w = seen(found)
    before, after = (p_w.loc[round(h * H_MS)] for h in (2.45, 2.55))
    own = [part - part.shift(-1).fillna(0.0) for part in (before, after)]
    ratio = own[1] / own[0]
    assert ratio.loc[2, 1] == pytest.approx(0.5, abs=0.03)
    others = ratio.to_numpy().copy()
    others[1, 1] = 1.0
    np.testing.assert_allclose(others, 1.0, atol=0.04)  # flicker, and class 0.5
    table = found.series("lighting")
    dark = table[table["dark"] > 0]
    assert dark["t_ms"].min() == 2.5 * H_MS
    assert set(dark[dark["t_ms"] < DIP_MS]["segment"]) == {f"{FEEDER}/segment-2"}
    truth = found.series("truth")
    (failed,) = truth[truth["kind"] == "lamp_failed"].itertuples()
    assert (failed.element, failed.t_ms) == (f"{FEEDER}/lamp-010", 2.5 * H_MS)
    assert "lamp_failed" not in set(found.events["kind"])


def test_a_dip_leaves_led_alone_and_halides_dark_for_eight_minutes(found):
    events = found.events
    out = events[events["kind"] == "lamp_out"].set_index("element")
    assert set(out.index) & lamps("led") == set()
    assert set(out.index) >= lamps("metal-halide") - {f"{FEEDER}/lamp-010"}
    sodium = set(out.index) & lamps("high-pressure-sodium")
    assert 0 < len(sodium) < 16  # those that burnt most, and those far down the cable
    begins = events[events["kind"] == "fault_begins"]["id"].iloc[0]
    assert begins in set(out["cause"])
    known = set(events["id"])
    assert set(out["cause"]) <= known
    struck = events[events["kind"] == "lamp_struck"].set_index("element")
    assert set(struck.index) == set(out.index)
    assert (struck["cause"] == out["id"].loc[struck.index]).all()
    dark_s = (struck["t_us"] - out["t_us"].loc[struck.index]) / 1e6
    assert (dark_s[sorted(sodium)] == 60.0).all()
    assert (dark_s.drop(sorted(sodium)) == 480.0).all()
    table = found.series("lighting")
    dip = table[table["t_ms"] == DIP_MS].set_index("segment")
    assert 0.6 * 230 < dip["v_end_min_v"].max() < 0.8 * 230
    # the KPI, from the events alone: lamps out, and the one that had failed
    due_h = 30 * (3.75 - events[events["kind"] == "lighting_on"]["t_us"].iloc[0] / 3.6e9)
    dark_h = dark_s.sum() / 3600 + (3.75 - 2.5)
    expected = 100 * (1 - dark_h / due_h)
    assert found.kpis["lamp_availability_percent"]["value"] == pytest.approx(expected, abs=1e-6)


def test_the_report_shows_segments_and_dark_lamps(folder, found):
    assert "Public lighting" in (folder / "report.html").read_text("utf-8")
    drawn = found.plot.lighting().svg("lighting")
    assert drawn == Run(folder).plot.lighting().svg("lighting")
    assert all(f"main-street/segment-{number}" in drawn for number in range(1, 5))
    assert "dark lamps" in drawn


@pytest.mark.slow
def test_other_couplings_and_processes_give_the_same_bytes(folder, tmp_path):
    more = ["orchestration.coupling=separate", "orchestration.processes=[grid]"]
    other = run(tmp_path, "second", "lights", *SHORT, *more, hash_seed=4242)
    names = [sorted(p.relative_to(f) for p in f.rglob("*.parquet")) for f in (folder, other)]
    assert names[0] == names[1]
    assert len(names[0]) > 15
    assert [n for n in names[0] if (folder / n).read_bytes() != (other / n).read_bytes()] == []


@pytest.mark.slow
def test_balanced_and_four_wire_tell_the_same_of_lamps(tmp_path):
    settings = ["time.duration_h=1", "units.history_days=0", f"lighting={EVENING}"]
    told = {}
    for solver in ("balanced", "four-wire"):
        made = Run(run(tmp_path, solver, "street", *settings, f"grid.solver={solver}"))
        table = made.series("lighting").set_index(["t_ms", "segment"])
        told[solver] = table
        assert made.kpis["energy_balance_gap"]["value"] < 1e-6
        assert list(table["due"].groupby("t_ms").sum()) == [0.0, 32.0, 32.0, 0.0]
        assert list(table["dark"].groupby("t_ms").sum()) == [0.0, 0.0, 1.0, 0.0]
        kinds = made.events[made.events["kind"].str.startswith("lighting")]
        assert [(e.t_us, e.kind) for e in kinds.itertuples()] == [
            (900_000_000, "lighting_on"), (2_700_000_000, "lighting_off")
        ]  # fmt: skip
        assert made.kpis["lamp_availability_percent"]["value"] == pytest.approx(100 * 31.5 / 32)
    for name, close in (("p_w", 0.02), ("v_end_v", 0.01)):
        one, other = (told[solver][name].astype(float) for solver in told)
        np.testing.assert_allclose(one, other, rtol=close)
    lamps_only = {"dark", "lit", "due", "lamps"}
    assert all(told["balanced"][name].equals(told["four-wire"][name]) for name in lamps_only)


def test_without_lighting_the_grid_is_told_nothing_of_it():
    plain = assemble(load("street", ["units.history_days=0"]))
    assert "lighting" not in plain.params["grid"]
    assert "lighting" not in plain.topology
    lit = assemble(load("street", ["units.history_days=0", "lighting={areas: all}"]))
    added = set(lit.params["devices"]["terminals"]) - set(plain.params["devices"]["terminals"])
    assert added == {"terminal/lv4.101/lighting-feeder-1"}
    assert plain_value(lit.params["devices"]["devices"]) == plain_value(
        plain.params["devices"]["devices"]
    )
    assert len(lit.topology["lighting"][0]["segments"]) == 4


def test_lamps_of_a_run_are_those_of_its_seed():
    def acts(seed: int) -> object:
        plan = assemble(load("lights", [f"seed={seed}", "units.history_days=0"]))
        return {k: v for k, v in plan.params["grid"]["lighting"].items() if k != "seed"}

    assert acts(1) == acts(2)  # chance is in the lamps, not in the plan


def test_a_feeder_needs_a_place_of_low_voltage():
    with pytest.raises(ScenarioError) as caught:
        assemble(load("district", ["lighting={feeders: [{name: x, at: bus/mv1.101/bus-3}]}"]))
    assert [fault.path for fault in caught.value.faults] == ["lighting.feeders[0].at"]
