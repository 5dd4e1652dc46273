"""What balancing achieves in the street, over its modelled links, against the street without.

Each seed is a street of its own: other vehicles, panels, weather, losses. Steering and local
mode of one seed differ in nothing but the service.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import Run
from scenarios import load, run

LOCAL, STEERING = "services.balancing.mode=local", "services.balancing.mode=steering"
PLANT = ("bus", "branch", "system", "terminal", "device", "session")
SLOT_MS, SLOT_H = 900_000, 0.25


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """Run a street once for each set of changes; return its folder."""
    home, made = tmp_path_factory.mktemp("streets"), {}

    def make(*changes: str) -> Run:
        if changes not in made:
            folder = home / str(len(made))
            run(load("street", changes), folder=folder, with_report=False).check()
            made[changes] = Run(folder)
        return made[changes]

    return make


def quarters_w(done: Run) -> np.ndarray:
    """Power drawn at the transformer, means of quarter-hours."""
    assert done.interval_ms == 900_000
    return done.series("system").sort_values("t_ms")["p_import_w"].to_numpy()


def sessions(done: Run) -> pd.DataFrame:
    return done.series("session").set_index("session").sort_index()


def left_wh(done: Run) -> float:
    """Energy that the run leaves in batteries, less what vehicles still wait for."""
    return done.kpis["end_state_wh"]["value"]


def lost_wh(done: Run) -> float:
    grid = done.series("system")["p_loss_w"].sum() * SLOT_H
    return grid + done.series("device")["loss_w"].sum() * SLOT_H


def check_energy(local: Run, steered: Run) -> None:
    """Vehicles that left got the same; what was drawn differs by contents and losses alone."""
    ours, theirs = sessions(steered), sessions(local)
    fixed = ["device", "arrival_ms", "departure_ms", "requested_wh", "complete"]
    pd.testing.assert_frame_equal(ours[fixed], theirs[fixed])
    gone = ours["complete"].to_numpy(dtype=bool)
    np.testing.assert_allclose(
        ours["delivered_wh"][gone], theirs["delivered_wh"][gone], rtol=0, atol=0.01
    )
    used = [
        quarters_w(done).sum() * SLOT_H - lost_wh(done) - left_wh(done) for done in (local, steered)
    ]
    assert used[1] == pytest.approx(used[0], rel=1e-6)


def corrected_peak_w(local: Run, steered: Run) -> float:
    """The steered peak, had all that its batteries lack at the end been drawn at the peak."""
    lack_wh = max(left_wh(local) - left_wh(steered), 0.0)
    h = len(quarters_w(steered)) * SLOT_H
    return quarters_w(steered).max() + lack_wh / h


def check_peak(local: Run, steered: Run) -> None:
    assert corrected_peak_w(local, steered) <= 0.8 * quarters_w(local).max()


def check_network(steered: Run) -> None:
    """The negotiation does not choke the power line it runs over."""
    kpis = steered.kpis
    assert kpis["negotiation_answers_percent"]["value"] >= 95
    assert kpis["delivery_percent"]["value"] >= 98
    assert kpis["message_delay_p95_ms"]["value"] < 1000


def check_plans(steered: Run) -> None:
    rounds = steered.series("negotiation")
    assert rounds["committed"].sum() > 20
    assert (rounds["distance_after_w"] <= rounds["distance_before_w"] + 1e-6).all()
    assert (rounds["answers"] <= rounds["children"]).all()


def check_metering(done: Run) -> None:
    """Every level reports what the meters' registers say, though reports get lost on the way."""
    events = done.events
    reports: dict[str, dict[int, dict]] = {}
    for unit, text in events.loc[events["kind"] == "area_energy", ["element", "value"]].to_numpy():
        report = json.loads(text)
        reports.setdefault(unit.split("/")[0], {})[report["t_ms"]] = report
    reading = done.series("reading")
    meters = reading[reading["instrument"].astype(str).str.startswith("meter/")]
    houses = meters["instrument"].nunique()
    slots = done.duration_ms // SLOT_MS
    # a slot is summed three minutes and more after its end: the last one by nobody
    assert {level: len(by) for level, by in reports.items()} == {
        "lvgmu": slots - 1, "mvgmu": slots - 1, "tlgmu": slots - 2
    }  # fmt: skip
    for variable, key in (("energy.import", "import_wh"), ("energy.export", "export_wh")):
        registers = meters[meters["variable"] == variable]
        growth_wh = registers.groupby("t_sample_ms")["value"].sum().diff()
        for by in reports.values():
            for t_ms, report in by.items():
                assert (report["meters"], report["missing"]) == (houses, 0)
                assert report[key] == pytest.approx(growth_wh[t_ms + SLOT_MS], abs=1e-6)


def compare(*runs: Run) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "scenarios.cli", "compare", *(str(r.folder) for r in runs)]
    env = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(words, capture_output=True, text=True, check=False, env=env)


def cells(text: str, kpi: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.split()[:1] == [kpi]]
    return [cell.strip() for cell in line.split("  ") if cell.strip()][1:]


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3, 4, 5))]
)
def test_balancing_lowers_the_peak_by_a_fifth_and_serves_every_vehicle(street, seed):
    local, steered = street(LOCAL, f"seed={seed}"), street(STEERING, f"seed={seed}")
    assert len(sessions(local)) > 5
    assert local.kpis["ev_not_served_wh"]["value"] < 0.01
    check_energy(local, steered)
    check_peak(local, steered)
    check_network(steered)
    check_plans(steered)
    check_metering(steered)


@pytest.mark.slow
def test_with_all_messages_lost_the_plant_runs_as_in_local_mode(street):
    local, steered = street(LOCAL, "seed=1"), street(STEERING, "seed=1")
    deaf = street(STEERING, "seed=1", "network.loss=1.0")
    assert deaf.kpis["delivery_percent"]["value"] == 0
    assert len(deaf.messages) > 1000
    for table in PLANT:
        name = Path("series") / f"{table}.parquet"
        same, other = (local.folder / name).read_bytes(), (steered.folder / name).read_bytes()
        assert (deaf.folder / name).read_bytes() == same, table
        # of what the service can change
        assert (other == same) is False or table == "session", table
    done = compare(local, steered, deaf)
    assert done.returncode == 0, done.stderr
    peak = cells(done.stdout, "peak_import_w")
    assert peak[0] == peak[3]
    assert peak[4] == "="
    assert peak[2].endswith("better")
    assert cells(done.stdout, "ev_delivered_wh")[0] == cells(done.stdout, "ev_delivered_wh")[3]
    answers = cells(done.stdout, "negotiation_answers_percent")
    assert answers[-2].startswith("0") or "0 %" in answers
    for kpi in ("delivery_percent", "end_state_wh", "profile_std_w"):
        assert cells(done.stdout, kpi), kpi
