"""Polled access against the theory of cyclic polling, and against stepping through every turn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from fernwatt.messages import Frame, Supply
from simulators.network import phy
from simulators.network.core import NetworkCore
from simulators.network.message import Message
from simulators.network.technologies import load
from simulators.network.turns import Ring, Turn

REQUEST, RESPONSE = 37, 76  # bytes of the PDUs of the reference case
HEAD = 16  # PRIME: MAC header, packet header, CRC and convergence layer
POLLED = {
    "mac": "polled",
    "poll_bytes": REQUEST,
    "response_bytes": RESPONSE,
    "turnaround_us": 0,
    "ack_timeout_us": 50_000,
    "error": 0.0,
    "retries": 2,
}
ASK_US, ANSWER_US = (round(phy.prime_us(size, "dbpsk-f")) for size in (REQUEST, RESPONSE))


def spec(slaves: int, **changes: Any) -> dict[str, Any]:
    ids = [f"s{number:03d}" for number in range(slaves)]
    return {
        "nodes": [{"id": "master"}, *({"id": it, "terminal": it} for it in ids)],
        "media": [
            {
                "id": "line",
                "technology": "plc-prime",
                "members": ["master", *ids],
                "root": "master",
            }
        ],
        "overrides": {"plc-prime": {**POLLED, **changes}},
        "interval_ms": 1_000_000,
    }


def frame(number: int, src: str, dst: str, t_us: int, size: int = RESPONSE - HEAD) -> Frame:
    return Frame(f"{src}#{number}", "", src, dst, "f", 2, t_us, -1, bytes(size))


def play(
    what: dict[str, Any],
    frames: list[Frame],
    end_ms: int,
    supply: dict[int, list[Supply]] | None = None,
    every_tick: bool = False,
    renewed: tuple[int, Any] | None = None,
) -> tuple[dict[str, dict[str, Any]], list[tuple[int, str]]]:
    """Return messages by identifier, and what was handed out at which tick.

    ``renewed`` is when the air has other levels from, and which.
    """
    core, out, supply = NetworkCore(what, 1), [], supply or {}
    sends: dict[int, list[Frame]] = {}
    for it in frames:
        sends.setdefault(it.ready_us // 1000, []).append(it)
    outside = sorted({*sends, *supply, end_ms, *([renewed[0]] if renewed else [])})
    t_ms = -1
    while outside:
        due = t_ms + 1 if every_tick else core.next_ms()
        t_ms = outside[0] if due is None else min(outside[0], due)
        out += [(t_ms, it.id) for it in core.advance(t_ms)]
        if t_ms == outside[0]:
            core.supply(t_ms, supply.get(t_ms, []))
            if renewed and t_ms == renewed[0]:
                core._by_id["line"].air.levels.renew(renewed[1])
                core._rerouted("line")
            core.inject(t_ms, sends.get(t_ms, []))
            outside.pop(0)
    core.close(end_ms)
    rows = dict(core.rows())
    columns = rows.get("message", {"id": []})
    table = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    medium = rows["medium"]
    totals = {key: sum(medium[key]) for key in ("airtime_us", "transmissions")}
    return {row["id"]: row for row in table} | {"medium": totals}, out


@pytest.mark.parametrize(("slaves", "printed_s"), [(10, 0.579), (100, 5.79), (250, 14.46)])
@pytest.mark.parametrize("hops", [1, 2])
def test_the_polling_cycle_of_prime(slaves: int, printed_s: float, hops: int) -> None:
    cycles = 3  # saturated: each slave has a frame for every turn
    frames = [
        frame(number * 1000 + turn, f"s{number:03d}", "master", 0)
        for number in range(slaves)
        for turn in range(cycles)
    ]
    end_ms = int(printed_s * 1000) * (cycles + 1) * hops
    rows, _ = play(spec(slaves, hops=hops), frames, end_ms)
    for number in (0, slaves // 2, slaves - 1):
        at_us = [
            rows[f"s{number:03d}#{number * 1000 + turn}"]["t_arrival_us"] for turn in range(cycles)
        ]
        for cycle_us in np.diff(at_us):
            assert cycle_us == slaves * (ASK_US + ANSWER_US) * hops
            digits = 3 if slaves == 10 else 2
            assert round(cycle_us / 1e6 / hops, digits) == printed_s


def test_turnarounds_count_twice_a_turn() -> None:
    frames = [frame(turn, "s003", "master", 0) for turn in range(3)]
    rows, _ = play(spec(7, turnaround_us=1500), frames, 10_000)
    at_us = [rows[f"s003#{turn}"]["t_arrival_us"] for turn in range(3)]
    assert np.diff(at_us).tolist() == [7 * (ASK_US + ANSWER_US + 3000)] * 2


def test_a_lone_arrival_waits_half_a_cycle() -> None:
    slaves, count = 20, 4000
    cycle_us = slaves * (ASK_US + ANSWER_US)
    rng = np.random.default_rng(11)
    times = np.cumsum(rng.exponential(4 * cycle_us, count) + cycle_us).astype(int)
    frames = [
        frame(n, f"s{rng.integers(slaves):03d}", "master", int(t_us))
        for n, t_us in enumerate(times)
    ]
    rows, _ = play(spec(slaves), frames, int(times[-1] / 1000) + 5000)
    waits = [rows[it.id]["access_us"] for it in frames]
    assert {rows[it.id]["air_us"] for it in frames} == {ANSWER_US}
    assert max(waits) <= cycle_us
    error = cycle_us / np.sqrt(12 * count)
    assert abs(np.mean(waits) - cycle_us / 2) < 3.3 * error
    assert error < 0.02 * cycle_us / 2


def limited(**changes: Any) -> tuple[float, float, float]:
    """Return the mean wait under load, half its 99.9 % interval, and the theory's [µs].

    One frame a turn, all slaves alike, walks of r, services of b (Takagi 1985):
    W = (N λ b² + r (N + ρ)) / (2 (1 - ρ - N λ r)), ρ = N λ b.
    """
    slaves, count, size = 10, 60_000, 200 - HEAD
    walk_us = ASK_US + ANSWER_US
    service_us = round(phy.prime_us(200, "dbpsk-f")) - ANSWER_US
    rate = 0.3 / (slaves * (walk_us + service_us))
    rho = slaves * rate * service_us
    expected_us = (slaves * rate * service_us**2 + walk_us * (slaves + rho)) / (
        2 * (1 - rho - slaves * rate * walk_us)
    )
    rng = np.random.default_rng(5)
    times = np.cumsum(rng.exponential(1 / (slaves * rate), count)).astype(int)
    whose = rng.integers(slaves, size=count)
    frames = [
        frame(n, f"s{place:03d}", "master", int(t_us), size)
        for n, (t_us, place) in enumerate(zip(times, whose, strict=True))
    ]
    rows, _ = play(spec(slaves, **changes), frames, int(times[-1] / 1000) + 10_000)
    waits = np.array([rows[it.id]["access_us"] + rows[it.id]["queue_us"] for it in frames])
    batches = waits[count // 20 :][: 20 * (count // 22)].reshape(20, -1).mean(axis=1)
    half_us = 3.88 * batches.std(ddof=1) / np.sqrt(20)  # Student, 19 degrees
    return float(batches.mean()), float(half_us), expected_us


@pytest.mark.slow
def test_the_wait_under_load_is_that_of_limited_cyclic_polling() -> None:
    mean_us, half_us, expected_us = limited()
    assert half_us < 0.02 * expected_us
    assert abs(mean_us - expected_us) < half_us


@pytest.mark.slow
def test_turns_that_are_five_percent_longer_are_told() -> None:
    longer_us = round(0.05 * (ASK_US + ANSWER_US) / 2)
    mean_us, half_us, expected_us = limited(turnaround_us=longer_us)
    assert mean_us > expected_us + half_us


def test_a_message_down_goes_with_the_poll_and_between_slaves_over_the_master() -> None:
    frames = [
        frame(1, "master", "s002", 0, REQUEST - HEAD),
        frame(2, "s001", "s002", 1000_000, 20),
    ]
    rows, _ = play(spec(3), frames, 10_000)
    turn_us = ASK_US + ANSWER_US
    assert rows["master#1"]["t_arrival_us"] == 2 * turn_us + ASK_US
    assert rows["master#1"]["access_us"] == 2 * turn_us
    assert rows["s001#2"]["hops"] == 2
    assert rows["s001#2"]["fate"] == "delivered"


def test_a_dead_slave_costs_its_time_outs_and_its_messages() -> None:
    dead = Supply("grid#1", "", "s001", False, True)
    frames = [frame(turn, "s000", "master", 2_000_000) for turn in range(3)]
    frames.append(frame(9, "master", "s001", 3_000_000))
    rows, _ = play(spec(2), frames, 20_000, {1000: [dead]})
    assert rows["master#9"]["loss"] == "node-down"
    at_us = [rows[f"s000#{turn}"]["t_arrival_us"] for turn in range(3)]
    assert np.diff(at_us).tolist() == [ASK_US + ANSWER_US + 3 * (ASK_US + 50_000)] * 2


def test_lost_requests_are_repeated_until_retries_are_spent() -> None:
    count, error, times = 6000, 0.3, 3
    frames = [frame(n, "master", "s000", n * 1_000_000, 20) for n in range(count)]
    rows, _ = play(spec(2, error=error, retries=times - 1), frames, count * 1000 + 1000)
    sent = [rows[it.id] for it in frames]
    assert {row["loss"] for row in sent} == {"none", "retries"}
    expected = error**times
    lost = np.mean([row["fate"] == "lost" for row in sent])
    assert abs(lost - expected) < 3.3 * np.sqrt(expected * (1 - expected) / count)
    tries = np.mean([row["attempts"] for row in sent])
    assert tries == pytest.approx((1 - expected) / (1 - error), rel=0.02)
    for row in sent:
        if row["fate"] == "delivered":
            assert row["retry_us"] == (row["attempts"] - 1) * (ASK_US + 50_000)


def test_the_masters_shout_is_heard_by_all_and_answered_by_none() -> None:
    class Ear:
        def __init__(self) -> None:
            self.ids: list[str] = []

        def heard(self, message: Message, node: Any) -> None:
            self.ids.append(node.id)

    core = NetworkCore(spec(3), 1)
    carrier, ear = core._by_id["line"], Ear()
    master = core._nodes["master"]
    core.advance(100)
    core._set_clock()
    message = Message(1, "master", "", 10, 0, 100_000, owner=ear)
    carrier.port(master).offer(message)
    core.advance(400)
    assert ear.ids == ["s000", "s001", "s002"]
    core.close(500)


def levels(draw: Any, count: int) -> dict[str, Any]:
    """Return an air: one collision domain, or levels by which some are hidden or weak."""
    if draw(st.booleans()):
        return {}
    level = st.sampled_from([None, 4.0, 12.0, 40.0])
    matrix = draw(
        st.lists(st.lists(level, min_size=count, max_size=count), min_size=count, max_size=count)
    )
    return {"kind": "levels", "snr_db": matrix, "isolated": True}


@st.composite
def cases(draw: Any) -> tuple[Any, ...]:
    slaves = draw(st.integers(1, 5))
    what = spec(
        slaves,
        error=draw(st.sampled_from([0.0, 0.2])),
        retries=draw(st.integers(0, 2)),
        turnaround_us=draw(st.sampled_from([0, 1500])),
        ack_timeout_us=draw(st.sampled_from([0, 50_000])),
        hops=draw(st.integers(1, 2)),
        queue_frames=draw(st.integers(1, 4)),
    )
    ids = [node["id"] for node in what["nodes"]]
    what["media"][0]["air"] = levels(draw, len(ids))
    frames = []
    for number in range(draw(st.integers(0, 15))):
        t_us, size = draw(st.integers(0, 2_500_000)), draw(st.integers(0, 700))
        src, dst = draw(st.sampled_from(ids)), draw(st.sampled_from(ids))
        frames.append(frame(number, src, dst, t_us, size))
    supply: dict[int, list[Supply]] = {}
    for number in range(draw(st.integers(0, 4))):
        which = draw(st.sampled_from(ids[1:]))
        change = Supply(f"grid#{number}", "", which, draw(st.booleans()), True)
        supply.setdefault(draw(st.integers(0, 3000)), []).append(change)
    renewed = None
    if what["media"][0]["air"] and draw(st.booleans()):
        row = st.lists(st.sampled_from([-np.inf, 4.0, 40.0]), min_size=len(ids), max_size=len(ids))
        matrix = draw(st.lists(row, min_size=len(ids), max_size=len(ids)))
        renewed = (draw(st.integers(100, 2500)), np.array(matrix))
    return what, frames, supply, renewed


@settings(max_examples=60, deadline=None)
@given(cases())
def test_nothing_is_seen_between_the_ticks_that_are_due(case: Any) -> None:
    what, frames, supply, renewed = case
    rows, out = play(what, frames, 4500, supply, every_tick=True, renewed=renewed)
    assert (rows, out) == play(what, frames, 4500, supply, renewed=renewed)
    for it in frames:
        row = rows[it.id]
        parts = [
            row[f"{part}_us"] for part in ("processing", "queue", "access", "air", "retry", "core")
        ]
        assert min(parts) >= 0
        if row["fate"] == "delivered":
            assert row["t_arrival_us"] == row["t_send_us"] + sum(parts)


def test_idle_turns_are_on_the_air_though_nothing_happens() -> None:
    rows, _ = play(spec(10), [], 100_000)
    turns = -(-100_000_000 // (ASK_US + ANSWER_US))
    assert rows["medium"] == {
        "airtime_us": turns * (ASK_US + ANSWER_US),
        "transmissions": 2 * turns,
    }


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9), st.integers(0, 3)), min_size=1),
    st.integers(0, 50),
    st.integers(0, 200),
    st.integers(0, 200),
    st.data(),
)
def test_a_ring_is_what_its_turns_one_by_one_are(
    lengths: Any, at: int, one: int, other: int, data: Any
) -> None:
    turns = [Turn(*it) for it in lengths]
    first = data.draw(st.integers(0, len(turns) - 1))
    ring, begun, t = Ring(turns, at, first), [], at
    place = first
    while t < 2000:
        begun.append((t, place))
        t, place = t + turns[place].length_us, (place + 1) % len(turns)
    since, until = at + min(one, other), at + max(one, other)
    spent = [turns[place] for t, place in begun if since <= t < until]
    assert ring.spent(since, until) == (sum(it[1] for it in spent), sum(it[2] for it in spent))
    going = [it for it in begun if it[0] <= since][-1]
    assert ring.now(since) == (going[1], going[0])
    wanted = data.draw(st.integers(0, len(turns) - 1))
    assert ring.begins_us(wanted, since) == min(
        t for t, place in begun if place == wanted and t >= since
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"mac": "poled"}, "did you mean polled?"),
        ({"mac": "polled", "hops": 0}, "at least 1"),
        ({"mac": "prime", "frame_symbols": 0}, "276, 552, 828 or 1104"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load({"plc-prime": change})
    assert text in str(caught.value)


def test_an_access_with_a_master_needs_one() -> None:
    what = spec(2)
    del what["media"][0]["root"]
    with pytest.raises(ScenarioError, match="access polled needs one"):
        NetworkCore(what, 1)
