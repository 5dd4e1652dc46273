"""A small street whose transformer is watched: offered, asked for, ordered, done, paid."""

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
SMALL = [
    "grid.source={simbench: 1-LV-rural1--0-sw}", "time.duration_h=10", "units.history_days=3",
    "time.start='2016-01-20T15:00:00Z'", "devices.pv.share=0.0", "devices.battery.share=0.3",
    "devices.ev={share: 1.0, p_max_w: 11000, sessions: {statistics: {per_day: 1.0}}}",
    "services.balancing.mode=local", "orchestration.coupling=fused", "weather.temperature_c=0.0",
    "seed=3",
]  # fmt: skip
ON = "services.flexibility={limit_percent: 20, margin_percent: 10}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Return the run with a limit of 32 kW, and the one without anybody who cares."""
    target = tmp_path_factory.mktemp("flexibility")
    made = {}
    for name, more in (("on", [ON]), ("off", [])):
        made[name] = run(load("street", [*SMALL, *more]), folder=target / name,
                         with_report=False).check().folder  # fmt: skip
    return {name: Run(folder) for name, folder in made.items()}


def events(a_run, kind):
    frame = a_run.series("event")
    frame = frame[(frame["kind"] == kind).to_numpy()]
    return [(str(i), str(c), str(e), json.loads(v))
            for i, c, e, v in zip(frame["id"], frame["cause"], frame["element"], frame["value"],
                                  strict=True)]  # fmt: skip


def carried_w(a_run):
    """Return mean powers through the transformer, by slot."""
    branch = a_run.series("branch")
    branch = branch[(branch["kind"] == "transformer").to_numpy()]
    return branch.sort_values("t_ms")["p_from_w"].to_numpy()


def above_wh(a_run):
    return float(np.clip(carried_w(a_run) - 32_000.0, 0, None).sum() / 4)


@pytest.mark.requirement("BA-07")
def test_the_transformer_is_relieved_and_every_vehicle_gets_its_energy(runs):
    assert above_wh(runs["off"]) > 4_000
    assert above_wh(runs["on"]) < 0.3 * above_wh(runs["off"])
    assert carried_w(runs["on"]).max() < 0.85 * carried_w(runs["off"]).max()
    for a_run in runs.values():
        session = a_run.series("session")
        over = session[session["complete"].to_numpy()]
        missing = over["requested_wh"] - over["delivered_wh"]
        assert (missing.abs() < 0.1).all()


def test_what_is_ordered_was_bid_for_what_was_requested_and_is_assigned(runs):
    requests = {element: value for _, _, element, value in events(runs["on"], "flex_request")}
    bids = {element: value for _, _, element, value in events(runs["on"], "flex_bid")}
    orders = {element: value for _, _, element, value in events(runs["on"], "flex_order")}
    assigned = events(runs["on"], "flex_assigned")
    assert requests
    assert orders
    assert {order.removesuffix("/order") for order in orders} <= set(bids)
    assert {bid.removesuffix("/bid") for bid in bids} <= set(requests)
    for order, value in orders.items():
        bid, request = order.removesuffix("/order"), order.removesuffix("/bid/order")
        assert value["wh"] == bids[bid]["wh"]
        assert 0 < value["relief_wh"] <= requests[request]["wh"]
    assert {value["order"] for *_, value in assigned} <= set(orders)
    assert {element.split("/")[0] for _, _, element, _ in assigned} <= {"ev", "battery"}


def test_devices_do_what_was_assigned(runs):
    """Of each assignment that was not replaced: the mean power of its slots, as ordered."""
    device = runs["on"].series("device")
    by = {(str(d), int(t)): p for d, t, p in zip(device["device"], device["t_ms"], device["p_w"],
                                                 strict=True)}  # fmt: skip
    last = {element: value for _, _, element, value in events(runs["on"], "flex_assigned")}
    checked = 0
    for element, value in last.items():
        if not element.startswith("ev/"):
            continue
        for slot, wh in enumerate(value["wh"], value["slot"]):
            power = by.get((element, slot * SLOT))
            if power is not None and sum(value["wh"][: slot - value["slot"] + 1]) \
                    < sum(value["wh"]) - 100:  # it may be full a little before  # fmt: skip
                assert power == pytest.approx(4 * wh, abs=60), (element, slot)
                checked += 1
    assert checked >= 5


def test_it_is_settled_by_the_meters_and_payments_add_up(runs):
    settled = events(runs["on"], "flex_settled")
    paid = events(runs["on"], "flex_paid")
    orders = {element: value for _, _, element, value in events(runs["on"], "flex_order")}
    assert settled
    total = sum(value["ordered_wh"] for *_, value in settled)
    assert total == sum(orders[cause]["wh"] for cause in causes(runs["on"], settled))
    kpis = json.loads((runs["on"].folder / "kpis.json").read_text())
    own = kpis["flex_paid_eur"]
    assert own["by"]["aggregator"] + own["by"]["customers"] == pytest.approx(own["value"])
    assert own["value"] == pytest.approx(sum(v["cent"] for *_, v in settled) / 100)
    assert own["by"]["customers"] == pytest.approx(sum(v["cent"] for *_, v in paid) / 100)
    assert 0 < kpis["flex_delivered_percent"]["value"] <= 100
    rows = runs["on"].series("flexibility")
    registers = runs["on"].series("terminal")  # what the meters measured, in truth
    by = registers.groupby("t_ms")["p_w"].sum() / 4
    for row in rows.itertuples():
        assert row.measured_wh == pytest.approx(by.loc[row.t_ms], rel=0.01, abs=60)


def causes(a_run, settled):
    frame = a_run.series("cause")
    named = {str(c) for i, c in zip(frame["id"], frame["cause"], strict=True)
             if str(i) in {number for number, *_ in settled}}  # fmt: skip
    return sorted((named | {cause for _, cause, *_ in settled}) & {
        element for _, _, element, _ in events(a_run, "flex_order")})  # fmt: skip


def test_the_operator_asks_nobody_but_meters_and_its_own_instruments(runs):
    frame = runs["on"].series("request")
    own = frame[(frame["service"].astype(str) == "flexibility").to_numpy()
                & frame["unit"].astype(str).str.startswith("lvgmu/").to_numpy()]  # fmt: skip
    told = {
        (str(v), str(where).split("/")[0])
        for v, where in zip(own["variable"], own["location"], strict=True)
    }
    assert told == {
        ("energy.import", "lvgmu"), ("energy.export", "lvgmu"), ("flex.prognosis", "lvgmu"),
        ("flex.bid", "lvgmu"), ("flex.request", "aggregator"), ("flex.order", "aggregator"),
        ("flex.settlement", "aggregator"), ("energy.import", "meter"), ("energy.export", "meter"),
    }  # fmt: skip
    assert set(own["result"].astype(str)) <= {"ok", "issued", "timeout"}


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("services.flexibility={areas: [lv9.*]}", "no area"),
        ("services.balancing.mode=steering", "moves the same devices"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(setting, text):
    with pytest.raises(ScenarioError, match=text):
        assemble(load("street", [*SMALL, ON, setting]))
