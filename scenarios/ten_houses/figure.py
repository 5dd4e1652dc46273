"""Draw runs side by side: ``python -m scenarios.ten_houses.figure OUT.svg 'NAME=RUN' …``."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np

from analysis.kpis.profile import slot_profile
from analysis.plot.style import COLOURS, STYLE, Picture, time_axis
from analysis.run import Run
from fernwatt.timebase import DAY_MS

__all__ = ["draw"]

_FIRST_DAY, _DAYS = 2, 3


def draw(runs: Mapping[str, Path]) -> Picture:
    """Return the import of each run on three of its days, and its duration curve over all [kW]."""
    with mpl.rc_context(STYLE):
        figure = Picture(figsize=(7.6, 5.6), layout="constrained")
        above, below = figure.subplots(2, 1)
        for colour, (name, folder) in zip(COLOURS, runs.items(), strict=False):
            run = Run(folder)
            kw = slot_profile(run)["p_w"] / 1000.0
            begin_ms = _FIRST_DAY * DAY_MS
            part = kw[(kw.index >= begin_ms) & (kw.index < begin_ms + _DAYS * DAY_MS)]
            times = run.times(part.index.to_numpy())
            above.step(times, part, where="post", color=colour, linewidth=1.2, label=name)
            hours = np.arange(len(kw)) / 4.0
            below.plot(hours, np.sort(kw.to_numpy())[::-1], color=colour)
        time_axis(above)
        above.set_ylabel("drawn from the grid [kW]")
        below.set_ylabel("exceeded [kW]")
        below.set_xlabel("for so many hours of ten days")
        figure.legend(loc="outside upper center", ncols=3)
    return figure


if __name__ == "__main__":
    named = dict(text.split("=", 1) for text in sys.argv[2:])
    svg = draw({name: Path(folder) for name, folder in named.items()}).svg("ten-houses")
    Path(sys.argv[1]).write_text(svg + "\n", encoding="utf-8")
