"""The shared channel of a cell: exact times of one user, queueing of many."""

from __future__ import annotations

import heapq
from dataclasses import replace

import numpy as np
import pytest

from simulators.network.technologies import CellTechnology
from tests.simulators.network.cells.bench import (
    PLAIN,
    TTI_US,
    Bench,
    Send,
    agrees,
    packaged,
    poisson,
)


@pytest.mark.parametrize(
    ("mode", "small", "large"), [("cs-1", 5, 75), ("cs-2", 4, 50), ("cs-3", 3, 42), ("cs-4", 2, 30)]
)
def test_gprs_needs_the_blocks_of_its_table(mode: str, small: int, large: int) -> None:
    bare = {"frame_header_bytes": 0, "message_header_bytes": 0, "error": 0.0}
    for slots in (1, 2, 4):
        technology = packaged("gprs", mode=mode, slots_up=slots, setup_us=0, request_us=0, **bare)
        bench = Bench(replace(technology, grant_us=0))
        bench.run([Send(0, size=100), Send(10**7, size=1500)])
        assert [message.air_us for message in bench.passed] == [
            -(-small // slots) * 20_000,
            -(-large // slots) * 20_000,
        ]
        assert bench.cell.usage.transmissions == small + large


@pytest.mark.parametrize(
    ("snr_db", "bits"), [(-6.7, 19), (0.2, 75), (9.0, 241), (12.0, 344), (30.0, 699)]
)
def test_a_resource_block_carries_what_modulation_and_coding_allow(
    snr_db: float, bits: int
) -> None:
    # 168 resource elements less a quarter, times the efficiency of 3GPP 36.213 table 7.2.3-1.
    lte = packaged("lte")
    assert lte.unit_bits(True, snr_db) == bits
    assert lte.unit_bits(True, -6.8) == 0
    twice = replace(lte, repetitions_up=2)
    assert twice.unit_bits(True, -9.7) == 19
    assert twice.unit_bits(True, -9.8) == 0


def test_a_single_user_is_served_to_the_microsecond() -> None:
    # A message of 250 B at 100 B per interval: wait for the interval, three of them, decoding.
    bench = Bench(replace(PLAIN, decode_us=137, request_us=0, grant_us=2300))
    bench.run([Send(1234, size=250)])
    (message,) = bench.passed
    assert message.access_us == 2300 + (4000 - 3534)
    assert message.air_us == 3 * TTI_US + 137
    assert message.arrival_us == 4000 + 3 * TTI_US + 137
    assert bench.cell.up.demand(250, 800).air_us == 3 * TTI_US
    assert bench.cell.usage.airtime_us == 3 * TTI_US


def test_many_small_messages_share_an_interval_and_a_slow_device_takes_several() -> None:
    technology = replace(PLAIN, phy="ofdma", channels_down=10, slots_down=0, snr_down_db=9.0)
    # 1.9141 · 168 = 321 bit per block and interval; 40 B are one block.
    bench = Bench(replace(technology, rate_down_bps=1e9), subscribers=12)
    bench.run([Send(1, who, up=False, size=40) for who in range(12)])
    assert sorted(message.arrival_us for message in bench.passed) == [2000] * 10 + [3000] * 2
    slow = Bench(replace(technology, rate_down_bps=80_000), subscribers=2)
    slow.run([Send(1, 0, up=False, size=40), Send(1, 1, up=False, size=40)])
    assert [message.air_us for message in slow.passed] == [4000, 4000]  # 10 B per interval each


def departures(times_us: np.ndarray) -> np.ndarray:
    """Return when a server of one interval each is through: d(n) = max(begin(n), d(n-1)) + 1.

    Messages begin at the next interval after their arrival; in closed form, for all at once.
    """
    begins = -(-times_us // TTI_US)
    number = np.arange(len(times_us))
    return (np.maximum.accumulate(begins - number) + number + 1) * TTI_US


@pytest.mark.parametrize(("load", "up"), [(0.5, True), (0.8, False), (0.95, True)])
def test_a_shared_channel_serves_as_one_server(load: float, up: bool) -> None:
    count = 10_000
    bench = Bench(PLAIN, subscribers=40)
    who = np.random.default_rng(9).integers(0, 40, count).tolist()
    times = poisson(load / TTI_US, count)
    bench.run(Send(t_us, one, up) for t_us, one in zip(times, who, strict=True))
    arrivals = sorted(message.arrival_us for message in bench.passed)
    assert arrivals == departures(np.array(times)).tolist()
    waits = sum(message.queue_us + message.access_us for message in bench.passed)
    assert waits == sum(arrivals) - sum(times) - count * TTI_US


@pytest.mark.parametrize(("load", "waiting"), [(0.5, 1.0), (0.8, 2.5), (0.9, 5.0)])
def test_that_server_waits_as_md1(load: float, waiting: float) -> None:
    # Half an interval for it to begin and, as in M/D/1, rho / 2(1 - rho) intervals for each
    # other: in discrete time the two add up exactly. The half-width is 2 % at most.
    times = np.cumsum(np.random.default_rng(4).exponential(TTI_US / load, 12_000_000)).astype(int)
    waits = (departures(times) - times) / TTI_US - 1
    agrees(waits, waiting, 0.02, batches=60)
    with pytest.raises(AssertionError):  # intervals 5 % longer are noticed
        agrees((departures((times / 1.05).astype(int)) * 1.05 - times) / TTI_US - 1.05, waiting)


def test_lanes_wait_as_many_servers() -> None:
    """Twelve tones serve as twelve servers do; the oracle is Kiefer and Wolfowitz's recursion."""
    count, tones, size = 3_000, 12, 300
    technology = replace(PLAIN, channels_up=tones)
    times = poisson(0.9 * tones / 3 / TTI_US, count)
    bench = Bench(technology, subscribers=count)
    bench.run(Send(t_us, who, size=size) for who, t_us in enumerate(times))
    free = [0] * tones
    expected = []
    for t_us in times:
        begin = max(-(-t_us // TTI_US) * TTI_US, heapq.heappop(free))
        heapq.heappush(free, begin + 3 * TTI_US)
        expected.append(begin + 3 * TTI_US)
    arrivals = {message.serial: message.arrival_us for message in bench.passed}
    assert sorted(arrivals.values()) == sorted(expected)
    assert bench.cell.usage.airtime_us == pytest.approx(count * 3 * TTI_US / tones, rel=1e-9)


def test_a_subscriber_uses_no_more_than_its_slots() -> None:
    # Class 10 sends on 2 of 4 time slots: alone, it is as slow as two of its kind together.
    technology = packaged("gprs", error=0.0, setup_us=0, request_us=0, grant_us=0)
    alone, pair = Bench(technology), Bench(technology, subscribers=2)
    alone.run([Send(0, size=1000), Send(0, size=1000)])
    pair.run([Send(0, 0, size=1000), Send(0, 1, size=1000)])
    assert [message.arrival_us for message in pair.passed] == [360_000, 360_000]
    assert [message.arrival_us for message in alone.passed] == [360_000, 720_000]


def test_higher_classes_go_first_and_subscribers_take_turns() -> None:
    bench = Bench(PLAIN, subscribers=3)
    low = [Send(0, 0, up=False, priority=3) for _ in range(4)]
    high = [Send(500, 1, up=False, priority=0), Send(500, 1, up=False, priority=0)]
    other = [Send(500, 2, up=False, priority=3), Send(500, 2, up=False, priority=3)]
    bench.run([*low, *high, *other])
    order = [message.serial for message in bench.passed]
    # 0 was in service; the two urgent ones; then 0's and 2's messages in turn.
    assert order == [0, 4, 5, 1, 6, 2, 7, 3]


def test_an_urgent_message_overtakes_those_of_its_own_subscriber() -> None:
    bench = Bench(PLAIN)
    bench.run([*(Send(0, priority=2) for _ in range(3)), Send(100, priority=0)])
    assert [message.serial for message in bench.passed] == [0, 3, 1, 2]


def test_queues_are_finite_per_class_and_subscriber() -> None:
    bench = Bench(replace(PLAIN, queue_frames=2), subscribers=2)
    sends = [Send(1, 0) for _ in range(5)] + [Send(1, 1), Send(1, 0, priority=0)]
    bench.run(sends)
    assert [message.serial for message, _ in bench.lost] == [3, 4]
    assert {why for _, why in bench.lost} == {"queue-full"}
    assert len(bench.passed) == 5


def test_priorities_wait_as_in_theory() -> None:
    # M/D/1 with two classes, rho 0.2 and 0.4: W = 0.3 / 0.8 and 0.3 / (0.8 · 0.4). Intervals of
    # a hundredth of a message: the half of one that messages wait for its begin is in both.
    count = 40_000
    rng = np.random.default_rng(7)
    classes = (rng.random(count) < 2 / 3).astype(int) * 3
    who = rng.integers(0, 30, count).tolist()
    bench = Bench(replace(PLAIN, tti_us=10), subscribers=30)
    sends = zip(poisson(0.6 / TTI_US, count), who, classes.tolist(), strict=True)
    bench.run(Send(t_us, one, False, 100, level) for t_us, one, level in sends)
    for level, waiting in ((0, 0.375), (3, 0.9375)):
        served = [message for message in bench.passed if message.priority == level]
        served.sort(key=lambda message: message.serial)
        waits = [(message.queue_us + message.access_us) / TTI_US for message in served]
        agrees(waits, waiting + 0.005)


def test_repetitions_take_their_time() -> None:
    once = packaged("nb-iot", error=0.0, setup_us=0, request_us=0, grant_us=0)
    for repetitions in (1, 2, 16):
        bench = Bench(replace(once, repetitions_up=repetitions))
        bench.run([Send(0, size=44)])
        (message,) = bench.passed
        assert message.air_us == 4 * repetitions * 8000 + once.decode_us  # 77 B at 20 B per unit


def technology_of_errors(retries: int) -> CellTechnology:
    return replace(PLAIN, error=0.3, error_again=0.3, harq_us=5000, retries=retries)


@pytest.mark.parametrize(
    ("retries", "delivered", "rounds"), [(3, 0.9919, 1.417), (5, 0.999271, 1.42753)]
)
def test_repetition_is_that_of_stop_and_wait(retries: int, delivered: float, rounds: float) -> None:
    count = 20_000
    bench = Bench(technology_of_errors(retries=retries))
    bench.run(Send(100_000 * number) for number in range(count))
    assert {why for _, why in bench.lost} <= {"retries"}
    lost = 1 - len(bench.passed) / count
    expected = 1 - delivered
    assert abs(lost - expected) < 3.3 * (expected * delivered / count) ** 0.5
    messages = [*bench.passed, *(message for message, _ in bench.lost)]
    attempts = [message.attempts for message in messages]
    assert np.mean(attempts) == pytest.approx(rounds, rel=0.01)
    for message in bench.passed:  # the repetition begins 5 ms after the end of the block
        assert message.retry_us == (message.attempts - 1) * (5000 + TTI_US)


def test_a_repetition_holds_up_nothing_else() -> None:
    # One in two blocks is repeated, 50 ms later; messages 2 ms apart do not wait for that.
    count = 5000
    bench = Bench(replace(PLAIN, error=0.5, error_again=0.0, retries=1, harq_us=50_000))
    bench.run(Send(2000 * number) for number in range(count))
    assert len(bench.passed) == count
    repeated = [message for message in bench.passed if message.retry_us]
    assert 0.45 < len(repeated) / count < 0.55
    assert max(message.queue_us + message.access_us for message in bench.passed) <= 2 * TTI_US
    serials = [message.serial for message in bench.passed]
    assert serials != sorted(serials)


def test_repeated_blocks_are_those_that_were_lost() -> None:
    # 10 blocks, each lost once in ten: the second round has about one.
    bench = Bench(replace(PLAIN, error=0.1, error_again=0.0, retries=1, harq_us=3000))
    bench.run(Send(100_000 * number, size=1000) for number in range(2000))
    assert bench.cell.usage.transmissions == pytest.approx(2000 * 11, rel=0.02)
    assert bench.cell.usage.errors == bench.cell.usage.transmissions - 20_000


@pytest.mark.parametrize(
    ("up", "gap_us", "most"), [(False, 20_000, 1.0), (True, 20_000, 2.0), (True, 900, 3.0)]
)
def test_a_message_costs_one_to_three_events(up: bool, gap_us: int, most: float) -> None:
    # Through; and a grant; and, with 900 µs between messages of an interval each, a wait.
    count = 2000
    technology = replace(PLAIN, channels_up=2, slots_up=2, request_us=10_000, grant_us=4000)
    bench = Bench(technology, subscribers=1000)
    sends = [Send(gap_us * number, number % 1000, up, 200) for number in range(count)]
    assert events(bench, sends) <= most * count + 1
    assert len(bench.passed) == count


def events(bench: Bench, sends: list[Send]) -> int:
    """Return how many events the kernel processes, beside those that offer the messages."""
    bench.schedule(sends)
    steps = 0
    while bench.clock.peek() != float("inf"):
        bench.clock.step()
        steps += 1
    return steps - len(sends)
