"""What a gateway is made of: periods, and payloads that anybody may send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.gateway import make_service
from controllers.gateway.collecting import Collector, Source
from controllers.gateway.topics import CommandError, packed, read_command
from controllers.unit.directory import Directory
from fernwatt.errors import ScenarioError
from fernwatt.messages import Delivery
from tests.controllers.gateway.conftest import Area

PERIOD_MS = 900_000
SOURCES = [Source("a", ("x", "y")), Source("b", ("x",)), Source("g", ("i",), "line/1"),
           Source("g", ("i",), "line/2")]  # fmt: skip


def test_a_reading_belongs_to_the_period_that_it_ends() -> None:
    it = Collector(SOURCES, PERIOD_MS)
    assert [it.period_of(t_ms) for t_ms in (60_000, 60_001, PERIOD_MS, PERIOD_MS + 60_000)] == [
        -1, 0, 0, 0,
    ]  # fmt: skip
    assert it.period_of(PERIOD_MS + 60_001) == 1


def test_elements_that_one_unit_watches_are_sources_of_their_own() -> None:
    it = Collector(SOURCES, PERIOD_MS)
    it.take("g", "i", {"element": "line/2"}, 100_000, "r#1")
    it.take("g", "i", {"element": "line/3"}, 100_000, "r#2")
    it.take("g", "i", 5, 100_000, "r#3")
    assert it.missing(0) == ["a", "b", "line/1"]


readings = st.lists(
    st.tuples(st.sampled_from([("a", "x"), ("a", "y"), ("b", "x")]), st.integers(0, 4 * PERIOD_MS)),
    max_size=60,
)


@settings(deadline=None)
@given(readings, st.lists(st.integers(0, 60), max_size=4))
def test_every_reading_is_published_once_or_was_followed_by_a_newer_one(
    story: list[tuple[tuple[str, str], int]], closing: list[int]
) -> None:
    it = Collector(SOURCES[:2], PERIOD_MS)
    it.closed, published = -1, list[tuple[str, str, int]]()
    for place, ((unit, variable), t_ms) in enumerate(story):
        if place in closing:
            gathered = it.close(it.closed + 1)
            published += [(name, of, gathered.number) for name, values in gathered.values.items()
                          for of in values]  # fmt: skip
        late = it.take(unit, variable, 1.0, t_ms, f"r#{place}")
        if late is not None:
            published.append((late[1], variable, late[0]))
    while it.closed < 5:
        gathered = it.close(it.closed + 1)
        published += [(name, of, gathered.number) for name, values in gathered.values.items()
                      for of in values]  # fmt: skip
    assert len(published) == len(set(published))
    heard = {(unit, of, it.period_of(t_ms)) for (unit, of), t_ms in story}
    assert {one for one in heard if one[2] >= 0} >= set(published)
    # lost is none but what came more than four periods late
    assert {one for one in heard if one[2] >= 0} == set(published)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
commands = st.fixed_dictionaries(
    {"id": values, "variable": values, "location": values, "value": values}
)


@settings(deadline=None)
@given(st.binary(max_size=80) | commands.map(lambda one: json.dumps(one).encode()))
def test_no_payload_raises_anything_but_command_error(payload: bytes) -> None:
    try:
        command = read_command(payload)
    except CommandError:
        return
    assert read_command(packed(json.loads(payload))) == command


@pytest.mark.parametrize("payload", [b"[" * 5000, b"{}" + b" " * 70_000, b'{"a":1e999}', b"\xff"])
def test_deep_long_and_infinite_payloads_are_refused(payload: bytes) -> None:
    with pytest.raises(CommandError):
        read_command(payload)


def test_garbage_from_either_side_is_counted_and_the_session_goes_on() -> None:
    it = Area()
    it.periods(0, 0)
    for number, payload in enumerate([b"\xf0\x00", b"\x10\x01x", b"\x82\x00", b"\x00\xff"] * 5):
        for src, dst in (("broker/cloud", "lvgmu/a"), ("lvgmu/a", "broker/cloud")):
            frame = Delivery(f"x#{number}{dst}", "", src, dst, "metering", 0, payload)
            it.bus._settle(it.core.step(it.bus.now_ms, deliveries=[frame]))
            it.bus.run(it.bus.now_ms + 5_000)
    it.bus.run(it.bus.now_ms + 400_000)
    assert it.core.counters["malformed"] >= 15
    it.periods(1, 2)
    ends = [one["end_ms"] // PERIOD_MS for one in it.shown() if "missing" in one]
    assert ends == [1, 2, 3]


@pytest.mark.parametrize(
    ("params", "path"),
    [
        ({}, "broker"), ({"qos": 2}, "qos"), ({"by": "x"}, "by"), ({"role": "x"}, "role"),
        ({"speed": 1}, "speed"), ({"sources": [{}]}, "sources[0]"),
        ({"sources": [{"location": "a", "variables": []}]}, "sources[0].variables"),
        ({"sources": [{"location": "a", "variables": ["x"]}] * 2}, "sources[1]"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_gateways_settings_is_named(params: dict[str, Any], path: str) -> None:
    base = {} if not params else {"broker": "b", "user": "u", "password": "p", "sources": []}
    with pytest.raises(ScenarioError) as caught:
        make_service({"id": "lvgmu/a"}, base | params, Directory([], None))  # type: ignore[arg-type]
    assert f"lvgmu/a.services.gateway.{path}" in [fault.path for fault in caught.value.faults]
