"""Measures packet mode at stated loads and writes the tables of ``analytic``.

``python -m simulators.network.fidelity.fit [TECHNOLOGY ...]``. Each technology is laid out once
(``layout``): fifty nodes that hear each other and one that all speak to; two ends of a link; a
base station and fifty subscribers. Messages of 60 bytes come at random moments, up and down in
turns, at a load that is the air time of all, as a share of what there is. Delays are taken from
when a message is ready until it arrives, less its air time; warm-up is left out.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fernwatt.messages import Frame
from simulators.network.cell_technology import CellTechnology
from simulators.network.core import NetworkCore
from simulators.network.fidelity.build import costs_of
from simulators.network.stack import Coster
from simulators.network.technologies import LinkTechnology, MediumTechnology, load
from simulators.network.technology import Technology

__all__ = ["FITTED", "HELD_OUT", "Measured", "layout", "measure", "technologies_of"]

FITTED = (0.01, 0.02, 0.03, 0.04, 0.065, 0.1, 0.15, 0.22, 0.27, 0.37)
HELD_OUT = (0.05, 0.18, 0.32)
NODES, BYTES, MESSAGES, QUANTILES = 50, 60, 12_000, 40
_DIGITS, _REST_MS = 4, 600_000


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of the messages of one way, or both."""

    beyond_us: NDArray[np.float64]
    delays_us: NDArray[np.float64]
    parts_us: NDArray[np.float64]
    delivered: float
    attempts: float

    @property
    def mean_us(self) -> float:
        """Return the mean delay of what arrived."""
        return float(self.delays_us.mean())

    @property
    def p95_us(self) -> float:
        """Return the delay that 95 % of what arrived did not exceed."""
        return float(np.quantile(self.delays_us, 0.95))


def technologies_of(name: str) -> tuple[str, ...]:
    """Return the cheaper fidelities that a technology has."""
    technology = load()[name]
    formula = not isinstance(technology, MediumTechnology) or technology.mac == "csma"
    return ("flow", "analytic") if formula else ("analytic",)


def layout(name: str, fidelity: str) -> dict[str, Any]:
    """Return the specification of a network of one carrier; node ``root`` is the centre."""
    technology = load()[name]
    leaves = ["n00"] if isinstance(technology, LinkTechnology) else _leaves()
    members = ["root", *leaves]
    spec: dict[str, Any] = {"nodes": [{"id": node} for node in members], "media": [], "links": []}
    if isinstance(technology, LinkTechnology):
        spec["links"] = [{"id": "it", "technology": name, "a": "n00", "b": "root"}]
    elif isinstance(technology, CellTechnology):
        spec["cells"] = [{"id": "it", "technology": name, "station": "root", "members": leaves}]
    else:
        spec["media"] = [{"id": "it", "technology": name, "members": members, "root": "root"}]
    return {**spec, "fidelity": {name: fidelity}, "interval_ms": 10**9}


def _leaves() -> list[str]:
    return [f"n{number:02d}" for number in range(NODES)]


def _gap_us(name: str, share: float) -> float:
    """Return the mean time between messages of both ways together at a load."""
    technology = load()[name]
    if isinstance(technology, MediumTechnology):
        return technology.air_us()(_wire(name)) / share
    if isinstance(technology, LinkTechnology):
        return technology.air_us(True)(_wire(name)) / share / 2
    slowest = 0.0
    assert isinstance(technology, CellTechnology)
    for up in (True, False):
        unit = technology.unit_bits(up, technology.snr_db(up))
        units = -(-8 * _wire(name) // unit) * technology.repetitions(up)
        channels = technology.lanes(up) * technology.width(up)
        slowest = max(slowest, units * technology.tti_us / channels)
    return slowest / share / 2


def _wire(name: str) -> int:
    technology = load()[name]
    return sum(Coster(technology, lambda _: 1)[BYTES].sizes)


def measure(name: str, share: float, fidelity: str, seed: int, count: int = MESSAGES) -> Measured:
    """Carry messages at a load; return what came of them, both ways together."""
    return _read(load()[name], _carry(name, share, fidelity, seed, count), None)


def _carry(name: str, share: float, fidelity: str, seed: int, count: int) -> dict[str, list[Any]]:
    core = NetworkCore(layout(name, fidelity), seed)
    draw = np.random.default_rng([seed, round(1000 * share), len(name), ord(name[0])])
    leaves = ["n00"] if isinstance(load()[name], LinkTechnology) else _leaves()
    at_us = np.cumsum(draw.exponential(_gap_us(name, share), count)).astype(int).tolist()
    leaf = draw.integers(0, len(leaves), count).tolist()
    columns: dict[str, list[Any]] = {}
    for number, (t_us, who) in enumerate(zip(at_us, leaf, strict=True)):
        src, dst = (leaves[who], "root") if number % 2 else ("root", leaves[who])
        frame = Frame(f"{src}#{number}", "", src, dst, "f", 2, t_us, -1, bytes(BYTES))
        core.advance(t_us // 1000)
        core.inject(t_us // 1000, [frame])
        if core.pending_rows > 4000:
            _gather(core, columns)
    end_ms = at_us[-1] // 1000 + _REST_MS
    while (due_ms := core.next_ms()) is not None and due_ms < end_ms:
        core.advance(due_ms)
    core.close(end_ms)
    _gather(core, columns)
    return columns


def _gather(core: NetworkCore, columns: dict[str, list[Any]]) -> None:
    for table, found in core.rows():
        if table == "message":
            for key, values in found.items():
                columns.setdefault(key, []).extend(values)


def _read(technology: Technology, columns: dict[str, list[Any]], way: str | None) -> Measured:
    """Return the figures of one way, the first tenth left out."""
    number = np.array([int(key.partition("#")[2]) for key in columns["id"]])
    keep = number >= len(number) // 10
    if way is not None:
        keep &= (np.array(columns["src"]) == "root") == (way == "down")
    through = keep & (np.array(columns["fate"]) == "delivered")
    arrived = np.array([at or 0 for at in columns["t_arrival_us"]], float)
    sent = np.array(columns["t_send_us"], float) + np.array(columns["processing_us"], float)
    names = ("queue_us", "access_us", "retry_us", "core_us")
    parts = np.array([columns[part] for part in names], float)[:, through]
    usual_us = {up: costs_of(technology, up)[BYTES].air_us for up in (True, False)}
    air_us = np.where(np.array(columns["src"]) == "root", usual_us[False], usual_us[True])
    delays = (arrived - sent)[through]
    fates = np.array(columns["fate"])[keep]
    return Measured(
        delays - air_us[through],
        delays,
        parts.sum(axis=1),
        float((fates == "delivered").sum() / max((fates != "in-flight").sum(), 1)),
        float(np.array(columns["attempts"], float)[keep].mean()),
    )


def fit(name: str, seed: int = 1) -> dict[str, Any]:
    """Return the tables of a technology, up and down."""
    ways: dict[str, Any] = {}
    carried = [_carry(name, share, "packet", seed, MESSAGES) for share in FITTED]
    both = 2.0 if isinstance(load()[name], MediumTechnology) else 1.0  # one air for both ways
    for way in ("up", "down"):
        found = [_read(load()[name], columns, way) for columns in carried]
        air_us = costs_of(load()[name], way == "up")[BYTES].air_us
        ways[way] = {
            "loads": [round(both * air_us / _gap_us(name, share) / 2, 6) for share in FITTED],
            "quantiles_us": [_quantiles(it) for it in found],
            "shares": [_shares(it) for it in found],
            "lost": [round(1.0 - it.delivered, _DIGITS + 2) for it in found],
            "attempts": [round(it.attempts, _DIGITS) for it in found],
        }
    return ways


def _quantiles(it: Measured) -> list[float]:
    """Return evenly spaced quantiles; the last is such that the mean above the last but one holds.

    Else the one longest delay of all would stand for the fortieth part of them.
    """
    row = np.quantile(it.beyond_us, np.linspace(0.0, 1.0, QUANTILES + 1))
    above = it.beyond_us[it.beyond_us >= row[-2]]
    row[-1] = max(2.0 * above.mean() - row[-2], row[-2])
    return [round(float(x)) for x in row]


def _shares(it: Measured) -> list[float]:
    total = max(float(it.beyond_us.sum()), 1.0)
    return [round(float(x / total), _DIGITS) for x in it.parts_us]


def main(names: list[str]) -> None:
    """Fit technologies and write the tables."""
    path = Path(__file__).with_name("tables.json")
    known = json.loads(path.read_text("utf-8"))["technologies"] if path.exists() else {}
    for name in names or sorted(load()):
        known[name] = fit(name)
        print(name, file=sys.stderr)
    told = (
        f"python -m simulators.network.fidelity.fit: {NODES} nodes and a root (a link: two ends), "
        f"{MESSAGES} messages of {BYTES} B at random, up and down in turns, seed 1"
    )
    lines = [f'  "{name}": {json.dumps(known[name])}' for name in sorted(known)]
    text = ",\n".join(lines)
    path.write_text(f'{{\n "made": "{told}",\n "technologies": {{\n{text}\n }}\n}}\n', "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
