"""Asking children one after another: nobody is forgotten, nobody blocks, patience learns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.balancing.exchange import Exchange, Patience


def play(delays_ms, parallel, patience):
    """Run an exchange; ``delays_ms`` of child c is None when it never answers."""
    children = [f"c{i}" for i in range(len(delays_ms))]
    delay = dict(zip(children, delays_ms, strict=True))
    exchange, now_ms = Exchange(children, parallel, patience), 0
    asked, answered, coming, most = [], [], [], 0
    while True:
        for child in exchange.due(now_ms):
            asked.append(child)
            if delay[child] is not None:
                coming.append((now_ms + delay[child], child))
        if exchange.over:
            return asked, answered, most, now_ms
        in_flight = len(asked) - len(answered)
        most = max(most, in_flight)
        now_ms = min([exchange.next_ms, *(t for t, _ in coming)])
        for arrival in sorted(coming):
            if arrival[0] <= now_ms:
                coming.remove(arrival)
                if exchange.answer(arrival[1], now_ms):
                    answered.append(arrival[1])
                assert not exchange.answer(arrival[1], now_ms)


@given(
    st.lists(st.none() | st.integers(1, 40_000), max_size=20),
    st.integers(1, 25),
    st.integers(100, 30_000),
)
def test_every_child_is_asked_once_and_the_exchange_ends(delays_ms, parallel, longest_ms):
    asked, answered, _, took_ms = play(delays_ms, parallel, Patience(longest_ms))
    assert asked == [f"c{i}" for i in range(len(delays_ms))]
    assert len(set(answered)) == len(answered)
    assert took_ms <= longest_ms * len(delays_ms)


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=30), st.integers(1, 10))
def test_no_more_than_so_many_are_waited_for_and_all_who_answer_count(delays_ms, parallel):
    _, answered, most, took_ms = play(delays_ms, parallel, Patience(30_000))
    assert len(answered) == len(delays_ms)
    assert most <= parallel
    if parallel == 1:
        assert took_ms == sum(delays_ms)


def test_a_late_answer_counts_while_others_are_asked():
    exchange = Exchange(["a", "b"], 1, Patience(1000))
    assert exchange.due(0) == ["a"]
    assert exchange.due(999) == []
    assert exchange.due(1000) == ["b"]
    assert exchange.answer("a", 1500)
    assert exchange.answer("b", 1600)
    assert exchange.over
    assert not exchange.answer("c", 1700)


def test_patience_is_that_of_tcp():
    patience = Patience(60_000, least_ms=1)
    mean, deviation = None, 0.0
    for took_ms in np.random.default_rng(1).integers(100, 3000, 50).tolist():
        patience.answered(took_ms)
        if mean is None:
            mean, deviation = took_ms, took_ms / 2
        else:  # RFC 6298, 2.3, in its order
            deviation = 0.75 * deviation + 0.25 * abs(mean - took_ms)
            mean = 0.875 * mean + 0.125 * took_ms
        assert patience.wait_ms == pytest.approx(mean + 4 * deviation, abs=1)


def test_patience_doubles_with_silence_up_to_its_limit_and_learns_anew():
    patience = Patience(30_000)
    assert patience.wait_ms == 30_000
    patience.answered(200)
    assert patience.wait_ms == 3000
    waits = []
    for _ in range(5):
        patience.missed()
        waits.append(patience.wait_ms)
    assert waits == [6000, 12_000, 24_000, 30_000, 30_000]
    patience.answered(20_000)
    assert 20_000 < patience.wait_ms <= 30_000
