"""Analytic: a delay drawn from what packet mode was measured to take, at loads stated with it.

``tables.json`` holds for each technology, at some loads, the quantiles of what a message took
beyond its time on the air, how that divides into parts, and the share that was lost
(``fit.py`` made it, and says how). Between loads both are interpolated.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from simulators.network.draws import Draws
from simulators.network.fidelity.carrier import FluidPort, Outcome
from simulators.network.fidelity.rate import Rate
from simulators.network.message import Message

__all__ = ["Drawn", "Table", "tables"]


@dataclass(frozen=True, slots=True)
class Table:
    """Measurements in one direction: ``quantiles_us[load][k]`` is quantile k of ``len - 1``.

    ``shares[load]`` are of queue, access, retry and core in what is beyond the air time.
    """

    loads: tuple[float, ...]
    quantiles_us: tuple[tuple[float, ...], ...]
    shares: tuple[tuple[float, float, float, float], ...]
    lost: tuple[float, ...]
    attempts: tuple[float, ...]

    def at(self, load: float) -> tuple[int, int, float]:
        """Return the places of the loads below and above, and how far it is between them."""
        above = min(max(bisect_right(self.loads, load), 1), len(self.loads) - 1)
        span = self.loads[above] - self.loads[above - 1]
        part = (load - self.loads[above - 1]) / span
        return above - 1, above, min(max(part, 0.0), 1.0)

    @classmethod
    def of(cls, data: Mapping[str, Sequence[object]]) -> Table:
        """Return the table of its JSON form."""
        return cls(
            **{  # type: ignore[arg-type]
                key: tuple(tuple(x) if isinstance(x, list) else x for x in values)
                for key, values in data.items()
            }
        )


@lru_cache(maxsize=1)
def tables() -> Mapping[str, Mapping[str, Table]]:
    """Return the tables by technology and direction ("up", "down")."""
    text = files("simulators.network.fidelity").joinpath("tables.json").read_text("utf-8")
    return {
        name: {way: Table.of(it) for way, it in item.items()}
        for name, item in json.loads(text)["technologies"].items()
    }


class Drawn:
    """A carrier whose delays are drawn.

    The load is the air time offered of late per time, of each way or (``shared``) of both;
    ``root`` is the node that sends "down".
    """

    def __init__(self, ways: Mapping[str, Table], draws: Draws, root: str, shared: bool) -> None:
        self._ways, self._draws, self._root = ways, draws, root
        self._least_us = {way: min(row[0] for row in it.quantiles_us) for way, it in ways.items()}
        one = Rate(1e6)
        self._loads = {way: one if shared else Rate(1e6) for way in ways}

    def passage_us(self, port: FluidPort, size: int) -> int:
        """Return the time on the air and the least that was measured beyond it."""
        return port.costs[size].air_us + max(0, int(self._least_us[self._way(port)]))

    def _way(self, port: FluidPort) -> str:
        return "down" if port.node.id == self._root and "down" in self._ways else "up"

    def outcome(self, port: FluidPort, message: Message, now_us: int) -> Outcome:
        """Draw delay and loss at the load of late."""
        way = self._way(port)
        table, rate, draws = self._ways[way], self._loads[way], self._draws
        cost = port.costs[message.size]
        frames = len(cost.sizes)
        rate.span_us = max(rate.span_us, 200.0 * cost.air_us)
        below, above, part = table.at(rate.at(now_us))
        rate.add(now_us, cost.air_us)
        place = draws.uniform() * (len(table.quantiles_us[0]) - 1)
        low, high = (_quantile(table.quantiles_us[row], place) for row in (below, above))
        beyond_us = max(0, round(frames * (low + part * (high - low))))
        nearer = above if part > 0.5 else below
        queue, _, retry, core = (int(share * beyond_us) for share in table.shares[nearer])
        lost = table.lost[below] + part * (table.lost[above] - table.lost[below])
        dies = lost > 0.0 and draws.uniform() < 1.0 - (1.0 - lost) ** frames
        tries = table.attempts[nearer] * frames
        attempts = int(tries + draws.uniform())
        access_us = beyond_us - queue - retry - core
        return Outcome(
            queue,
            access_us,
            cost.air_us,
            retry,
            core,
            "retries" if dies else "",
            max(attempts, 1),
            max(attempts, 1) - frames if attempts > frames else 0,
            round(cost.wire_bytes * tries / frames),
        )


def _quantile(row: Sequence[float], place: float) -> float:
    """Return a quantile between two that are listed."""
    step = int(place)
    return row[step] + (place - step) * (row[step + 1] - row[step])
