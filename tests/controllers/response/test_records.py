"""Records of demand response: what is one, what a contract says to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.response.records import Answer, Delivery, Promise, Request

H = 3_600_000
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "unit", "percent", "begins_ms", "ends_ms", "follows", "issuer"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(anything)
def test_nothing_makes_a_record_fail(value):
    for kind in (Request, Answer, Promise, Delivery):
        found = kind.of(value)
        assert found is None or kind.of(found.plain()) == found


def test_a_record_is_read_as_it_was_written(request_value):
    request = Request.of(request_value)
    assert request.plain() == request_value
    assert request.slots == range(56, 64)
    for one in (
        Promise("r", "lvgmu/a", 9.0, 3.0, None, 1, 2, 3, "no plan"),
        Promise("r", "lvgmu/a", 9.0, 3.0, 2.5),
        Delivery("r", "lvgmu/a", 3.0, 2.5, 2.0, -1.0, 1, 40.0),
        Delivery("r", "lvgmu/a", 3.0, None, None, None),
        Answer("r", "cmu/a/1", follows=False, why="opted out"),
    ):
        assert type(one).of(one.plain()) == one


@pytest.mark.parametrize(
    "change",
    [
        {"percent": 0}, {"percent": 101}, {"percent": 30.0}, {"begins_ms": 14 * H + 1},
        {"ends_ms": 14 * H}, {"ends_ms": 70 * H}, {"id": ""}, {"issuer": None}, {"issued_ms": "x"},
        {"begins_ms": 10**13, "ends_ms": 10**13 + 900_000},
    ],
)  # fmt: skip
def test_what_is_no_request_is_none(request_value, change):
    assert Request.of(request_value | change) is None


@pytest.mark.parametrize(
    ("terms", "now_h", "calls", "why"),
    [
        ({}, 10, 0, ""),
        ({"max_ms": 1 * H}, 10, 0, "too long"),
        ({"notice_ms": 5 * H}, 10, 0, "too late"),
        ({}, 13.5, 0, "too late"),
        ({}, 10, 1, "too often"),
        ({"per_day": 2}, 10, 1, ""),
    ],
)
def test_a_contract_says_who_can_be_called(request_value, contract, terms, now_h, calls, why):
    request = Request.of(request_value)
    assert contract(**terms).refusal(request, round(now_h * H), calls) == why


def test_no_more_is_asked_than_the_contract_allows(request_value, contract):
    assert contract().percent(Request.of(request_value)) == 30
    assert contract(max_percent=20).percent(Request.of(request_value)) == 20


def test_paid_is_what_was_delivered_up_to_what_was_promised(contract):
    one = contract(cent_per_kwh=20.0)
    assert one.pay_cent(1000.0, 500.0) == 10.0
    assert one.pay_cent(1000.0, 5000.0) == 20.0
    assert one.pay_cent(1000.0, -200.0) == 0.0
    assert one.pay_cent(-300.0, -200.0) == 0.0
