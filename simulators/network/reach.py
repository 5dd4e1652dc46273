"""How far radios reach: the loss of frames over distance, as a table and a figure of the docs.

``python -m simulators.network.reach`` writes the table between the marks ``<!-- reach -->`` and
``<!-- /reach -->`` of ``docs/models/radio.md``, and ``docs/img/radio-reach.png``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from simulators.network.airs import budget_of
from simulators.network.phy import PacketErrors
from simulators.network.technologies import MediumTechnology, load

__all__ = ["DISTANCES_M", "NAMES", "figure", "filled", "loss", "table"]

NAMES = ("rf-mesh-15.4", "rf-mesh-wisun", "zigbee-han")
DISTANCES_M = (10, 30, 100, 200, 300, 400, 500, 750, 1000, 1500, 2000, 3000)
_SIZE, _PAIRS = 100, 4000
_FIRST, _LAST = "<!-- reach -->", "<!-- /reach -->"


def loss(
    technology: MediumTechnology, apart_m: Sequence[float], size: int = _SIZE, pairs: int = _PAIRS
) -> list[float]:
    """Return the mean loss of frames of ``size`` bytes at distances, over pairs of nodes.

    Both antennas have the technology's height. With one pair there is no shadowing.
    """
    if pairs == 1:
        technology = replace(technology, shadowing_db=0.0)
    budget = budget_of(technology, 1)
    errors = PacketErrors(technology.phy, technology.mode, technology.bandwidth_hz)
    names, here = [f"pair {number}" for number in range(pairs)], np.zeros(3)
    means = []
    for at_m in apart_m:
        there = np.tile([float(at_m), 0.0, 0.0], (pairs, 1))
        snr_db = budget.tx_dbm - budget.loss_db("root", here, names, there) - budget.noise_dbm
        means.append(float(np.mean([errors(level, size) for level in snr_db.tolist()])))
    return means


def table() -> str:
    """Return the loss over distance as a Markdown table: without shadowing / with it."""
    columns = [_loaded(name) for name in NAMES]
    lines = [
        "| distance [m] | " + " | ".join(NAMES) + " |",
        "|---:|" + "---:|" * len(NAMES),
    ]
    plain = [loss(it, DISTANCES_M, pairs=1) for it in columns]
    shadowed = [loss(it, DISTANCES_M) for it in columns]
    for row, at_m in enumerate(DISTANCES_M):
        cells = [f"{a[row]:.3f} / {b[row]:.3f}" for a, b in zip(plain, shadowed, strict=True)]
        lines.append(f"| {at_m} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def filled(text: str) -> str:
    """Return a page with the table between its marks; raises ValueError where they lack."""
    head, begin, rest = text.partition(_FIRST)
    _, end, tail = rest.partition(_LAST)
    if not begin or not end:
        raise ValueError(f"the page needs {_FIRST} and, after it, {_LAST}")
    return f"{head}{_FIRST}\n{table()}\n{_LAST}{tail}"


def figure(path: Path) -> None:
    """Draw the loss over distance."""
    from matplotlib.figure import Figure  # only who draws needs it

    apart_m = np.geomspace(5, 5000, 120)
    drawing = Figure(figsize=(7, 4), layout="constrained")
    axes = drawing.subplots()
    for name, colour in zip(NAMES, ("tab:blue", "tab:orange", "tab:green"), strict=True):
        it = _loaded(name)
        axes.semilogx(apart_m, loss(it, apart_m.tolist()), color=colour, label=name)
        axes.semilogx(apart_m, loss(it, apart_m.tolist(), pairs=1), color=colour, ls=":")
    axes.axvline(750, color="grey", lw=0.8)
    axes.set_xlabel("distance [m] (750 m marked)")
    axes.set_ylabel(f"loss of frames of {_SIZE} B")
    axes.set_title("Mean over shadowed pairs; dotted: without shadowing")
    axes.grid(alpha=0.3)
    axes.legend()
    drawing.savefig(path, dpi=110, metadata={"Software": None})


def _loaded(name: str) -> MediumTechnology:
    technology = load()[name]
    assert isinstance(technology, MediumTechnology)
    return technology


if __name__ == "__main__":
    docs = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    page = docs / "models" / "radio.md"
    page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
    figure(docs / "img" / "radio-reach.png")
