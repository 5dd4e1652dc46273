"""Figures of a run; each method gives a matplotlib figure that Jupyter shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.plot import communication, diagram, events, series
from analysis.plot.style import Picture

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["Picture", "Plots"]


class Plots:
    """The figures of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def power(self) -> Picture:
        """Power at the upstream grid, and of the devices by kind [kW]."""
        return series.power(self._run)

    def voltage(self) -> Picture:
        """Voltage over all buses [pu]: extremes, middle nine tenths, median."""
        return series.voltage(self._run)

    def storage(self) -> Picture:
        """Stored energy of the batteries [kWh], vehicles plugged in."""
        return series.storage(self._run)

    def latency(self) -> Picture:
        """Share of messages [%] within a delay [ms], by flow."""
        return communication.latency(self._run)

    def delay_parts(self) -> Picture:
        """Mean delay [ms] of each flow by its parts."""
        return communication.parts(self._run)

    def negotiation(self) -> Picture:
        """Distance from the desired profile by rounds [% of the first], by level."""
        return communication.negotiation(self._run)

    def network(self) -> Picture:
        """The tree of units, each link with its share of messages delivered [%]."""
        return communication.network(self._run)

    def diagram(self, t_ms: int | None = None) -> Picture:
        """Single-line diagram with voltage [pu] and loading [%] at ``t_ms`` (peak if None)."""
        return diagram.diagram(self._run, t_ms)

    def events(self) -> Picture:
        """What happened when, by kind."""
        return events.timeline(self._run)
