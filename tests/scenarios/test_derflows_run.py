"""Panels on every roof at noon: units above them see what flows back, and which one has failed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from analysis import Run
from fernwatt.errors import ScenarioError
from scenarios import load, run
from scenarios.assembly import assemble

pytestmark = pytest.mark.slow
SLOT = 900_000
SUNNY = [
    "grid.source={simbench: 1-LV-rural1--0-sw}", "time.duration_h=5", "units.history_days=1",
    "time.start='2016-06-20T09:00:00Z'", "weather.cloudiness=0.0", "devices.ev.share=0.0",
    "devices.pv={share: 1.0, p_rated_w: [12000, 14000]}", "devices.battery.share=0.3",
    "services.balancing.mode=local", "orchestration.coupling=fused", "units.dermu={}",
    "units.control=[pv, battery]",
    "units.failures=[{unit: dermu/lv1.101/load-3/pv, at_h: 1.5, lasts_s: 5400}]",
    "units.data={der_flows: {reverse_percent: 50}}",
]  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("derflows") / "run"
    return Run(run(load("street", SUNNY), folder=folder, with_report=False).check().folder)


def told(a_run, kind):
    frame = a_run.series("event")
    frame = frame[(frame["kind"] == kind).to_numpy()].sort_values("t_us", kind="stable")
    return [
        (t / 1e3, str(e), json.loads(v))
        for t, e, v in zip(frame["t_us"], frame["element"], frame["value"], strict=True)
    ]


@pytest.mark.requirement("BA-06")
def test_what_flows_back_is_noticed_when_it_does(found):
    branch = found.series("branch")
    branch = branch[(branch["kind"] == "transformer").to_numpy()].sort_values("t_ms")
    back_w = -branch["p_from_w"].to_numpy()
    times = branch["t_ms"].to_numpy()
    problems = [(t, v) for t, e, v in told(found, "der_problem") if v["kind"] == "reverse_flow"]
    assert problems
    began_ms, value = problems[0]
    assert value["active"]
    first_ms = times[np.argmax(back_w > 80_000.0)]  # half of 160 kVA
    assert first_ms < began_ms < first_ms + 3 * SLOT
    at = np.searchsorted(times, began_ms, side="right") - 2
    assert value["value"] == pytest.approx(back_w[at], rel=0.1)


def test_sums_at_every_level_are_what_the_devices_do(found):
    device = found.series("device")
    device = device[device["kind"].isin(["pv"]).to_numpy()]
    fed = -device.groupby("t_ms")["p_w"].sum()
    for kind in ("lvgmu", "mvgmu", "tlgmu"):
        seen = [(t, v) for t, e, v in told(found, "der_summary") if e.startswith(kind + "/")]
        assert len(seen) > 10
        for t_ms, value in seen:
            slot = int(t_ms // SLOT * SLOT)
            if value["silent"] or value["available"] < value["units"]:
                continue
            near = [fed.get(slot - k * SLOT) for k in (0, 1, 2)]
            low, high = (f(x for x in near if x is not None) for f in (min, max))
            assert 0.85 * low <= value["fed_w"] <= 1.15 * high + 5000, (kind, t_ms)


def test_a_unit_that_fails_is_silent_and_counted_on_no_more(found):
    problems = [(t, e, v["active"]) for t, e, v in told(found, "der_problem")
                if v["kind"] == "silent"]  # fmt: skip
    ((begin_ms, unit, on), (end_ms, same, off)) = problems
    assert unit == same == "dermu/lv1.101/load-3/pv"
    assert (on, off) == (True, False)
    assert 1.5 * 3.6e6 < begin_ms < 3.0 * 3.6e6 < end_ms
    kpis = json.loads((found.folder / "kpis.json").read_text())
    assert kpis["der_problems"]["by"]["silent"] == 1
    assert 80 < kpis["der_available_percent"]["value"] < 100


def test_without_units_that_tell_it_is_said():
    settings = [one for one in SUNNY if not one.startswith(("units.dermu", "units.failures"))]
    with pytest.raises(ScenarioError, match="no unit that would tell"):
        assemble(load("street", settings))
