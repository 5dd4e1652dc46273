"""Packets as two other implementations make and read them, and a broker by the standard."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.mqtt.broker import Broker
from controllers.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    MqttError,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Stream,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    decode,
    encode,
)
from controllers.mqtt.topics import matches

# by hand from MQTT 3.1.1: figures 3.4 (CONNECT) and 3.11 (PUBLISH), sections 3.4 and 3.8
KNOWN = [
    (Publish("a/b", b"hello", 1, number=10), "320c0003612f62000a68656c6c6f"),
    (Puback(10), "4002000a"),
    (Subscribe(10, (("a/b", 1), ("c/d", 2))), "820e000a0003612f62010003632f6402"),
    (Suback(10, (1, 128)), "9004000a0180"),
    (Connack(0, True), "20020100"),
    (Pingreq(), "c000"),
    (Disconnect(), "e000"),
    (
        Connect("g", "user", b"pw", False, 10, Publish("w", b"!", 1, True)),
        "101d00044d51545404ec000a00016700017700012100047573657200027077",
    ),
]


@pytest.mark.parametrize(("packet", "content"), KNOWN)
def test_bytes_are_those_of_the_standard(packet: Packet, content: str) -> None:
    assert encode(packet).hex() == content
    assert decode(bytes.fromhex(content)) == packet


async def _as_amqtt_reads(content: bytes) -> Any:
    from amqtt.adapters import BufferReader
    from amqtt.mqtt import packet_class
    from amqtt.mqtt.packet import MQTTFixedHeader

    reader = BufferReader(content)
    header = await MQTTFixedHeader.from_stream(reader)
    return await packet_class(header).from_stream(reader, fixed_header=header)


def test_another_broker_reads_our_packets_and_makes_the_same() -> None:
    pytest.importorskip("amqtt")
    for packet, content in KNOWN:
        theirs = asyncio.run(_as_amqtt_reads(encode(packet)))
        assert bytes(theirs.to_bytes()).hex() == content
    published = asyncio.run(_as_amqtt_reads(encode(KNOWN[0][0])))
    assert (published.topic_name, bytes(published.data), published.packet_id) == (
        "a/b", b"hello", 10,
    )  # fmt: skip


topics = st.text("abc/", min_size=1, max_size=8)
numbers = st.integers(1, 65535)
publishes = st.builds(
    Publish, topics, st.binary(max_size=300), st.just(0), st.booleans()
) | st.builds(
    Publish, topics, st.binary(max_size=300), st.just(1), st.booleans(), st.booleans(), numbers
)
wills = st.builds(Publish, topics, st.binary(max_size=9), st.integers(0, 1), st.booleans())
filters = st.lists(st.tuples(topics, st.integers(0, 2)), min_size=1)
packets = st.one_of(
    publishes,
    st.builds(
        Connect, st.text("xyz", max_size=9), st.just("u"), st.none() | st.binary(max_size=9),
        st.booleans(), st.integers(0, 65535),
        st.none() | wills,
    ),
    st.builds(Connack, st.integers(0, 5), st.booleans()),
    st.builds(Puback, numbers),
    st.builds(Subscribe, numbers, filters.map(tuple)),
    st.builds(Suback, numbers, st.lists(st.sampled_from([0, 1, 2, 128]), min_size=1).map(tuple)),
    st.builds(Unsubscribe, numbers, st.lists(topics, min_size=1).map(tuple)),
    st.builds(Unsuback, numbers),
    st.sampled_from([Pingreq(), Pingresp(), Disconnect()]),
)  # fmt: skip


@given(st.lists(packets, max_size=6), st.lists(st.integers(1, 40), min_size=1))
def test_a_stream_is_cut_into_its_packets_however_it_arrives(
    sent: list[Packet], pieces: list[int]
) -> None:
    content, stream, got = b"".join(encode(packet) for packet in sent), Stream(), []
    number = 0
    while content:
        size = pieces[number % len(pieces)]
        got += stream.feed(content[:size])
        content, number = content[size:], number + 1
    assert got == sent
    assert stream.waiting == 0


@given(st.binary(max_size=60) | packets.map(encode), st.data())
def test_garbage_raises_nothing_but_mqtt_error(content: bytes, data: st.DataObject) -> None:
    bad = bytearray(content)
    for _ in range(data.draw(st.integers(0, 3)) if bad else 0):
        bad[data.draw(st.integers(0, len(bad) - 1))] = data.draw(st.integers(0, 255))
    try:
        packet = decode(bytes(bad))
    except MqttError:
        return
    assert decode(encode(packet)) == packet


@pytest.mark.parametrize(
    "packet",
    [
        Publish("a/#", b""), Publish("", b""), Publish("a", b"", 2, number=1), Publish("a", b"", 1),
        Publish("a", b"", 0, number=1), Subscribe(1, ()), Subscribe(1, (("a#", 0),)),
        Subscribe(1, (("a/#/b", 0),)), Puback(0), Connect("x", None, b"p"), Publish("a\0", b""),
        Unsubscribe(5, ()), Suback(5, ()),
    ],
)  # fmt: skip
def test_impossible_packets_have_no_bytes(packet: Packet) -> None:
    with pytest.raises(MqttError):
        encode(packet)


@pytest.mark.parametrize(
    ("pattern", "topic", "fits"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False), ("sport/+", "sport/", True), ("+/+", "/finance", True),
        ("/+", "/finance", True), ("+", "/finance", False), ("#", "$SYS/x", False),
        ("+/monitor", "$SYS/monitor", False), ("$SYS/#", "$SYS/x", True), ("#", "a/b", True),
    ],
)  # fmt: skip
def test_filters_mean_the_topics_of_the_standards_examples(
    pattern: str, topic: str, fits: bool
) -> None:
    assert matches(pattern, topic) is fits


def connected(broker: Broker, name: str, **settings: Any) -> None:
    (answer,) = broker.take(name, Connect(name, "u", b"p", **settings))
    assert answer == (name, Connack())


def broker() -> Broker:
    return Broker(lambda user, password: (user, password) == ("u", b"p"))


def test_only_who_has_the_password_may_connect_and_say_something() -> None:
    it = broker()
    assert it.take("a", Connect("a", "u", b"wrong")) == [("a", Connack(4))]
    for packet in (Publish("x", b""), Subscribe(1, (("#", 0),)), Pingreq()):
        with pytest.raises(MqttError):
            it.take("a", packet)
    connected(it, "a")
    with pytest.raises(MqttError):
        it.take("a", Connect("a", "u", b"p"))


def test_messages_go_to_who_subscribed_with_the_lesser_quality() -> None:
    it = broker()
    for name in "abc":
        connected(it, name)
    assert it.take("b", Subscribe(1, (("m/+", 1),))) == [("b", Suback(1, (1,)))]
    it.take("c", Subscribe(1, (("m/#", 0),)))
    out = it.take("a", Publish("m/1", b"x", 1, number=7))
    assert out == [
        ("a", Puback(7)), ("b", Publish("m/1", b"x", 1, number=1)), ("c", Publish("m/1", b"x")),
    ]  # fmt: skip
    it.take("c", Unsubscribe(2, ("m/#",)))
    assert [to for to, _ in it.take("a", Publish("m/1", b"x"))] == ["b"]


def test_retained_messages_wait_for_subscribers() -> None:
    it = broker()
    connected(it, "a")
    it.take("a", Publish("state/1", b"on", retain=True))
    it.take("a", Publish("state/1", b"off", retain=True))
    it.take("a", Publish("state/2", b"on", retain=True))
    it.take("a", Publish("state/2", b"", retain=True))
    connected(it, "b")
    out = it.take("b", Subscribe(1, (("state/+", 0),)))
    assert out[1:] == [("b", Publish("state/1", b"off", retain=True))]


def test_a_last_will_is_published_when_its_client_is_lost_and_not_when_it_leaves() -> None:
    it = broker()
    connected(it, "watch")
    it.take("watch", Subscribe(1, (("will", 0),)))
    connected(it, "a", will=Publish("will", b"a is gone"))
    assert it.lost("a") == [("watch", Publish("will", b"a is gone"))]
    connected(it, "a", will=Publish("will", b"a is gone"))
    assert it.take("a", Disconnect()) == []
    assert it.lost("a") == []


def test_a_session_keeps_what_was_not_acknowledged() -> None:
    it = broker()
    connected(it, "a", clean=False)
    it.take("a", Subscribe(1, (("m", 1),)))
    it.lost("a")
    connected(it, "b")
    for number in (1, 2):
        it.take("b", Publish("m", bytes([number]), 1, number=number))
    out = it.take("again", Connect("a", "u", b"p", clean=False))
    assert out[0] == ("again", Connack(present=True))
    assert [packet.payload for _, packet in out[1:]] == [b"\1", b"\2"]  # type: ignore[union-attr]
    assert not any(packet.duplicate for _, packet in out[1:])  # type: ignore[union-attr]
    it.take("again", Puback(1))
    it.lost("again")
    out = it.take("third", Connect("a", "u", b"p", clean=False))
    assert out[1:] == [("third", Publish("m", b"\2", 1, duplicate=True, number=2))]
    assert it.take("fourth", Connect("a", "u", b"p", clean=True))[0][1] == Connack()


def test_a_second_connection_of_a_client_takes_the_firsts_place() -> None:
    it = broker()
    connected(it, "a", will=Publish("will", b""))
    out = it.take("other", Connect("a", "u", b"p"))
    assert out == [("other", Connack())]
    with pytest.raises(MqttError):
        it.take("a", Pingreq())
    assert it.take("other", Pingreq()) == [("other", Pingresp())]
