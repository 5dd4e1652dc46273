"""A street in four wires, from the scenario to the tables, twice with the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

SETTINGS = (
    "grid.solver=four-wire", "grid.phases.unbalance=0.8", "grid.phases.single_phase_max_w=5000",
    "grid.earthing.system=TT", "time.duration_h=1", "units.history_days=1",
)  # fmt: skip


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


@pytest.mark.requirement("GR-01")
def test_a_street_in_four_wires(tmp_path):
    first = run(tmp_path, "run1", *SETTINGS)
    phase, conductor, terminal = (table(first, t) for t in ("phase", "conductor", "terminal"))
    # customers of one phase and of three, each with the voltages of its own conductors
    known = phase[["v_1_v", "v_2_v", "v_3_v"]].notna()
    assert set(known.sum(axis=1)) == {1, 3}
    assert known.any().all()
    merged = phase.merge(terminal, on=["t_ms", "terminal"])
    assert len(merged) == len(terminal) == len(phase)
    drawn = merged[["p_1_w", "p_2_w", "p_3_w"]].sum(axis=1)
    assert (drawn - merged["p_w"]).abs().max() < 1e-6
    # the neutral carries the difference, and has a voltage
    assert conductor["i_neutral_a"].max() > 1.0
    assert (conductor["i_neutral_max_a"] >= conductor["i_neutral_a"] - 1e-9).all()
    assert 0.05 < phase["v_neutral_max_v"].max() < 20
    # energy is conserved
    system = table(first, "system")
    balance = system["p_import_w"] - system["p_terminals_w"] - system["p_loss_w"]
    assert balance.abs().max() < 0.1
    # meters read what their customers' own phases have
    reading = table(first, "reading")
    volts = reading[reading["variable"] == "voltage"]["value"]
    assert len(volts)
    assert volts.between(215, 250).all()
    # devices sit on the phase of their customer, the grid's description says so
    grid = json.loads((first / "grid.json").read_text())
    phases = {t["id"]: t["phases"] for t in grid["terminals"]}
    assert {len(p) for p in phases.values()} == {1, 3}
    second = run(tmp_path, "run2", *SETTINGS)
    for path in sorted(first.rglob("*.parquet")):
        other = second / path.relative_to(first)
        assert path.read_bytes() == other.read_bytes(), path.name


@pytest.mark.slow
def test_without_the_solver_the_same_settings_change_nothing(tmp_path):
    plain = run(tmp_path, "run1", *SETTINGS[4:])
    told = run(tmp_path, "run2", *SETTINGS[1:])
    for path in sorted(plain.rglob("*.parquet")):
        assert path.read_bytes() == (told / path.relative_to(plain)).read_bytes(), path.name
    assert len(table(plain, "phase")) == len(table(plain, "conductor")) == 0
