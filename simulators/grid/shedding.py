"""Load shedding where the power flow has no solution: a scenario's alternative to ending there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fernwatt.errors import ConvergenceError
from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.feeding import feeding
from fernwatt.gridmodel.model import FloatArray
from fernwatt.gridmodel.solvers import BoolArray, GridState

__all__ = ["Shedding", "feeders"]

_LEAST = 1.0 / 16.0
_PATIENCE = 16
_US_PER_H = 3_600_000_000.0

Attempt = Callable[[FloatArray, FloatArray], GridState]
News = tuple[str, str, dict[str, Any]]


class Shedding:
    """Sheds power, feeder by feeder, until there is a solution.

    After a failed attempt one feeder gets half of what it had, all its terminals alike, what they
    feed in as well; at less than a sixteenth it gets nothing. It is the feeder of the worst
    bus that the solver names; where nothing is left of that one, the one with most power left.
    After 16 attempts two at a time are halved, after 16 more four, and so on. Every solution
    begins with everything whole, so it depends on power and switches alone, and what was shed is
    back with the first solution that needs no shedding.
    """

    def __init__(self, model: GridModel) -> None:
        self._model = model
        self._terminal_bus = [terminal.bus for terminal in model.terminals]
        self._known = b""
        self._feeder_of: dict[str, str] = {}
        self._shed: dict[str, tuple[float, float, int]] = {}  # share left, W, terminals
        self._told: dict[str, tuple[float, float, int]] = {}
        self._missed_wus: dict[str, float] = {}
        self._t_us = 0

    def solve(
        self, attempt: Attempt, p_w: FloatArray, q_var: FloatArray, closed: BoolArray
    ) -> tuple[GridState, FloatArray, FloatArray]:
        """Return the state, and the power ``[n, 3]`` for which it is one.

        ``closed`` of the model's switches. Raises ConvergenceError where not even a grid without
        load has a solution.
        """
        self._shed = {}
        try:
            return attempt(p_w, q_var), p_w, q_var
        except ConvergenceError as error:
            worst = error.bus
            first = error
        self._look(closed)
        feeder = np.array([self._feeder_of.get(bus, "") for bus in self._terminal_bus])
        share = np.ones(len(feeder))
        va = np.hypot(p_w, q_var).sum(axis=1) * (feeder != "")
        attempts = 0
        while (va * share).any():
            chosen = self._choose(worst, feeder, va * share, 2 ** (attempts // _PATIENCE))
            attempts += 1
            mine = np.isin(feeder, chosen)
            share[mine] = np.where(share[mine] > _LEAST, share[mine] / 2.0, 0.0)
            p, q = p_w * share[:, None], q_var * share[:, None]
            try:
                state = attempt(p, q)
            except ConvergenceError as error:
                worst = error.bus
                continue
            self._note(feeder, share, (p_w - p).sum(axis=1))
            return state, p, q
        raise first

    def news(self, t_us: int) -> list[News]:
        """Return what changed of what is shed from ``t_us`` on: kind, feeder, and how much."""
        hours, self._t_us = (t_us - self._t_us) / _US_PER_H, t_us
        for name, (_, p_w, _) in self._told.items():
            self._missed_wus[name] = self._missed_wus.get(name, 0.0) + p_w * hours
        out: list[News] = []
        for name in sorted(self._told.keys() | self._shed.keys()):
            now = self._shed.get(name)
            if now is None:
                value = {"energy_wh": self._missed_wus.pop(name), "terminals": self._told[name][2]}
                out.append(("load_restored", name, value))
            elif now != self._told.get(name):
                share, p_w, count = now
                value = {"p_w": p_w, "share": 1.0 - share, "terminals": count}
                out.append(("load_shed", name, value))
        self._told = self._shed
        return out

    # -- inside ------------------------------------------------------------------------------

    def _look(self, closed: BoolArray) -> None:
        if closed.tobytes() != self._known or not self._feeder_of:
            self._known, self._feeder_of = closed.tobytes(), feeders(self._model, closed)

    def _choose(self, worst: str, feeder: Any, left_va: FloatArray, count: int) -> list[str]:
        """Return ``count`` feeders with power left: the one of bus ``worst``, then by power."""
        names, where = np.unique(feeder, return_inverse=True)
        left = np.bincount(where, left_va, len(names))
        order = [str(names[n]) for n in np.argsort(-left, kind="stable") if left[n] > 0]
        named = self._feeder_of.get(worst, "")
        return sorted(order, key=lambda name: name != named)[:count]

    def _note(self, feeder: Any, share: FloatArray, shed_w: FloatArray) -> None:
        for name in np.unique(feeder[share < 1.0]).tolist():
            mine = feeder == name
            part = float(share[mine][0]), float(shed_w[mine].sum()), int(mine.sum())
            self._shed[name] = part


def feeders(model: GridModel, closed: BoolArray) -> dict[str, str]:
    """Return for each supplied bus the feeder that it hangs on.

    This is the first line after the last transformer, or after the source, on the way to it; for
    a busbar before any line the busbar itself.
    """
    fed = feeding(model, closed.tolist())
    found: dict[str, str] = {}
    begun: dict[str, bool] = {}
    for bus in fed.live:
        source, parent = fed.source[bus], fed.parent[bus]
        if source.startswith("line/"):
            found[bus] = found[parent] if begun[parent] else source
            begun[bus] = True
        elif source.startswith("switch/"):
            begun[bus] = begun[parent]
            found[bus] = found[parent] if begun[parent] else bus
        else:
            found[bus], begun[bus] = bus, False
    return found
