"""Handshakes: flights, round trips, renewal, what waits for them and what loses them."""

from __future__ import annotations

from typing import Any

import pytest

from simulators.network.transport import stacks
from simulators.network.transport.session import Session, Sessions
from simulators.network.transport.settings import FlowTransport

PSK = {"kind": "request", "security": "psk"}


def air_us(size: int) -> int:
    """Return the time of ``size`` bytes above UDP on Ethernet: headers 34 and 8, FCS, gap."""
    return round(8 * (size + 34 + 8 + 24) / 100)


@pytest.mark.requirement("SP-14")
def test_the_message_that_waits_bears_the_handshake(
    line: Any, play: Any, frame: Any, check: Any
) -> None:
    """DTLS 1.2 with pre-shared key: six flights, each a wire's time and 5 ms of way."""
    spec = line(transport={"default": PSK}, overrides={"ethernet": {"length_km": 1000.0}})
    sends = {0: [frame(1, "n0", "n1"), frame(2, "n0", "n1")], 500: [frame(3, "n0", "n1", 500_000)]}
    run = play(spec, sends, 2000)
    first, second, third = (run.by_id[f"n0#{n}"] for n in (1, 2, 3))
    flights = [131, 48, 151, 131, 99, 67]
    handshake_us = sum(air_us(size) + 5000 for size in flights)
    request = 4 + 2 + 2 + 16 + 2 + 1 + 40 + 29
    assert first["access_us"] == second["access_us"] == handshake_us
    assert first["t_arrival_us"] == handshake_us + air_us(request) + 5000
    headers = 34 + 8
    assert first["wire_bytes"] == sum(flights) + 6 * headers + request + headers
    assert first["attempts"] == 7
    assert second["wire_bytes"] == third["wire_bytes"] == request + headers
    assert second["queue_us"] == air_us(request) + air_us(4 + 29) + 10_000  # one at a time
    assert third["access_us"] == 0
    for row in run.rows:
        check(row, 2000)


@pytest.mark.parametrize(
    ("changes", "round_trips"),
    [
        ({"kind": "reliable"}, 1),
        ({"kind": "reliable", "security": "psk", "version": "1.3"}, 2),
        ({"kind": "reliable", "security": "certificate", "version": "1.3"}, 2),
        ({"kind": "reliable", "security": "certificate", "version": "1.2"}, 3),
        ({"kind": "reliable", "security": "psk", "version": "1.3", "protocol": "mqtt"}, 3),
        ({"kind": "datagram", "security": "psk", "version": "1.2"}, 3),
        ({"kind": "datagram", "security": "certificate", "version": "1.3"}, 1),
        ({"kind": "request"}, 0),
    ],
)
def test_round_trips_before_the_first_message(
    line: Any, play: Any, frame: Any, changes: Any, round_trips: int
) -> None:
    spec = line(transport={"default": changes}, overrides={"ethernet": {"length_km": 20_000.0}})
    run = play(spec, {0: [frame(1, "n0", "n1")]}, 5000)
    assert run.rows[0]["access_us"] // 200_000 == round_trips


def test_both_directions_share_a_session(line: Any, play: Any, frame: Any) -> None:
    spec = line(transport={"default": PSK})
    sends = {0: [frame(1, "n0", "n1")], 100: [frame(2, "n1", "n0", 100_000)]}
    run = play(spec, sends, 1000)
    assert run.by_id["n0#1"]["access_us"] > 0
    assert run.by_id["n1#2"]["access_us"] == 0


def test_a_session_is_renewed_when_it_is_old(line: Any, play: Any, frame: Any) -> None:
    spec = line(transport={"default": {**PSK, "session_s": 10.0}})
    sends = {t: [frame(t, "n0", "n1", 1000 * t)] for t in range(0, 30_000, 1000)}
    run = play(spec, sends, 40_000)
    renewed = [row["t_send_us"] // 1_000_000 for row in run.rows if row["access_us"]]
    assert renewed == [0, 11, 22]  # it is 10 s old a little after 10


def test_a_node_that_was_down_has_lost_its_sessions(line: Any, play: Any, frame: Any) -> None:
    spec = line(transport={"default": PSK})
    sends = {t: [frame(t, "n0", "n1", 1000 * t)] for t in (0, 1000, 3000, 4000)}
    acts = {
        2000: lambda core: core.set_node("n1", False, "fault#1"),
        2500: lambda core: core.set_node("n1", True, "crew#1"),
    }
    rows = play(spec, sends, 40_000, acts).by_id
    assert [rows[f"n0#{t}"]["access_us"] > 0 for t in sends] == [True, False, True, False]


def test_without_an_answer_what_waits_is_lost(line: Any, play: Any, frame: Any, check: Any) -> None:
    """Flights at 0, 1, 3, 7 s; given up 10 s after the first."""
    spec = line(transport={"default": {**PSK, "timeout_s": 10.0}})
    acts = {0: lambda core: core.set_carrier("l0", False, "fault#1")}
    sends = {0: [frame(1, "n0", "n1")], 4000: [frame(2, "n0", "n1", 4_000_000)]}
    run = play(spec, sends, 60_000, acts)
    assert [(row["id"], row["loss"], row["access_us"]) for row in run.rows] == [
        ("n0#1", "handshake", 10_000_000), ("n0#2", "handshake", 6_000_000),
    ]  # fmt: skip
    for row in run.rows:
        check(row, 60_000)


def test_flights_are_repeated_after_doubled_times(pipe: Any) -> None:
    channel = pipe(lambda number, it: [])
    sessions = Sessions(channel.host)
    transport = FlowTransport(kind="request", security="psk", timeout_s=100.0)
    sessions.pass_by(channel.message(1, 10), transport, "f", lambda message, session: None)
    channel.run()
    assert [t_us // 1_000_000 for t_us, _ in channel.carried] == [0, 1, 3, 7, 15, 31, 63]
    assert [(t_us, cause) for t_us, _, cause in channel.lost] == [(100_000_000, "handshake")]


def test_a_flight_in_parts_waits_for_each(pipe: Any) -> None:
    """The server's 1056 bytes are two parts; the second is lost once, the flight repeated."""
    dropped: list[int] = []

    def fates(number: int, it: Any) -> list[int]:
        if it.what == (3, 1) and not dropped:
            dropped.append(number)
            return []
        return [1000]

    channel = pipe(fates)
    ready: list[int] = []
    transport = FlowTransport(kind="request", security="certificate")
    Sessions(channel.host).pass_by(
        channel.message(1, 10), transport, "f", lambda message, _: ready.append(channel.clock.now)
    )
    channel.run()
    sizes = [it.size for _, it in channel.carried if it.what[0] == 3]
    assert sizes == [1024, 32 + stacks.fragment_bytes()] * 2
    assert ready == [1_000_000 + 6000]


def test_time_outs_follow_the_round_trip(pipe: Any) -> None:
    """2.5 s each way: the first two flights are repeated once each, then 4 s is long enough."""
    channel = pipe(lambda number, it: [2_500_000])
    sessions = Sessions(channel.host)
    taken: list[Session] = []
    transport = FlowTransport(kind="request", security="psk")
    sessions.pass_by(
        channel.message(1, 10), transport, "f", lambda message, session: taken.append(session)
    )
    channel.run()
    sent = [(t_us, it.what[0]) for t_us, it in channel.carried]
    assert sent == [
        (0, 0), (1_000_000, 0), (2_500_000, 1), (4_500_000, 1), (5_000_000, 2), (7_500_000, 3),
        (10_000_000, 4), (12_500_000, 5),
    ]  # fmt: skip
    (session,) = taken
    assert (session.ready_us, session.repeated) == (15_000_000, True)
    assert session.rtt.srtt_us == 5_000_000
