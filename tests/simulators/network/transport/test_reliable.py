"""Streams: windows, order, retransmission, against hand calculation and published formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.network.message import Message
from simulators.network.transport.congestion import Congestion, RoundTrip
from simulators.network.transport.reliable import Stream
from simulators.network.transport.settings import FlowTransport

MSS = 1000
WIDE = FlowTransport(
    kind="reliable", version="1.3", mss_bytes=MSS, window_bytes=10**9, initial_window_segments=1
)


def stream(pipe: Any, settings: FlowTransport) -> Stream:
    return Stream(pipe.host, ("a", "b"), settings, 2)


def segments(pipe: Any) -> list[tuple[int, Any]]:
    return [(t_us, it.what[0]) for t_us, it in pipe.carried if isinstance(it.what, tuple)]


def test_round_trips_are_estimated_as_rfc_6298_has_it() -> None:
    rtt = RoundTrip(least_us=1000)
    assert rtt.rto_us == 1_000_000
    rtt.sample(100_000)
    assert (rtt.srtt_us, rtt.var_us, rtt.rto_us) == (100_000, 50_000, 300_000)
    rtt.sample(60_000)  # var 3/4 50 + 1/4 40 = 47.5, srtt 7/8 100 + 1/8 60 = 95
    assert (rtt.srtt_us, rtt.var_us, rtt.rto_us) == (95_000, 47_500, 285_000)
    for expected in (570_000, 1_140_000):
        rtt.expired()
        assert rtt.rto_us == expected
    for _ in range(10):
        rtt.expired()
    assert rtt.rto_us == 60_000_000
    slow = RoundTrip()
    slow.sample(100)
    assert slow.rto_us == 1_000_000


def test_the_window_grows_and_shrinks_as_rfc_5681_has_it() -> None:
    window = Congestion(MSS, 2)
    window.acknowledged(1, MSS)
    window.acknowledged(2, MSS)
    assert window.window == 4 * MSS  # doubled in a round trip
    window.acknowledged(3, 10)
    assert window.window == 4 * MSS + 10  # appropriate byte counting
    assert [window.duplicate(3, 7, 4000) for _ in range(3)] == [False, False, True]
    assert (window.threshold, window.window) == (2000, 5000)
    assert window.duplicate(3, 7, 4000) is False
    assert window.window == 6000  # inflated by a segment that has left
    assert window.acknowledged(5, 2 * MSS)  # partial: 5 was lost too
    assert window.window == 6000 - 2000 + 1000
    assert not window.acknowledged(8, 3 * MSS)
    assert window.window == window.threshold == 2000
    window.acknowledged(9, MSS)
    assert window.window == 2500  # congestion avoidance: a segment in a round trip of two
    window.expired(12, 3000, again=False)
    assert (window.window, window.threshold) == (1000, 2000)
    window.expired(12, 1000, again=True)
    assert window.threshold == 2000  # the first time-out of a segment alone counts


def test_a_window_goes_in_each_round_trip(line: Any, play: Any, frame: Any, check: Any) -> None:
    """Twelve segments, four at a time: each waits for the wire and the fourth last's answer."""
    spec = line(overrides={"ethernet": {"length_km": 2000.0}})
    spec["transport"] = {
        "flows": {
            "f": {
                "kind": "reliable", "mss_bytes": 1000,
                "window_bytes": 4000, "initial_window_segments": 99,
            }
        }
    }  # fmt: skip
    run = play(spec, {0: [frame(1, "n0", "n1", payload=bytes(12_000))]}, 1000)
    row = run.by_id["n0#1"]

    def air_us(size: int) -> int:  # IEEE 802.3: FCS 4, preamble and gap 20; headers 14, IPv4, TCP
        return round(8 * (size + 34 + 20 + 24) / 100)

    delay_us, ack_us = 10_000, air_us(0)
    t_us = 2 * air_us(4) + 2 * delay_us  # SYN and its answer; the third goes ahead of data
    free_us, acks_us = t_us + ack_us, [t_us] * 4
    for _ in range(12):
        launch_us = max(free_us, acks_us[-4])
        free_us = launch_us + air_us(1000)
        acks_us.append(free_us + 2 * delay_us + ack_us)
    assert row["access_us"] == 2 * air_us(4) + 2 * delay_us
    assert row["t_arrival_us"] == free_us + delay_us
    assert (row["retry_us"], row["air_us"], row["core_us"]) == (0, air_us(1000), delay_us)
    assert row["wire_bytes"] == 12 * (1000 + 54) + 2 * (4 + 54)
    assert (row["attempts"], row["hops"]) == (12 + 2, 1)
    check(row, 1000)


def test_slow_start_doubles_each_round_trip(pipe: Any) -> None:
    channel = pipe(lambda number, message: [50_000])
    sender = stream(channel, WIDE)
    sender.take(channel.message(1, 31 * MSS))
    channel.run()
    launches = [t_us for t_us, _ in segments(channel)]
    assert [launches.count(n * 100_000) for n in range(5)] == [1, 2, 4, 8, 16]
    assert [t_us for t_us, _ in channel.delivered] == [450_000]


def test_a_lost_segment_is_sent_again_after_three_duplicates(pipe: Any) -> None:
    lost: list[int] = []

    def fates(number: int, message: Message) -> list[int]:
        what = message.what  # type: ignore[attr-defined]
        if isinstance(what, tuple) and what[0].number == 4 and not lost:
            lost.append(number)
            return []
        return [50_000]

    channel = pipe(fates)
    sender = stream(channel, WIDE)
    sender.take(channel.message(1, 15 * MSS))
    channel.run()
    times = [t_us for t_us, piece in segments(channel) if piece.number == 4]
    assert times == [
        200_000,
        400_000,
    ]  # duplicates by 5 and 6 at 0.3 s, the third by 7 a round trip after 3 was acknowledged
    ((t_us, message),) = channel.delivered
    assert (message.queue_us + message.retry_us + message.air_us) == t_us


def test_time_outs_double(line: Any, play: Any, frame: Any, check: Any) -> None:
    """After 0.5 s the link is down for 6 s: tries at 1, 2, 4 and 8 s from the first."""
    spec = line(transport={"default": "reliable"})
    sends = {0: [frame(0, "n0", "n1")], 600: [frame(1, "n0", "n1", 600_000)]}
    acts = {
        500: lambda core: core.set_carrier("l0", False, "fault#1"),
        6500: lambda core: core.set_carrier("l0", True, "crew#1"),
    }
    row = play(spec, sends, 20_000, acts).by_id["n0#1"]
    assert row["retry_us"] == 7_000_000  # 1 + 2 + 4 s
    assert row["access_us"] == row["queue_us"] == 0
    check(row, 20_000)


def test_a_sender_gives_up_after_its_time_and_begins_anew(
    line: Any, play: Any, frame: Any, check: Any
) -> None:
    spec = line(transport={"default": {"kind": "reliable", "timeout_s": 10.0}})
    sends = {
        t_ms: [frame(n, "n0", "n1", 1000 * t_ms)]
        for n, t_ms in enumerate((0, 600, 1600, 20_000, 40_000))
    }
    acts = {
        500: lambda core: core.set_carrier("l0", False, "fault#1"),
        35_000: lambda core: core.set_carrier("l0", True, "crew#1"),
    }
    run = play(spec, sends, 60_000, acts)
    fates = [(row["fate"], row["loss"]) for row in (run.by_id[f"n0#{n}"] for n in range(5))]
    assert fates == [
        ("delivered", "none"), ("lost", "timeout"), ("lost", "timeout"), ("lost", "timeout"),
        ("delivered", "none"),
    ]  # fmt: skip
    assert run.by_id["n0#1"]["retry_us"] == 10_000_000
    assert run.by_id["n0#2"]["queue_us"] + run.by_id["n0#2"]["retry_us"] == 9_000_000
    for row in run.rows:
        check(row, 60_000)


def test_a_receiver_that_was_down_resets_what_it_has_forgotten(
    line: Any, play: Any, frame: Any
) -> None:
    spec = line(transport={"default": "reliable"})
    sends = {t: [frame(n, "n0", "n1", 1000 * t)] for n, t in enumerate((0, 600, 3000))}
    acts = {
        500: lambda core: core.set_node("n1", False, "fault#1"),
        900: lambda core: core.set_node("n1", True, "crew#1"),
    }
    # the second one goes by a new connection, which must wait for the node: a second for its SYN
    run = play(spec, sends, 60_000, acts)
    rows = [run.by_id[f"n0#{n}"] for n in range(3)]
    assert [row["loss"] for row in rows] == ["none"] * 3
    assert rows[1]["access_us"] // 1000 == 1000
    assert rows[2]["access_us"] == 0
    acts = {601: acts[500], 700: acts[900]}
    spec["links"][0]["technology"] = "cloud"  # slow enough for the node to die before it gets there
    run = play(spec, sends, 60_000, acts)
    assert run.by_id["n0#1"]["loss"] == "reset"
    assert run.by_id["n0#2"]["fate"] == "delivered"
    assert run.by_id["n0#2"]["access_us"] > 0


def test_a_firmware_image_passes_in_segments(line: Any, play: Any, frame: Any, check: Any) -> None:
    spec = line("core-4g", 2, transport={"default": "reliable"})
    spec["overrides"] = {"core-4g": {"error": 0.001}}
    run = play(spec, {0: [frame(1, "n0", "n2", payload=bytes(1_000_000))]}, 600_000)
    (row,) = run.rows
    check(row, 600_000)
    assert row["fate"] == "delivered"
    segments_ = -(-1_000_000 // 1220)
    assert row["wire_bytes"] >= 2 * (1_000_000 + segments_ * 90)
    assert 2 * segments_ < row["attempts"] < 2.5 * segments_


@pytest.mark.slow
@pytest.mark.parametrize("p", [0.0005, 0.002])
def test_throughput_follows_the_square_root_of_loss(pipe: Any, p: float) -> None:
    """Mathis et al., CCR 27(3) 1997: MSS / RTT (3/2)^½ / p^½ with an acknowledgement each."""
    rng = np.random.default_rng(7)
    channel = pipe(
        lambda number, message: (
            [] if isinstance(message.what, tuple) and rng.random() < p else [50_000]
        )
    )
    sender = stream(channel, WIDE)
    sender.window.threshold = MSS * (1.5 / p) ** 0.5  # the formula knows no slow start
    count = 150_000
    sender.take(channel.message(1, count * MSS))
    channel.run()
    ((t_us, _),) = channel.delivered
    expected = (1.5 / p) ** 0.5 / 0.1  # segments a second
    assert count / (t_us / 1e6) == pytest.approx(expected, rel=0.12)


FATES = st.lists(
    st.lists(st.integers(1000, 3_000_000), max_size=2).map(lambda it: it if it else []),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(
    fates=FATES,
    sizes=st.lists(st.integers(0, 4000), min_size=1, max_size=8),
    mss=st.sampled_from([100, 1000]),
    window=st.sampled_from([100, 3000]),
    timeout_s=st.sampled_from([4.0, 100.0]),
    ack_delay_ms=st.sampled_from([0.0, 30.0, 450.0]),
)
def test_any_schedule_of_losses_duplicates_and_delays(
    pipe: Any,
    fates: Any,
    sizes: Any,
    mss: int,
    window: int,
    timeout_s: float,
    ack_delay_ms: float,
) -> None:
    """What goes beyond the schedule takes 10 ms; so all is delivered, or given up in time."""
    transport = FlowTransport(
        kind="reliable",
        mss_bytes=mss,
        window_bytes=window,
        timeout_s=timeout_s,
        min_rto_s=0.2,
        ack_delay_ms=ack_delay_ms,
    )
    channel = pipe(lambda number, message: fates[number] if number < len(fates) else [10_000])
    sender = stream(channel, transport)
    messages = [channel.message(n, size) for n, size in enumerate(sizes)]
    for message in messages:
        sender.take(message)
    channel.run()
    delivered = [message.serial for _, message in channel.delivered]
    lost = [message.serial for _, message, _ in channel.lost]
    assert delivered == list(range(len(delivered)))
    assert sorted(delivered + lost) == list(range(len(sizes)))
    assert {cause for *_, cause in channel.lost} <= {"timeout"}
    for t_us, message in [*channel.delivered, *(it[:2] for it in channel.lost)]:
        parts = (message.queue_us, message.retry_us, message.air_us, message.core_us)
        assert min(parts) >= 0
        assert sum(parts) == message.mark_us == t_us


def test_answers_wait_for_a_second_segment_or_their_time(pipe: Any) -> None:
    """Two segments are answered together, one alone 40 ms later; a lost answer does no harm."""
    channel = pipe(lambda number, message: [] if number == 3 else [10_000])
    settings_ = FlowTransport(
        kind="reliable", mss_bytes=MSS, initial_window_segments=9, ack_delay_ms=40.0
    )
    sender = stream(channel, settings_)
    sender.take(channel.message(1, 3 * MSS))  # launches 0, 1, 2
    channel.run(45_000)
    answers = [(t_us, it.what) for t_us, it in channel.carried if isinstance(it.what, int)]
    assert answers == [(10_000, 2)]  # launch 3, lost; the third segment's waits until 50 ms
    channel.run(300_000)
    answers = [(t_us, it.what) for t_us, it in channel.carried if isinstance(it.what, int)]
    assert answers == [(10_000, 2), (50_000, 3)]
    sender.take(channel.message(2, 10))
    channel.run()
    assert [message.serial for _, message in channel.delivered] == [1, 2]


def test_an_answer_goes_with_a_segment_the_other_way(line: Any, play: Any, frame: Any) -> None:
    """A question, and its answer 10 ms later: six transmissions where eight were without delay."""
    sends = {
        1000 * n + 10 * k: [frame(2 * n + k, *ends, 1_000_000 * n + 10_000 * k)]
        for n in range(5) for k, ends in enumerate((("n0", "n1"), ("n1", "n0")))
    }  # fmt: skip
    transmissions = []
    for delay_ms in (0.0, 40.0):
        spec = line(transport={"default": {"kind": "reliable", "ack_delay_ms": delay_ms}})
        run = play(spec, sends, 20_000)
        assert {row["fate"] for row in run.rows} == {"delivered"}
        transmissions.append(run.media[0]["transmissions"])
    assert transmissions == [3 + 5 * 4, 3 + 5 * 3]


@pytest.mark.parametrize("kind", ["reliable", "request"])
def test_a_firmware_image_over_a_power_line(play: Any, frame: Any, check: Any, kind: str) -> None:
    """400 kB over PRIME: no faster than its frames of 269 B alone, no slower than a third of it."""
    medium = {"id": "m", "technology": "plc-prime", "members": ["a", "b"], "root": "a"}
    spec = {
        "nodes": [{"id": "a"}, {"id": "b"}],
        "media": [medium],
        "transport": {"default": kind},
        "interval_ms": 10_000_000,
    }
    run = play(spec, {0: [frame(1, "a", "b", payload=bytes(400_000))]}, 3_600_000)
    (row,) = run.rows
    check(row, 3_600_000)
    alone_us = 400_000 / (269 - 14) * 107_328  # air time of a full frame (references 1.1)
    assert alone_us < row["t_arrival_us"] < 3 * alone_us
