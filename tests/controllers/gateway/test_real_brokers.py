"""The gateway at a broker of others on loopback, and clients of others at ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from controllers.gateway.topics import packed
from controllers.mqtt.broker import Broker
from controllers.mqtt.credentials import Credentials, Rights
from controllers.mqtt.host import BrokerHost
from controllers.mqtt.wire import BrokerServer, UnitsOverTcp
from controllers.unit.hub import UnitsCore
from fernwatt.messages import Reading
from tests.controllers.gateway.conftest import METERS, units

ROOT = "fernwatt/lvgmu/a"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@contextlib.asynccontextmanager
async def broker_of_others(folder: Path, port: int) -> AsyncIterator[None]:
    from amqtt.broker import Broker as Theirs
    from pwdlib.hashers.argon2 import Argon2Hasher

    users = folder / "users"
    if not users.exists():
        hashed = Argon2Hasher().hash("secret")
        users.write_text(f"gateway:{hashed}\nweb:{hashed}\n")
    broker = Theirs(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {
                "amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(users)}
            },
        }
    )
    await broker.start()
    try:
        yield
    finally:
        await broker.shutdown()


class Paho:
    """A client of others (Eclipse Paho)."""

    def __init__(self, port: int, name: str, user: str, password: str = "secret") -> None:
        from paho.mqtt import client as mqtt

        self.heard: list[tuple[str, bytes, int, bool]] = []
        self.codes: list[int] = []
        self.granted: list[list[int]] = []
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=name, clean_session=False
        )
        self.client.username_pw_set(user, password)
        self.client.on_connect = lambda c, u, f, code, p: self.codes.append(code.value)
        self.client.on_subscribe = lambda c, u, m, codes, p: self.granted.append(
            [code.value for code in codes]
        )
        self.client.on_message = lambda c, u, m: self.heard.append(
            (m.topic, m.payload, m.qos, bool(m.retain))
        )
        self._port = port

    def open(self) -> Paho:
        self.client.connect("127.0.0.1", self._port, keepalive=5)
        self.client.loop_start()
        wait(lambda: self.codes)
        return self

    def cut(self) -> None:
        """Lose the connection without a word."""
        self.client.loop_stop()
        sock = self.client.socket()
        assert sock is not None
        sock.close()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def wait(true: Callable[[], Any], patience_s: float = 10.0) -> None:
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


class Listener:
    """A client of others (Eclipse Paho) that hears all and remembers it."""

    def __init__(self, port: int) -> None:
        self._paho = Paho(port, "web", "web")

    async def __aenter__(self) -> Listener:
        await asyncio.to_thread(self._paho.open)
        self._paho.client.subscribe("fernwatt/#", 1)
        await until(lambda: self._paho.granted, "subscribed")
        return self

    @property
    def heard(self) -> list[tuple[str, bytes, bool]]:
        return [(topic, payload, retain) for topic, payload, _, retain in self._paho.heard]

    def order(self, command: dict[str, Any]) -> None:
        self._paho.client.publish(f"{ROOT}/command", packed(command), 1)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._paho.close)

    def records(self, kind: str) -> list[dict[str, Any]]:
        return [json.loads(data) for topic, data, _ in self.heard if f"/{kind}" in topic]


async def until(true: Callable[[], Any], what: str, patience_s: float = 40.0) -> None:
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.01)


class Field:
    """The units of an area in the field: gateway and meters in one box, the broker elsewhere."""

    def __init__(self, port: int, **gateway: Any) -> None:
        params = {"period_s": 0.5, "timeout_s": 0.2, "retry_s": 0.1, "retry_max_s": 0.4}
        made = [one for one in units(params | gateway) if "cloud" not in one["id"]]
        made = [one for one in made if not one["id"].startswith("application")]
        self.core = UnitsCore({"units": made}, seed=1)
        self.tcp = UnitsOverTcp(self.core, {"broker/cloud": ("127.0.0.1", port)})
        self._task = asyncio.ensure_future(self.tcp.run())
        self._reading = asyncio.ensure_future(self._read())
        self._number = 0

    async def _read(self) -> None:
        """Have each meter read at each period's end."""
        began = time.monotonic()
        while True:
            t_ms = round((time.monotonic() - began) * 1000)
            await asyncio.sleep((500 - t_ms % 500) / 1000)
            end_ms = (t_ms // 500 + 1) * 500
            self._number += 1
            self.tcp.readings(
                Reading(
                    f"{meter}/register#{self._number}", "", f"{meter}/register", "energy.import",
                    end_ms, end_ms, float(self._number), "Wh",
                )
                for meter in METERS
            )  # fmt: skip

    async def __aenter__(self) -> Field:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        if self._task.done():
            return
        self._reading.cancel()
        self.tcp.stop()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reading
        await self._task

    @property
    def client(self) -> Any:
        """The gateway's client of MQTT."""
        return self.core.service("lvgmu/a", "gateway").session.client  # type: ignore[attr-defined]

    def events(self, kind: str) -> list[Any]:
        return [event for event in self.tcp.events if event.kind == kind]


async def publishes_and_obeys(folder: Path) -> None:
    port = free_port()
    async with broker_of_others(folder, port), Field(port) as field:
        await until(lambda: field.events("gateway_online"), "connected")
        await until(lambda: not field.client.waiting, "the status has arrived")
        async with Listener(port) as listener:
            online = (f"{ROOT}/status", b"online", True)
            await until(lambda: online in listener.heard, "the retained status")
            await until(
                lambda: {one["unit"] for one in listener.records("event")} == set(METERS), "events"
            )
            await until(lambda: len(listener.records("area")) >= 2, "two periods")
            command = {"id": "c-1", "variable": "set_point", "location": METERS[0],
                       "value": {"p_w": 5.0, "until_ms": 60_000}}  # fmt: skip
            listener.order(command)
            listener.order(command | {"id": "c-2", "location": METERS[1]})
            await until(lambda: len(listener.records("reply")) >= 2, "replies")
            results = {one["id"]: one["result"] for one in listener.records("reply")}
            assert results == {"c-1": "ok", "c-2": "denied"}
            assert [one.actuator for one in field.tcp.commands] == [f"{METERS[0]}/relay"]
            await field.stop()  # the connection is cut without a word
            gone = (f"{ROOT}/status", b"offline", False)
            await until(lambda: gone in listener.heard, "the will")


@pytest.mark.requirement("NW-08")
def test_at_a_broker_of_others_it_publishes_and_obeys_and_leaves_its_will(tmp_path: Path) -> None:
    pytest.importorskip("amqtt")
    pytest.importorskip("paho.mqtt.client")
    asyncio.run(publishes_and_obeys(tmp_path))


@contextlib.asynccontextmanager
async def door(port: int, inner: int) -> AsyncIterator[None]:
    """Let connections to ``port`` through to ``inner``, until it is shut."""
    tasks: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while content := await reader.read(65_536):
                writer.write(content)
        except OSError:
            pass
        finally:
            writer.close()

    async def enter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_connection("127.0.0.1", inner)
        for pair in ((reader, ours), (theirs, writer)):
            tasks.add(asyncio.ensure_future(pass_on(*pair)))

    server = await asyncio.start_server(enter, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0.05)  # transports close


async def comes_back(folder: Path) -> None:
    port, heard = free_port(), list[int]()
    async with Field(port) as field:  # before there is any broker
        await until(lambda: field.events("gateway_lost"), "nobody there")
        for _ in range(2):
            inner = free_port()
            # the listener comes first, so that it hears all that the gateway says
            async with broker_of_others(folder, inner), Listener(inner) as listener:
                async with door(port, inner):
                    await until(lambda it=listener: len(it.records("area")) >= 3, "periods")
                await asyncio.sleep(0.5)  # what the broker has taken reaches who listens
                heard += [one["n"] for kind in ("event", "area") for one in listener.records(kind)]
            await asyncio.sleep(1.2)  # two periods without a broker
    # nothing is missing: what was not acknowledged was kept
    assert set(heard) == set(range(1, max(heard) + 1))
    assert len(set(heard)) >= 8
    assert len(field.events("gateway_online")) >= 2


@pytest.mark.requirement("NW-08")
def test_when_the_broker_has_been_away_nothing_is_missing(tmp_path: Path) -> None:
    pytest.importorskip("amqtt")
    pytest.importorskip("paho.mqtt.client")
    asyncio.run(comes_back(tmp_path))


async def is_refused(folder: Path) -> None:
    port = free_port()
    async with broker_of_others(folder, port), Field(port, password="wrong") as field:
        await until(lambda: field.events("gateway_refused"), "refused")
        assert field.events("gateway_online") == []


def test_a_broker_of_others_refuses_a_wrong_password(tmp_path: Path) -> None:
    pytest.importorskip("amqtt")
    pytest.importorskip("paho.mqtt.client")
    asyncio.run(is_refused(tmp_path))


# -- clients of others at our broker ---------------------------------------------------------


def our_broker() -> BrokerServer:
    rights = {"gateway": Rights(("street/%c/#",), ("street/%c/command",)),
              "web": Rights(("street/+/command",), ("street/#",))}  # fmt: skip
    known = Credentials(rights)
    known.add("gateway", b"secret", b"salt")
    known.add("web", b"secret", b"pepper")
    now = time.monotonic()
    host = BrokerHost(
        Broker(lambda u, p: known.accepts(u, p, round((time.monotonic() - now) * 1000)), rights)
    )
    return BrokerServer(host)


class Serving:
    """Our broker in a thread of its own, as blocking clients want it."""

    def __enter__(self) -> int:
        self._ready, self.port = threading.Event(), 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(10)
        return self.port

    async def _serve(self) -> None:
        server, self._stop = our_broker(), asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.port = await server.open("127.0.0.1", 0)
        self._ready.set()
        await self._stop.wait()
        await server.close()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


def test_clients_of_others_publish_and_subscribe_through_our_broker() -> None:
    pytest.importorskip("paho.mqtt.client")
    with Serving() as port:
        web, gateway = Paho(port, "web", "web").open(), Paho(port, "7", "gateway")
        gateway.client.will_set("street/7/status", b"offline", 1, retain=True)
        gateway.open()
        web.client.subscribe([("street/#", 1), ("other/#", 1)])
        wait(lambda: web.granted)
        assert web.granted == [[1, 128]]
        for qos in (0, 1, 1):
            sent = gateway.client.publish("street/7/event", b"%d" % qos, qos, retain=qos == 1)
            sent.wait_for_publish(10)
        wait(lambda: len(web.heard) >= 3)
        assert web.heard == [("street/7/event", b"%d" % qos, qos, False) for qos in (0, 1, 1)]
        gateway.cut()
        wait(lambda: len(web.heard) >= 4)
        assert web.heard[3] == ("street/7/status", b"offline", 1, False)
        late = Paho(port, "late", "web").open()
        late.client.subscribe("street/+/status", 1)
        wait(lambda: late.heard)
        assert late.heard == [("street/7/status", b"offline", 1, True)]
        for one in (web, late):
            one.close()


def test_our_broker_refuses_a_client_of_others_with_a_wrong_password() -> None:
    pytest.importorskip("paho.mqtt.client")
    with Serving() as port:
        stranger = Paho(port, "x", "web", "guess").open()
        assert stranger.codes[0] not in {0}
        stranger.close()


def test_a_session_of_a_client_of_others_outlives_its_connection() -> None:
    pytest.importorskip("paho.mqtt.client")
    with Serving() as port:
        web, gateway = Paho(port, "web", "web").open(), Paho(port, "7", "gateway").open()
        web.client.subscribe("street/#", 1)
        wait(lambda: web.granted)
        web.close()
        for number in range(5):
            gateway.client.publish("street/7/event", b"%d" % number, 1).wait_for_publish(10)
        back = Paho(port, "web", "web").open()
        wait(lambda: len(back.heard) >= 5)
        assert [payload for _, payload, _, _ in back.heard] == [b"%d" % n for n in range(5)]
        for one in (back, gateway):
            one.close()
