"""Figures of a run; each method gives a matplotlib figure that Jupyter shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

from analysis.plot import (
    communication,
    diagram,
    events,
    flexibility,
    information,
    lighting,
    response,
    series,
    supply,
    traffic,
)
from analysis.plot.style import STYLE, Picture

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["Picture", "Plots"]


class Plots:
    """The figures of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def power(self) -> Picture:
        """Power at the upstream grid, and of the devices by kind [kW]."""
        return self._draw(series.power)

    def voltage(self) -> Picture:
        """Voltage over all buses [pu]: extremes, middle nine tenths, median."""
        return self._draw(series.voltage)

    def loading(self) -> Picture:
        """Highest loading of transformers and of lines [%]."""
        return self._draw(series.loading)

    def storage(self) -> Picture:
        """Stored energy of the batteries [kWh], vehicles plugged in."""
        return self._draw(series.storage)

    def supply(self) -> Picture:
        """Customers without supply and dark nodes over time, around the faults."""
        return self._draw(supply.supply)

    def lighting(self) -> Picture:
        """Power [W] and dark lamps of public lighting, by segment or feeder."""
        return self._draw(lighting.lighting)

    def latency(self) -> Picture:
        """Share of messages [%] there within a delay [ms], by flow, with what is asked of it."""
        return self._draw(traffic.latency)

    def delay_parts(self) -> Picture:
        """Mean delay [ms] of each flow by its parts."""
        return self._draw(traffic.parts)

    def technology_parts(self) -> Picture:
        """Mean delay [ms] by its parts, by the technologies on the way."""
        return self._draw(traffic.parts_by_technology)

    def losses(self) -> Picture:
        """Messages lost [%], by flow and cause."""
        return self._draw(traffic.losses)

    def media(self) -> Picture:
        """Time the busiest links and media are busy [%]."""
        return self._draw(traffic.media)

    def negotiation(self) -> Picture:
        """Distance from the desired profile by rounds [% of the first], by level."""
        return self._draw(communication.negotiation)

    def response(self, other: Run | None = None) -> Picture:
        """Demand response [kW]: baselines, asked, promised, measured; ``other``: without it."""
        return self._draw(response.response, other)

    def flexibility(self, other: Run | None = None) -> Picture:
        """Watched transformers [kW]: carried, the limit, what was bought; ``other``: without it."""
        return self._draw(flexibility.flexibility, other)

    def requests(self) -> Picture:
        """Requests of the Data Interface by variable and result."""
        return self._draw(communication.requests)

    def information(self) -> Picture:
        """What passed between kinds of units, a diagram for each flow of information."""
        return self._draw(information.information)

    def network(self) -> Picture:
        """The tree of units, each link with its share of messages delivered [%]."""
        return self._draw(communication.network)

    def diagram(self, t_ms: int | None = None) -> Picture:
        """Single-line diagram with voltage [pu] and loading [%] at ``t_ms`` (peak if None)."""
        return self._draw(diagram.diagram, t_ms)

    def events(self) -> Picture:
        """What happened when, by kind."""
        return self._draw(events.timeline)

    def _draw(self, draw: Callable[..., Picture], *arguments: Any) -> Picture:
        with mpl.rc_context(STYLE):
            return draw(self._run, *arguments)
