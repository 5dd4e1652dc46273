"""Two are paired by a cloud, and then need it no more, but for their logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.pairing.proofs import holds, pair_key, prove, wrapped
from controllers.unit.hub import UnitsCore
from controllers.unit.loopback import Loopback
from fernwatt.messages import Frame, Reading

CLOUD, CONTROLLER, DEVICE = "cloud/pairing", "cmu/a/2", "dmu/a/1/battery"
KEYS = {CONTROLLER: "11" * 32, DEVICE: "22" * 32}


class Pair:
    """Controller, device and cloud; ``away`` are units that no frame reaches or leaves."""

    def __init__(self, **changes: Any) -> None:
        roster = {"role": "roster", "pairs": [[CONTROLLER, DEVICE]], "keys": KEYS,
                  "ticket_s": 7200}  # fmt: skip
        controller = {"role": "controller", "cloud": CLOUD, "device": DEVICE, "p_w": -700.0,
                      "period_s": 60, "key": KEYS[CONTROLLER]}  # fmt: skip
        device = {"role": "device", "cloud": CLOUD, "controller": CONTROLLER, "log_s": 900,
                  "key": KEYS[DEVICE]}  # fmt: skip
        for part in (roster, controller, device):
            part.update({key: value for key, value in changes.items() if key in part})
        self.away: set[str] = set()
        units = [
            {"id": CLOUD, "owner": "operator", "services": {"pairing": roster}},
            {"id": CONTROLLER, "owner": "b", "customer": "b", "services": {"pairing": controller}},
            {"id": DEVICE, "owner": "a", "customer": "a", "services": {"pairing": device},
             "instruments": ["i"], "actuators": {"set_point": "relay"}},
        ]  # fmt: skip
        self.core = UnitsCore({"units": units}, seed=1)
        self.bus = Loopback(self.core, fates=self._fate)

    def _fate(self, frame: Frame, t_ms: int) -> Sequence[int]:
        return () if {frame.src, frame.dst} & self.away else (20,)

    def events(self, kind: str) -> list[Any]:
        return [event for event in self.bus.events if event.kind == kind]

    def logged(self) -> list[Any]:
        store = self.core.unit(CLOUD).store
        return [one.value for one in store.series("log.bulk", "operator", CLOUD)]

    def read(self, first: int, last: int) -> list[Reading]:
        return [Reading(f"i#{n}", "", "i", "device.energy", n * 60_000, n * 60_000, float(n), "Wh")
                for n in range(first, last + 1)]  # fmt: skip


def test_once_paired_control_goes_straight_and_logs_to_the_cloud() -> None:
    it = Pair()
    it.bus.run(3_600_000, it.read(1, 59))
    assert [event.element for event in it.events("paired_with")][:2] == [CONTROLLER, DEVICE]
    assert len(it.bus.commands) == 59
    assert {one.value["p_w"] for one in it.bus.commands} == {-700.0}
    ways = {(frame.src, frame.dst, frame.flow) for frame in it.bus.frames}
    assert {way for way in ways if way[2] == "control"} == {
        (CONTROLLER, DEVICE, "control"), (DEVICE, CONTROLLER, "control"),
    }  # fmt: skip
    values = [value for one in it.logged() for value in one["values"]]
    assert values == [float(n) for n in range(1, len(values) + 1)]
    assert len(values) >= 45


def test_without_the_cloud_control_goes_on_and_logs_wait() -> None:
    it = Pair(ticket_s=86_400)
    it.bus.run(900_000, it.read(1, 14))
    before = len(it.bus.commands)
    it.away.add(CLOUD)
    it.bus.run(4_500_000, it.read(15, 74))
    assert len(it.bus.commands) - before == 60
    assert len(it.logged()) <= 1
    it.away.clear()
    it.bus.run(9_000_000, it.read(75, 149))
    numbers = {one["number"]: one["values"] for one in it.logged()}
    values = [value for number in sorted(numbers) for value in numbers[number]]
    assert values == [float(n) for n in range(1, len(values) + 1)]
    assert len(values) >= 130


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"pairs": []}, "no pair"),
        ({"keys": KEYS | {DEVICE: "33" * 32}}, "proof"),
        ({"keys": {DEVICE: KEYS[DEVICE]}}, "proof"),
    ],
)
def test_who_is_not_in_the_roster_or_is_not_who_it_says_is_not_paired(
    changes: dict[str, Any], why: str
) -> None:
    it = Pair(**changes)
    it.bus.run(600_000)
    assert why in {event.value for event in it.events("pairing_refused")}
    assert it.bus.commands == []
    assert it.events("paired_with") == []


def test_orders_without_a_pairing_repeated_or_forged_move_nothing() -> None:
    it = Pair(pairs=[])
    port = it.core.unit(CONTROLLER).context("pairing")
    it.bus.run(1_000)

    def order(key: bytes, **changes: Any) -> None:
        record = {"number": 1, "p_w": 5.0, "until_ms": 10**7} | changes
        port.data.write("pairing.order", DEVICE, prove(key, record))
        it.bus.poke()
        it.bus.run(it.bus.now_ms + 1_000)

    order(b"guess")
    assert [event.value for event in it.events("order_refused")] == ["not paired"]
    assert it.bus.commands == []
    paired = Pair()
    paired.bus.run(30_000)
    it, port = paired, paired.core.unit(CONTROLLER).context("pairing")
    secret = it.core.service(CONTROLLER, "pairing")._secret  # type: ignore[attr-defined]
    order(b"guess")
    order(secret, number=5)
    order(secret, number=5)
    order(secret, number=4)
    order(secret, number=6, until_ms=0)
    order(secret, number=7, p_w="x")
    port.data.write("pairing.order", DEVICE, {"number": []})
    it.bus.poke()
    it.bus.run(it.bus.now_ms + 1_000)
    assert [event.value for event in it.events("order_refused")] == [
        "proof", "repeated", "repeated", "malformed", "malformed", "proof",
    ]  # fmt: skip
    assert len(it.bus.commands) == 1


def test_a_pairing_ends_with_its_ticket_unless_it_is_renewed() -> None:
    it = Pair(ticket_s=600)
    it.bus.run(3_600_000)
    assert len(it.bus.commands) > 55  # renewed again and again
    it.away.add(CLOUD)
    it.bus.run(7_200_000)
    ended = it.bus.commands[-1].at_ms
    assert 3_600_000 < ended < 4_260_000


values = st.dictionaries(
    st.text(max_size=4),
    st.none() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
)


@settings(deadline=None)
@given(values, values, st.binary(min_size=1), st.binary(min_size=1))
def test_a_proof_holds_for_its_record_and_its_key_alone(
    record: dict[str, Any], other: dict[str, Any], key: bytes, wrong: bytes
) -> None:
    proven = prove(key, record)
    assert holds(key, proven)
    if key.ljust(64, b"\0") != wrong.ljust(64, b"\0"):  # HMAC fills short keys with zeros
        assert not holds(wrong, proven)
    if {k: repr(v) for k, v in proven.items()} != {k: repr(v) for k, v in (proven | other).items()}:
        assert not holds(key, proven | other)


@settings(deadline=None)
@given(st.none() | st.text() | values | st.fixed_dictionaries({"proof_b64": st.text()}))
def test_garbage_proves_nothing(record: Any) -> None:
    assert not holds(b"key", record)


def test_a_wrapped_key_opens_for_its_controller_alone() -> None:
    secret = pair_key(b"device", CONTROLLER, 5)
    hidden = wrapped(b"controller", DEVICE, 5, secret)
    assert wrapped(b"controller", DEVICE, 5, hidden) == secret
    assert wrapped(b"another", DEVICE, 5, hidden) != secret != hidden
