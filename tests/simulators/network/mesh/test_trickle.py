"""Trickle timers against their own theory (RFC 6206)."""

from __future__ import annotations

from math import erf, exp, pi, sqrt

import numpy as np
import pytest

from simulators.network.carrier import Clock
from simulators.network.draws import Draws
from simulators.network.mesh.trickle import Trickle

LEAST_US, DOUBLINGS = 4_096_000, 4
MOST_US = LEAST_US << DOUBLINGS


class Room:
    """Nodes that all hear each other at once."""

    def __init__(self, count: int, k: int, seed: int = 1, settled: bool = True) -> None:
        self.clock = Clock()
        self.said: list[tuple[int, int]] = []
        self.timers = [
            Trickle(
                self.clock,
                Draws(seed, f"timer/{number}"),
                LEAST_US,
                DOUBLINGS,
                k,
                lambda number=number: self._speak(number),  # type: ignore[misc]
            )
            for number in range(count)
        ]
        for timer in self.timers:
            timer.start(settled)

    def _speak(self, number: int) -> None:
        self.said.append((self.clock.now, number))
        for other, timer in enumerate(self.timers):
            if other != number:
                timer.heard()

    def run(self, until_us: int) -> None:
        while self.clock.peek() <= until_us:
            self.clock.step()


def test_an_interval_doubles_up_to_the_longest_with_one_message_in_its_second_half() -> None:
    room = Room(1, 0, settled=False)
    room.run(10 * MOST_US)
    start_us, length_us = 0, LEAST_US
    for at_us, _ in room.said:
        assert start_us + length_us // 2 <= at_us < start_us + length_us
        start_us, length_us = start_us + length_us, min(2 * length_us, MOST_US)
    assert len(room.said) >= DOUBLINGS + 9


def test_a_reset_begins_with_the_shortest_interval_unless_that_runs_already() -> None:
    room = Room(1, 0)
    room.run(3 * MOST_US)
    before, now = len(room.said), room.clock.now
    room.timers[0].reset()
    room.run(now + LEAST_US // 4)
    room.timers[0].reset()  # inconsistent once more: no change
    room.run(now + LEAST_US)
    assert [now + LEAST_US // 2 <= at_us for at_us, _ in room.said[before:]] == [True]


def test_without_suppression_each_says_one_message_an_interval() -> None:
    room = Room(40, 0)
    room.run(50 * MOST_US)
    assert abs(len(room.said) / 50 / 40 - 1) < 0.03


@pytest.mark.parametrize("count", [20, 50, 200])
def test_messages_an_interval_with_suppression_are_those_of_the_theory(count: int) -> None:
    """One of n nodes with phases spread evenly speaks after others were silent for G.

    With k = 1 whoever's interval began before the last message is silent in it. The next to
    speak began its interval at s after it and speaks at s + I/2 + U I/2, so no one has spoken
    up to x in [I/2, I] with probability exp(-n/I · (x - I/2)²/I): the mean gap is
    I (1/2 + sqrt(pi/n)/2 · erf(sqrt(n)/2)) up to exp(-n/4).
    """
    gap = 0.5 + 0.5 * sqrt(pi / count) * erf(sqrt(count) / 2)
    rates = []
    for seed in range(12):
        room = Room(count, 1, seed)
        room.run(60 * MOST_US)
        steady = [at_us for at_us, _ in room.said if at_us > 10 * MOST_US]
        rates.append(len(steady) / 50)
    assert exp(-count / 4) < 0.01
    assert np.mean(rates) == pytest.approx(1 / gap, rel=0.05)


@pytest.mark.parametrize("k", [1, 2, 5, 10])
def test_suppression_bounds_the_messages_however_many_nodes(k: int) -> None:
    """Between k and 2k messages an interval: each listens half of it before it speaks."""
    rates = []
    for count in (100, 300):
        room = Room(count, k)
        room.run(30 * MOST_US)
        rates.append(sum(at_us > 5 * MOST_US for at_us, _ in room.said) / 25)
    assert all(k <= rate <= 2 * k for rate in rates)
    assert rates[1] < 1.35 * rates[0]


def test_who_stops_says_nothing() -> None:
    room = Room(5, 0)
    room.run(MOST_US)
    said = len(room.said)
    for timer in room.timers:
        timer.stop()
    room.run(5 * MOST_US)
    assert len(room.said) == said
