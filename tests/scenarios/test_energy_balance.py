"""The books of a run close, and would not if a device's power got lost on its way to the grid."""

from pathlib import Path

import numpy as np
import pytest

from analysis import Run
from scenarios import load, run
from simulators.devices import core

SHORT = ["time.duration_h=2", "units.history_days=1"]


def go(folder: Path, *changes: str) -> Run:
    """Run the street; return what it left."""
    scenario = load("street", [*SHORT, *changes])
    return Run(run(scenario, folder=folder, with_report=False).check().folder)


def gap(found: Run) -> float:
    """Return what is missing between import, devices and the losses of all branches, of the
    energy that devices exchange: worked out anew, from the tables.
    """
    system = found.series("system").set_index("time")["p_import_w"]
    device = found.series("device")
    drawn = device.groupby("time")["p_w"].sum()
    exchanged = device["p_w"].abs().groupby(device["time"]).sum()
    lost = found.series("branch").groupby("time")["loss_w"].sum()
    return float((system - drawn - lost).abs().sum() / exchanged.sum())


@pytest.mark.requirement("BX-07")
@pytest.mark.parametrize("solver", ["balanced", "pandapower"])
def test_import_is_devices_and_losses_of_the_branches(tmp_path, solver):
    found = go(tmp_path / "run", f"grid.solver={solver}")
    assert gap(found) < 1e-6
    assert found.kpis["energy_balance_gap"]["value"] < 1e-6
    assert found.kpis["losses_wh"]["value"] > 0


@pytest.mark.requirement("BX-07")
def test_a_device_whose_power_does_not_arrive_opens_the_gap(tmp_path, monkeypatch):
    whole = core.DevicesCore.power
    terminal = 7

    def without(self):
        power = whole(self)
        p_w = np.array(power["p_w"])
        assert np.abs(p_w[terminal]).sum() > 0
        p_w[terminal] = 0.0
        return {**power, "p_w": p_w}

    monkeypatch.setattr(core.DevicesCore, "power", without)
    found = go(tmp_path / "run")
    assert gap(found) > 1e-4
    assert found.kpis["energy_balance_gap"]["value"] > 1e-4
    assert found.kpis["energy_balance_gap"]["by"]["devices"] > 1e-4
