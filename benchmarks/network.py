"""Messages per second of the network, against bare SimPy with the same traffic.

Times are the processor time of this process, the best of several rounds; what is held against
each other takes turns.

``python -m benchmarks.network`` prints the rows as a table.
"""

from __future__ import annotations

import gc
import sys
import time
from collections import deque
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import simpy

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # run as a file
    sys.path.insert(0, str(ROOT))

from fernwatt.messages import Frame  # noqa: E402
from simulators.network.core import NetworkCore  # noqa: E402

HOPS, PATHS, BYTES = 4, 50, 200
MESSAGES, BEST_OF = 40_000, 5
SPAN_MS = 20_000


def chain_spec() -> dict[str, Any]:
    """50 paths of four Ethernet links each."""
    nodes = [f"p{path:02d}/n{hop}" for path in range(PATHS) for hop in range(HOPS + 1)]
    links = [
        {
            "id": f"p{path:02d}/l{hop}",
            "technology": "ethernet",
            "a": f"p{path:02d}/n{hop}",
            "b": f"p{path:02d}/n{hop + 1}",
        }
        for path in range(PATHS)
        for hop in range(HOPS)
    ]
    # One end of every path is joined in a star, so that all nodes reach each other.
    links += [
        {"id": f"star{path:02d}", "technology": "ethernet", "a": "p00/n4", "b": f"p{path:02d}/n4"}
        for path in range(1, PATHS)
    ]
    return {
        "nodes": [{"id": node, "terminal": None, "battery_ms": 0} for node in nodes],
        "media": [],
        "links": links,
    }


def chain_frames() -> list[tuple[int, list[Frame]]]:
    """Poisson traffic over all paths, grouped by the tick of sending."""
    rng = np.random.default_rng(1)
    at_us = np.sort(rng.integers(0, SPAN_MS * 1000, MESSAGES)).tolist()
    path = rng.integers(0, PATHS, MESSAGES).tolist()
    payload = bytes(BYTES)
    ticks: dict[int, list[Frame]] = {}
    for number, (t_us, p) in enumerate(zip(at_us, path, strict=True)):
        source, target = f"p{p:02d}/n0", f"p{p:02d}/n4"
        frame = Frame(f"{source}#{number}", "", source, target, "f", 2, t_us, -1, payload)
        ticks.setdefault(t_us // 1000, []).append(frame)
    return sorted(ticks.items())


def run_core(spec: dict[str, Any], batches: list[tuple[int, list[Frame]]]) -> float:
    """Return the seconds the core takes, rows and ticks included."""
    core = NetworkCore(spec, 1)
    gc.collect()
    begin = time.process_time()
    arrived, place, t_ms = 0, 0, 0
    end_ms = batches[-1][0] + 3_600_000
    while True:
        due_ms = core.next_ms()
        send_ms = batches[place][0] if place < len(batches) else None
        if due_ms is None and send_ms is None:
            break
        t_ms = min(tick for tick in (due_ms, send_ms) if tick is not None)
        arrived += len(core.advance(t_ms))
        if t_ms == send_ms:
            core.inject(t_ms, batches[place][1])
            place += 1
        if core.pending_rows >= 256:
            core.rows()
    core.close(end_ms)
    spent = time.process_time() - begin
    if not arrived:
        raise AssertionError("nothing arrived")
    return spent


class BareLink:
    """A link as one would write it on bare SimPy: a deque, a busy flag, timeouts."""

    __slots__ = ("busy", "env", "queue", "sink", "us")

    def __init__(self, env: simpy.Environment, us: int) -> None:
        self.env, self.us, self.busy = env, us, False
        self.queue: deque[list[Any]] = deque()
        self.sink: Callable[[list[Any]], None]

    def put(self, message: list[Any]) -> None:
        if self.busy:
            if len(self.queue) < 1000:
                self.queue.append(message)
        else:
            self.busy = True
            self.env.timeout(self.us, message).callbacks.append(self.end)

    def end(self, event: simpy.Event) -> None:
        if self.queue:
            self.env.timeout(self.us, self.queue.popleft()).callbacks.append(self.end)
        else:
            self.busy = False
        self.env.timeout(1, event.value).callbacks.append(self.far)

    def far(self, event: simpy.Event) -> None:
        message: Any = event.value
        self.sink(message)


def run_callbacks(batches: list[tuple[int, list[Frame]]]) -> float:
    """Return the seconds of the same traffic over bare link objects, delays kept in a list."""
    env = simpy.Environment()
    delays: list[float] = []
    air_us = 21
    chains: dict[str, BareLink] = {}
    for p in range(PATHS):
        row = [BareLink(env, air_us) for _ in range(HOPS)]
        for here, there in pairwise(row):
            here.sink = there.put
        row[-1].sink = lambda message: delays.append(env.now - message[0])
        chains[f"p{p:02d}/n0"] = row[0]
    gc.collect()
    begin = time.process_time()

    def enter(event: simpy.Event) -> None:
        frame: Any = event.value
        chains[frame.src].put([env.now, frame])

    for t_ms, frames in batches:
        if t_ms * 1000 > env.now:
            env.run(until=t_ms * 1000)
        for frame in frames:
            env.timeout(frame.ready_us - env.now, frame).callbacks.append(enter)
    env.run()
    spent = time.process_time() - begin
    if len(delays) != MESSAGES:
        raise AssertionError("messages are missing")
    return spent


def run_processes(batches: list[tuple[int, list[Frame]]]) -> float:
    """Return the seconds of the same traffic with one process per message and resources."""
    env = simpy.Environment()
    delays: list[float] = []
    chains = {f"p{p:02d}/n0": [simpy.Resource(env) for _ in range(HOPS)] for p in range(PATHS)}

    def carry(frame: Frame) -> Any:
        yield env.timeout(frame.ready_us - env.now)
        for link in chains[frame.src]:
            with link.request() as turn:
                yield turn
                yield env.timeout(21)
            yield env.timeout(1)
        delays.append(env.now - frame.ready_us)

    gc.collect()
    begin = time.process_time()
    for t_ms, frames in batches:
        if t_ms * 1000 > env.now:
            env.run(until=t_ms * 1000)
        for frame in frames:
            env.process(carry(frame))
    env.run()
    spent = time.process_time() - begin
    if len(delays) != MESSAGES:
        raise AssertionError("messages are missing")
    return spent


class BareMedium:
    """Unslotted CSMA/CA as one would write it on bare SimPy: a deque of frames on the air."""

    def __init__(self, env: simpy.Environment, random: np.random.Generator) -> None:
        self.env, self.random, self.done = env, random, 0
        self.air: deque[list[Any]] = deque()
        self.delays: list[float] = []


class BareStation:
    """A station: a queue, what it tries to send, its backoffs and repetitions."""

    BACKOFF_US, CCA_US, TURN_US, ACK_US, IFS_US = 320, 128, 192, 544, 640

    def __init__(self, medium: BareMedium, air_us: int) -> None:
        self.medium, self.air_us = medium, air_us
        self.queue: deque[float] = deque()
        self.since: float | None = None
        self.exponent = self.backoffs = self.retries = 0

    def put(self, _: simpy.Event) -> None:
        if self.since is None:
            self.begin(self.medium.env.now)
        else:
            self.queue.append(self.medium.env.now)

    def begin(self, since: float) -> None:
        self.since, self.retries = since, 0
        self.exponent, self.backoffs = 3, 0
        self.contend(0)

    def contend(self, after_us: int) -> None:
        medium = self.medium
        slots = int(medium.random.random() * (1 << self.exponent))
        wait_us = after_us + slots * self.BACKOFF_US + self.CCA_US
        medium.env.timeout(wait_us).callbacks.append(self.sensed)

    def sensed(self, _: simpy.Event) -> None:
        medium, now = self.medium, self.medium.env.now
        air = medium.air
        while air and air[0][1] <= now - self.CCA_US:
            air.popleft()
        if any(frame[0] < now and frame[1] > now - self.CCA_US for frame in air):
            self.backoffs += 1
            if self.backoffs > 4:
                self.over(0)
                return
            self.exponent = min(self.exponent + 1, 5)
            self.contend(0)
            return
        begin = now + self.TURN_US
        mine = [begin, begin + self.air_us, False]
        for frame in air:
            if frame[1] > begin:
                frame[2] = mine[2] = True
        air.append(mine)
        medium.env.timeout(self.TURN_US + self.air_us, mine).callbacks.append(self.ended)

    def ended(self, event: simpy.Event) -> None:
        mine: Any = event.value
        if not mine[2] and self.medium.random.random() >= 0.01:
            self.medium.air.append([mine[1], mine[1] + self.ACK_US, False])
            self.medium.delays.append(mine[1] - (self.since or 0))
            self.over(self.ACK_US + self.IFS_US)
            return
        self.retries += 1
        if self.retries > 3:
            self.over(self.IFS_US)
        else:
            self.exponent, self.backoffs = 3, 0
            self.contend(864)

    def over(self, after_us: int) -> None:
        self.medium.done += 1
        self.since = None
        if self.queue:
            self.since, self.retries = self.queue.popleft(), 0
            self.exponent, self.backoffs = 3, 0
            self.contend(after_us)


def run_bare_medium(batches: list[tuple[int, list[Frame]]]) -> float:
    """Return the seconds of the same traffic over a bare medium of the same parameters."""
    env = simpy.Environment()
    medium = BareMedium(env, np.random.default_rng(1))
    stations: dict[str, BareStation] = {}
    gc.collect()
    begin = time.process_time()
    for t_ms, frames in batches:
        if t_ms * 1000 > env.now:
            env.run(until=t_ms * 1000)
        for frame in frames:
            station = stations.setdefault(frame.src, BareStation(medium, (6 + 37 + 68) * 32))
            env.timeout(frame.ready_us - env.now).callbacks.append(station.put)
    env.run()
    spent = time.process_time() - begin
    if medium.done != sum(len(frames) for _, frames in batches):
        raise AssertionError("messages are missing")
    return spent


def cell_case(count: int, span_ms: int) -> tuple[dict[str, Any], Any]:
    """A cell of LTE with fifty subscribers that report to the base station at random times."""
    spec, frames = medium_case("zigbee-han", count, span_ms)
    members = [node["id"] for node in spec["nodes"]]
    spec["media"] = []
    spec["cells"] = [
        {"id": "cell", "technology": "lte", "station": members[0], "members": members[1:]}
    ]
    return spec, frames


def mesh_case(count: int, span_ms: int) -> tuple[dict[str, Any], Any]:
    """The fifty stations as a radio mesh, formed, about the corners of a grid of 7 by 7."""
    spec, frames = medium_case("rf-mesh-15.4", count, span_ms)
    for place, node in enumerate(spec["nodes"]):
        node["place_m"] = [60.0 * (place % 7), 60.0 * (place // 7), 1.5]
    spec["media"][0] |= {
        "root": "m00", "routing": "mesh", "mesh": {"start": "formed"}, "air": {"kind": "radio"},
    }  # fmt: skip
    spec["overrides"] = {"rf-mesh-15.4": {"path_loss": "log-distance", "path_exponent": 3.5}}
    return spec, frames


def medium_case(technology: str, count: int, span_ms: int) -> tuple[dict[str, Any], Any]:
    """50 stations that report to the first one at random times."""
    members = [f"m{number:02d}" for number in range(50)]
    spec = {
        "nodes": [{"id": node, "terminal": None, "battery_ms": 0} for node in members],
        "media": [{"id": "medium", "technology": technology, "members": members}],
        "links": [],
        "overrides": {technology: {"mac": "csma"}},  # as the bare stations have it
    }
    rng = np.random.default_rng(2)
    ticks: dict[int, list[Frame]] = {}
    for number in range(count):
        t_ms, source = int(rng.integers(0, span_ms)), members[int(rng.integers(1, 50))]
        ticks.setdefault(t_ms, []).append(
            Frame(f"{source}#{number}", "", source, "m00", "f", 2, t_ms * 1000, -1, bytes(60))
        )
    return spec, sorted(ticks.items())


def best(*works: Callable[[], float]) -> list[float]:
    """Return the least seconds of each, taken in turns."""
    return [
        min(times) for times in zip(*([w() for w in works] for _ in range(BEST_OF)), strict=True)
    ]


def run() -> list[dict[str, Any]]:
    """Return the benchmark's rows: name, value, unit, reference, ratio, note."""
    batches, spec = chain_frames(), chain_spec()
    ours, callbacks, processes = (
        MESSAGES / spent_s
        for spent_s in best(
            lambda: run_core(spec, batches),
            lambda: run_callbacks(batches),
            lambda: run_processes(batches),
        )
    )
    traffic = f"{MESSAGES} messages of {BYTES} B over {PATHS} paths of {HOPS} links"
    rows = [
        _row("network four-hop paths", ours, callbacks, f"{traffic}; bare link objects"),
        _row(
            "network four-hop paths, processes",
            ours,
            processes,
            f"{traffic}; bare SimPy with a process per message",
        ),
    ]
    return rows + _media()


def _media() -> list[dict[str, Any]]:
    """Return the rows of shared media; contention is compared where bare SimPy has it, too."""
    rows = []
    spec, frames = medium_case("zigbee-han", 10_000, 200_000)
    ours, bare = best(lambda: run_core(spec, frames), lambda: run_bare_medium(frames))
    note = "10000 messages of 60 B from 49 stations in 200 s"
    rows.append(
        _row("network medium of 50, zigbee-han", 10_000 / ours, 10_000 / bare,
             f"{note}; bare stations with the same CSMA/CA")
    )  # fmt: skip
    for name, count, span_ms, case in (
        ("medium of 50, plc-prime", 5_000, 1_000_000, lambda *x: medium_case("plc-prime", *x)),
        ("cell of 50, lte", 10_000, 200_000, cell_case),
        ("mesh of 50, rf-mesh-15.4", 2_000, 400_000, mesh_case),
    ):
        spec, frames = case(count, span_ms)
        (spent_s,) = best(lambda s=spec, f=frames: run_core(s, f))  # type: ignore[misc]
        note = f"{count} messages of 60 B from 49 stations in {span_ms // 1000} s"
        rows.append(_row(f"network {name}", count / spent_s, None, note))
    return rows


def _row(name: str, value: float, reference: float | None, note: str) -> dict[str, Any]:
    ratio = None if reference is None else round(value / reference, 3)
    return {
        "name": name,
        "value": round(value),
        "unit": "messages/s",
        "reference": None if reference is None else round(reference),
        "ratio": ratio,
        "note": note,
    }


if __name__ == "__main__":
    for row in run():
        print(row)
