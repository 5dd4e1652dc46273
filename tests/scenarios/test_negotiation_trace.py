"""The street's first negotiation over its modelled power line, read from the frames themselves.

Each message is held against the plain algorithm, worked out from the messages before it: what is
signalled, whose offer is taken, what it was worth, and when it ends.
"""

from __future__ import annotations

import numpy as np
import pytest

from controllers.unit.catalogue import CATALOGUE
from controllers.unit.codec import CborCodec
from controllers.unit.wire import Request
from fernwatt.messages import Reading
from scenarios import load
from scenarios.assembly import assemble
from tests.scenarios.support.cyber import Cyber

UNIT_W, SLOTS = 10, 96
pytestmark = pytest.mark.slow


def readings(params):
    """What instruments say in the first second: meters' memory, vehicles, contents."""
    out = []

    def say(instrument, variable, value, unit):
        out.append(Reading(f"r#{len(out)}", "", instrument, variable, 0, 0, value, unit))

    vehicles = 0
    for one in params["field"]["instruments"]:
        if one["kind"] == "meter":
            say(one["id"], "energy.import", 0.0, "Wh")
            say(one["id"], "energy.export", 0.0, "Wh")
            say(one["id"], "load_profile", one["history"], "1")
        elif one["target"].startswith("ev/"):
            vehicles += 1
            session = {"session": "s", "energy_wh": 4000.0 + 900.0 * vehicles, "p_max_w": 11_000,
                       "p_min_w": 0, "departure_ms": (30 + 2 * vehicles) * 900_000}  # fmt: skip
            say(one["id"], "ev.session", session, "1")
        elif one["target"].startswith("battery/"):
            say(one["id"], "battery.soc", 3000.0, "Wh")
    return tuple(out)


@pytest.fixture(scope="module", params=["profile", "distance"])
def trace(request):
    """Return the exchange, and the messages of the newest negotiation: name, from, to, value.

    Before them come the profiles of those who were not asked again, from earlier ones.
    """
    settings = [f"services.balancing.exchange={request.param}", "network.loss=0"]
    params = assemble(load("street", settings)).params
    cyber = Cyber(params, {})
    cyber.run(0, readings(params))
    cyber.run(1_190_000)
    codec, seen, found = CborCodec(CATALOGUE), set(), []
    for frame in cyber.frames:
        message = codec.decode(frame.payload, frame.src, frame.dst)
        if not isinstance(message, Request) or message.id in seen:  # a retry is no new message
            continue
        if message.variable.startswith("balancing.") and type(message.value) is dict:
            seen.add(message.id)
            found.append((message.variable[10:], frame.src, frame.dst, message.value))
    numbers = [value["negotiation"] for kind, _, _, value in found if kind == "request"]
    newest = [one for one in found if one[3]["negotiation"] == max(numbers)]
    asked = {dst for kind, _, dst, _ in newest if kind == "request"}
    before = {one[1]: one for one in found if one[0] == "profile" and one[1] not in asked}
    return request.param, [*before.values(), *newest]


def of_kind(messages, kind, round_=None):
    return [
        (src, dst, value)
        for name, src, dst, value in messages
        if name == kind and (round_ is None or value.get("round") == round_)
    ]


def watts(units):
    return UNIT_W * np.array(units, dtype=np.int64)


class Loop:
    """The algorithm as it is published, told by its messages."""

    def __init__(self, messages):
        self.messages, self.known, self.open, self.mean_w = messages, {}, set(), {}
        self.width = set()
        asked = {dst for _, dst, _ in of_kind(messages, "request")}
        for child, _, value in of_kind(messages, "profile", 0):
            if "p" in value:
                self.known[child] = watts(value["p"])
            else:
                self.open.add(child)
                self.mean_w[child] = value["mean_w"]
            if value["flexible"]:
                self.width.add(child)
        assert self.known.keys() | self.open >= asked
        self.rounds = max(value["round"] for _, _, value in of_kind(messages, "signal"))

    def sum_w(self):
        return sum(self.known.values(), np.zeros(SLOTS, dtype=np.int64))

    def level_w(self):
        mean_w = (self.sum_w().sum() + SLOTS * sum(self.mean_w[c] for c in self.open)) / SLOTS
        return np.full(SLOTS, UNIT_W * round(mean_w / UNIT_W))

    def commit(self, number, accepted):
        """Take the profiles of those who were told to follow their plans; return the changes."""
        change = {}
        for child, _, value in of_kind(self.messages, "profile", number):
            assert child in accepted
            new = watts(value["p"])
            change[child] = new - self.known.get(child, 0)
            self.known[child] = new
        assert change.keys() == set(accepted)
        return change

    def agree(self, number, desired_w):
        """One round of first profiles."""
        share = (desired_w - self.sum_w()) // (UNIT_W * len(self.open))
        signals = of_kind(self.messages, "signal", number)
        assert {dst for _, dst, _ in signals} == self.open
        assert all(value["p"] == share.tolist() for _, _, value in signals)
        offers = {src: value["distances"][0]
                  for src, _, value in of_kind(self.messages, "offer", number)}  # fmt: skip
        assert offers.keys() == self.open
        half = sorted(offers, key=lambda child: (-offers[child], child))[: -(-len(offers) // 2)]
        told = sorted(dst for _, dst, _ in of_kind(self.messages, "accept", number))
        assert told == sorted(half)
        for child, new in self.commit(number, half).items():
            assert offers[child] == round(np.linalg.norm(new - UNIT_W * share))
        self.open -= set(half)

    def improve(self, number, desired_w, k, least_w):
        """One round of improvements; return whether any was worth it."""
        d = self.sum_w() - desired_w
        signals = of_kind(self.messages, "signal", number)
        assert {dst for _, dst, _ in signals} == self.width
        for _, _, value in signals:
            assert (watts(value["d"]) == d).all()
            assert value["k"] == k
        offers = {src: value["improvement_w"]
                  for src, _, value in of_kind(self.messages, "offer", number)}  # fmt: skip
        assert offers.keys() == self.width
        worth = [child for child in offers if offers[child] >= least_w]
        best = sorted(worth, key=lambda child: (-offers[child], child))[:k]
        assert sorted(dst for _, dst, _ in of_kind(self.messages, "accept", number)) == sorted(best)
        for child, change in self.commit(number, best).items():
            gain_w = np.linalg.norm(d / k) - np.linalg.norm(d / k + change)
            assert offers[child] == int(gain_w)
        assert np.linalg.norm(self.sum_w() - desired_w) <= np.linalg.norm(d)
        return bool(best)


def test_every_message_is_the_algorithms(trace):
    exchange, messages = trace
    loop = Loop(messages)
    assert len(loop.known) + len(loop.open) == 41
    assert len(loop.width) >= 15
    number, desired_w = 0, loop.level_w()
    if exchange == "distance":
        assert loop.open == loop.width
    while loop.open:
        number += 1
        loop.agree(number, desired_w)
    desired_w = loop.level_w()
    first_w = np.linalg.norm(loop.sum_w() - desired_w)
    least_w, k = max(1.0, 0.001 * first_w), len(loop.width)
    while True:
        number += 1
        taken = loop.improve(number, desired_w, k, least_w)
        if not taken and k == 1:
            break
        k = max(1, k // 2) if taken else 1
    assert number == loop.rounds
    assert np.linalg.norm(loop.sum_w() - desired_w) < first_w


def test_of_what_a_parent_learns_by_distance_nothing_is_of_before_the_agreement(trace):
    exchange, messages = trace
    first = of_kind(messages, "profile", 0)
    told = [src for src, _, value in first if value["flexible"] and "p" in value]
    assert (told == []) == (exchange == "distance")
