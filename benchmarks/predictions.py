"""How good predictions of loads are on SimBench's households and on the feeders made of them.

Run ``python -m benchmarks.predictions``: a table of errors, as in ``docs/models/prediction.md``.
Every day from October to December 2016 is predicted at its midnight by what was measured before;
all choices (features, least weight of the prior, trees) were made on July to September.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import simbench

from controllers.balancing.boosted import METHODS, make_predictor
from fernwatt.timebase import Clock

__all__ = ["Series", "backtest", "feeders", "households", "main"]

START = Clock.from_iso("2016-01-01T00:00:00Z")
FIRST_DAY, DAY = 274, 96  # the first of October
GRIDS = ("LV1.101", "LV2.101", "LV3.101", "LV4.101", "LV5.201", "LV6.201")

Watts = Any


@dataclass(frozen=True, slots=True)
class Series:
    """A load of a year [W]: how it is called, and of how many houses it is the mean."""

    name: str
    houses: int
    p_w: Watts


def _folder() -> Path:
    return Path(simbench.__file__).parent / "networks" / "1-complete_data-mixed-all-0-sw"


def households() -> Iterator[Series]:
    """Yield SimBench's six household profiles, then their mean."""
    table = pd.read_csv(_folder() / "LoadProfile.csv", sep=";")
    loads = {kind: 1000.0 * table[f"H0-{kind}_pload"].to_numpy() for kind in "ABCGHL"}
    for kind, p_w in loads.items():
        yield Series(f"H0-{kind}", 1, p_w)
    yield Series("mean of the six", 6, np.mean(list(loads.values()), axis=0))


def feeders() -> Iterator[Series]:
    """Yield the mean of all loads of one low-voltage grid of each of SimBench's six kinds."""
    table = pd.read_csv(_folder() / "LoadProfile.csv", sep=";")
    loads = pd.read_csv(_folder() / "Load.csv", sep=";")
    for grid in GRIDS:
        own = loads[(loads["subnet"] == grid).to_numpy()]
        if own.empty:
            raise SystemExit(f"no loads in {grid}")
        pairs = zip(own["profile"], own["pLoad"], strict=True)
        total = sum(1e6 * rated * table[f"{kind}_pload"].to_numpy() for kind, rated in pairs)
        yield Series(grid, len(own), total / len(own))


def backtest(series: Series, method: str) -> Watts:
    """Return rows of October to December: mean, low, high, naive ones, measured."""
    predictor = make_predictor(START, {"method": method})
    power_w = series.p_w[: series.p_w.size // DAY * DAY]
    first = FIRST_DAY * DAY
    predictor.load_history(0, power_w[:first].tolist())
    rows = []
    for slot, measured_w in enumerate(power_w[first:].tolist(), first):
        said = predictor.said(slot)
        if said is None:
            raise SystemExit(f"nothing was said of slot {slot}")
        four_w = float(power_w[slot - 7 * DAY : slot - 29 * DAY : -7 * DAY].mean())
        rows.append((said.mean_w, said.low_w, said.high_w, said.yesterday_w, said.weekday_w,
                     four_w, said.week_w, measured_w))  # fmt: skip
        predictor.observe(slot, measured_w)
    return np.array(rows, dtype=float)


def errors(rows: Watts) -> dict[str, float]:
    """Return root mean square errors by the mean, and pinball and coverage of the quantiles."""
    measured = rows[:, -1]
    mean_w = float(measured.mean())
    places = {"ours": 0, "yesterday": 3, "weekday": 4, "four weekdays": 5, "7 days": 6}
    out = {
        name: float(np.sqrt(np.mean((rows[:, place] - measured) ** 2))) / mean_w
        for name, place in places.items()
    }
    low, high = measured - rows[:, 1], measured - rows[:, 2]
    out["pinball"] = float(_pinball(low, high)) / mean_w
    out["pinball of 7 days"] = float(_pinball(*(measured - rows[:, 6],) * 2)) / mean_w
    out["coverage"] = 100.0 * float(np.mean((low >= 0) & (high <= 0)))
    return out


def _pinball(low: Watts, high: Watts) -> Any:
    losses = np.maximum(0.1 * low, -0.9 * low) + np.maximum(0.9 * high, -0.1 * high)
    return losses.mean() / 2.0


def main() -> None:
    """Print one line for each series and method."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.predictions", description=__doc__)
    parser.add_argument("--method", choices=METHODS, action="append", help="default: both")
    methods = parser.parse_args().method or METHODS
    for series in (*households(), *feeders()):
        for method in methods:
            found = errors(backtest(series, method))
            skills = [1.0 - found["ours"] / found[name] for name in ("weekday", "7 days")]
            cells = [f"{found[name]:.3f}" for name in list(found)[:-1]]
            cells += [f"{found['coverage']:.0f}", *(f"{100 * skill:.1f}" for skill in skills)]
            print(
                f"| {series.name} | {series.houses} | {method} | {' | '.join(cells)} |", flush=True
            )


if __name__ == "__main__":
    main()
