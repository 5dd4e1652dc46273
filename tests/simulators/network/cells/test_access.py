"""How a subscriber gets a connection: random access, set-up, grants, paging, sleep."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from simulators.network.carrier import Clock, Usage
from simulators.network.cells import Cell
from simulators.network.cells.access import RandomAccess
from simulators.network.draws import Draws
from simulators.network.technologies import CellTechnology
from tests.simulators.network.cells.bench import PLAIN, Bench, Send, packaged

ACCESS = replace(
    PLAIN,
    preambles=54,
    access_period_us=5000,
    access_tries=10,
    answer_us=8000,
    resolve_us=59_000,
    backoff_us=20_000,
    setup_us=50_000,
    hold_us=1_000_000,
)


class Device:
    """A contender that notes how it fared."""

    def __init__(self, number: int) -> None:
        self.tries, self.draws = 0, Draws(1, f"device-{number}")
        self.failed_us: list[int] = []
        self.heard = False

    def tries_at(self, opportunity_us: int) -> bool:
        return not self.heard

    def access_granted(self) -> None:
        self.heard = True

    def access_failed(self, wait_us: int) -> None:
        self.failed_us.append(wait_us)


@pytest.mark.parametrize("count", [2, 10, 30, 54])
def test_preambles_collide_as_often_as_they_must(count: int) -> None:
    # A device shares its preamble with one of n - 1 others: 1 - (1 - 1/54)^(n-1).
    rounds = 12_000 // count
    clock, usage = Clock(), Usage()
    access = RandomAccess(clock, ACCESS, usage, lambda: True)
    collided = []
    for number in range(rounds):
        devices = [Device(number * 100 + place) for place in range(count)]
        for device in devices:
            access.join(device)
        clock.run(clock.now + ACCESS.access_period_us)
        clock.run(clock.now + 1)
        collided.append(np.mean([not device.heard for device in devices]))
        for device in devices:
            assert device.tries == 1
            assert device.heard != bool(device.failed_us)
            assert all(59_000 <= wait_us < 79_000 for wait_us in device.failed_us)
    expected = 1 - (1 - 1 / 54) ** (count - 1)
    error = np.std(collided, ddof=1) / np.sqrt(rounds)
    assert abs(np.mean(collided) - expected) < 3.3 * error
    assert error < 0.15 * expected


def test_everybody_collides_where_there_is_one_preamble() -> None:
    bench = Bench(replace(ACCESS, preambles=1, access_tries=1), subscribers=2)
    bench.run([Send(1, 0), Send(1, 1)])
    assert [why for _, why in bench.lost] == ["access", "access"]
    assert bench.cell.usage.collisions == 1


def test_an_attempt_is_heard_the_louder_it_is() -> None:
    technology = replace(ACCESS, preambles=10**9, ramp=1.0, access_tries=3)
    bench = Bench(technology, subscribers=5000)
    bench.run(Send(1 + who * 50, who) for who in range(5000))
    tries = np.array([it.tries for it in bench.cell.subscribers])
    for attempt, silent in ((1, np.exp(-1)), (2, np.exp(-3))):
        assert np.mean(tries > attempt) == pytest.approx(silent, rel=0.15)
    assert 0 < len(bench.lost) / 5000 < 3 * np.exp(-6)


def test_set_up_and_grant_take_their_time() -> None:
    technology = replace(ACCESS, request_us=10_000, grant_us=8000)
    bench = Bench(technology)
    bench.run([Send(1234), Send(400_000), Send(1_900_000)])
    first, second, third = bench.passed
    assert first.access_us == (5000 - 1234) + 50_000
    assert first.arrival_us == 55_000 + 1000
    # Connected: at the next of its occasions, every 10 ms, plus 8 ms, at the next interval.
    assert 8000 <= second.access_us < 8000 + 10_000 + 1000
    assert third.access_us == (1_905_000 - 1_900_000) + 50_000  # silent for more than 1 s


def test_who_is_sending_anyway_needs_no_request() -> None:
    technology = replace(ACCESS, request_us=100_000, grant_us=80_000)
    bench = Bench(technology)
    bench.run([Send(0, size=2000), Send(66_000), Send(70_000, size=100)])
    assert [message.access_us for message in bench.passed] == [55_000, 0, 0]
    assert [message.queue_us for message in bench.passed] == [0, 9000, 6000]


def test_the_base_station_answers_who_is_connected_at_once_and_pages_who_is_not() -> None:
    technology = replace(ACCESS, paging_us=1_280_000)
    bench = Bench(technology)
    bench.run([Send(0), Send(200_000, up=False), Send(60_000_000, up=False)])
    _, second, third = bench.passed
    assert (second.access_us, second.queue_us, second.air_us) == (0, 0, 1000)
    assert 50_000 < third.access_us <= 1_280_000 + 5000 + 50_000
    waits = []
    many = Bench(technology, subscribers=200)
    many.run(Send(who * 3_000_000, who, up=False) for who in range(200))
    waits = [message.access_us / 1000 for message in many.passed]
    assert np.mean(waits) == pytest.approx(640 + 2.5 + 50, rel=0.15)


def test_who_was_heard_lately_needs_no_paging() -> None:
    technology = replace(ACCESS, paging_us=10_000_000, known_us=44_000_000)
    bench = Bench(technology)
    bench.run([Send(0), Send(30_000_000, up=False), Send(200_000_000, up=False)])
    _, known, unknown = bench.passed
    assert known.access_us == 50_000
    assert unknown.access_us != 50_000


def test_what_waits_for_paging_comes_when_the_subscriber_calls_by_itself() -> None:
    bench = Bench(replace(ACCESS, paging_us=10**9))
    bench.run([Send(0, up=False), Send(3_000_001)])
    assert sorted(message.arrival_us for message in bench.passed) == [3_056_000, 3_056_000]


def test_the_temporary_block_flow_shows_only_after_a_second_of_silence() -> None:
    technology = packaged("gprs", error=0.0)
    waits = {}
    for gap_ms in (500, 900, 1500, 5000):
        bench = Bench(technology)
        bench.run(Send(gap_ms * 1000 * number, size=44) for number in range(1, 40))
        waits[gap_ms] = np.mean([message.access_us for message in bench.passed[1:]]) / 1000
    assert 20 <= waits[500] <= 60
    assert 20 <= waits[900] <= 60
    assert waits[1500] > 160
    assert waits[5000] > 160


def test_nothing_comes_out_of_reach() -> None:
    lte = packaged("lte")
    bench = Bench(lte, subscribers=2)
    far = [bench.nodes[0]]
    cell = Cell(bench.fabric, "far", lte, bench.station, far, {far[0].id: (-8.0, 3.0)})
    assert not cell.reaches(far[0], bench.station)
    assert bench.cell.reaches(bench.nodes[0], bench.station)


def contend(devices: int, span_us: int, technology: CellTechnology) -> tuple[float, float, float]:
    """Return success, collided shares of preambles, and the mean tries of who got through.

    Arrivals are those of traffic model 2 of 3GPP TR 37.868: beta(3, 4) over the span.
    """
    bench = Bench(technology, subscribers=devices)
    times = np.sort(np.random.default_rng(5).beta(3, 4, devices) * span_us).astype(int)
    bench.run(Send(int(t_us), who) for who, t_us in enumerate(times))
    heard = {message.path[0][0].name for message in bench.passed}
    tries = [it.tries for it in bench.cell.subscribers if it.name in heard]
    opportunities = span_us / technology.access_period_us
    collided = bench.cell.usage.collisions / (opportunities * technology.preambles)
    return len(bench.passed) / devices, collided, float(np.mean(tries))
