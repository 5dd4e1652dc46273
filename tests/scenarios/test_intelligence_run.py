"""One street, whoever decides, whatever is said: by messages through the whole network."""

from __future__ import annotations

import json
from itertools import product

import pytest

from analysis import Run
from analysis.records import Records
from scenarios import load, run
from scenarios.assembly import assemble

H = 3_600_000
BANDS = "{begin: '00:00', per_mwh: 250}, {begin: '17:00', per_mwh: 400}, "
TARIFF = (
    f"{{kind: time-of-use, bands: [{BANDS} {{begin: '20:00', per_mwh: 210}}], feed_in_per_mwh: 80}}"
)
COMMANDS = "[{at_h: 0.5, begins_h: 1, lasts_h: 2, limit_percent: 20}]"
STREET = [
    "grid.source={simbench: 1-LV-rural1--0-sw}", "time.start=2016-04-20T15:00:00Z",
    "time.duration_h=4", "units.history_days=0", "seed=3", "record.interval_s=300",
    "devices.ev.share=1.0", "devices.battery.share=0.5", "devices.pv.share=0.0",
    "services.balancing.mode=local", f"services.signals={{tariff: {TARIFF}, commands: {COMMANDS}}}",
]  # fmt: skip
MODES = ("central", "hybrid", "local")
PAIRS = list(product(MODES, ("command", "price")))
LOWEST = {"central": "lvgmu", "hybrid": "cmu", "local": "dmu"}
CUT = "network.outages=[{element: 'cell/*', at_h: 0.25, lasts_h: 3.5}]"


def control(mode, signal, **more):
    said = ", ".join(f"{key}: {value}" for key, value in more.items())
    return f"services.control={{intelligence: {mode}, signal: {signal}, {said}}}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run by mode and signal, one without control at all, and two without their WAN."""
    home = tmp_path_factory.mktemp("intelligence")

    def go(name, *more):
        scenario = load("street", [*STREET, *more])
        return Run(run(scenario, folder=home / name, with_report=False).check().folder)

    found = {pair: go("-".join(pair), control(*pair)) for pair in PAIRS}
    found["none"] = go("none", "services.signals=null")
    for signal in ("command", "price"):
        found["cut", signal] = go(f"cut-{signal}", control("hybrid", signal), CUT)
    return found


def cars_w(found, begin_h, end_h):
    """Return the mean power of all vehicles between two hours."""
    rows = found.series("device")
    here = (rows["kind"] == "ev") & (rows["t_ms"] >= begin_h * H) & (rows["t_ms"] < end_h * H)
    return rows[here].groupby("t_ms")["p_w"].sum().mean()


@pytest.mark.slow
@pytest.mark.requirement("CP-05")
@pytest.mark.parametrize("mode", MODES)
def test_a_command_takes_the_street_down_whoever_decides(runs, mode):
    free, led = runs["none"], runs[mode, "command"]
    assert cars_w(free, 1.1, 3.0) > 10_000
    assert cars_w(led, 1.1, 3.0) < 0.5 * cars_w(free, 1.1, 3.0)
    assert cars_w(led, 3.0, 3.25) > cars_w(free, 3.0, 3.25)  # what was held back comes after
    assert cars_w(led, 0.0, 1.0) == pytest.approx(cars_w(free, 0.0, 1.0))
    rows = led.series("device")
    during = rows[(rows["kind"] == "ev") & (rows["t_ms"] >= 1.1 * H) & (rows["t_ms"] < 3 * H)]
    must = during["p_w"] > 0.2 * 11_000 + 1
    assert must.mean() < 0.1  # but for those that have to charge


@pytest.mark.slow
@pytest.mark.requirement("CP-05")
@pytest.mark.parametrize("mode", MODES)
def test_by_price_vehicles_wait_for_the_cheap_hours_whoever_decides(runs, mode):
    led = runs[mode, "price"]
    assert cars_w(led, 0.2, 2.9) < 0.4 * cars_w(runs["none"], 0.2, 2.9)
    assert cars_w(led, 3.1, 4.0) > 1.1 * cars_w(runs["none"], 3.1, 4.0)


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "signal"), PAIRS)
def test_signals_go_as_far_as_who_decides_and_no_vehicle_leaves_short(runs, mode, signal):
    found = runs[mode, signal]
    requests = found.series("request")
    variable = f"signal.{signal}"
    units = {text.split("/")[0] for text in requests[requests["variable"] == variable]["unit"]}
    levels = ["lvgmu", "cmu", "dmu"]
    reached = levels[: levels.index(LOWEST[mode]) + 1]
    assert {kind for kind in units if kind in levels} == set(reached)
    orders = requests[(requests["variable"] == "set_point") & (requests["service"] == "control")]
    writes = orders[orders["operation"] == "write"]
    assert {text.split("/")[0] for text in writes["unit"]} == {LOWEST[mode]}
    assert set(writes["result"]) == {"ok"}
    assert found.kpis["ev_not_served_wh"]["value"] in (None, pytest.approx(0.0, abs=1.0))
    assert found.kpis["control_done_percent"]["value"] == 100.0


@pytest.mark.slow
def test_the_longer_the_way_the_later_and_the_more_messages(runs):
    late = {mode: runs[mode, "command"].kpis["control_reaction_p95_s"]["value"] for mode in MODES}
    assert late["local"] < min(late["hybrid"], late["central"])
    assert max(late.values()) < 30.0
    frames = runs["central", "command"].series("message")
    control_frames = frames[frames["flow"] == "control"]
    ways = {(a.split("/")[0], b.split("/")[0]) for a, b in
            zip(control_frames["src"], control_frames["dst"], strict=True)}  # fmt: skip
    assert ("lvgmu", "dmu") in ways


@pytest.mark.slow
def test_cut_off_commands_do_not_come_prices_that_came_still_hold(runs):
    free = runs["none"]
    assert cars_w(runs["cut", "command"], 1.1, 3.0) == pytest.approx(cars_w(free, 1.1, 3.0))
    assert runs["cut", "command"].kpis["commands_followed_percent"]["by"]["silent"] > 0
    assert cars_w(runs["cut", "price"], 0.2, 2.9) < 0.4 * cars_w(free, 0.2, 2.9)


@pytest.mark.slow
def test_an_order_is_explained_from_the_issuers_word_to_the_device(runs):
    found = runs["hybrid", "command"]
    events, records = found.series("event"), Records(found)
    changed = events[events["kind"] == "set_point_changed"].iloc[0]
    known, pending = set(), [changed["id"]]
    while pending:
        causes = set(records.causes(pending.pop())) - known
        known |= causes
        pending += sorted(causes)
    assert "aggregator/commands/command#1" in known  # what the aggregator said
    assert {name.split("/")[0] for name in known} >= {"tlgmu", "mvgmu", "lvgmu", "cmu", "dmu"}


@pytest.mark.slow
def test_what_customers_pay_is_the_tariff_times_what_they_drew(runs):
    found = runs["hybrid", "price"]
    rows = found.series("terminal")
    rows = rows[rows["terminal"].isin([f"terminal/{u['id'].partition('/')[2]}"
                for u in found.topology["units"] if u["kind"] == "meter"])]  # fmt: skip
    wh = rows["p_w"].clip(lower=0) / 12.0
    local_h = 17 + rows["t_ms"] / H
    eur_per_mwh = 400.0 * ((local_h >= 17) & (local_h < 20)) + 210.0 * (local_h >= 20)
    drawn = float((wh * eur_per_mwh).sum() / 1e6)
    back = float((rows["p_w"].clip(upper=0) / 12.0 * 80.0).sum() / 1e6)
    entry = found.kpis["tariff_cost_eur"]
    assert entry["value"] == pytest.approx(drawn + back)
    assert runs["none"].kpis["tariff_cost_eur"]["value"] is None


def test_customers_without_a_contract_grant_nothing():
    plan = assemble(load("street", [*STREET, control("central", "command",
                                                     contract="{share: 0.5}")]))  # fmt: skip
    units = {unit["id"]: unit for unit in plan.params["units"]["spec"]["units"]}
    dmus = [u for u in units.values() if u["kind"] == "dmu" and "control" in u["services"]]
    granted = [u for u in dmus if "set_point" in u.get("policies", {})]
    assert 0 < len({u["customer"] for u in granted}) < len({u["customer"] for u in dmus})
    for unit in granted:
        assert unit["policies"]["set_point"] == [["aggregator", "control", 3, 0]]
    issuer, supplier = units["aggregator/commands"], units["supplier/prices"]
    assert (issuer["owner"], supplier["owner"]) == ("aggregator", "supplier")
    links = {(one["a"], one["b"]) for one in plan.params["network"]["spec"]["links"]}
    assert {("aggregator/commands", "tlgmu/top"), ("supplier/prices", "tlgmu/top")} <= links


def test_further_levels_pass_signals_on_too():
    levels = "units.levels={between: 1, above: true}"
    plan = assemble(load("street", [*STREET, control("local", "all"), levels]))
    units = {unit["id"]: unit for unit in plan.params["units"]["spec"]["units"]}
    middle = next(name for name in units if name.startswith("igmu/"))
    substation = next(name for name in units if name.startswith("lvgmu/"))
    follow = {name: unit["services"]["signals"]["follow"]
              for name, unit in units.items() if "signals" in unit["services"]}  # fmt: skip
    assert follow[substation] == [["signal.price", middle]]
    assert follow[middle] == [["signal.price", units[middle]["parent"]]]
    assert follow["tlgmu/top"] == [["signal.price", "supplier/prices"]]
    assert "ugmu/all" not in follow
    told = {name: list(unit["services"]["signals"]["commands"]["below"])
            for name, unit in units.items() if "signals" in unit["services"]}  # fmt: skip
    assert told[middle] == [substation]
    assert told[units[middle]["parent"]] == [middle]
    assert told["tlgmu/top"] == [units[middle]["parent"]]


def test_no_unit_of_the_tree_is_told_what_will_be_said():
    plan = assemble(load("street", [*STREET, control("hybrid", "all")]))
    specs = json.dumps(plan.params["units"]["spec"], default=str)
    assert "cent_per_mwh" not in specs
    assert "command-1" not in specs
    feeds = {feed["variable"] for feed in plan.params["field"]["feeds"]}
    assert feeds == {"signal.price", "signal.command"}


@pytest.mark.slow
def test_separate_and_fused_give_the_same_bytes(tmp_path):
    folders = []
    for way in ("separate", "fused"):
        changes = [*STREET, control("hybrid", "all"), f"orchestration.coupling={way}",
                   "time.duration_h=1.25"]  # fmt: skip
        found = run(load("street", changes), folder=tmp_path / way, with_report=False)
        folders.append(found.check().folder)
    separate, fused = folders
    tables = sorted(path.relative_to(separate) for path in separate.rglob("*.parquet"))
    assert [t for t in tables if (separate / t).read_bytes() != (fused / t).read_bytes()] == []
    assert len(Run(fused).series("event").query("kind == 'control'")) > 0


@pytest.mark.slow
def test_the_state_of_the_grid_spares_it_wherever_it_is_decided(runs, tmp_path):
    lights = "services.signals={grid: [{at_h: 1, lasts_h: 1, level: amber}, "
    lights += "{at_h: 2, lasts_h: 1, level: red}]}"
    changes = [*STREET, lights, control("local", "grid")]
    found = Run(run(load("street", changes), folder=tmp_path / "run", with_report=False)
                .check().folder)  # fmt: skip
    rows = found.series("device")
    cars = rows[rows["kind"] == "ev"]
    amber = cars[(cars["t_ms"] >= 1.1 * H) & (cars["t_ms"] < 2 * H)]["p_w"]
    red = cars[(cars["t_ms"] >= 2.1 * H) & (cars["t_ms"] < 3 * H)]["p_w"]
    assert 5_000 < amber.max() <= 5_501
    assert red.max() < 1.0
    assert cars_w(found, 3.1, 4.0) > cars_w(runs["none"], 3.1, 4.0)


@pytest.mark.slow
def test_central_control_may_run_in_a_cloud(runs, tmp_path):
    changes = [*STREET, control("central", "command"), "network.hosting={lvgmu: cloud}"]
    found = Run(run(load("street", changes), folder=tmp_path / "run", with_report=False)
                .check().folder)  # fmt: skip
    near = runs["central", "command"]
    assert cars_w(found, 1.1, 3.0) == pytest.approx(cars_w(near, 1.1, 3.0), rel=1e-3)
    assert found.kpis["control_done_percent"]["value"] == 100.0
    late, soon = (r.kpis["control_reaction_p95_s"]["by"]["median"] for r in (found, near))
    assert late > soon


@pytest.mark.slow
def test_who_hears_nothing_any_more_is_back_under_its_own_rule(runs, tmp_path):
    cut = "network.outages=[{element: 'lv-fan/*', at_h: 1.25}]"
    changes = [*STREET, control("central", "command", hold_s=1800.0), cut]
    found = Run(run(load("street", changes), folder=tmp_path / "run", with_report=False)
                .check().folder)  # fmt: skip
    near, free = runs["central", "command"], runs["none"]
    assert cars_w(found, 1.05, 1.25) == pytest.approx(cars_w(near, 1.05, 1.25), rel=1e-3)
    events = found.series("event")
    changed = events[events["kind"] == "set_point_changed"]["t_us"] / 1000
    assert changed.max() < 1.26 * H
    assert cars_w(found, 1.8, 3.0) >= cars_w(free, 1.8, 3.0) > 2 * cars_w(near, 1.8, 3.0)
    short = found.kpis["ev_not_served_wh"]["value"]
    assert short in (None, pytest.approx(0.0, abs=1.0))
