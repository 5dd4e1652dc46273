"""What a radio mesh of a hundred meters delivers, by hops and by load; how it joins and mends.

``python -m benchmarks.mesh`` prints the tables of ``docs/models/mesh.md`` and draws
``docs/img/mesh.png``. All is simulated time: the figures are the same on every machine.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # run as a file
    sys.path.insert(0, str(ROOT))

from fernwatt.messages import Frame  # noqa: E402
from simulators.network.core import NetworkCore  # noqa: E402

SIDE, PITCH_M, BYTES = 10, 60.0, 100
PERIODS_S = (60, 20, 10, 6, 4)
SPAN_MS, SETTLED_US = 1_200_000, 300_000_000  # first the tree gets used to the load
MOST_HOPS = 6


def field(start: str = "formed", side: int = SIDE, **changes: Any) -> dict[str, Any]:
    """Return ``side`` × ``side`` meters about the corners of a grid, the root in one corner."""
    rng = np.random.default_rng(4)
    names = [f"meter/{number:03d}" for number in range(side * side)]
    places = [
        [float(PITCH_M * x + rng.uniform(-10, 10)), float(PITCH_M * y + rng.uniform(-10, 10)), 1.5]
        for x in range(side)
        for y in range(side)
    ]
    return {
        "nodes": [
            {"id": name, "place_m": place} for name, place in zip(names, places, strict=True)
        ],
        "media": [
            {
                "id": "mesh",
                "technology": "rf-mesh-15.4",
                "members": names,
                "root": names[0],
                "routing": "mesh",
                "mesh": {"start": start},
                "air": {"kind": "radio"},
            }
        ],
        "overrides": {"rf-mesh-15.4": {"path_loss": "log-distance", "path_exponent": 3.5}},
        "interval_ms": 10_000,
        **changes,
    }


def run(spec: dict[str, Any], frames: Iterable[Frame], end_ms: int) -> list[tuple[str, Any]]:
    """Run a network with frames sent when they are ready; return its rows."""
    core = NetworkCore(spec, 1)
    sends: dict[int, list[Frame]] = {}
    for frame in frames:
        sends.setdefault(frame.ready_us // 1000, []).append(frame)
    for t_ms in sorted(sends):
        while (due_ms := core.next_ms()) is not None and due_ms < t_ms:
            core.advance(due_ms)
        core.advance(t_ms)
        core.inject(t_ms, sends[t_ms])
    while (due_ms := core.next_ms()) is not None and due_ms < end_ms:
        core.advance(due_ms)
    core.advance(end_ms)
    core.close(end_ms)
    return core.rows()


def reports(period_s: float, side: int = SIDE, span_ms: int = SPAN_MS) -> list[Frame]:
    """Return one report of each meter to the root in each period, at any time of it."""
    rng, frames = np.random.default_rng(7), []
    for number in range(1, side * side):
        src = f"meter/{number:03d}"
        begins = np.arange(0, span_ms / 1000 - 60, period_s)
        times = begins + rng.uniform(0, period_s, len(begins))
        frames += [
            Frame(f"{src}#{k}", "", src, "meter/000", "report", 2, int(1e6 * t), -1, bytes(BYTES))
            for k, t in enumerate(times)
        ]
    return frames


def by_hops(period_s: float, side: int = SIDE, span_ms: int = SPAN_MS) -> dict[int, Any]:
    """Return (messages, share delivered, median and 95 % delay [ms]) by hops from the root."""
    rows = dict(run(field(side=side), reports(period_s, side, span_ms), span_ms))["message"]
    rows = {key: np.array(column, dtype=object) for key, column in rows.items()}
    later = rows["t_send_us"] >= min(SETTLED_US, 250 * span_ms)
    rows = {key: column[later] for key, column in rows.items()}
    names, fates = rows["src"], rows["fate"] == "delivered"
    delays = np.array([np.nan if delay is None else delay / 1000 for delay in rows["delay_us"]])
    hops = rows["hops"].astype(int)
    usual = {name: int(np.median(hops[(names == name) & fates])) for name in set(names[fates])}
    own = np.array([usual.get(name, 99) for name in names])
    found = {}
    for count in range(1, MOST_HOPS + 1):
        inside = own == count
        if inside.any():
            got = delays[inside & fates]
            share = float(fates[inside].mean())
            found[count] = (int(inside.sum()), share, *np.percentile(got, [50, 95]).tolist())
    return found


def joining() -> list[tuple[int, int, float | None, int]]:
    """Return (seconds, nodes joined, mean hops, transmissions so far) of a cold start."""
    rows = dict(run(field("cold"), [], 300_000))["mesh"]
    sent = np.cumsum(rows["control_transmissions"]).tolist()
    seconds = [t_ms // 1000 + 10 for t_ms in rows["t_ms"]]
    return list(zip(seconds, rows["joined"], rows["hops_mean"], sent, strict=True))


def main() -> None:
    """Print all tables and draw the figure."""
    print("| after [s] | joined of 100 | mean hops | transmissions of the protocol |")
    print("|---|---|---|---|")
    for second, joined, hops, sent in joining():
        if second in (10, 20, 30, 60, 120, 300):
            print(f"| {second} | {joined} | {hops or 0:.1f} | {sent} |")
    print()
    results = {period_s: by_hops(period_s) for period_s in PERIODS_S}
    bins = sorted({hops for found in results.values() for hops in found})
    print("| a report every | " + " | ".join(f"{hops} hops" for hops in bins) + " |")
    print("|---" * (len(bins) + 1) + "|")
    for period_s, found in results.items():
        cells = [
            f"{100 * found[it][1]:.1f} %, {found[it][2]:.0f} / {found[it][3]:.0f} ms"
            if it in found
            else ""
            for it in bins
        ]
        print(f"| {period_s} s | " + " | ".join(cells) + " |")
    draw(results, ROOT / "docs" / "img" / "mesh.png")


def draw(results: dict[int, dict[int, Any]], path: Path) -> None:
    """Draw delivery and delay over hops, a line for each load."""
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for period_s, found in results.items():
        hops = list(found)
        label = f"every {period_s} s"
        left.plot(hops, [100 * found[it][1] for it in hops], marker="o", label=label)
        right.plot(hops, [found[it][3] for it in hops], marker="o", label=label)
    left.set(xlabel="hops to the root", ylabel="delivered [%]", ylim=(0, 102))
    right.set(xlabel="hops to the root", ylabel="95 % delay [ms]", ylim=(0, None))
    left.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
