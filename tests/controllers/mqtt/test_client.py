"""Our client against our broker, with a wire in between that can be cut, in virtual time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.mqtt.broker import Broker
from controllers.mqtt.client import Client, Happening, Settings, What
from controllers.mqtt.credentials import Credentials, Rights, token
from controllers.mqtt.host import BrokerHost
from controllers.mqtt.packets import (
    Connack,
    Connect,
    MqttError,
    Packet,
    Pingresp,
    Publish,
    Stream,
    Suback,
    Subscribe,
    encode,
)

RIGHTS = {
    "gateway": Rights(("street/%c/#",), ("street/%c/command",)),
    "web": Rights(("street/+/command",), ("street/#",)),
}


class Remembering:
    """What a gateway's notes hold."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def keep(self, key: str, value: Any) -> None:
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value

    def kept(self) -> Mapping[str, Any]:
        return dict(self.values)


class Wire:
    """Clients at a broker, by their names; ``cut`` ones lose all that is under way."""

    def __init__(self, window: int = 100) -> None:
        known = Credentials(RIGHTS, b"key")
        known.add("gateway", b"secret", b"salt")
        known.add("web", b"secret", b"pepper")
        self.t_ms = 0
        self.broker = Broker(lambda u, p: known.accepts(u, p, self.t_ms), RIGHTS, window)
        self.host = BrokerHost(self.broker)
        self.clients: dict[str, Client] = {}
        self.happened: dict[str, list[Happening]] = {}
        self.cut: set[str] = set()
        self.sent: dict[str, list[Packet]] = {}

    def add(self, client: Client) -> None:
        name = client.settings.client
        self.clients[name] = client
        self.happened.setdefault(name, [])

    def settle(self) -> None:
        """Carry bytes until all is quiet at this instant."""
        moved = True
        while moved:
            moved = False
            for name, client in self.clients.items():
                for content in client.take():
                    moved = True
                    self.sent.setdefault(name, []).extend(Stream().feed(content))
                    if name not in self.cut:
                        self.host.receive(name, content, self.t_ms)
            for name, content in self.host.take():
                moved = True
                if name in self.clients and name not in self.cut:
                    self.happened[name] += self.clients[name].receive(content, self.t_ms)

    def run(self, until_ms: int) -> None:
        while True:
            self.settle()
            times = [client.next_ms() for client in self.clients.values()] + [self.host.next_ms()]
            at_ms = min((at for at in times if at >= 0), default=-1)
            if at_ms < 0 or at_ms > until_ms:
                break
            self.t_ms = max(self.t_ms, at_ms)
            self.host.due(self.t_ms)
            for name, client in self.clients.items():
                self.happened[name] += client.due(self.t_ms)
        self.t_ms = until_ms

    def heard(self, name: str) -> list[bytes]:
        return [it.publish.payload for it in self.happened[name] if it.publish is not None]

    def what(self, name: str) -> list[str]:
        return [str(it.what) for it in self.happened[name]]


def gateway(keeper: Remembering | None = None, **changes: Any) -> Client:
    will = Publish("street/7/status", b"offline", 1, True)
    base: dict[str, Any] = {
        "client": "7", "user": "gateway", "password": b"secret", "will": will,
        "filters": (("street/7/command", 1),),
    }  # fmt: skip
    return Client(Settings(**base | changes), lambda: 0.5, keeper)


def web(**changes: Any) -> Client:
    base: dict[str, Any] = {
        "client": "web", "user": "web", "password": b"secret", "filters": (("street/#", 1),),
    }  # fmt: skip
    return Client(Settings(**base | changes), lambda: 0.5)


def test_what_is_published_reaches_who_subscribed_and_commands_come_back() -> None:
    wire = Wire()
    wire.add(web())
    wire.add(gateway())
    wire.run(1_000)
    key, _ = wire.clients["7"].publish("street/7/event", b"1", wire.t_ms)
    wire.clients["web"].publish("street/7/command", b"go", wire.t_ms)
    wire.run(2_000)
    assert Happening(What.ACKNOWLEDGED, key=key) in wire.happened["7"]
    assert sorted(wire.heard("web")) == [b"1", b"go"]
    assert wire.heard("7") == [b"go"]
    assert wire.clients["7"].waiting == 0


def test_a_wrong_password_is_refused_again_and_again_and_seen() -> None:
    wire = Wire()
    wire.add(gateway(password=b"wrong"))
    wire.run(60_000)
    refused = [it for it in wire.happened["7"] if it.what is What.REFUSED]
    assert {it.why for it in refused} == {"code 4"}
    assert wire.host.counters["refused"] == len(refused)
    assert 4 <= len(refused) <= 8  # it waits longer each time


def test_a_token_opens_until_it_ends() -> None:
    wire = Wire()
    wire.add(gateway(password=token(b"key", "gateway", 30_000), keep_alive_s=5))
    wire.run(20_000)
    assert wire.what("7") == ["connected"]
    wire.cut.add("7")
    wire.run(60_000)
    wire.cut.clear()
    wire.run(400_000)
    assert wire.what("7")[-1] == "refused"


@pytest.mark.parametrize(
    "forged",
    [
        token(b"other", "gateway", 9_000), token(b"key", "web", 9_000), b"9000.", b"9000", b".",
        token(b"key", "gateway", 9_000)[:-1], b"9" * 99 + b".00", b"\xb2.00", b"", b"9001."
        + token(b"key", "gateway", 9_000).partition(b".")[2],
    ],
)  # fmt: skip
def test_forged_tokens_open_nothing(forged: bytes) -> None:
    known = Credentials(RIGHTS, b"key")
    assert not known.accepts("gateway", forged, 0)
    assert not known.accepts(None, forged, 0)
    assert not known.accepts("stranger", token(b"key", "stranger", 9_000), 0)


def test_silence_makes_a_client_lost_and_its_will_known() -> None:
    wire = Wire()
    wire.add(web())
    wire.add(gateway(keep_alive_s=60))
    wire.run(1_000)
    wire.cut.add("7")
    wire.run(80_000)
    assert wire.heard("web") == []
    wire.run(120_000)
    assert wire.heard("web") == [b"offline"]
    late = web(client="late")
    wire.add(late)
    wire.run(121_000)
    assert [it.publish for it in wire.happened["late"] if it.publish] == [
        Publish("street/7/status", b"offline", 1, True, number=1)
    ]


def test_pings_keep_a_quiet_connection() -> None:
    wire = Wire()
    wire.add(gateway(keep_alive_s=10))
    wire.run(600_000)
    assert wire.what("7") == ["connected"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["publish", "cut", "mend", "restart"]), st.integers(1, 90_000)),
        max_size=40,
    ),
    st.integers(1, 3),
)
def test_everything_arrives_in_order_whatever_happens_to_the_wire(
    story: list[tuple[str, int]], window: int
) -> None:
    wire, notes, number = Wire(window=1), Remembering(), 0
    wire.add(web(clean=False, window=1))
    wire.add(gateway(notes, window=1, keep_alive_s=20))
    wire.run(1_000)
    for what, wait_ms in story:
        if what == "publish":
            number += 1
            wire.clients["7"].publish("street/7/event", b"%d" % number, wire.t_ms)
        elif what == "restart":
            wire.add(gateway(notes, window=window, keep_alive_s=20))
        else:
            (wire.cut.add if what == "cut" else wire.cut.discard)("7")
        wire.run(wire.t_ms + wait_ms)
    wire.cut.clear()
    wire.run(wire.t_ms + 2_000_000)
    heard = [int(one) for one in wire.heard("web") if one.isdigit()]
    once = list(dict.fromkeys(heard))
    assert sorted(once) == list(range(1, number + 1))
    if window == 1:
        assert once == sorted(once)
    assert notes.values == {}


def test_a_full_backlog_drops_the_oldest_that_was_not_sent_and_says_so() -> None:
    client = gateway(backlog=3)
    for number in range(5):
        _, happened = client.publish("street/7/event", b"%d" % number, 0)
        assert [it.key for it in happened] == ([number - 2] if number > 2 else [])
    assert client.waiting == 3


def test_quality_0_is_sent_once_and_kept_until_then() -> None:
    wire = Wire()
    wire.add(web())
    client = gateway()
    client.publish("street/7/event", b"early", 0, qos=0)
    wire.add(client)
    wire.run(5_000)
    assert wire.heard("web") == [b"early"]
    assert client.waiting == 0


def test_rights_hold_for_topics_filters_and_wills() -> None:
    wire = Wire()
    wire.add(web())
    wire.add(gateway(filters=()))
    wire.run(1_000)
    wire.clients["7"].publish("street/8/event", b"not mine", 0)
    wire.run(2_000)
    assert wire.heard("web") == []
    assert wire.broker.denied == 1
    for bad in ("#", "street/#", "street/+/command", "street/8/command"):
        curious = Wire()
        curious.add(gateway(filters=((bad, 0),)))
        curious.run(500)
        assert curious.what("7") == ["connected", "refused"]
    wire.add(gateway(client="9", will=Publish("street/7/status", b"offline", 1, True)))
    wire.run(wire.t_ms + 500)
    assert wire.happened["9"][0] == Happening(What.REFUSED, "code 5")


def test_somebody_who_takes_a_clients_name_takes_its_place() -> None:
    wire = Wire()
    wire.add(gateway())
    wire.run(1_000)
    wire.host.receive("other", encode(Connect("7", "gateway", b"secret")), wire.t_ms)
    wire.settle()
    assert wire.what("7") == ["connected", "lost"]
    wire.run(60_000)
    assert wire.what("7") == ["connected", "lost", "connected"]


def test_a_client_that_acknowledges_nothing_is_given_up() -> None:
    wire = Wire()
    wire.add(gateway())
    wire.run(1_000)
    hello = Connect("mute", "web", b"secret", keep_alive_s=0)
    wire.host.receive("mute", encode(hello) + encode(Subscribe(1, (("street/#", 1),))), wire.t_ms)
    wire.clients["7"].publish("street/7/event", b"1", wire.t_ms)
    wire.run(10_000)
    assert "lost" not in wire.host.counters
    wire.run(30_000)
    assert [one.client for one in wire.host.told() if one.what == "lost"] == ["mute"]


broken = st.one_of(
    st.binary(max_size=40),
    st.lists(
        st.sampled_from(
            [
                encode(packet)
                for packet in (
                    Connack(), Connack(5), Suback(1, (1,)), Suback(1, (128,)), Pingresp(),
                    Publish("a", b"x", 1, number=3),
                )
            ]
        ),
        max_size=5,
    ).map(b"".join),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.tuples(broken, st.integers(0, 40_000)), max_size=12))
def test_no_bytes_bring_a_client_out_of_step(story: list[tuple[bytes, int]]) -> None:
    client, t_ms = gateway(), 0
    client.publish("street/7/event", b"1", 0)
    for content, wait_ms in story:
        t_ms += wait_ms
        client.due(t_ms)
        for out in client.take():
            Stream().feed(out)
        try:
            client.receive(content, t_ms)
        except MqttError:
            assert not client.up
    wire = Wire()
    wire.t_ms = t_ms
    client.receive(b"", t_ms)
    client.take()
    wire.add(web())
    wire.add(client)
    wire.run(t_ms + 700_000)
    # whatever was acknowledged by chance does not wait any more, all else has arrived
    assert client.up
    assert client.waiting == 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), broken), max_size=12))
def test_no_bytes_bring_a_broker_out_of_step(story: list[tuple[str, bytes]]) -> None:
    wire = Wire()
    for connection, content in story:
        wire.host.receive(connection, content, 0)
        wire.host.take()
    wire.add(web())
    wire.add(gateway())
    wire.run(1_000)
    wire.clients["7"].publish("street/7/event", b"1", wire.t_ms)
    wire.run(2_000)
    assert wire.heard("web") == [b"1"]
