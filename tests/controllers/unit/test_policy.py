"""Who may do what, and how often."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.unit import ALL, CATALOGUE, NONE, READ, READ_WRITE, WRITE, Grant, Policy, Result
from controllers.unit.catalogue import Catalogue, Variable
from controllers.unit.policy import AccessControl, PolicyBook
from controllers.unit.subscriptions import Window


class By:
    def __init__(self, stakeholder="operator", service="metering") -> None:
        self.stakeholder, self.service = stakeholder, service


def test_the_most_specific_grant_counts() -> None:
    policy = Policy.of(
        [
            Grant(ALL, ALL, READ),
            Grant("operator", ALL, READ_WRITE),
            Grant("operator", "spy", NONE),
            Grant(ALL, "balancing", WRITE),
        ]
    )
    assert policy.allows(READ, "anybody", "anything")
    assert not policy.allows(WRITE, "anybody", "anything")
    assert policy.allows(WRITE, "operator", "metering")
    assert not policy.allows(READ, "operator", "spy")
    assert policy.allows(WRITE, "anybody", "balancing")
    assert not policy.allows(READ, "anybody", "balancing")


def test_nobody_has_a_right_by_default_but_the_owner() -> None:
    control = AccessControl()
    for right in (READ, WRITE):
        args = ((Policy.of(()),), right, "voltage", "customer/a")
        assert control.decide(*args, by=By(), t_ms=0) is Result.DENIED
        assert control.decide(*args, by=By("customer/a"), t_ms=0) is Result.OK


@given(st.lists(st.integers(0, 500), max_size=60), st.integers(1, 2000))
def test_grants_are_never_closer_than_the_delay(gaps, delay_ms) -> None:
    control, policy = AccessControl(), Policy.of([Grant("operator", "metering", READ, delay_ms)])
    granted, t_ms = [], 0
    for gap in gaps:
        t_ms += gap
        args = ((policy,), READ, "voltage", "customer/a")
        result = control.decide(*args, by=By(), t_ms=t_ms)
        earliest = granted[-1] + delay_ms if granted else 0
        assert (result is Result.OK) == (t_ms >= earliest)
        if result is Result.OK:
            granted.append(t_ms)


def test_all_policies_of_an_aggregate_must_grant_and_the_longest_delay_holds() -> None:
    control = AccessControl()
    quick, slow = (Policy.of([Grant(ALL, ALL, READ, delay)]) for delay in (0, 1000))
    args = (READ, "voltage", "customer/a")
    assert control.decide((quick, Policy.of(())), *args, by=By(), t_ms=0) is Result.DENIED
    assert control.decide((quick, slow), *args, by=By(), t_ms=0) is Result.OK
    assert control.decide((quick, slow), *args, by=By(), t_ms=999) is Result.RATE
    assert control.decide((quick, slow), *args, by=By(), t_ms=1000) is Result.OK


def test_the_latest_policy_or_the_default_as_the_owner_prefers() -> None:
    catalogue, mine = Policy.of(()), Policy.of([Grant(ALL, ALL, READ)])
    for prefer, expected in (("latest", mine), ("default", catalogue)):
        book = PolicyBook({}, prefer)
        book.set("voltage", "customer/a", mine)
        assert book.current("voltage", "customer/a", catalogue) is expected
        assert book.current("voltage", "customer/b", catalogue) is catalogue
    assert PolicyBook({"voltage": mine}).current("voltage", "x", catalogue) is mine
    with pytest.raises(ValueError, match="latest or default"):
        PolicyBook({}, "never")


def test_policies_have_a_plain_form_and_equal_ones_are_one() -> None:
    plain = [["operator", "metering", READ, 60_000], [ALL, "balancing", READ_WRITE, 0]]
    assert Policy.from_plain(plain).plain() == plain
    assert Policy.from_plain(plain) is Policy.from_plain([list(entry) for entry in plain])


@pytest.mark.parametrize(
    "wrong", [None, {}, [1], [["a", "b", 1]], [["a", "b", 4, 0]], [["a", "b", 1, -1]],
              [["", "b", 1, 0]], [["a", 2, 1, 0]], [["a", "b", True, 0]], [["a", "b", 1, 0.5]]]
)  # fmt: skip
def test_a_wrong_plain_form_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match=r"polic|grant|rights|delay|text"):
        Policy.from_plain(wrong)


def test_a_hundred_thousand_grants_are_found_at_once() -> None:
    policy = Policy(tuple(Grant(f"customer/{i}", "metering", READ) for i in range(100_000)))
    assert policy.allows(READ, "customer/99999", "metering")
    assert not policy.allows(READ, "customer/100000", "metering")


def test_the_catalogue_refuses_a_second_declaration() -> None:
    wind = Variable("weather.wind", 90_000, "number", "m/s", "unit")
    assert CATALOGUE.extended([wind]).of_code(90_000) is wind
    for double in (Variable("voltage", 90_001, "number", "V", "unit"),
                   Variable("other", 3, "number", "V", "unit")):  # fmt: skip
        with pytest.raises(ValueError, match="declared twice"):
            CATALOGUE.extended([double])
    assert isinstance(CATALOGUE, Catalogue)


@given(st.lists(st.integers(1, 150), max_size=80))
def test_a_window_takes_each_serial_once(serials) -> None:
    window, seen = Window(), set()
    for serial in serials:
        too_old = bool(seen) and serial <= max(seen) - 64
        assert window.fresh(serial) == (serial not in seen and not too_old)
        if not too_old:
            seen.add(serial)
