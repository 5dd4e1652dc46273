"""Messages by flow: how many came to what, and the delays of those that arrived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from analysis.requirement_classes import Application, application_of

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["Flow", "flows"]


@dataclass(frozen=True, slots=True)
class Flow:
    """The messages of one flow; ``delays_ms`` of those delivered, in rising order."""

    name: str
    sent: int
    delivered: int
    lost: int
    in_flight: int
    delays_ms: npt.NDArray[np.float64]

    @property
    def application(self) -> Application | None:
        """Who is behind it, where that is known."""
        return application_of(self.name)

    @property
    def known(self) -> int:
        """How many messages have come to their end."""
        return self.delivered + self.lost

    def within(self, limit_ms: float) -> int:
        """Return how many messages were delivered within a limit."""
        return int(np.searchsorted(self.delays_ms, limit_ms, side="right"))


_KNOWN: WeakKeyDictionary[Run, tuple[Flow, ...]] = WeakKeyDictionary()


def flows(run: Run) -> tuple[Flow, ...]:
    """Return the flows of a run by name; worked out once for each ``Run``."""
    if run not in _KNOWN:
        _KNOWN[run] = _flows(run)
    return _KNOWN[run]


def _flows(run: Run) -> tuple[Flow, ...]:
    frame = run.columns("message", "flow", "fate", "delay_us")
    names, delay_ms = frame["flow"].cat, frame["delay_us"].to_numpy() / 1000.0
    flow = names.codes.to_numpy()
    fate = {kind: (frame["fate"] == kind).to_numpy() for kind in ("delivered", "lost", "in-flight")}
    count = {
        kind: np.bincount(flow[there], minlength=len(names.categories))
        for kind, there in fate.items()
    }
    sent = np.bincount(flow, minlength=len(names.categories))
    there = fate["delivered"]
    order = np.lexsort((delay_ms[there], flow[there]))
    ends = np.cumsum(count["delivered"])[:-1]
    delays = np.split(delay_ms[there][order], ends)
    found = [
        Flow(
            name=str(name),
            sent=int(sent[k]),
            delivered=int(count["delivered"][k]),
            lost=int(count["lost"][k]),
            in_flight=int(count["in-flight"][k]),
            delays_ms=delays[k],
        )
        for k, name in enumerate(names.categories)
        if sent[k]
    ]
    return tuple(sorted(found, key=lambda item: item.name))
