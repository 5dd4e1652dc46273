"""Our packets against a broker of others on loopback, with a password."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from controllers.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Puback,
    Publish,
    Stream,
    Suback,
    Subscribe,
    encode,
)

pytest.importorskip("amqtt")


class Client:
    """A client over TCP that says packets and hears what comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer, self._stream = reader, writer, Stream()
        self._heard: list[Packet] = []

    async def say(self, packet: Packet) -> None:
        self._writer.write(encode(packet))
        await self._writer.drain()

    async def hear(self) -> Packet:
        while not self._heard:
            content = await asyncio.wait_for(self._reader.read(4096), 10)
            if not content:
                raise EOFError
            self._heard += self._stream.feed(content)
        return self._heard.pop(0)

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def connect(port: int) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", port))


async def converse(port: int) -> list[Packet]:
    heard = []
    operator = await connect(port)
    await operator.say(Connect("operator", "gateway", b"secret"))
    heard.append(await operator.hear())
    await operator.say(Subscribe(1, (("street/+/energy", 1),)))
    heard.append(await operator.hear())
    gateway = await connect(port)
    will = Publish("street/7/energy", b"gone", 1)
    await gateway.say(Connect("gateway", "gateway", b"secret", will=will))
    heard.append(await gateway.hear())
    await gateway.say(Publish("street/7/energy", b"1234", 1, number=9))
    heard += [await gateway.hear(), await operator.hear()]
    await gateway.close()  # without saying so
    heard.append(await operator.hear())
    await operator.say(Disconnect())
    await operator.close()
    stranger = await connect(port)
    await stranger.say(Connect("stranger", "gateway", b"wrong"))
    heard.append(await stranger.hear())
    await stranger.close()
    return heard


async def with_broker(folder: Path) -> list[Packet]:
    from amqtt.broker import Broker
    from pwdlib.hashers.argon2 import Argon2Hasher

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "users").write_text(f"gateway:{Argon2Hasher().hash('secret')}\n")
    config = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {
            "amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(folder / "users")}
        },
    }
    broker = Broker(config)
    await broker.start()
    try:
        return await converse(port)
    finally:
        await broker.shutdown()


def test_a_broker_of_others_understands_us_and_we_it(tmp_path: Path) -> None:
    heard = asyncio.run(with_broker(tmp_path))
    published = [packet for packet in heard if isinstance(packet, Publish)]
    assert [(one.topic, one.payload) for one in published] == [
        ("street/7/energy", b"1234"), ("street/7/energy", b"gone"),
    ]  # fmt: skip
    rest = [packet for packet in heard if not isinstance(packet, Publish)]
    assert rest[:4] == [Connack(), Suback(1, (1,)), Connack(), Puback(9)]
    assert isinstance(rest[4], Connack)
    assert rest[4].code != 0
