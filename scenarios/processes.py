"""How simulators are started: in this process, in one of their own, or elsewhere.

mosaik's own starters leave three things open that a run must be sure of. What is asked of a
simulator after its process died is never answered; that a process never came up shows after a
time-out only; and processes are ended without a look at how their ``finalize`` went.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import signal
import sys
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mosaik.proxies import BaseProxy, LocalProxy, RemoteProxy
from mosaik.starters import PythonStarter, Starter
from mosaik_api_v3.connection import Channel, EndOfRequests

from fernwatt.errors import ComponentError

__all__ = ["Elsewhere", "InProcess", "OwnProcess", "make_starter"]

_LAUNCH = (
    "import ctypes, os, signal, sys; ctypes.CDLL(None).prctl(1, signal.SIGTERM); "
    "os.getppid() == int(sys.argv[1]) or sys.exit(); os.execvp(sys.argv[2], sys.argv[2:])"
)
"""Starts a command that ends with whoever started it (PR_SET_PDEATHSIG of Linux): a simulator
that is in the middle of something when mosaik is killed misses the end of its connection."""
_GRACE_S = 5.0
"""How long a process may take to end after it was told to."""


def make_starter(name: str, entry: Mapping[str, str], log: Path) -> Starter:
    """Return the starter of mosaik's own entry ``python``, ``cmd`` or ``connect``.

    ``log`` takes what a process of its own writes to its standard streams.
    """
    if "cmd" in entry:
        return OwnProcess(name, entry["cmd"], log)
    if "connect" in entry:
        return Elsewhere(name, entry["connect"])
    return InProcess.from_string(entry["python"])


class _Line(Channel):
    """A connection whose end is noticed: nothing that is asked stays without an answer."""

    async def _receive_forever(self) -> None:
        try:
            await super()._receive_forever()
        except (OSError, ValueError) as lost:  # reset, or what came was not of mosaik's protocol
            for future in self._outgoing_request_futures.values():
                if not future.done():
                    future.set_exception(_ended(str(lost)))
            self._incoming_requests.put_nowait(EndOfRequests())
        finally:
            for future in self._outgoing_request_futures.values():
                if future.done() and not future.cancelled():
                    future.exception()  # nobody need wait for it any more

    async def send(self, value: Any) -> Any:
        if self._receiver_task.done():
            raise _ended("it was closed before")
        try:
            return await super().send(value)
        except ConnectionError as lost:
            for future in self._outgoing_request_futures.values():
                future.cancel()
            raise _ended(str(lost)) from lost


def _ended(why: str) -> asyncio.IncompleteReadError:
    """Return what mosaik expects of a connection that has ended."""
    error = asyncio.IncompleteReadError(b"", None)
    error.args = (f"the connection ended: {why}",)
    return error


class _LocalProxy(LocalProxy):
    async def send(self, request: Any) -> Any:
        try:
            return await super().send(request)
        except SystemExit as left:
            raise RuntimeError(f"it called sys.exit({left.code!r})") from left

    async def stop(self) -> None:
        try:
            await super().stop()
        except SystemExit as left:
            raise RuntimeError(f"it called sys.exit({left.code!r})") from left


class InProcess(PythonStarter):
    """A class in this process; it cannot end the process by ``sys.exit``."""

    async def start(self, sim_id: str, mosaik_remote: Any, mosaik_config: Any) -> BaseProxy:  # noqa: ARG002 - mosaik's signature
        """Make the object."""
        return _LocalProxy(self.cls(*self.args, **self.kwargs), mosaik_remote)


class Elsewhere(Starter):
    """A simulator that runs already, at ``host:port``."""

    api_version = None

    def __init__(self, name: str, address: str) -> None:
        self._name, self._address = name, address

    @classmethod
    def from_starter_config(cls, starter_config: Any) -> Starter | None:  # noqa: ARG003
        """Return None: it is made by ``make_starter``."""
        return None

    async def start(self, sim_id: str, mosaik_remote: Any, mosaik_config: Any) -> BaseProxy:  # noqa: ARG002 - mosaik's signature
        """Connect; ComponentError where nobody answers."""
        host, _, port = self._address.rpartition(":")
        try:
            reader, writer = await asyncio.open_connection(host, int(port))
        except OSError as error:
            reason = f"nobody answers at {self._address}: {error.strerror or error}"
            raise ComponentError(self._name, -1, reason) from error
        return RemoteProxy(_Line(reader, writer, name=sim_id), mosaik_remote)


class OwnProcess(Starter):
    """A command that starts a simulator; ``%(addr)s`` and ``%(python)s`` are filled in.

    The process gets a session of its own, so that Ctrl-C does not end it before its time.
    """

    api_version = None

    def __init__(self, name: str, cmd: str, log: Path) -> None:
        self._name, self._cmd, self._log = name, cmd, log
        self._process: Process | None = None
        self._line: _Line | None = None

    @classmethod
    def from_starter_config(cls, starter_config: Any) -> Starter | None:  # noqa: ARG003
        """Return None: it is made by ``make_starter``."""
        return None

    async def start(self, sim_id: str, mosaik_remote: Any, mosaik_config: Any) -> BaseProxy:
        """Start the process and wait until it connects; ComponentError where it does not."""
        arrived: asyncio.Future[_Line] = asyncio.get_running_loop().create_future()

        async def meet(reader: StreamReader, writer: StreamWriter) -> None:
            if arrived.done():
                writer.close()
            else:
                arrived.set_result(_Line(reader, writer, name=sim_id))

        server = await asyncio.start_server(meet, "127.0.0.1", 0)
        try:
            port = server.sockets[0].getsockname()[1]
            process = self._process = await self._spawn(f"127.0.0.1:{port}")
            ended = asyncio.ensure_future(process.wait())
            limit = float(mosaik_config["start_timeout"])
            either: set[asyncio.Future[Any]] = {arrived, ended}
            await asyncio.wait(either, timeout=limit, return_when="FIRST_COMPLETED")
            ended.cancel()
        finally:
            server.close()
        if not arrived.done():
            late = f"its process did not connect within {limit:g} s"
            raise ComponentError(self._name, -1, self.fate() or late)
        self._line = arrived.result()
        return RemoteProxy(self._line, mosaik_remote)

    def fate(self) -> str:
        """Return how the process ended, with its last words; empty for one that runs."""
        code = None if self._process is None else self._process.returncode
        if code is None:
            return ""
        how = f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"
        words = _last_line(self._log) if code > 0 else ""
        return f"its process ended with {how}" + (f": {words}" if words else "")

    async def end(self) -> str:
        """End the process; return what went wrong in its ``finalize``, if anything did.

        It has been told to stop; one that does not is terminated, and killed in the end.
        """
        if self._line is not None:
            with suppress(Exception):  # it may be closed already, from either side
                await self._line.close()
        process = self._process
        if process is None:
            return ""
        gone = process.returncode is not None
        if self._line is not None and await _ends(process):
            return "" if gone or not process.returncode else self.fate()
        for stop in (process.terminate, process.kill):
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    stop()
                await _ends(process)
        return ""

    async def settled(self) -> str:
        """Return how the process ended, after a moment in which it may still do so."""
        if self._process is not None:
            await _ends(self._process, 0.5)
        return self.fate()

    async def _spawn(self, address: str) -> Process:
        filled = {"addr": address, "python": sys.executable}
        try:
            words = [word % filled for word in shlex.split(self._cmd, posix=os.name != "nt")]
            if not words or shutil.which(words[0]) is None:
                raise FileNotFoundError("there is no such command")
            if sys.platform == "linux":
                words = [sys.executable, "-ISc", _LAUNCH, str(os.getpid()), *words]
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("wb") as log:
                return await asyncio.create_subprocess_exec(
                    *words, stdin=DEVNULL, stdout=log, stderr=STDOUT, start_new_session=True
                )
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            reason = f"cannot start {self._cmd!r}: {type(error).__name__}: {error}"
            raise ComponentError(self._name, -1, reason) from error


async def _ends(process: Process, limit_s: float = _GRACE_S) -> bool:
    """Return whether a process ends within ``limit_s``."""
    try:
        await asyncio.wait_for(process.wait(), limit_s)
    except TimeoutError:
        return False
    return True


def _last_line(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = file.read().decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip() and "│" not in line]
    return said[-1][:300] if said else ""
