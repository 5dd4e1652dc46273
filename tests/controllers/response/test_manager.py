"""A substation's unit: baseline before anybody is called, promise by negotiation, delivery."""

import pytest

from controllers.response.baseline import Rule
from controllers.response.manager import ManagerSettings, ResponseManager
from controllers.unit.service import Result
from fernwatt.timebase import Clock

H, SLOT_MS = 3_600_000, 900_000
UNIT = "lvgmu/a"
REQUEST, CALL, ANSWER = "response.request", "response.call", "response.answer"
AGREED, WINDOWS = "balancing.agreed", "balancing.windows"
PROMISE, DELIVERY = "response.promise", "response.delivery"
NIGHT, DAYTIME = 40, 96  # slots 10:00 to 10:00 the day after


class Substation:
    """Three customers; two of them can move something. Meters' registers are the test's."""

    def __init__(self, desk, contracts, **settings):
        self.desk, self.contracts = desk, contracts
        self.service = ResponseManager(
            contracts, ManagerSettings(**settings), Rule(1, 1, 0),
            Clock.from_iso("2016-04-20T00:00Z"),
        )  # fmt: skip
        self.service.start(desk)
        self.drawn_w = {contract.meter: {} for contract in contracts}
        self.called = []

    def agree(self, levels_w, first=NIGHT, windows=(), **changed):
        """Let balancing tell what children have agreed to: a level each, save some slots."""
        plans = {unit: [level // 10] * DAYTIME for unit, level in levels_w.items()}
        for unit, slots in changed.items():
            for slot, p_w in slots.items():
                plans[unit.replace("_", "/")][slot - first] = p_w // 10
        value = {"negotiation": 1, "slot": first, "unit_w": 10, "windows": list(windows),
                 "plans": plans}  # fmt: skip
        self.desk.told(self.service, AGREED, value)

    def request(self, value):
        self.desk.told(self.service, REQUEST, value)
        self.read()

    def read(self):
        """Answer what is asked of meters' copies."""
        while asked := self.desk.open("query"):
            for one in asked:
                net_w = self.drawn_w.get(one.location, {})
                wh, pairs = 0.0, []
                for slot in sorted(net_w):
                    pairs.append([slot * SLOT_MS, wh if one.variable == "energy.import" else 0.0])
                    wh += net_w[slot] / 4
                if pairs:
                    last = [(max(net_w) + 1) * SLOT_MS, wh if pairs[-1][1] or wh else 0.0]
                    pairs.append(last if one.variable == "energy.import" else [last[0], 0.0])
                self.desk.answer(self.service, one, value=pairs or None)

    def call(self, follows):
        """Let customers answer; None: the call does not get there."""
        while calls := self.desk.open("write", CALL):
            self.called += calls
            for one in calls:
                result = follows[one.location]
                if result in (Result.DENIED, Result.TIMEOUT):
                    self.desk.answer(self.service, one, result)
                    continue
                self.desk.answer(self.service, one)
                if result is not None:
                    self.say(one.location, result, one.value["id"])

    def say(self, unit, follows, key="reduction-1", author=None):
        why = "" if follows else "opted out"
        answer = {"id": key, "unit": unit, "follows": follows, "why": why}
        author = author or unit.replace("cmu/", "customer/")
        self.desk.told(self.service, ANSWER, answer, owner=author)

    def written(self, variable):
        return [one.value for one in self.desk.open("write", variable)]


A, B, C = "cmu/a/1", "cmu/a/2", "cmu/a/3"


def aims(window):
    """What members are to come to, with the pressure on them."""
    return [p_w - more for p_w, more in zip(window["p_w"], window["press_w"], strict=True)]


ALL_IN = {A: True, B: True, C: True}
LEVELS = {A: 1000, B: 2000, C: -500}


@pytest.fixture
def substation(Desk, contract):
    def make(terms=None, **settings):
        terms = terms or {}
        tails = ("a/1", "a/2", "a/3")
        contracts = [contract(tail, **terms.get(f"cmu/{tail}", {})) for tail in tails]
        return Substation(Desk(UNIT, 10 * H), contracts, **settings)

    return make


def asked(station, value):
    station.agree(LEVELS)
    station.request(value)
    return station


def test_the_baseline_is_fixed_before_anybody_is_called(substation, request_value):
    station = substation()
    station.agree(LEVELS)
    station.desk.told(station.service, REQUEST, request_value)
    assert not station.desk.open("write", CALL)  # meters are read first
    station.read()
    assert "response_baseline" in station.desk.kinds()
    assert station.desk.open("write", CALL)
    # whatever is planned from now on does not change it
    station.agree({A: 9000, B: 9000, C: 9000})
    station.call(ALL_IN)
    [window] = station.written(WINDOWS)[-1]["windows"]
    assert window["base_w"] == [2500] * 8


def test_members_are_to_draw_less_by_what_is_asked_of_each(substation, request_value):
    station = asked(substation({B: {"max_percent": 10}}), request_value)
    station.call(ALL_IN)
    percents = {one.location: one.value["percent"] for one in station.called}
    assert percents == {A: 30, B: 10, C: 30}
    [window] = station.written(WINDOWS)[-1]["windows"]
    # who feeds in has nothing to reduce
    assert window == {
        "id": "reduction-1", "slot": 56, "p_w": [2500 - 300 - 200] * 8, "base_w": [2500] * 8,
        "press_w": [0] * 8, "members": [A, B, C],
    }  # fmt: skip


@pytest.mark.parametrize("parallel", [1, 2, 7])
def test_customers_are_called_a_few_at_a_time(substation, request_value, parallel):
    station = asked(substation(parallel=parallel), request_value)
    assert len(station.desk.open("write", CALL)) == min(parallel, 3)


def test_who_refuses_or_is_silent_is_no_member(substation, request_value):
    station = asked(substation(), request_value)
    station.call({A: True, B: Result.DENIED, C: Result.TIMEOUT})
    [window] = station.written(WINDOWS)[-1]["windows"]
    assert window["members"] == [A]
    station.agree(LEVELS, windows=["reduction-1"], cmu_a_1={})
    for _ in range(8):
        station.agree(LEVELS, windows=["reduction-1"])
    [promise] = station.written(PROMISE)
    assert (promise["following"], promise["refused"], promise["silent"]) == (1, 1, 1)


def test_an_answer_that_does_not_come_is_not_waited_for(substation, request_value):
    station = asked(substation(answer_ms=120_000), request_value)
    station.call({A: True, B: None, C: True})
    assert not station.written(WINDOWS)
    station.desk.ring(station.service, "answers reduction-1")
    assert station.written(WINDOWS)[-1]["windows"][0]["members"] == [A, C]


def test_nobody_is_called_against_the_contract(substation, request_value):
    station = asked(substation({A: {"max_ms": H}, B: {"notice_ms": 9 * H}}), request_value)
    station.call(ALL_IN)
    assert station.written(WINDOWS)[-1]["windows"][0]["members"] == [C]


def plan(reduced_w):
    """A's plan in the window, that of the others as before."""
    return {"cmu_a_1": dict.fromkeys(range(56, 64), 1000 - reduced_w)}


class AgreeA:
    """Balancing agrees to less of A in the window."""

    def __init__(self, station):
        self.station = station

    def __call__(self, reduced_w):
        value = {
            "negotiation": 2, "slot": NIGHT, "unit_w": 10, "windows": ["reduction-1"],
            "plans": {
                unit: [
                    (level - (reduced_w if unit == A and 56 <= slot < 64 else 0)) // 10
                    for slot in range(NIGHT, NIGHT + DAYTIME)
                ]
                for unit, level in LEVELS.items()
            },
        }  # fmt: skip
        self.station.desk.told(self.station.service, AGREED, value)


def test_what_is_missing_is_asked_for_again_as_long_as_that_helps(substation, request_value):
    station = asked(substation(), request_value)
    station.call(ALL_IN)
    agree = AgreeA(station)
    targets = [aims(station.written(WINDOWS)[-1]["windows"][0])[0]]
    for reduced_w in (300, 600, 700, 700):
        agree(reduced_w)
        targets.append(aims(station.written(WINDOWS)[-1]["windows"][0])[0])
    assert targets == [1600, 1000, 700, 500, 300]  # asked: 900
    assert not station.written(PROMISE)
    agree(700)  # no better than before, twice: that is all there is
    [promise] = station.written(PROMISE)
    assert promise["asked_wh"] == 1800.0
    assert promise["promised_wh"] == 1400.0
    assert promise["baseline_wh"] == 5000.0
    assert len(station.written(WINDOWS)) == 5


def test_a_negotiation_that_knows_nothing_of_it_promises_nothing(substation, request_value):
    station = asked(substation(), request_value)
    station.call(ALL_IN)
    station.agree(LEVELS)
    assert not station.written(PROMISE)
    assert "response_pressed" not in station.desk.kinds()
    station.desk.ring(station.service, "promise reduction-1")
    [promise] = station.written(PROMISE)
    assert promise["promised_wh"] is None
    assert promise["why"] == "no agreement"


def promised(substation, request_value, reduced_w=900, **settings):
    station = asked(substation(**settings), request_value)
    station.call(ALL_IN)
    AgreeA(station)(reduced_w)
    assert station.written(PROMISE)
    return station


def test_who_opts_out_is_a_member_no_longer(substation, request_value):
    station = promised(substation, request_value)
    station.desk.now_ms = 15 * H
    station.say(A, follows=False)
    [window] = station.written(WINDOWS)[-1]["windows"]
    assert window["members"] == [B, C]
    assert window["base_w"] == [1500] * 8
    assert window["p_w"] == [1500 - 600] * 8
    station.say(A, follows=False)
    assert station.desk.kinds().count("response_left") == 1
    station.desk.now_ms = 16 * H
    station.say(B, follows=False)  # it is over
    assert station.desk.kinds().count("response_left") == 1


def settle(station, drawn_w, until=80):
    """Let the meters have measured something from eight hours on, and settle."""
    station.drawn_w = {
        contract.meter: {slot: drawn_w(contract.unit, slot) for slot in range(32, until)}
        for contract in station.contracts
    }
    station.desk.ring(station.service, "settle reduction-1")
    station.read()


def as_agreed(unit, slot):
    return LEVELS[unit] - (900 if unit == A and 56 <= slot < 64 else 0)


def positive(unit, slot):
    """What the fixture's meters can show: nothing is fed in."""
    return max(as_agreed(unit, slot), 0)


def test_meters_tell_what_was_delivered_and_came_back(substation, request_value):
    station = promised(substation, request_value)
    rebound = range(64, 68)
    settle(station, lambda unit, slot: positive(unit, slot) + 400 * (unit == A and slot in rebound))
    [delivery] = station.written(DELIVERY)
    # C was to feed in 500 W and did not: 1 kWh less in the window, 2 in the four hours after
    assert delivery["asked_wh"] == 1800.0
    assert delivery["promised_wh"] == 1800.0
    assert delivery["delivered_wh"] == pytest.approx(1800.0 - 1000.0)
    assert delivery["rebound_wh"] == pytest.approx(400.0 + 2000.0)
    assert delivery["unmetered"] == 0
    assert delivery["paid_cent"] == pytest.approx(1.8 * 20)  # A's; the others promised nothing


def test_each_slot_is_in_the_books(substation, request_value):
    station = promised(substation, request_value)
    settle(station, positive)
    rows = [row for table, row in station.desk.rows if table == "response"]
    assert [row["t_ms"] // SLOT_MS for row in rows] == list(range(48, 80))
    assert [row["phase"] for row in rows] == ["before"] * 8 + ["window"] * 8 + ["after"] * 16
    inside = rows[8]
    assert (inside["baseline_w"], inside["asked_w"]) == (2500.0, 900.0)
    assert (inside["promised_w"], inside["measured_w"]) == (1600.0, 2100.0)
    assert rows[0]["asked_w"] == rows[-1]["asked_w"] == 0.0


def test_who_has_left_counts_until_then(substation, request_value):
    station = promised(substation, request_value)
    station.desk.now_ms = 15 * H + 60_000
    station.say(A, follows=False)
    settle(station, positive)
    rows = [row for table, row in station.desk.rows if table == "response"]
    assert [row["customers"] for row in rows[8:16]] == [3] * 4 + [2] * 4
    [delivery] = station.written(DELIVERY)
    assert delivery["asked_wh"] == pytest.approx(300 + 600 * 2)
    assert delivery["paid_cent"] == pytest.approx(0.9 * 20)


def test_a_meter_without_copies_is_asked_itself_and_may_stay_unknown(substation, request_value):
    station = promised(substation, request_value)
    station.desk.now_ms = 20 * H
    station.desk.ring(station.service, "settle reduction-1")
    places = set()
    while asked_for := station.desk.open("query"):
        for one in asked_for:
            places.add(one.at)
            station.desk.answer(station.service, one, Result.NO_DATA)
    assert places == {UNIT, ""}
    [delivery] = station.written(DELIVERY)
    assert (delivery["delivered_wh"], delivery["rebound_wh"]) == (None, None)
    assert (delivery["unmetered"], delivery["paid_cent"]) == (3, 0.0)


def test_a_request_twice_or_beside_another_is_not_asked_again(substation, request_value):
    station = promised(substation, request_value)
    calls = station.desk.kinds().count("response_called")
    station.request(request_value)
    station.request(request_value | {"id": "s"})
    assert station.desk.kinds().count("response_called") == calls
    assert [one["why"] for one in station.written(PROMISE)] == ["", "another request"]


def test_without_a_plan_nothing_is_promised(substation, request_value):
    station = substation()
    station.request(request_value)
    [promise] = station.written(PROMISE)
    assert (promise["promised_wh"], promise["why"]) == (0, "no plan")
    station.agree(LEVELS, first=58)  # too late for the window's first slots
    station.request(request_value | {"id": "s"})
    assert [one["why"] for one in station.written(PROMISE)] == ["no plan", "nobody"]


@pytest.mark.parametrize("value", [None, {}, 7, {"id": "x", "percent": 30}])
def test_what_is_no_request_is_refused(substation, value):
    station = substation()
    station.desk.told(station.service, REQUEST, value)
    assert station.desk.kinds() == ["response_refused"]


@pytest.mark.parametrize("value", [None, {}, {"id": "reduction-1", "unit": B, "follows": "yes"}])
def test_answers_that_are_none_count_for_nothing(substation, request_value, value):
    station = asked(substation(), request_value)
    station.desk.told(station.service, ANSWER, value)
    station.say("cmu/a/77", follows=True)
    assert not station.written(WINDOWS)


def test_a_promise_is_held_in_later_negotiations(substation, request_value):
    station = promised(substation, request_value)
    agree, told = AgreeA(station), len(station.written(WINDOWS))
    agree(880)  # near enough
    assert len(station.written(WINDOWS)) == told
    agree(500)
    assert aims(station.written(WINDOWS)[-1]["windows"][0]) == [1600 - 400] * 8
    agree(900)
    assert len(station.written(WINDOWS)) == told + 1
    assert len(station.written(PROMISE)) == 1
    for reduced_w in (400, 450, 500, 550):  # not for ever
        agree(reduced_w)
    assert len(station.written(WINDOWS)) == told + 1 + 3
    station.desk.now_ms = 17 * H
    settle(station, positive)
    assert [d["promised_wh"] for d in station.written(DELIVERY)] == [1800.0]


def test_while_it_runs_only_what_is_left_counts(substation, request_value):
    station = promised(substation, request_value)
    station.desk.now_ms = 15 * H
    plans = {unit: [level // 10] * DAYTIME for unit, level in LEVELS.items()}
    value = {"negotiation": 3, "slot": 61, "unit_w": 10, "windows": ["reduction-1"]}
    station.desk.told(station.service, AGREED, {**value, "plans": plans})
    assert aims(station.written(WINDOWS)[-1]["windows"][0]) == [1600] * 5 + [1600 - 900] * 3


def test_nobody_answers_for_somebody_else(substation, request_value):
    station = promised(substation, request_value)
    station.say(A, follows=False, author="customer/a/2")
    assert "response_left" not in station.desk.kinds()
    assert station.desk.kinds()[-1] == "response_refused"


def test_pressure_that_was_in_vain_is_taken_back(substation, request_value):
    station = promised(substation, request_value)
    agree = AgreeA(station)
    for reduced_w in (500, 500):
        agree(reduced_w)
    targets = [aims(one["windows"][0])[0] for one in station.written(WINDOWS)]
    assert targets == [1600, 1200]
    agree(400)  # the next regular negotiation: not from where that had ended
    assert aims(station.written(WINDOWS)[-1]["windows"][0])[0] == 1100


def test_a_unit_that_begins_anew_knows_nothing_of_what_was(substation):
    station = substation()
    for what in ("answers", "promise", "settle"):
        station.service.timer(f"{what} reduction-1")
    station.say(A, follows=True)
    assert not station.desk.open("write")
