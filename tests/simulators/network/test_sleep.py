"""Sleepers: who waits how long for them, and what they use, against closed forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from fernwatt.messages import Frame
from simulators.network.core import NetworkCore
from simulators.network.technologies import load

PARTS = ("processing", "queue", "access", "air", "retry", "core", "tick")
PERIOD_MS, AWAKE_MS = 1000, 20


def home(**sleep: Any) -> dict[str, Any]:
    """A coordinator, a router beside it, and a sleeper on one medium; a link leads outside."""
    return {
        "nodes": [
            {"id": "head"},
            {"id": "outside"},
            {"id": "router"},
            {"id": "sensor", "sleep": {"period_ms": PERIOD_MS, "awake_ms": AWAKE_MS, **sleep}},
        ],
        "media": [
            {"id": "han", "technology": "zigbee-han", "members": ["head", "router", "sensor"]}
        ],
        "links": [{"id": "up", "technology": "ethernet", "a": "head", "b": "outside"}],
        "overrides": {"zigbee-han": {"error": 0.0}},
        "interval_ms": 10_000_000,
    }


def frame(number: int, src: str, dst: str, ready_us: int, **changes: Any) -> Frame:
    values = {"flow": "f", "priority": 2, "payload": bytes(40), **changes}
    return Frame(f"{src}#{number}", "c", src, dst, ready_us=ready_us, deadline_us=-1, **values)


def play(
    spec: Mapping[str, Any],
    sends: Mapping[int, list[Frame]],
    end_ms: int,
    acts: Mapping[int, Callable[[NetworkCore], None]] | None = None,
    every_tick: bool = False,
) -> tuple[dict[str, list[dict[str, Any]]], list[tuple[int, str]]]:
    core, out, acts = NetworkCore(spec, 1), [], acts or {}
    outside = sorted({*sends, *acts, end_ms})
    t_ms = -1
    while t_ms < end_ms:
        due_ms = t_ms + 1 if every_tick else core.next_ms()
        coming_ms = next(tick for tick in outside if tick > t_ms)
        t_ms = coming_ms if due_ms is None else min(coming_ms, due_ms)
        out += [(t_ms, delivery.id) for delivery in core.advance(t_ms)]
        if t_ms in acts:
            acts[t_ms](core)
        core.inject(t_ms, sends.get(t_ms, []))
    core.close(end_ms)
    tables = {
        name: [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        for name, columns in core.rows()
    }
    return tables, out


def test_what_comes_at_random_waits_half_a_period_on_the_mean() -> None:
    """(period - awake)² / (2 period): who comes within the window does not wait."""
    count = 2000
    rng = np.random.default_rng(5)
    sends: dict[int, list[Frame]] = {}
    for number in range(count):
        at_us = number * 1_000_000 + int(rng.integers(0, 1_000_000))
        sends.setdefault(at_us // 1000, []).append(frame(number, "head", "sensor", at_us))
    tables, _ = play(home(offset_ms=137), sends, count * 1000 + 5000)
    waits_ms = np.array([row["queue_us"] for row in tables["message"]]) / 1000
    assert len(waits_ms) == count
    mean_ms = (PERIOD_MS - AWAKE_MS) ** 2 / (2 * PERIOD_MS)
    variance = (PERIOD_MS - AWAKE_MS) ** 3 / (3 * PERIOD_MS) - mean_ms**2
    assert waits_ms.mean() == pytest.approx(mean_ms, abs=3.5 * (variance / count) ** 0.5 + 1)


@pytest.mark.requirement("NW-09")
def test_it_gets_all_when_it_wakes_and_sends_at_once() -> None:
    sends = {
        150: [frame(1, "head", "sensor", 150_000)],
        300: [frame(2, "outside", "sensor", 300_000)],
        500: [frame(3, "sensor", "outside", 500_000)],  # wakes it: it gets what waits
        510: [frame(4, "head", "sensor", 510_000)],  # it still listens
        700: [frame(5, "head", "sensor", 700_000)],  # asleep until 1100
    }
    tables, _ = play(home(offset_ms=100), sends, 3000)
    rows = {row["id"]: row for row in tables["message"]}
    assert rows["sensor#3"]["queue_us"] == 0
    assert rows["head#1"]["queue_us"] // 1000 == 350
    assert rows["outside#2"]["queue_us"] // 1000 >= 199
    assert rows["head#4"]["queue_us"] // 1000 < 10
    assert rows["head#5"]["queue_us"] == 400_000
    assert rows["head#5"]["t_arrival_us"] > 1_100_000
    for row in rows.values():
        assert row["delay_us"] == sum(row[f"{part}_us"] for part in PARTS)


def test_all_goes_by_the_parent() -> None:
    sends = {
        150: [frame(1, "head", "sensor", 150_000)],
        400: [frame(2, "sensor", "outside", 400_000)],
    }
    tables, _ = play(home(offset_ms=100, parent="router"), sends, 3000)
    rows = {row["id"]: row for row in tables["message"]}
    assert rows["head#1"]["hops"] == 2  # head, router, sensor
    assert rows["sensor#2"]["hops"] == 3
    tables, _ = play(home(offset_ms=100, parent="head"), sends, 3000)
    assert {row["id"]: row["hops"] for row in tables["message"]} == {"head#1": 1, "sensor#2": 2}


def energy_by_hand(transmit_s: float, listen_s: float, total_s: float) -> float:
    it = load()["zigbee-han"]
    sleep_s = total_s - transmit_s - listen_s
    charge = it.transmit_ma * transmit_s + it.receive_ma * listen_s + it.sleep_ua * sleep_s / 1000
    return it.supply_v * charge / 1000


def test_energy_by_hand_of_a_silent_sleeper() -> None:
    tables, _ = play(home(battery_mah=1000.0), {}, 3_600_000)
    (row,) = tables["node_energy"]
    assert (row["transmit_us"], row["listen_us"]) == (0, 3600 * AWAKE_MS * 1000)
    assert row["listen_us"] + row["sleep_us"] == 3_600_000_000
    assert row["energy_j"] == pytest.approx(energy_by_hand(0, 72, 3600), rel=1e-12)
    assert row["message_j"] is None
    assert row["day_j"] == pytest.approx(24 * row["energy_j"])
    supply_v = load()["zigbee-han"].supply_v
    assert row["life_d"] == pytest.approx(1000 * 3.6 * supply_v / row["day_j"])
    mean_ma = 0.02 * load()["zigbee-han"].receive_ma + 0.98 * 0.8e-3
    assert row["life_d"] == pytest.approx(1000 / mean_ma / 24)


@pytest.mark.requirement("NW-09")
def test_energy_by_hand_of_a_sender() -> None:
    """It sends 40 B once a minute, 500 ms after it slept in: the backoff, the frame, 20 ms more."""
    count = 60
    sends = {
        60_000 * n + 600: [frame(n, "sensor", "head", 60_000_000 * n + 600_000)]
        for n in range(count)
    }
    tables, _ = play(home(offset_ms=100), sends, 60_000 * count)
    (row,) = tables["node_energy"]
    air_us = (40 + 8 + 37 + 6) * 8 * 4  # headers, 802.15.4 preamble, 250 kbit/s
    messages = tables["message"]
    assert {it["air_us"] for it in messages} == {air_us}
    assert row["transmit_us"] == count * air_us
    listening_us = sum(it["access_us"] for it in messages) + count * AWAKE_MS * 1000
    assert row["listen_us"] == 3600 * AWAKE_MS * 1000 + listening_us
    expected = energy_by_hand(count * air_us / 1e6, row["listen_us"] / 1e6, 3600)
    assert row["energy_j"] == pytest.approx(expected, rel=1e-12)
    silent = energy_by_hand(0, 72, 3600)
    assert row["message_j"] == pytest.approx((expected - silent) / count, rel=1e-9)
    assert (row["sent"], row["received"]) == (count, 0)


def test_repetitions_cost_energy() -> None:
    spec = home(offset_ms=100)
    spec["overrides"] = {"zigbee-han": {"error": 0.5, "retries": 3}}
    sends = {1000 * n + 500: [frame(n, "sensor", "head", 1_000_000 * n + 500_000)]
             for n in range(300)}  # fmt: skip
    tables, _ = play(spec, sends, 305_000)
    (row,) = tables["node_energy"]
    attempts = sum(it["attempts"] for it in tables["message"])
    assert attempts > 450
    assert row["transmit_us"] == attempts * (40 + 8 + 37 + 6) * 8 * 4


def test_what_waits_is_lost_with_its_parent_and_found_at_the_end() -> None:
    sends = {
        150: [frame(1, "head", "sensor", 150_000)],
        1200: [frame(2, "head", "sensor", 1_200_000)],
    }
    acts = {
        200: lambda core: core.set_node("router", False, "fault#1"),
        300: lambda core: core.set_node("router", True, "crew#1"),
    }
    tables, _ = play(home(offset_ms=100, parent="router"), sends, 1500, acts)
    rows = {row["id"]: row for row in tables["message"]}
    assert (rows["head#1"]["fate"], rows["head#1"]["loss"]) == ("lost", "node-down")
    assert rows["head#2"]["fate"] == "in-flight"
    assert rows["head#2"]["queue_us"] > 280_000


def test_a_reliable_flow_to_a_sleeper() -> None:
    spec = home(offset_ms=100)
    spec["transport"] = {"default": {"kind": "reliable", "mss_bytes": 60}}
    tables, _ = play(spec, {150: [frame(1, "outside", "sensor", 150_000)]}, 60_000)
    (row,) = tables["message"]
    assert row["fate"] == "delivered"
    assert row["access_us"] > 900_000  # the connection waits for the first wake
    assert row["delay_us"] == sum(row[f"{part}_us"] for part in PARTS)


@settings(max_examples=25, deadline=None)
@given(
    sends=st.lists(
        st.tuples(
            st.integers(0, 4000), st.sampled_from(["head", "outside", "router", "sensor"]),
            st.sampled_from(["head", "outside", "router", "sensor", "group/all"]),
        ),
        max_size=15,
    ),
    acts=st.lists(
        st.tuples(st.integers(0, 5000), st.sampled_from(["router", "sensor", "han"]),
                  st.booleans()),
        max_size=3,
    ),
    parent=st.sampled_from([None, "router", "head"]),
    kind=st.sampled_from(["datagram", "reliable", "request"]),
    offset_ms=st.one_of(st.none(), st.integers(0, PERIOD_MS - 1)),
    mesh=st.booleans(),
)  # fmt: skip
def test_nothing_is_seen_between_the_ticks_that_are_due(
    sends: Any, acts: Any, parent: str | None, kind: str, offset_ms: int | None, mesh: bool
) -> None:
    spec = home(parent=parent, offset_ms=offset_ms)
    spec["transport"] = {"default": kind}
    spec["groups"] = {"all": ["head", "sensor", "router"]}
    spec["overrides"] = {"zigbee-han": {"error": 0.2}}
    if mesh:
        spec["media"][0] |= {"technology": "rf-mesh-15.4", "routing": "mesh", "root": "head"}
    batches: dict[int, list[Frame]] = {}
    for number, (t_ms, src, dst) in enumerate(sends):
        batches.setdefault(t_ms, []).append(frame(number, src, dst, 1000 * t_ms))

    def act(what: str, on: bool) -> Callable[[NetworkCore], None]:
        if what == "han":
            return lambda core: core.set_carrier(what, on, "fault#1")
        return lambda core: core.set_node(what, on, "fault#1")

    acting = {t_ms: act(what, on) for t_ms, what, on in acts}
    seen = [play(spec, batches, 6000, acting, every_tick) for every_tick in (False, True)]
    assert seen[0] == seen[1]
    for row in seen[0][0].get("message", []):
        if row["fate"] == "delivered":
            assert row["delay_us"] == sum(row[f"{part}_us"] for part in PARTS)
    for row in seen[0][0]["node_energy"]:
        assert row["transmit_us"] + row["listen_us"] + row["sleep_us"] == 6_000_000
        assert min(row["listen_us"], row["sleep_us"]) >= 0


@pytest.mark.parametrize(
    ("sleep", "text"),
    [
        ({"period_ms": 0}, "sleep.period_ms: must be a whole number"),
        ({"awake_ms": 1000}, "below the period"),
        ({"offset_ms": 1000}, "offset_ms"),
        ({"battery_mah": 0}, "above 0"),
        ({"parent": "outside"}, "shares no medium"),
        ({"parrent": "head"}, "is unknown"),
    ],
)
def test_what_cannot_sleep_is_refused(sleep: dict[str, Any], text: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        NetworkCore(home(**sleep), 1)
    assert text in str(caught.value)
