"""A customer's unit: what it follows, and what becomes of that when the customer opts out."""

import pytest

from controllers.response.customer import CustomerResponse
from controllers.unit.service import Result

H = 3_600_000
CALL, CHOICE, ANSWER = "response.call", "response.choice", "response.answer"


@pytest.fixture
def house(Desk, contract):
    desk = Desk("cmu/a/1", 10 * H)
    service = CustomerResponse(contract(), "lvgmu/a")
    service.start(desk)
    return desk, service


def answers(desk):
    return [(one.location, one.value) for one in desk.open("write", ANSWER)]


def told(follows, why="", key="reduction-1"):
    return ("lvgmu/a", {"id": key, "unit": "cmu/a/1", "follows": follows, "why": why})


def test_who_has_a_contract_follows(house, request_value):
    desk, service = house
    desk.told(service, CALL, request_value)
    desk.told(service, CALL, request_value)  # said twice, answered once
    assert answers(desk) == [told(True)]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"percent": 60}, "too much"),
        ({"ends_ms": 18 * H}, "too long"),
        ({"begins_ms": 10 * H + H // 2, "ends_ms": 12 * H}, "too late"),
    ],
)
def test_the_customers_own_unit_holds_calls_against_the_contract(house, request_value, change, why):
    desk, service = house
    desk.told(service, CALL, request_value | change)
    assert answers(desk) == [told(False, why)]


def test_a_second_call_of_a_day_is_one_too_many(house, request_value):
    desk, service = house
    desk.told(service, CALL, request_value)
    second = request_value | {"id": "s", "begins_ms": 20 * H, "ends_ms": 21 * H}
    desk.told(service, CALL, second)
    tomorrow = second | {"id": "t", "begins_ms": 30 * H, "ends_ms": 31 * H}
    desk.told(service, CALL, tomorrow)
    assert answers(desk)[1:] == [told(False, "too often", "s"), told(True, key="t")]


def test_who_opts_out_before_does_not_follow_and_may_come_back(house, request_value):
    desk, service = house
    desk.told(service, CHOICE, {"follows": False})
    desk.told(service, CALL, request_value)
    desk.told(service, CHOICE, {"follows": True})
    desk.told(service, CALL, request_value | {"id": "s"})
    assert answers(desk) == [told(False, "opted out"), told(True, key="s")]


def test_who_opts_out_while_it_runs_takes_it_back(house, request_value):
    desk, service = house
    desk.told(service, CALL, request_value)
    desk.now_ms = 15 * H
    desk.told(service, CHOICE, {"follows": False})
    desk.told(service, CHOICE, {"follows": False})
    assert answers(desk) == [told(True), told(False, "opted out")]


def test_what_is_over_is_not_taken_back(house, request_value):
    desk, service = house
    desk.told(service, CALL, request_value)
    desk.now_ms = 16 * H
    desk.told(service, CHOICE, {"follows": False})
    assert answers(desk) == [told(True)]


def test_an_answer_that_was_lost_is_said_again_until_it_is_heard(house, request_value):
    desk, service = house
    desk.told(service, CALL, request_value)
    for _ in range(3):
        [asked] = desk.open("write", ANSWER)
        desk.answer(service, asked, Result.TIMEOUT)
        assert not desk.open("write", ANSWER)
        desk.ring(service, "again")
    [asked] = desk.open("write", ANSWER)
    assert asked.value["follows"]
    desk.answer(service, asked)
    assert not desk.timers
    assert desk.open("write") == []


def test_what_is_not_true_any_more_is_not_said_again(house, request_value):
    desk, service = house
    desk.told(service, CALL, request_value)
    [first] = desk.open("write", ANSWER)
    desk.told(service, CHOICE, {"follows": False})
    desk.answer(service, first, Result.TIMEOUT)
    assert not desk.timers
    assert answers(desk) == [told(False, "opted out")]


@pytest.mark.parametrize("value", [None, {}, {"follows": 1}, [], "no"])
def test_a_choice_that_is_none_changes_nothing(house, request_value, value):
    desk, service = house
    desk.told(service, CHOICE, value)
    desk.told(service, CALL, request_value)
    assert answers(desk) == [told(True)]


def test_a_call_that_is_none_is_refused(house):
    desk, service = house
    desk.told(service, CALL, {"id": "x"})
    assert desk.kinds() == ["response_refused"]
    assert answers(desk) == []
