"""The aggregator's unit: asks every substation, adds up what comes back."""

import pytest

from controllers.response import make_service
from controllers.response.issuer import ResponseIssuer
from controllers.response.records import Delivery, Promise
from controllers.unit.service import Result
from fernwatt.errors import ScenarioError

H = 3_600_000
UNITS = ("lvgmu/a", "lvgmu/b")


@pytest.fixture
def issuer(Desk, request_value):
    desk = Desk("aggregator/response", 10 * H)
    service = ResponseIssuer(UNITS, 4 * H)
    service.start(desk)
    desk.told(service, "response.request", request_value)
    return desk, service


def promise(desk, service, unit, wh, **more):
    one = Promise("reduction-1", unit, 10.0, 3.0, wh, following=2, **more)
    desk.told(service, "response.promise", one.plain())


def deliver(desk, service, unit, wh):
    one = Delivery("reduction-1", unit, 3.0, 2.5, wh, 0.5, 0, 7.0)
    desk.told(service, "response.delivery", one.plain())


def last(desk, kind):
    return [value for told, _, value in desk.decisions if told == kind][-1]


def test_all_substations_are_asked(issuer, request_value):
    desk, _ = issuer
    asked = desk.open("write", "response.request")
    assert [(one.location, one.value) for one in asked] == [(u, request_value) for u in UNITS]


def test_promises_add_up_when_all_are_there(issuer):
    desk, service = issuer
    promise(desk, service, "lvgmu/a", 2.5)
    assert desk.kinds() == ["response_asked"]
    promise(desk, service, "lvgmu/b", None)
    assert last(desk, "response_promised") == {
        "id": "reduction-1", "units": 2, "baseline_wh": 20.0, "asked_wh": 6.0,
        "promised_wh": 2.5, "following": 4, "refused": 0, "silent": 0,
    }  # fmt: skip


def test_who_cannot_be_asked_promises_nothing(issuer):
    desk, service = issuer
    first, second = desk.open("write", "response.request")
    desk.answer(service, first)
    desk.answer(service, second, Result.TIMEOUT)
    promise(desk, service, "lvgmu/a", 2.5)
    assert last(desk, "response_promised")["promised_wh"] == 2.5


def test_who_is_silent_is_not_waited_for_but_counts_when_it_speaks(issuer):
    desk, service = issuer
    promise(desk, service, "lvgmu/a", 2.5)
    desk.ring(service, "promises reduction-1")
    assert last(desk, "response_promised")["units"] == 1
    promise(desk, service, "lvgmu/b", 2.0)
    assert last(desk, "response_promised")["promised_wh"] == 4.5


def test_deliveries_of_those_who_promised_add_up(issuer):
    desk, service = issuer
    promise(desk, service, "lvgmu/a", 2.5)
    promise(desk, service, "lvgmu/b", 2.5)
    deliver(desk, service, "lvgmu/a", 2.0)
    assert "response_settled" not in desk.kinds()
    deliver(desk, service, "lvgmu/b", None)
    assert last(desk, "response_settled") == {
        "id": "reduction-1", "units": 2, "asked_wh": 6.0, "promised_wh": 5.0,
        "delivered_wh": 2.0, "rebound_wh": 1.0, "unmetered": 0, "paid_cent": 14.0,
    }  # fmt: skip


@pytest.mark.parametrize("unit", ["lvgmu/c", "cmu/a/1"])
def test_what_was_not_asked_for_counts_for_nothing(issuer, unit):
    desk, service = issuer
    promise(desk, service, unit, 9.0)
    deliver(desk, service, unit, 9.0)
    desk.told(service, "response.promise", {"id": "x"})
    desk.ring(service, "promises reduction-1")
    assert last(desk, "response_promised")["units"] == 0


def test_a_request_is_passed_on_once(issuer, request_value):
    desk, service = issuer
    desk.told(service, "response.request", request_value)
    desk.told(service, "response.request", {"id": "x"})
    assert len(desk.open("write", "response.request")) == 2
    assert desk.kinds() == ["response_asked", "response_refused", "response_refused"]


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"role": "king"}, "no role"),
        ({"role": "issuer", "managers": []}, "missing"),
        ({"role": "issuer", "managers": [], "rebound_s": 1, "x": 1}, "not known"),
    ],
)
def test_parameters_that_are_wrong_are_told(params, word):
    with pytest.raises(ScenarioError, match=word):
        make_service({"id": "u"}, params)
