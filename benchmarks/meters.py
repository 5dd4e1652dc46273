"""10,000 meters that report every quarter of an hour for a day, over PLC or over a radio mesh.

34 concentrators with 294 or 295 meters each. Every meter sends one report of 100 B in each slot,
at its own moment of the minute after it, to its concentrator. The network is driven as ``fused``
drives it: from one due tick to the next, rows taken as they come, so memory is that of the
network and of what is under way.

``python -m benchmarks.meters CASE [HOURS]`` runs one case in this process and prints its figures
as JSON; ``run()`` does so in a process for each case, because peak memory is that of a process.
"""

from __future__ import annotations

import heapq
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # run as a file
    sys.path.insert(0, str(ROOT))

from fernwatt.messages import Frame  # noqa: E402
from simulators.network.core import NetworkCore  # noqa: E402

METERS, AREAS, BYTES = 10_000, 34, 100
SLOT_MS, SPREAD_MS, HOURS = 900_000, 60_000, 24
LIMIT_S, LIMIT_MB = 600.0, 4000.0
HOLD_ROWS, PITCH_M = 1024, 60.0
TECHNOLOGIES = {"plc": "plc-prime", "mesh": "rf-mesh-15.4"}


def areas() -> list[list[str]]:
    """Return the nodes of each medium, its concentrator first."""
    shares = [METERS // AREAS + (number < METERS % AREAS) for number in range(AREAS)]
    return [
        [f"lvgmu/{area:02d}", *(f"meter/{area:02d}/{number:03d}" for number in range(count))]
        for area, count in enumerate(shares)
    ]


def network(case: str) -> dict[str, Any]:
    """Return the specification of the network."""
    rng = np.random.default_rng(1)
    nodes: list[dict[str, Any]] = []
    media: list[dict[str, Any]] = []
    for number, members in enumerate(areas()):
        medium = {"id": f"lv-fan/{number:02d}", "technology": TECHNOLOGIES[case]}
        medium |= {"members": members, "root": members[0]}
        if case == "mesh":
            medium |= {"routing": "mesh", "mesh": {"start": "formed"}, "air": {"kind": "radio"}}
        media.append(medium)
        side = int(np.ceil(len(members) ** 0.5))
        middle = side // 2 * (side + 1)
        for place, node in enumerate(members):
            spot = middle if place == 0 else 0 if place == middle else place
            x, y = divmod(spot, side)
            dx, dy = rng.uniform(-10, 10, 2).tolist()
            nodes.append({"id": node, "place_m": [PITCH_M * x + dx, PITCH_M * y + dy, 1.5]})
    # The concentrators are joined, so that all nodes reach each other.
    links = [
        {"id": f"wan/{n:02d}", "technology": "fibre", "a": "lvgmu/00", "b": f"lvgmu/{n:02d}"}
        for n in range(1, AREAS)
    ]
    loss = {"rf-mesh-15.4": {"path_loss": "log-distance", "path_exponent": 3.5}}
    return {"nodes": nodes, "media": media, "links": links, "overrides": loss}


def reports(hours: float) -> Iterator[tuple[int, list[Frame]]]:
    """Return what is sent at each tick, slot by slot: a day's frames at once would not fit."""
    rng = np.random.default_rng(2)
    pairs = [(meter, members[0]) for members in areas() for meter in members[1:]]
    payload, number = bytes(BYTES), 0
    for slot in range(int(hours * 3_600_000 / SLOT_MS)):
        after_ms = rng.integers(0, SPREAD_MS, len(pairs)).tolist()
        ticks: dict[int, list[Frame]] = {}
        for (meter, substation), wait_ms in zip(pairs, after_ms, strict=True):
            t_ms, number = slot * SLOT_MS + wait_ms, number + 1
            ticks.setdefault(t_ms, []).append(
                Frame(f"{meter}#{number}", "", meter, substation, "report", 2, 1000 * t_ms, -1,
                      payload)
            )  # fmt: skip
        yield from sorted(ticks.items())


def play(case: str, hours: float) -> dict[str, float]:
    """Run one case; return what it took and what came of the messages."""
    began = time.perf_counter()
    core = NetworkCore(network(case), 1)
    built_s = time.perf_counter() - began
    counts = {"messages": 0, "delivered": 0, "collisions": 0}
    delays: list[int] = []
    for t_ms, frames in heapq.merge(reports(hours), key=lambda item: item[0]):
        while (due_ms := core.next_ms()) is not None and due_ms < t_ms:
            core.advance(due_ms)
            _take(core, counts, delays, HOLD_ROWS)
        core.advance(t_ms)
        core.inject(t_ms, frames)
    end_ms = int(hours * 3_600_000)
    while (due_ms := core.next_ms()) is not None and due_ms < end_ms:
        core.advance(due_ms)
        _take(core, counts, delays, HOLD_ROWS)
    core.advance(end_ms)
    core.close(end_ms)
    _take(core, counts, delays, 0)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        **counts,
        "wall_s": time.perf_counter() - began,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mb": usage.ru_maxrss / 1024,
        "built_s": built_s,
        "median_ms": float(np.median(delays)) / 1000 if delays else 0.0,
    }


def _take(core: NetworkCore, counts: dict[str, int], delays: list[int], held: int) -> None:
    """Take the rows, as a recorder would; keep every hundredth delay."""
    if core.pending_rows < held:
        return
    for table, columns in core.rows():
        if table == "message":
            counts["messages"] += len(columns["fate"])
            counts["delivered"] += columns["fate"].count("delivered")
            delays += [delay for delay in columns["delay_us"][::100] if delay is not None]
        elif table == "medium":
            counts["collisions"] += sum(columns["collisions"])


def run() -> list[dict[str, Any]]:
    """Return rows: processor seconds and megabytes of each case, against the limits."""
    rows = []
    for case, technology in TECHNOLOGIES.items():
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.meters", case],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
        found = json.loads(done.stdout)
        name = f"10,000 meters, a day, {technology}"
        note = (
            f"{found['messages']:,} messages, {found['delivered'] / found['messages']:.1%} "
            f"delivered, {found['collisions']:,} collisions, median {found['median_ms']:.0f} ms; "
            f"wall {found['wall_s']:.0f} s; the limit"
        )
        rows += [
            _row(name, found["cpu_s"], "s", LIMIT_S, note),
            _row(name, found["peak_mb"], "MB", LIMIT_MB, "peak of the process; the limit"),
        ]
    return rows


def _row(name: str, value: float, unit: str, limit: float, note: str) -> dict[str, Any]:
    kept = "held" if value <= limit else "missed"
    return {"name": name, "value": round(value, 1), "unit": unit, "reference": limit,
            "ratio": round(limit / value, 2), "note": f"{note}: {kept}"}  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(play(sys.argv[1], float(sys.argv[2]) if len(sys.argv) > 2 else HOURS)))
