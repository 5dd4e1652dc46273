"""Levels of security: fresh messages pass once, all others are refused and change nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.security.envelope import LEVELS, Signed, make_envelope
from controllers.security.errors import Refusal, RefusedError
from controllers.security.freshness import Numbers, Replays, read_number
from controllers.security.keys import Identity, Keys, PublicKeys

SECRET = bytes(range(32))
UNITS = ("meter/lv1/load-1", "lvgmu/lv1", "cmu/lv1/load-1")


def known() -> PublicKeys:
    public = PublicKeys()
    for unit in UNITS:
        keys = Keys(unit, SECRET)
        public.trust_agreement(unit, keys.public_agreement())
        for stakeholder, service in (("", ""), ("operator", "metering")):
            public.trust(
                Identity(unit, stakeholder, service), keys.public_signing(stakeholder, service)
            )
    return public


def signed(unit: str, **more: object) -> Signed:
    return Signed("run", Keys(unit, SECRET), known(), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("secret", [False, True])
def test_a_message_passes_once(secret: bool) -> None:
    meter, station = (signed(unit, secret=secret) for unit in UNITS[:2])
    wire = meter.seal(b"42 Wh", UNITS[1], 1000, "operator", "metering")
    opened = station.open(wire, UNITS[0], 1500)
    assert (opened.payload, opened.identity) == (
        b"42 Wh",
        Identity(UNITS[0], "operator", "metering"),
    )
    assert (b"42 Wh" in wire) is not secret
    with pytest.raises(RefusedError) as refused:
        station.open(wire, UNITS[0], 1500)
    assert refused.value.why is Refusal.REPLAYED


@pytest.mark.parametrize("secret", [False, True])
def test_it_is_for_its_receiver_its_sender_its_run_and_its_time(secret: bool) -> None:
    meter, station, house = (signed(unit, secret=secret) for unit in UNITS)
    wire = meter.seal(b"x", UNITS[1], 1000)
    other_run = Signed("other", Keys(UNITS[1], SECRET), known(), secret=secret)
    for receiver, src, t_ms in (
        (house, UNITS[0], 1000),
        (station, UNITS[2], 1000),
        (other_run, UNITS[0], 1000),
        (station, UNITS[0], 400_000),
        (station, UNITS[0], -400_000),
    ):
        with pytest.raises(RefusedError):
            receiver.open(wire, src, t_ms)
    assert station.open(wire, UNITS[0], 1000).payload == b"x"  # refusals left no trace


def test_a_unit_that_is_trusted_no_longer_is_refused() -> None:
    public = known()
    station = Signed("run", Keys(UNITS[1], SECRET), public)
    wire = signed(UNITS[0]).seal(b"x", UNITS[1], 0)
    public.forget(UNITS[0])
    with pytest.raises(RefusedError) as refused:
        station.open(wire, UNITS[0], 0)
    assert refused.value.why is Refusal.UNKNOWN_KEY


def test_nothing_is_replayed_over_a_restart() -> None:
    meter, station = signed(UNITS[0]), signed(UNITS[1])
    old = [meter.seal(bytes([n]), UNITS[1], n) for n in range(20)]
    for wire in old:
        station.open(wire, UNITS[0], 30)
    station = signed(UNITS[1], since_ms=31)
    for wire in old:
        with pytest.raises(RefusedError) as refused:
            station.open(wire, UNITS[0], 31)
        assert refused.value.why is Refusal.REPLAYED
    assert station.open(meter.seal(b"new", UNITS[1], 31), UNITS[0], 31).payload == b"new"


def test_no_number_comes_twice_over_restarts_within_one_millisecond() -> None:
    reserved = [0]
    given_out = []
    for t_ms in (5, 5, 5, 3):  # a clock that was set back, too
        numbers = Numbers(reserved[-1], reserved.append)
        given_out += [numbers.next(t_ms) for _ in range(3000)]
    assert sorted(set(given_out)) == given_out
    assert len(reserved) < 20


@given(st.lists(st.integers(0, 600_000), min_size=1, max_size=60), st.data())
def test_in_any_order_and_however_often_each_number_is_taken_at_most_once(
    times: list[int], data: st.DataObject
) -> None:
    numbers, replays = Numbers(), Replays(300_000)
    sent = [numbers.next(t_ms) for t_ms in sorted(times)]
    assert sorted(set(sent)) == sent
    arrivals = data.draw(st.lists(st.sampled_from(sent), max_size=150))
    taken: list[bytes] = []
    for step, number in enumerate(arrivals):
        now_ms = sorted(times)[-1] * step // max(1, len(arrivals))
        fresh = abs(now_ms - read_number(number)[1]) <= 300_000
        if fresh and number not in taken:
            replays.take(b"s", number, now_ms)
            taken.append(number)
            continue
        with pytest.raises(RefusedError) as refused:
            replays.take(b"s", number, now_ms)
        assert refused.value.why is (Refusal.REPLAYED if fresh else Refusal.STALE)
    assert len(set(taken)) == len(taken)


@given(st.binary(max_size=200), st.sampled_from(sorted(LEVELS)))
def test_garbage_is_refused(garbage: bytes, level: str) -> None:
    envelope = make_envelope(level, "run", Keys(UNITS[1], SECRET), known())
    if level == "none":
        assert envelope.open(garbage, UNITS[0], 0).payload == garbage
        return
    with pytest.raises(RefusedError):
        envelope.open(garbage, UNITS[0], 0)


def test_the_keys_are_the_same_in_every_run_and_of_another_secret_others() -> None:
    first, again, other = (Keys(UNITS[0], secret) for secret in (SECRET, SECRET, bytes(32)))
    assert first.public_signing("a", "b") == again.public_signing("a", "b")
    assert first.public_agreement() == again.public_agreement()
    assert first.public_signing() != first.public_signing("a") != other.public_signing("a")


def test_no_private_key_is_within_reach_of_who_holds_the_keys() -> None:
    keys = Keys(UNITS[0], SECRET)
    keys.sign(b"x", b"", b"")
    public = {name for name in dir(keys) if not name.startswith("_")}
    assert public == {
        "unit", "at_rest", "decrypt", "encrypt", "public_agreement", "public_signing",
        "group", "randomness", "shared", "sign", "sums", "tag",
    }  # fmt: skip
    assert repr(keys) == f"Keys({UNITS[0]})"


def test_agreed_secrets_are_the_same_on_both_sides_and_apart_by_direction() -> None:
    meter, station = Keys(UNITS[0], SECRET), Keys(UNITS[1], SECRET)
    mine = meter.shared(station.public_agreement(), "masks")
    assert mine == station.shared(meter.public_agreement(), "masks")
    assert mine != meter.shared(station.public_agreement(), "other")
    for bad in (bytes(32), b"", bytes([1]) + bytes(31)):
        with pytest.raises(RefusedError):
            meter.shared(bad, "masks")
