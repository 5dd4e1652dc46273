"""Signals as records: what is one, what is none, what they say at an instant."""

from __future__ import annotations

import json

import pytest

from controllers.signals import Answer, Command, GridState, Price
from controllers.unit import CATALOGUE
from controllers.unit.codec import CborCodec
from controllers.unit.service import Result
from controllers.unit.wire import Notify

H = 3_600_000
PRICE = {"issued_ms": 0, "start_ms": 0, "step_ms": H, "cent_per_mwh": [100, -5, 7]}
LIGHT = {"issued_ms": 0, "times_ms": [0, H, 3 * H], "level": [1, 2]}
COMMAND = {"id": "c", "issued_ms": 0, "issuer": "aggregator/commands", "action": "limit",
           "kinds": ["ev"], "times_ms": [H, 2 * H, 3 * H], "percent": [40, None]}  # fmt: skip
ANSWER = {"id": "c", "unit": "u", "opted_in": ["a"], "opted_out": [], "silent": ["b"]}


def test_what_they_say_at_an_instant():
    price = Price.of(PRICE)
    assert [price.at(t) for t in (-1, 0, H - 1, H, 3 * H - 1, 3 * H)] == [
        None,
        100,
        100,
        -5,
        7,
        None,
    ]
    assert price.steps(H // 2, 2 * H) == [(H // 2, H, 100), (H, 2 * H, -5)]
    light = GridState.of(LIGHT)
    assert [light.interval(t) for t in (0, 2 * H, 3 * H)] == [(0, H, 1), (H, 3 * H, 2), None]
    command = Command.of(COMMAND)
    assert [command.interval(t) for t in (0, H, 2 * H)] == [
        None,
        (H, 2 * H, 40),
        (2 * H, 3 * H, None),
    ]
    assert command.reduction_percent == 60
    assert command.plain() == COMMAND
    assert Answer.of(ANSWER).plain() == ANSWER


@pytest.mark.parametrize(
    ("kind", "good", "wrong"),
    [
        (Price, PRICE, {"step_ms": 0}),
        (Price, PRICE, {"cent_per_mwh": []}),
        (Price, PRICE, {"cent_per_mwh": [1.5]}),
        (Price, PRICE, {"cent_per_mwh": "free"}),
        (Price, PRICE, {"feed_in_cent_per_mwh": [1]}),
        (Price, PRICE, {"issued_ms": None}),
        (GridState, LIGHT, {"level": [1]}),
        (GridState, LIGHT, {"level": [1, 3]}),
        (GridState, LIGHT, {"times_ms": [0, H, H]}),
        (Command, COMMAND, {"id": ""}),
        (Command, COMMAND, {"action": "explode"}),
        (Command, COMMAND, {"kinds": ["toaster"]}),
        (Command, COMMAND, {"percent": [40, 101]}),
        (Command, COMMAND, {"percent": [-1, 0]}),
        (Command, COMMAND, {"percent": [40]}),
        (Command, COMMAND, {"times_ms": [3 * H, 2 * H, H]}),
        (Command, COMMAND, {"issued_ms": 1.0}),
        (Answer, ANSWER, {"opted_in": "a"}),
        (Answer, ANSWER, {"silent": [1]}),
        (Answer, ANSWER, {"unit": ""}),
    ],
)
def test_what_is_none(kind, good, wrong):
    assert kind.of(good) is not None
    assert kind.of(good | wrong) is None
    for key in wrong:
        if key != "feed_in_cent_per_mwh":
            assert kind.of({k: v for k, v in good.items() if k != key}) is None
    assert kind.of(None) is None
    assert kind.of([good]) is None


def test_a_command_without_intervals_takes_one_back():
    command = Command.of(COMMAND | {"times_ms": [], "percent": []})
    assert (command.end_ms, command.interval(0)) == (0, None)


def test_a_day_of_prices_and_a_command_are_short_on_the_wire():
    codec = CborCodec(CATALOGUE)
    day = {"issued_ms": 0, "start_ms": 0, "step_ms": 900_000,
           "cent_per_mwh": [20_000 + 700 * (k // 16) for k in range(96)],
           "feed_in_cent_per_mwh": [800] * 96}  # fmt: skip
    for variable, value, most in (("signal.price", day, 260), ("signal.command", COMMAND, 130)):
        said = Notify("mvgmu/mv#7", Result.OK, variable, "tlgmu/top", "", value, H, 3)
        payload = codec.encode(said, "tlgmu/top", "mvgmu/mv")
        assert codec.decode(payload, "tlgmu/top", "mvgmu/mv") == said
        assert len(payload) < most
        assert len(payload) < len(json.dumps(value)) * 0.6
