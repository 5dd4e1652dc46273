"""Each technology in its three fidelities: what the cheaper ones get wrong, and what they save.

Messages of one size at random moments, from fifty nodes to one and back (a link: both ways). The
tables of ``analytic`` were made at other loads and with other draws (``fit.py``); ``flow`` has
no data at all. Errors are against packet mode; delivered: in percentage points.

``python -m benchmarks.fidelity`` prints the table of docs/models/fidelity.md.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from simulators.network.fidelity.fit import HELD_OUT, Measured, measure, technologies_of

FASTER = 1.0


def rows_of(name: str) -> list[dict[str, Any]]:
    """Return a row for each held-out load and cheaper fidelity of a technology."""
    rows = []
    for load in HELD_OUT:
        exact, packet_s = _timed(name, load, "packet")
        for fidelity in technologies_of(name):
            cheap, spent_s = _timed(name, load, fidelity)
            rows.append(
                {
                    "technology": name,
                    "load": load,
                    "fidelity": fidelity,
                    "mean_ms": exact.mean_us / 1e3,
                    "mean": cheap.mean_us / exact.mean_us - 1,
                    "p95": cheap.p95_us / exact.p95_us - 1,
                    "delivered": cheap.delivered - exact.delivered,
                    "exact_delivered": exact.delivered,
                    "faster": packet_s / spent_s,
                }
            )
    return rows


def _timed(name: str, load: float, fidelity: str) -> tuple[Measured, float]:
    begin = time.process_time()
    found = measure(name, load, fidelity, seed=2)
    return found, time.process_time() - begin


def markdown(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    head = ("technology", "load", "packet: mean [ms]", "delivered", "fidelity", "mean", "p95",
            "delivered", "times faster")  # fmt: skip
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [
        f"| {row['technology']} | {row['load']} | {row['mean_ms']:.3g} "
        f"| {row['exact_delivered']:.2%} | {row['fidelity']} | {row['mean']:+.1%} "
        f"| {row['p95']:+.1%} | {100 * row['delivered']:+.2f} | {row['faster']:.1f} |"
        for row in rows
    ]
    return "\n".join(lines)


def run() -> list[dict[str, Any]]:
    """Return a benchmark's row per cheaper fidelity: messages a second against packet mode."""
    return [
        {
            "name": f"fidelity {row['fidelity']}, {row['technology']}",
            "value": round(100 * row["mean"], 1),
            "unit": "% of delay",
            "reference": None,
            "ratio": round(row["faster"], 2),
            "note": f"error of the mean at load {row['load']}; ratio: time that packet mode takes",
        }
        for name in ("rf-mesh-15.4", "plc-g3", "lte")
        for row in rows_of(name)[:2]
    ]


if __name__ == "__main__":
    from simulators.network.fidelity.analytic import tables

    print(markdown([row for name in sys.argv[1:] or sorted(tables()) for row in rows_of(name)]))
