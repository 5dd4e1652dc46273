"""The same objects over TCP, in real time: a broker for others' clients, units at others' brokers.

What is here reads and writes sockets and clocks, and nothing else is: protocol and services are
those of a run. Units whose links lead outside must not seal them (level ``none``); a context of
``ssl`` protects the connection instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable, Iterable, Mapping

from controllers.mqtt.host import BrokerHost
from controllers.unit.hub import Outputs, UnitsCore
from fernwatt.messages import Command, Delivery, Event, Frame, Reading

__all__ = ["BrokerServer", "UnitsOverTcp"]

_CHUNK = 65_536
_TICK_MS = 1


def _clock() -> Callable[[], int]:
    begin = time.monotonic()
    return lambda: round((time.monotonic() - begin) * 1000)


class BrokerServer:
    """Listens on a port for the clients of a broker.

    >>> # server = BrokerServer(host); await server.open("127.0.0.1", 1883); await server.close()
    """

    def __init__(self, host: BrokerHost, tls: ssl.SSLContext | None = None) -> None:
        self._host, self._tls, self._now = host, tls, _clock()
        self._writers: dict[str, asyncio.StreamWriter] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._count = 0

    async def open(self, address: str, port: int) -> int:
        """Listen; return the port, a free one for 0."""
        self._server = await asyncio.start_server(self._serve, address, port, ssl=self._tls)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def close(self) -> None:
        """Close all connections, without a word, and listen no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers.values()):
            writer.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count += 1
        name = f"tcp#{self._count}"
        self._writers[name] = writer
        if (task := asyncio.current_task()) is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        content = b"-"
        while content and name in self._writers:
            with contextlib.suppress(OSError):
                content = await reader.read(_CHUNK)
            self._host.receive(name, content, self._now())
            self._settle()
        self._writers.pop(name, None)
        writer.close()

    def _settle(self) -> None:
        for name, content in self._host.take():
            writer = self._writers.get(name)
            if writer is None:
                continue
            if content:
                writer.write(content)
            else:
                del self._writers[name]
                writer.close()
        if self._timer is not None:
            self._timer.cancel()
        at_ms = self._host.next_ms()
        if at_ms >= 0:
            wait_s = max(0, at_ms - self._now()) / 1000
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._due)

    def _due(self) -> None:
        self._host.due(self._now())
        self._settle()


class _Line:
    """A connection of one unit with one peer, made when there is something to say."""

    def __init__(self, address: tuple[str, int], tls: ssl.SSLContext | None) -> None:
        self._address, self._tls = address, tls
        self._waiting: asyncio.Queue[bytes] = asyncio.Queue()
        self.task: asyncio.Task[None] | None = None

    def send(self, content: bytes) -> None:
        self._waiting.put_nowait(content)

    async def run(self, heard: Callable[[bytes], None]) -> None:
        """Connect, carry bytes both ways; ``heard(b"")`` when that is over."""
        try:
            reader, writer = await asyncio.open_connection(*self._address, ssl=self._tls)
        except OSError:
            heard(b"")
            return
        sending = asyncio.ensure_future(self._send(writer))
        try:
            while content := await reader.read(_CHUNK):
                heard(content)
        except OSError:
            pass
        finally:
            sending.cancel()
            writer.close()
        heard(b"")

    async def _send(self, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while True:
                writer.write(await self._waiting.get())
                await writer.drain()


class UnitsOverTcp:
    """Steps units in real time; their links to ``peers`` are TCP connections.

    Frames between these units are handed over at once, as in one box. ``readings`` gives them what
    their instruments read, ``commands`` and ``events`` are what they did.
    """

    def __init__(
        self,
        core: UnitsCore,
        peers: Mapping[str, tuple[str, int]],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._core, self._peers, self._tls = core, dict(peers), tls
        self._now, self._wake = _clock(), asyncio.Event()
        self._lines: dict[tuple[str, str], _Line] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._deliveries: list[Delivery] = []
        self._readings: list[Reading] = []
        self._count, self._open = 0, True
        self.commands: list[Command] = []
        self.events: list[Event] = []

    def readings(self, readings: Iterable[Reading]) -> None:
        """Hand in what instruments read."""
        self._readings += readings
        self._wake.set()

    async def run(self) -> None:
        """Run until ``stop``."""
        while self._open:
            self._wake.clear()
            deliveries, self._deliveries = self._deliveries, []
            readings, self._readings = self._readings, []
            self._settle(self._core.step(self._now(), readings, deliveries))
            next_ms = self._core.next_ms()
            wait_s = None if next_ms is None else max(_TICK_MS, next_ms - self._now()) / 1000
            if not self._deliveries and self._open:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), wait_s)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stop(self) -> None:
        """End ``run``; connections are cut without a word."""
        self._open = False
        self._wake.set()

    def _settle(self, out: Outputs) -> None:
        self.commands += out.commands
        self.events += out.events
        for frame in out.frames:
            if frame.dst in self._peers:
                self._send(frame)
            else:
                self._deliver(frame.src, frame.dst, frame.payload, frame.id)

    def _send(self, frame: Frame) -> None:
        key = (frame.src, frame.dst)
        line = self._lines.get(key)
        if not frame.payload:
            if line is not None:
                self._close(key, line)
            return
        if line is None:
            line = self._lines[key] = _Line(self._peers[frame.dst], self._tls)

            def heard(content: bytes, line: _Line = line) -> None:
                if self._lines.get(key) is not line:
                    return
                if not content:
                    del self._lines[key]
                self._count += 1
                self._deliver(frame.dst, frame.src, content, f"{frame.dst}#{self._count}")

            line.task = asyncio.ensure_future(line.run(heard))
            self._tasks.add(line.task)
            line.task.add_done_callback(self._tasks.discard)
        line.send(frame.payload)

    def _close(self, key: tuple[str, str], line: _Line) -> None:
        del self._lines[key]
        if line.task is not None:
            line.task.cancel()

    def _deliver(self, src: str, dst: str, payload: bytes, identifier: str) -> None:
        now_us = self._now() * 1000
        self._deliveries.append(Delivery(identifier, "", src, dst, "metering", now_us, payload))
        self._wake.set()
