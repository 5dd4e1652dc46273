"""Demand response over the modelled network: asked, promised, delivered, beside what had been.

A village of 13 houses on an evening; two runs that differ in nothing but the request.
"""

from __future__ import annotations

import json

import pandas as pd
import pytest

from analysis import Run
from analysis.report import write
from analysis.response import against, course, followers
from fernwatt.errors import ScenarioError, UsageError
from scenarios import load, run
from scenarios.assembly import assemble

H, SLOT_MS = 3_600_000, 900_000
AT, BEGIN, END = 1 * H, 2 * H, round(3.5 * H)
BEFORE, DURING, LEFT_MS = "load-2", "load-6", round(2.75 * H)
VILLAGE = [
    "grid.source={simbench: 1-LV-rural1--0-sw}", "time.start=2016-04-20T15:00:00Z",
    "time.duration_h=5", "units.history_days=2", "seed=3", "devices.ev.share=1.0",
    "devices.battery.share=0.5", "devices.pv.share=0.0",
    "services.balancing={mode: steering, replan_s: 1800}",
]  # fmt: skip
REQUEST = "{at_h: 1, begins_h: 2, lasts_h: 1.5, percent: 30}"
OUTS = (
    f"[{{at_h: 0.5, customers: '*/{BEFORE}'}}, "
    f"{{at_h: {LEFT_MS / H}, customers: '*/{DURING}'}}]"
)  # fmt: skip
KEY = "reduction-1"


def asking(requests: str, outs: str = "[]") -> str:
    more = "contract: {notice_h: 0.5}, rebound_h: 1"
    return f"services.response={{requests: [{requests}], opt_outs: {outs}, {more}}}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> dict[str, Run]:
    """The evening with the request, and without it."""
    home = tmp_path_factory.mktemp("response")
    changes = {"asked": asking(REQUEST, OUTS), "not": asking("")}
    return {
        name: Run(run(load("street", [*VILLAGE, change]), folder=home / name, with_report=False)
                  .check().folder)
        for name, change in changes.items()
    }  # fmt: skip


@pytest.fixture
def asked(runs) -> Run:
    return runs["asked"]


def told(done: Run, kind: str) -> list[tuple[int, str, dict]]:
    events = done.events[(done.events["kind"] == kind).to_numpy()]
    rows = zip(events["t_us"], events["element"], events["value"], strict=True)
    return [(int(t) // 1000, str(element), json.loads(value)) for t, element, value in rows]


def table(done: Run) -> pd.DataFrame:
    return done.series("response").sort_values("t_ms")


def test_the_baseline_is_there_before_anybody_hears_of_it(asked):
    [(fixed_ms, _, value)] = told(asked, "response_baseline")
    answers = told(asked, "response_answer")
    assert fixed_ms <= min(t_ms for t_ms, _, _ in answers)
    # it is what the last negotiation before the request had agreed to
    ends = asked.series("negotiation").groupby("id")["t_ms"].max()
    assert AT - H < max(t for t in ends if t < AT) < AT
    rows = table(asked)
    inside = rows[rows["phase"].astype(str) == "window"]
    assert value["customers"] == 13
    total = dict(zip(rows["t_ms"], value["agreed_w"], strict=True))
    # those who have opted out before are in the one, not in the other
    assert all(total[t] != 0 for t in inside["t_ms"])
    assert (inside["baseline_w"] != inside["t_ms"].map(total)).any()


def test_until_the_request_both_runs_are_one(runs):
    plants = [done.series("device") for done in runs.values()]
    before = [plant[plant["t_ms"] < AT].reset_index(drop=True) for plant in plants]
    pd.testing.assert_frame_equal(*before)
    after = [plant[plant["t_ms"] >= AT].reset_index(drop=True) for plant in plants]
    assert not after[0].equals(after[1])


def test_members_promise_about_what_is_asked_in_several_tries(asked):
    missing = [value["missing_w"] for _, _, value in told(asked, "response_pressed")]
    assert len(missing) >= 2
    assert missing[-1] < missing[0]
    promises = [value for _, _, value in told(asked, "response_promised")]
    one, total = promises
    assert one["promised_wh"] == total["promised_wh"]
    assert 0.9 * one["asked_wh"] <= one["promised_wh"] <= 1.2 * one["asked_wh"]
    assert (one["following"], one["refused"], one["silent"]) == (12, 1, 0)


def test_more_than_was_asked_is_delivered_against_the_run_without(runs):
    frame = against(runs["asked"], runs["not"]).loc[KEY]
    assert frame["delivered true"] >= 0.9 * frame["asked"]
    assert 0 < frame["rebound true"] <= frame["delivered true"]
    # two ways to the same: each baseline is off by what separates it from the truth
    assert frame["delivered"] - frame["off"] == pytest.approx(frame["delivered true"], rel=0.02)


def test_meters_agree_with_the_plant(runs):
    rows = course(runs["asked"], runs["not"])
    assert rows["measured_w"].notna().all()
    assert (rows["measured_w"] - rows["drawn_w"]).abs().max() < 12 * 1 * 4 + 0.01 * 40_000


def test_who_opted_out_before_is_not_asked_for_anything(asked):
    answers = {unit["unit"]: unit for _, _, unit in told(asked, "response_answer")[:13]}
    out = [unit for unit, answer in answers.items() if not answer["follows"]]
    assert out == [f"cmu/lv1.101/{BEFORE}"]
    assert answers[out[0]]["why"] == "opted out"
    assert f"lv1.101/{BEFORE}" not in followers(asked, KEY).left_ms


def plans_in(done: Run, tail: str, slots: range) -> list[tuple[int, float]]:
    """Mean planned power of a house's devices in some slots, by when it was decided."""
    sums: dict[int, float] = {}
    for t_ms, element, value in told(done, "plan"):
        if element.endswith(f"/{tail}"):
            first = value["slot"]
            inside = [value["p_w"][s - first] for s in slots if 0 <= s - first < len(value["p_w"])]
            if len(inside) == len(slots):
                sums[t_ms] = sums.get(t_ms, 0.0) + sum(inside) / len(inside)
    return sorted(sums.items())


def test_who_opts_out_while_it_runs_is_let_go_at_once(asked):
    [(left_ms, _, _)] = told(asked, "response_left")
    assert LEFT_MS <= left_ms <= LEFT_MS + 60_000
    [[tail, left]] = [pair for pair in followers(asked, KEY).left_ms.items() if pair[1] is not None]
    assert (tail, left) == (f"lv1.101/{DURING}", left_ms)
    counted = table(asked).set_index("t_ms")["customers"]
    assert counted[LEFT_MS - SLOT_MS] == 12
    assert counted[LEFT_MS] == 11
    rest = range(LEFT_MS // SLOT_MS + 1, END // SLOT_MS)
    plans = plans_in(asked, DURING, rest)
    before = [p_w for t_ms, p_w in plans if BEGIN < t_ms < left_ms]
    after = [p_w for t_ms, p_w in plans if t_ms > left_ms]
    assert after[0] > before[-1]
    assert next(t_ms for t_ms, _ in plans if t_ms > left_ms) < left_ms + 120_000


def test_what_is_paid_is_what_contracts_say(asked):
    [(_, _, value)] = told(asked, "response_delivered")
    paid = {customer: part[2] for customer, part in value["customers"].items()}
    assert sum(paid.values()) == pytest.approx(value["paid_cent"], abs=0.01)
    assert asked.kpis["response_paid_eur"]["value"] == pytest.approx(value["paid_cent"] / 100)
    for _, delivered_wh, cent in value["customers"].values():
        assert 0 <= cent <= max(delivered_wh, 0) / 1000 * 20 + 0.01


def test_kpis_are_what_the_tables_say(asked):
    rows = table(asked)
    phase = rows["phase"].astype(str)
    inside, after = rows[phase == "window"], rows[phase == "after"]
    asked_wh = inside["asked_w"].sum() / 4
    expected = {
        "response_asked_wh": asked_wh,
        "response_promised_percent": 100 * (inside["baseline_w"] - inside["promised_w"]).sum()
        / 4 / asked_wh,
        "response_delivered_percent": 100 * (inside["baseline_w"] - inside["measured_w"]).sum()
        / 4 / asked_wh,
        "response_rebound_wh": (after["measured_w"] - after["baseline_w"]).sum() / 4,
        "response_customers": 12,
    }  # fmt: skip
    for name, value in expected.items():
        assert asked.kpis[name]["value"] == pytest.approx(value, rel=1e-9), name
    assert asked.kpis["response_customers"]["by"] == {"refused": 1, "silent": 0, "left": 1}


def test_the_report_shows_it_beside_the_run_without(runs):
    page = write(runs["asked"].folder, counterfactual=runs["not"].folder).read_text("utf-8")
    assert "without the request" in page
    assert "Demand response against the run without it" in page
    alone = write(runs["asked"].folder).read_text("utf-8")
    assert 'id="response"' in alone
    assert "without the request</text>" not in alone
    assert 'id="response"' not in write(runs["not"].folder).read_text("utf-8")
    assert runs["not"].kpis["response_asked_wh"]["value"] is None


def test_a_run_of_another_time_is_no_counterfactual(runs, tmp_path):
    changes = [*VILLAGE, "seed=4", "time.duration_h=0.25", asking("")]
    other = Run(run(load("street", changes), folder=tmp_path / "run", with_report=False).folder)
    with pytest.raises(UsageError, match="no counterfactual"):
        course(runs["asked"], other)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ([asking("{at_h: 1, begins_h: 1.1}")], "whole quarter-hours"),
        ([asking("{at_h: 2, begins_h: 1}")], "before it is issued"),
        ([asking(f"{REQUEST}, {REQUEST}")], "same time"),
        ([asking(REQUEST, "[{at_h: 1, customers: '*/nobody'}]")], "no meter"),
        ([asking("{at_h: 1, begins_h: 24}")], "no plan reaches"),
        ([asking(REQUEST), "services.balancing.root=mvgmu"], "promised by substations"),
        ([asking(REQUEST), "services.balancing.mode=local"], "promised by substations"),
        (["services.response={baseline: {highest: 5, of: 2}}"], "more than of"),
    ],
)
def test_what_cannot_be_is_told(change, word):
    with pytest.raises(ScenarioError, match=word):
        assemble(load("street", [*VILLAGE, *change]))


def pair(name: str, home, *changes: str, none: str) -> tuple[Run, Run]:
    """A scenario with its requests, and without."""
    found = []
    for number, more in enumerate(((), (none,))):
        folder = home / f"{name}-{number}"
        done = run(load(name, [*changes, *more]), folder=folder, with_report=False).check()
        found.append(Run(done.folder))
    return found[0], found[1]


@pytest.mark.slow
def test_the_scenario_delivers_most_of_what_it_promises(tmp_path):
    done, without = pair("demand_response", tmp_path, none="services.response.requests=[]")
    frame = against(done, without).loc[KEY]
    assert frame["promised"] >= 0.7 * frame["asked"]
    assert frame["delivered true"] >= 0.8 * frame["promised"]
    assert frame["rebound true"] > 0
    by = done.kpis["response_customers"]["by"]
    assert by == {"refused": 7, "silent": 0, "left": 9}
    for one in (done, without):
        assert one.kpis["ev_not_served_wh"]["value"] < 0.01
        assert one.kpis["energy_balance_gap"]["value"] < 1e-6


@pytest.mark.slow
def test_a_district_promises_over_four_kinds_of_links(tmp_path):
    requests = "requests: [{at_h: 2, begins_h: 6, lasts_h: 2, percent: 30}], rebound_h: 2"
    change = f"services.response={{{requests}}}"
    none = "services.response.requests=[]"
    done, without = pair("district", tmp_path, "time.duration_h=11", change, none=none)
    promises = [value for _, _, value in told(done, "response_promised")]
    assert {one["unit"] for one in promises if "unit" in one} == {
        "lvgmu/lv4.101", "lvgmu/lv4.101-2", "lvgmu/lv4.101-3", "lvgmu/lv4.101-4"
    }  # fmt: skip
    assert promises[-1]["units"] == 4
    assert promises[-1]["following"] == 164
    frame = against(done, without).loc[KEY]
    assert frame["promised"] >= 0.8 * frame["asked"]
    assert frame["delivered true"] >= 0.5 * frame["asked"]
