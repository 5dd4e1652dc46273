"""Wi-SUN's channels and schedule, and the duty cycle, against what they must come to."""

from __future__ import annotations

from dataclasses import replace
from math import inf, sqrt
from typing import Any

import numpy as np
import pytest
from simpy.events import Timeout

from simulators.network.air import Transmission
from simulators.network.draws import Draws
from simulators.network.hopping import Account, BandMedium, BandStation, plan_of
from simulators.network.levels import Levels
from simulators.network.message import Message, Node
from simulators.network.spread import Spread
from simulators.network.technologies import MediumTechnology, load
from tests.simulators.network.test_csma import Bench

WISUN = load()["rf-mesh-wisun"]
assert isinstance(WISUN, MediumTechnology)
NONE = -inf
FREE = replace(WISUN, duty_plan="", duty_window_ms=0, retries=0, queue_frames=10_000)


def bench(technology: MediumTechnology, snr_db: Any, stations: int) -> Bench:
    levels = Levels(np.array(snr_db, dtype=float), 0.0)
    air = Spread(levels, technology.cca_us, lambda snr_db, size: 0.0, Draws(1, "air"))
    return Bench(technology, stations, air=air, kind=BandMedium)


class Spy:
    """An air whose ``begin`` is another."""

    def __init__(self, begin: Any, air: Any) -> None:
        self.begin, self._air = begin, air

    def __getattr__(self, name: str) -> Any:
        return getattr(self._air, name)


def loud(stations: int) -> list[list[float]]:
    return [[40.0] * (stations + 1)] * (stations + 1)


def test_channels_are_used_alike_and_change_with_each_dwell() -> None:
    medium = bench(FREE, loud(3), 3).medium
    assert isinstance(medium, BandMedium)
    station = medium.stations[1]
    at = [medium.channel(station, t * FREE.dwell_us) for t in range(70_000)]
    counts = np.bincount(at, minlength=FREE.channels)
    assert len(counts) == FREE.channels == 35
    chi2 = ((counts - 2000) ** 2 / 2000).sum()
    assert chi2 < 34 + 3.3 * sqrt(2 * 34)
    changes = sum(
        medium.channel(station, t) != medium.channel(station, t + 1000)
        for t in range(0, 1000 * FREE.dwell_us, 1000)
    )
    assert changes == pytest.approx(1000 * 34 / 35, abs=30)
    others = [medium.channel(medium.stations[2], t * FREE.dwell_us) for t in range(70_000)]
    same = np.mean([a == b for a, b in zip(at, others, strict=True)])
    assert same == pytest.approx(1 / 35, abs=3.3 * sqrt(1 / 35 / 70_000))


def test_a_broadcast_waits_for_its_dwell() -> None:
    """No wait in the part of the interval that still fits it, else the rest of the interval.

    With u of it usable: (interval - u)^2 / (2 interval), and the backoff. At the begin of the
    dwell alone it would be half an interval, 510 ms.
    """
    it, count = bench(FREE, loud(1), 1), 6000
    heard: list[int] = []

    class Owner:
        def arrived(self, message: Message) -> None: ...

        def lost(self, message: Message, cause: str) -> None: ...

        def heard(self, message: Message, node: Node) -> None:
            heard.append(message.access_us)

    rng = np.random.default_rng(1)

    def send(event: Any) -> None:
        message = Message(0, "n001", "", 60, 2, it.clock.now, owner=Owner())
        it.medium.port(it.nodes[1]).offer(message)

    for number in range(count):
        at_us = number * 3_000_000 + int(rng.integers(0, FREE.broadcast_us))
        Timeout(it.clock, at_us).callbacks.append(send)
    it.clock.run()
    need_us = FREE.turnaround_us + it.medium.costs[60].air_us
    backoff_us = 3.5 * FREE.unit_backoff_us + FREE.cca_us
    usable_us = FREE.broadcast_dwell_us - need_us - backoff_us
    expected = (FREE.broadcast_us - usable_us) ** 2 / (2 * FREE.broadcast_us)
    expected += backoff_us + FREE.turnaround_us
    assert len(heard) == count
    assert np.mean(heard) == pytest.approx(expected, abs=3.3 * np.std(heard) / sqrt(count))


def test_unicast_lets_the_broadcast_dwell_pass() -> None:
    it = bench(FREE, loud(1), 1)
    rng = np.random.default_rng(5)
    for number in range(2000):
        it.at(number * 2_000_000 + int(rng.integers(0, FREE.broadcast_us)), (1, 60))
    it.clock.run()
    size_us = it.medium.costs[60].air_us
    for now, _, why in it.fates:
        assert not why
        begin_us = (now - size_us) % FREE.broadcast_us
        assert FREE.broadcast_dwell_us <= begin_us <= FREE.broadcast_us - size_us


def test_hidden_pairs_meet_on_one_channel_in_so_many() -> None:
    """1 -> 0 and 2 -> 3 at once; 1 and 2 hear nobody, both are heard at 0 and 3."""
    count, levels = 4000, [[NONE] * 4 for _ in range(4)]
    for sender in (1, 2):
        levels[sender][0] = levels[sender][3] = 40.0
    technology = replace(FREE, channels=5, ack_us=0, min_be=0, max_be=0)
    it = bench(technology, levels, 3)
    for number in range(count):
        it.at(number * FREE.broadcast_us * 2 + 400_000, (1, 60, 0), (2, 60, 3))
    it.clock.run()
    lost = np.mean([bool(why) for _, _, why in it.fates])
    assert lost == pytest.approx(1 / 5, abs=3.3 * sqrt(0.2 * 0.8 / count))


def test_a_station_does_not_transmit_more_than_its_share() -> None:
    """A full queue of a second's window at a tenth: a tenth of the time is on the air."""
    technology = replace(FREE, duty_share=0.1, duty_window_ms=10_000, broadcast_us=0, dwell_us=0)
    it = bench(technology, loud(1), 1)
    it.refill = True
    it.send(1, 300)
    it.clock.run(until=200_000_000)
    air_us = it.medium.costs[300].air_us
    ends = np.array([now for now, _, why in it.fates if not why])
    assert len(ends) * air_us / 200e6 == pytest.approx(0.1, rel=0.05)
    for since_us in range(0, 190_000_000, 333_333):
        within = np.count_nonzero((ends > since_us) & (ends <= since_us + 10_000_000))
        assert (within - 1) * air_us <= 0.1 * 10_000_000
    assert max(message.access_us for _, message, _ in it.fates) > 5_000_000


def test_acknowledgements_are_on_the_account_too() -> None:
    technology = replace(FREE, duty_share=0.5, duty_window_ms=1000, broadcast_us=0, dwell_us=0)
    it = bench(technology, loud(1), 1)
    for _ in range(5):
        it.send(1, 60)
    it.clock.run(until=1_000_000)
    sink = it.medium.stations[0]
    assert isinstance(sink, BandStation)
    assert sink.spent_us() == 5 * technology.ack_us


def test_an_account_tells_when_enough_is_past() -> None:
    account = Account(0.1, 1000)
    for end_us in (50, 200, 300):
        account.spend(end_us, 30)
    assert account.when_us(300, 10) == 300  # 90 and 10 of 100
    assert account.when_us(300, 11) == 1050
    assert account.when_us(300, 41) == 1200
    assert account.when_us(300, 5000) == 1300  # more than the share: when all is past
    assert account.when_us(1050, 40) == 1050
    assert account.spent_us == 60


def test_channels_lie_in_the_sub_bands_of_europe() -> None:
    """35 channels of 200 kHz from 863.1 MHz: three lie across an edge and are left out."""
    plan = plan_of(WISUN)
    assert [plan.bands.count(band) for band in range(6)] == [10, 15, 3, 2, 1, 1]
    assert plan.shares == (0.001, 0.01, 0.01, 0.001, 0.1, 0.01)
    assert plan_of(FREE).bands == (0,) * 35


def test_each_sub_band_has_a_share_of_its_own() -> None:
    """A station with a full queue: no window of any sub-band holds more, and most are used up."""
    technology = replace(WISUN, duty_window_ms=60_000, retries=0)
    it, span_us = bench(technology, loud(1), 1), 1_200_000_000
    it.refill, sent = True, []
    air, plan = it.medium.air, plan_of(technology)
    begin = air.begin

    def spy(sender: int, start_us: int, air_us: int, size: int, channel: int = 0) -> Transmission:
        sent.append((start_us + air_us, air_us, plan.bands[channel]))
        return begin(sender, start_us, air_us, size, channel)

    it.medium.air = Spy(spy, air)  # type: ignore[assignment]
    it.send(1, 60)
    it.clock.run(until=span_us)
    for band, share in enumerate(plan.shares):
        own = np.array([(end_us, air_us) for end_us, air_us, of in sent if of == band])
        for end_us, _ in own:
            within = own[(own[:, 0] > end_us - 60_000_000) & (own[:, 0] <= end_us), 1].sum()
            assert within <= share * 60_000_000 + 1
        used = own[:, 1].sum() / span_us
        assert used > 0.7 * share or share == 0.1  # one channel: not often enough its turn


def test_without_an_air_of_levels_there_is_no_schedule() -> None:
    """What all hear at once stays as it is: the collision domain of one channel."""
    it = Bench(replace(WISUN, error=0.0), 1)
    it.send(1, 60)
    it.clock.run()
    assert it.fates[0][1].access_us < 8 * WISUN.unit_backoff_us + 2000
