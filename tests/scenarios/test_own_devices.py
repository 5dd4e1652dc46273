"""Devices of the user in whole runs: load profiles, and vehicles whose batteries are known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from analysis import Run
from fernwatt.errors import ScenarioError
from scenarios import load, run
from scenarios.assembly import assemble, fleet
from scenarios.validate import validate

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
START = datetime(2016, 4, 20, 10, tzinfo=UTC)
SMALL = ["grid.source={simbench: 1-LV-rural1--0-sw}", "seed=5"]
BASE = """fernwatt: 1
name: own
extends: street
"""


def table(path, columns, step_s=900, begin=START - timedelta(days=1), hours=28):
    """Write a CSV of courses; return {column: values}."""
    rng = np.random.default_rng(3)
    rows = hours * 3600 // step_s
    values = {name: np.round(rng.gamma(1.0, 400.0, rows), 1) for name in columns}
    lines = [",".join(["time", *columns])]
    for row in range(rows):
        stamp = (begin + timedelta(seconds=row * step_s)).isoformat()
        lines.append(",".join([stamp, *(str(values[name][row]) for name in columns)]))
    path.write_text("\n".join(lines) + "\n")
    return values


def scenario(folder, *more):
    path = folder / "own.yaml"
    path.write_text(BASE)
    return load(path, [*SMALL, "units.history_days=1", *more])


def test_customers_draw_what_their_file_says(tmp_path) -> None:
    mine, other = "terminal/lv1.101/load-1", "terminal/lv1.101/load-2"
    values = table(tmp_path / "loads.csv", [mine, "flat 3"])
    wanted = f"devices.household.profiles={{file: loads.csv, column_of: {{{other}: flat 3}}}}"
    made = scenario(tmp_path, wanted, "time.duration_h=4", "devices.pv.share=0.0",
                    "devices.ev.share=0.0", "devices.battery.share=0.0")  # fmt: skip
    found = Run(run(made, folder=tmp_path / "run", with_report=False).check().folder)
    device = found.series("device").set_index("device")
    for name, column in (("load/lv1.101/load-1", mine), ("load/lv1.101/load-2", "flat 3")):
        got = device.loc[name]["p_w"].to_numpy()
        assert got == pytest.approx(values[column][96:112], rel=1e-9)
    tan_phi = device.loc["load/lv1.101/load-1"]["q_var"].to_numpy() / values[mine][96:112]
    assert tan_phi == pytest.approx(np.full(16, np.tan(np.arccos(0.95))), rel=1e-3)
    gap = found.kpis["energy_balance_gap"]["value"]
    assert gap < 1e-6
    # the meters' memory of the day before is the file's too
    plan = assemble(made)
    meters = [i for i in plan.params["field"]["instruments"] if i.get("history")]
    meter = next(i for i in meters if i["id"].startswith("meter/lv1.101/load-1/"))
    assert meter["history"]["import_wh"] == pytest.approx(values[mine][:96] / 4, abs=1e-3)


def test_who_shares_a_course_gets_an_own_variation_of_it(tmp_path) -> None:
    homes = [f"terminal/lv1.101/load-{n}" for n in (1, 2, 3)]
    begin = datetime(2016, 4, 19, tzinfo=UTC)
    values = table(tmp_path / "loads.csv", ["house"], begin=begin, hours=48)["house"]
    column_of = ", ".join(f"{home}: house" for home in homes)
    wanted = f"devices.household.profiles={{file: loads.csv, column_of: {{{column_of}}}}}"
    plan = assemble(scenario(tmp_path, wanted, 'time={start: "2016-04-20T00:00:00Z"}'))
    devices = plan.params["devices"]["devices"]
    loads = {d["terminal"]: d["p_w"] for d in devices if d["kind"] == "load"}
    shapes = [loads[home] for home in homes]
    assert np.corrcoef(shapes)[np.triu_indices(3, 1)].max() < 0.97
    for shape in shapes:
        assert not np.allclose(shape, values[96:])
        assert shape.sum() == pytest.approx(values[96:].sum(), rel=1e-6)  # the day's energy is kept


def test_finer_steps_are_the_devices_steps(tmp_path) -> None:
    name = "terminal/lv1.101/load-1"
    values = table(tmp_path / "loads.csv", [name], 60)[name]
    wanted = "devices.household.profiles={file: loads.csv, unit: Wh}"
    made = scenario(tmp_path, wanted, "time.duration_h=4")
    spec = next(
        d for d in assemble(made).params["devices"]["devices"] if d["id"] == "load/lv1.101/load-1"
    )
    assert spec["step_s"] == 60
    assert spec["p_w"] == pytest.approx(values[24 * 60 :] * 60)


def test_vehicles_leave_with_what_they_asked_for(tmp_path) -> None:
    made = load(
        "street",
        [*SMALL, "units.history_days=1", "record.interval_s=900",
         "devices.ev={share: 1.0, i_min_a: 6, vehicle: {capacity_wh: [30000, 60000]}, v2g: {}}"],
    )  # fmt: skip
    found = Run(run(made, folder=tmp_path / "run", with_report=False).check().folder)
    session = found.series("session")
    done = session[session["complete"]]
    assert len(done) >= 5
    assert done["delivered_wh"].to_numpy() == pytest.approx(
        done["requested_wh"].to_numpy(), abs=1e-4
    )
    device = found.series("device")
    vehicles = device[device["kind"] == "ev"]
    assert vehicles["energy_wh"].between(0.0, 60_000.0)[vehicles["energy_wh"].notna()].all()
    assert vehicles["energy_wh"].notna().any()
    assert (vehicles["loss_w"] > 0).any()
    reasons = found.series("event").query("kind == 'power_changed'")["value"]
    assert reasons.str.contains("charging-curve").any()


def test_the_example_of_the_documentation_runs(tmp_path) -> None:
    made = load(EXAMPLES / "own_devices.yaml")
    found = Run(run(made, folder=tmp_path / "run", with_report=False).check().folder)
    session = found.series("session").set_index("session")
    errand = session.loc["session/lv1.101/load-1/errand"]
    assert errand["complete"]
    assert errand["delivered_wh"] == pytest.approx(12_000.0, abs=1e-6)
    device = found.series("device").set_index("device")
    baker = device.loc["load/lv1.101/load-2"]["p_w"].to_numpy()
    assert baker[:4] == pytest.approx([4_800.0, 4_800.0, 4_400.0, 4_400.0])


def test_what_a_device_would_refuse_is_refused_at_validation(tmp_path, monkeypatch) -> None:

    real = fleet.home_batteries

    def broken(*args, **given):
        made = real(*args, **given)
        return [made[0] | {"initial_wh": 2e6}, *made[1:]]

    monkeypatch.setattr(fleet, "home_batteries", broken)
    with pytest.raises(ScenarioError, match="initial_wh: must be at least 0 and at most"):
        validate("street", ["grid.source={simbench: 1-LV-rural1--0-sw}"])


def test_statistics_of_ones_own_are_drawn_from(tmp_path) -> None:
    wanted = "{per_day: 1.0, arrival_h: [16.0, 0.0], timezone: Z, energy_wh: [5000.0, 100.0]}"
    made = scenario(
        tmp_path, f"devices.ev={{share: 1.0, sessions: {{statistics: {wanted}}}}}"
    )  # fmt: skip
    devices = assemble(made).params["devices"]["devices"]
    visits = [visit for d in devices if d["kind"] == "ev" for visit in d["sessions"]]
    coming = [visit for visit in visits if visit["arrival_ms"] > 0]
    assert len(coming) > 10
    assert {visit["arrival_ms"] % 86_400_000 for visit in coming} == {6 * 3_600_000}
    energies = np.array([visit["energy_wh"] for visit in coming])
    assert energies.mean() == pytest.approx(5_000.0, rel=0.03)
