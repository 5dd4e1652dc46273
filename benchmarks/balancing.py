"""Speed of energy balancing: the planners, a street for ten days, and ever more houses.

Run ``python -m benchmarks.balancing``. All times are processor time, since the machine may be
shared. Houses, their units and what they say to each other are those of ``benchmarks.houses``:
directory, policies and codec are in the figures, the network and the plant are not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.houses import Neighbourhood, Settings
from benchmarks.timing import figure
from controllers.balancing import plan_battery, plan_ev, plan_time_shiftable
from fernwatt.streams import stream

__all__ = ["CURVE", "curve", "exponent", "run"]

SLOTS, STEP_H = 96, 0.25
CURVE = ((50, 1), (100, 2), (200, 4), (500, 10), (1000, 20))  # houses, substations
STREET_DAYS = 10


def _mean_ms(work: Callable[[Any], object], targets: list[Any], rounds: int = 7) -> float:
    """Return the processor time of one plan [ms]: the mean over targets, in the best round."""
    best = float("inf")
    for _ in range(rounds):
        begin = time.process_time()
        for target_w in targets:
            work(target_w)
        best = min(best, (time.process_time() - begin) / len(targets))
    return best * 1e3


def planners() -> list[dict[str, Any]]:
    """Return how long a plan of a day takes; targets wander as a house's load and sun do."""
    random = stream(1, "benchmark", "targets")
    targets = [np.cumsum(random.normal(0.0, 400.0, SLOTS)) for _ in range(60)]
    there = np.where(np.arange(SLOTS) < 56, 11_000.0, 0.0)
    cycle = np.array([2000.0, 300.0, 300.0, 1500.0, 200.0, 200.0])
    starts = range(SLOTS - cycle.size)
    works: dict[str, tuple[float | None, Callable[[Any], object]]] = {
        "ev": (0.2, lambda d: plan_ev(d, 20_000.0, there, STEP_H)),
        "ev_smallest_power": (None, lambda d: plan_ev(d, 20_000.0, there, STEP_H, there * 0.4)),
        "battery": (1.0, lambda d: plan_battery(d, 4e3, 1e4, 5e3, STEP_H)),
        "battery_with_losses": (1.0, lambda d: plan_battery(d, 4e3, 1e4, 5e3, STEP_H, 0.95)),
        "time_shiftable": (None, lambda d: plan_time_shiftable(d, cycle, starts)),
    }
    return [
        figure(f"balancing.plan_{name}", _mean_ms(work, targets), "ms", most_ms,
               f"a plan of {SLOTS} slots")
        for name, (most_ms, work) in works.items()
    ]  # fmt: skip


def street() -> list[dict[str, Any]]:
    """Return how long ten houses negotiate in ten days, daily and every quarter-hour."""
    rows = []
    for name, replan_s, most_s in (("day_ahead", 86_400.0, 10.0), ("quarter_hours", 900.0, 60.0)):
        settings = Settings(houses=10, days=STREET_DAYS, replan_s=replan_s)
        houses = Neighbourhood(settings).run(96 * STREET_DAYS)
        if houses.not_served_wh > 1.0:
            raise RuntimeError(f"{houses.not_served_wh:.0f} Wh were not charged")
        note = (
            f"{STREET_DAYS} days, {len(houses.negotiations())} negotiations and "
            f"{houses.messages} messages; peak {max(houses.power_w) / 1000:.1f} kW"
        )
        rows.append(figure(f"balancing.ten_houses_{name}", houses.spent_s, "s", most_s, note))
    return rows


def negotiate(count: int, areas: int) -> tuple[Neighbourhood, float]:
    """Have so many houses negotiate the day ahead; return them and the processor time [s].

    Counted is all from the start of the units' day on: the meters' memories of a week, what is
    learnt from them, the negotiation, and the first commands that its plans give.
    """
    houses = Neighbourhood(Settings(count, areas, parked=True)).run(2)
    return houses, houses.spent_s


def curve() -> list[tuple[int, int, int, int, float]]:
    """Return houses, substations, rounds, messages, processor time [s] of ever more houses."""
    out = []
    for count, areas in CURVE:
        houses, spent_s = negotiate(count, areas)
        rounds = max(row["round"] for row in houses.negotiations()[0])
        out.append((count, areas, rounds, houses.messages, spent_s))
    return out


def exponent(counts: list[int], spent_s: list[float]) -> float:
    """Return by which power of the number of houses the time grows (1: linearly)."""
    return float(np.polyfit(np.log(counts), np.log(spent_s), 1)[0])


def run() -> list[dict[str, Any]]:
    """Return one row per figure; ``ratio`` above 1 is better than the reference."""
    points = curve()
    growth = exponent([point[0] for point in points], [point[-1] for point in points])
    rows = [
        figure(f"balancing.houses_{count}", spent_s, "s", 60.0 if count == 1000 else None,
               f"a day ahead below {areas} substations: {rounds} rounds, {messages} messages")
        for count, areas, rounds, messages, spent_s in points
    ]  # fmt: skip
    note = "time grows with this power of the number of houses"
    return [*planners(), *street(), *rows, figure("balancing.growth", growth, "", None, note)]


if __name__ == "__main__":
    for row in run():
        print(row)
