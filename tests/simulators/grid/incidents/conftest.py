"""A plant under static load on which incidents play, without mosaik."""

from __future__ import annotations

from typing import Any

import pytest

from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.solvers import make_solver
from fernwatt.messages import Event
from simulators.grid.incidents import Incidents, make_incidents
from simulators.grid.news import News
from simulators.grid.plant import Plant
from simulators.grid.solutions import Solutions


class Stage:
    """Plays incidents on a grid; ``events`` are all that were told, in order of their making."""

    def __init__(
        self,
        model: GridModel,
        params: dict[str, Any],
        *,
        solver: str = "balanced",
        earthing: dict[str, Any] | None = None,
        load: float = 1.0,
    ) -> None:
        earth = Earthing.of(earthing)
        solutions = Solutions(model, make_solver(solver, model, earth), earth)
        self.plant = Plant(model, solutions)
        self.news = News()
        self.incidents: Incidents = make_incidents(self.plant, self.news, params)
        p_w, q_var = (load * part for part in model.static_power())
        self.plant.draw(*(part[:, None].repeat(3, axis=1) / 3.0 for part in (p_w, q_var)))
        self.incidents.settle(0, "")
        self.news.take()
        self.events: list[Event] = []

    def play(self, until_s: float) -> list[Event]:
        """Let happen what happens until then; return all events so far."""
        self.plant.advance(round(until_s * 1e3))
        self.incidents.play(round(until_s * 1e6))
        self.events += self.news.take()[0]
        return self.events

    def kinds(self, *wanted: str) -> list[tuple[str, str]]:
        """Return (kind, element) of the events of some kinds."""
        return [(e.kind, e.element) for e in self.events if e.kind in wanted]

    def times_s(self, kind: str) -> list[float]:
        """Return when events of a kind were."""
        return [event.t_us / 1e6 for event in self.events if event.kind == kind]


@pytest.fixture(name="stage")
def fixture_stage() -> type[Stage]:
    """The class, for tests that make their own."""
    return Stage
