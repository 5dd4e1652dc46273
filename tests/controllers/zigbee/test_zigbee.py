"""Frames of other makes, values there and back, and a plain sensor that somebody hears."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.unit.hub import UnitsCore
from controllers.unit.loopback import Loopback
from controllers.zigbee.clusters import MEASURED, attributes_of, value_of
from controllers.zigbee.codec import (
    Ack,
    Attribute,
    Data,
    Report,
    ZigbeeError,
    decode_aps,
    decode_report,
    encode_aps,
    encode_report,
)
from fernwatt.messages import Delivery, Reading

# reports as devices in the field send them, from the tests of zigbee-herdsman (an analogue input,
# an occupancy sensor) and of a coordinator for SONOFF's devices
KNOWN = [
    ("184a0a55003900000000", Report(74, (Attribute(85, 0x39, 0.0),))),
    ("18a90a00001801", Report(169, (Attribute(0, 0x18, 1),))),
    ("18010a092029960a", Report(1, (Attribute(0x2009, 0x29, 2710),))),
]


@pytest.mark.parametrize(("content", "report"), KNOWN)
def test_reports_of_other_makes_are_read_and_made_again(content: str, report: Report) -> None:
    assert decode_report(bytes.fromhex(content)) == report
    assert encode_report(report).hex() == content


def test_an_aps_frame_is_as_the_specification_draws_it() -> None:
    # 2.2.5.2.1: control (data, unicast, acknowledgement wanted), target, cluster, profile,
    # source, counter; all numbers least significant byte first
    data = Data(2, 1, 0x0402, 0x2A, b"\x18\x01\x0a", 0x0104)
    assert encode_aps(data).hex() == "400102040401022a18010a"
    assert encode_aps(Ack(1, 2, 0x0402, 0x2A)).hex() == "020202040401012a"


numbers = st.integers(0, 255)
frames = st.one_of(
    st.builds(Data, numbers, numbers, st.integers(0, 65535), numbers, st.binary(max_size=80)),
    st.builds(Ack, numbers, numbers, st.integers(0, 65535), numbers),
)


@settings(deadline=None)
@given(frames)
def test_frames_there_and_back(frame: Data | Ack) -> None:
    assert decode_aps(encode_aps(frame)) == frame


@settings(deadline=None)
@given(
    st.binary(max_size=140) | frames.map(encode_aps) | st.sampled_from(
        [bytes.fromhex(content) for content, _ in KNOWN]),
    st.lists(st.tuples(st.integers(0, 200), numbers), max_size=3),
)  # fmt: skip
def test_garbage_raises_nothing_but_zigbee_error(
    content: bytes, spoiled: list[tuple[int, int]]
) -> None:
    bad = bytearray(content)
    for place, byte in spoiled:
        if bad:
            bad[place % len(bad)] = byte
    with contextlib.suppress(ZigbeeError):
        decode_aps(bytes(bad))
    with contextlib.suppress(ZigbeeError):
        report = decode_report(bytes(bad))
        assert decode_report(encode_report(report)).attributes == report.attributes


@settings(deadline=None)
@given(st.sampled_from(sorted(MEASURED)), st.floats(-300, 300))
def test_values_survive_attributes_to_a_step(variable: str, value: float) -> None:
    report = decode_report(encode_report(Report(1, attributes_of(variable, value))))
    found = value_of(variable, report.attributes)
    assert found == pytest.approx(value, abs=MEASURED[variable].step / 1.99)


def test_what_a_device_says_is_not_valid_is_no_value() -> None:
    for kind, raw in ((0x29, "0080"), (0x25, "ffffffffffff"), (0x39, "0000c07f")):
        report = decode_report(bytes.fromhex(f"18010a0000{kind:02x}{raw}"))
        assert report.attributes[0].value is None
        assert decode_report(encode_report(report)) == report
    assert value_of("thermal.temperature", (Attribute(0, 0x29, None),)) is None


def made(fates: Any = None) -> Loopback:
    spec = [
        {"id": "dmu/a/1/fridge", "owner": "c", "customer": "c", "links": {"device/a/1/fridge":
         "zigbee"}, "services": {"zigbee": {"role": "coordinator", "sensor": "device/a/1/fridge"}}},
        {"id": "device/a/1/fridge", "owner": "c", "customer": "c", "links": {"*": "zigbee"},
         "instruments": ["i"], "services": {"zigbee": {"role": "sensor", "to": "dmu/a/1/fridge"}}},
    ]  # fmt: skip
    return Loopback(UnitsCore({"units": spec}, seed=1), fates=fates)


def read(number: int, t_ms: int, variable: str, value: float) -> Reading:
    return Reading(f"i#{number}", "", "i", variable, t_ms, t_ms, value, "1")


def kept(bus: Loopback, variable: str) -> list[float]:
    store = bus.core.unit("dmu/a/1/fridge").store
    return [one.value for one in store.series(variable, "c", "dmu/a/1/fridge")]


def test_what_a_plain_sensor_reports_is_a_variable_of_the_unit_that_hears_it() -> None:
    bus = made()
    bus.run(20_000, [read(1, 5_000, "thermal.temperature", 4.218),
                     read(2, 6_000, "device.energy", -12.3456)])  # fmt: skip
    assert kept(bus, "thermal.temperature") == [pytest.approx(4.22)]
    assert kept(bus, "device.energy") == [pytest.approx(-12.346)]
    assert max(len(frame.payload) for frame in bus.frames) < 40


def test_lost_reports_come_again_and_count_once() -> None:
    count = 0

    def fates(frame: Any, t_ms: int) -> tuple[int, ...]:
        nonlocal count
        count += 1
        return () if count % 2 else (20,)  # every other frame is lost, acknowledgements too

    bus = made(fates)
    bus.run(60_000, [read(n, 5_000 + 10_000 * n, "device.energy", float(n)) for n in range(4)])
    assert kept(bus, "device.energy") == [0.0, 1.0, 2.0, 3.0]
    assert count > 8


def test_a_sensor_that_nobody_hears_gives_up() -> None:
    bus = made(lambda frame, t_ms: ())
    bus.run(60_000, [read(1, 5_000, "device.energy", 1.0)])
    assert len(bus.frames) == 4


def test_garbage_on_the_air_is_counted() -> None:
    bus = made()
    bus.run(1_000)
    for number, (src, dst) in enumerate(
        [("device/a/1/fridge", "dmu/a/1/fridge"), ("dmu/a/1/fridge", "device/a/1/fridge")]
    ):
        frame = Delivery(f"x#{number}", "", src, dst, "metering", 0, b"\xff" * 9)
        bus.core.step(bus.now_ms, deliveries=[frame])
    assert bus.core.counters["malformed"] == 2
