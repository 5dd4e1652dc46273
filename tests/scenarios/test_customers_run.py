"""Customers in a run: strategies, tariffs, what they do at devices, and who orders besides."""

from __future__ import annotations

import json

import pytest

from analysis import Run
from fernwatt.errors import ScenarioError
from scenarios import load, run
from scenarios.assembly import assemble

H = 3_600_000
BANDS = "{begin: '00:00', per_mwh: 400}, {begin: '20:00', per_mwh: 150}"
TARIFF = f"{{kind: time-of-use, bands: [{BANDS}], feed_in_per_mwh: 80}}"
STREET = [
    "grid.source={simbench: 1-LV-rural1--0-sw}", "time.start=2016-04-20T15:00:00Z",
    "time.duration_h=5", "units.history_days=2", "seed=3", "record.interval_s=300",
    "devices.ev.share=1.0", "devices.battery.share=0.5", "devices.pv.share=0.0",
    ("devices.ev.sessions.statistics={per_day: 1.0, arrival_h: [17.5, 0.1], "
     "energy_wh: [35000, 2000]}"),
]  # fmt: skip
STEERED = [*STREET, "services.balancing.mode=steering"]
COMMANDS = "[{at_h: 0.5, begins_h: 1, lasts_h: 1.5, limit_percent: 20}]"
WISHES = (
    "services.balancing.strategies=["
    "{customers: 'lv1.101/load-1', weights: {requests: 0, cost: 1}}, "
    "{customers: '*', limits: {vehicle_max_w: 7000, battery_min_percent: 30}}]"
)
SHARED = [
    *STEERED, WISHES, "services.control={intelligence: hybrid, signal: command}",
    f"services.signals={{tariff: {TARIFF}, commands: {COMMANDS}}}",
    ("services.display={every_s: 3600, settings: ["
    "{at_h: 3.0, customers: 'lv1.101/load-2', override: {device: ev, action: stop, lasts_h: 1.5}}, "
    "{at_h: 3.0, customers: 'lv1.101/load-3', override: {device: ev, action: start, lasts_h: 1}}, "
    "{at_h: 3.0, customers: 'lv1.101/load-4', limits: {vehicle_max_w: 2000}}]}"),
]  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """The run with all of it."""
    folder = tmp_path_factory.mktemp("customers") / "run"
    return Run(run(load("street", SHARED), folder=folder, with_report=False).check().folder)


def powers(found, kind, begin_h, end_h):
    """Return each device's recorded mean powers between two hours."""
    rows = found.series("device")
    rows = rows[(rows["kind"] == kind) & (rows["t_ms"] >= begin_h * H) & (rows["t_ms"] < end_h * H)]
    return {name: group["p_w"].to_numpy() for name, group in rows.groupby("device")}


def decided(found, kind):
    events = found.series("event")
    rows = events[events["kind"] == kind]
    return [(t_us // 1000, element, json.loads(text)) for t_us, element, text in
            zip(rows["t_us"], rows["element"], rows["value"], strict=True)]  # fmt: skip


@pytest.mark.slow
@pytest.mark.requirement("BA-04")
def test_limits_of_customers_hold_in_a_run(found):
    told = found.series("reading")
    contents = told[told["variable"] == "battery.soc"]["value"]
    assert len(contents) > 100
    assert 0.3 * 10_000 <= contents.min() / 0.99 < 0.9 * 10_000  # of class 1
    for name, p_w in powers(found, "ev", 0, 5).items():
        if not name.endswith("load-1"):
            assert p_w.max() <= 7000.0 + 1e-6, name
    orders = found.series("request")
    orders = orders[(orders["variable"] == "set_point") & (orders["operation"] == "write")]
    assert set(orders["service"]) == {"balancing"}  # one hand moves a device


@pytest.mark.slow
def test_a_command_lowers_what_is_planned_and_the_parent_is_told(found):
    limits = found.series("request")
    limits = limits[(limits["variable"] == "device.limit") & (limits["operation"] == "write")]
    assert len(limits)
    assert set(limits["result"]) == {"ok"}
    orders = limits[(limits["t_ms"] >= H) & (limits["t_ms"] < 2.5 * H)]
    heard = {f"ev/{unit.partition('/')[2]}" for unit in orders["unit"]}
    assert len(heard) > 8
    for name, p_w in powers(found, "ev", 1.25, 2.5).items():
        assert name not in heard or p_w.max() <= 0.2 * 11_000 + 1, name
    rows = found.series("deviation")
    assert "grid" in set(rows["why"])
    by = found.kpis["plan_interventions"]["by"]
    assert by == {why: (rows["why"] == why).sum() for why in set(rows["why"]) - {"", "hold"}}
    free = rows[rows["why"] == ""]
    far_w = (free["measured_w"] - free["planned_w"]).abs()
    assert found.kpis["plan_deviation_w"]["value"] == pytest.approx(far_w.mean())
    assert far_w.median() < 50.0  # plans are kept where nothing else is asked
    answers = decided(found, "signal_answered")
    assert answers
    assert all(not value["opted_out"] for _, _, value in answers)


@pytest.mark.slow
def test_a_person_stops_and_starts_a_vehicle(found):
    by_house = {name.rpartition("/")[2]: p_w for name, p_w in powers(found, "ev", 3.1, 4).items()}
    assert by_house["load-2"].max() == 0.0
    assert by_house["load-3"].max() == pytest.approx(7000.0)
    assert by_house["load-4"].max() <= 2000.0 + 1e-6


@pytest.mark.slow
def test_whoever_wants_it_cheap_waits_for_the_cheap_hours(found):
    early = powers(found, "ev", 1.0, 2.9)["ev/lv1.101/load-1"]
    late = powers(found, "ev", 3.1, 5.0)["ev/lv1.101/load-1"]
    assert early.max() == 0.0
    assert late.max() > 0.0


@pytest.mark.slow
def test_no_vehicle_is_short_of_energy(found):
    assert found.kpis["ev_not_served_wh"]["value"] in (None, pytest.approx(0.0, abs=1.0))


@pytest.mark.slow
@pytest.mark.requirement("CP-05")
def test_the_substation_orders_under_contract_and_the_house_takes_the_lower(tmp_path):
    central = [
        *STEERED, "time.duration_h=2.5", f"services.signals={{commands: {COMMANDS}}}",
        "services.control={intelligence: central, signal: command, contract: {share: 0.6}}",
    ]  # fmt: skip
    found = Run(run(load("street", central), folder=tmp_path / "run", with_report=False).folder)
    orders = found.series("request")
    orders = orders[(orders["variable"] == "device.limit") & (orders["operation"] == "write")]
    assert set(orders["unit"]) == {"lvgmu/lv1.101"}
    taken = {unit.partition("/")[2] for unit in orders[orders["result"] == "ok"]["location"]}
    assert 0 < len(taken) < 13
    over = {
        name for name, p_w in powers(found, "ev", 1.25, 2.5).items() if p_w.max() > 0.2 * 11_000 + 1
    }
    assert not over & {f"ev/{tail}" for tail in taken}
    assert over  # who has no contract is not moved


def test_without_it_nothing_changes():
    specs = assemble(load("street", STEERED)).params["units"]["spec"]["units"]
    children = [unit["services"]["balancing"] for unit in specs if unit["kind"] == "cmu"]
    assert children
    assert not any("customer" in params for params in children)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("services.balancing.strategies=[{customers: nobody}]", "no customer nobody"),
        ("services.balancing.strategies=[{weights: {requests: 0}}]", "all weights are 0"),
        ("services.balancing.strategies=[{limits: {battery_min_percent: 120}}]", "less than or"),
        ("services.display={settings: [{at_h: 1}]}", "sets nothing"),
    ],
)
def test_what_cannot_be_is_told(change, why):
    with pytest.raises(ScenarioError, match=why):
        assemble(load("street", [*STEERED, change]))
