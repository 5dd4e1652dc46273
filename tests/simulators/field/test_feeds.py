"""Feeds give what was prepared, each value at its time, once."""

from __future__ import annotations

import pytest

from fernwatt.errors import ScenarioError
from simulators.field.feeds import Feeds, parse_feeds


def feed(name="provider/weather/feed", times=(0, 900_000), values=({"a": 1}, {"a": 2})):
    return {"id": name, "variable": "weather.forecast", "times_ms": list(times),
            "values": list(values)}  # fmt: skip


def test_each_value_comes_at_its_time_and_once() -> None:
    feeds = Feeds(parse_feeds([feed(), feed("provider/prices/feed", (900_000,), (3.0,))]))
    assert feeds.due_ms == 0
    (first,) = feeds.sample(0)
    assert (first.id, first.instrument, first.value) == (
        "provider/weather/feed#1", "provider/weather/feed", {"a": 1},
    )  # fmt: skip
    assert feeds.due_ms == 900_000
    assert feeds.sample(899_999) == []
    both = feeds.sample(900_000)
    assert [one.instrument for one in both] == ["provider/prices/feed", "provider/weather/feed"]
    assert [one.t_clock_ms for one in both] == [900_000, 900_000]
    assert feeds.due_ms is None
    assert feeds.sample(10**9) == []


def test_faulty_feeds_are_told() -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_feeds([feed(times=(5, 5)), feed(times=(0,))])
    assert [fault.path for fault in caught.value.faults] == [
        "feeds[0].times_ms", "feeds[1]", "feeds[1].id",
    ]  # fmt: skip
