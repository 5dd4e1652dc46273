"""The nodes' supply: what the grid feeds, and how long a battery lasts without it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from simpy.events import Timeout

from fernwatt.messages import Supply
from simulators.network.carrier import Clock
from simulators.network.horizon import Horizon
from simulators.network.topology import NodeSpec

__all__ = ["Power"]


class Power:
    """Turns nodes off and on with the supply of their terminals.

    ``switch(node, up, cause)`` is called for every change. A battery is full again as soon as
    the supply is back.
    """

    __slots__ = (
        "_batteries_us",
        "_env",
        "_fed",
        "_horizon",
        "_nodes",
        "_on_empty",
        "_switch",
        "_timers",
    )

    def __init__(
        self,
        env: Clock,
        horizon: Horizon,
        nodes: Sequence[NodeSpec],
        switch: Callable[[str, bool, str], None],
    ) -> None:
        self._env, self._horizon, self._switch = env, horizon, switch
        self._nodes: dict[str, list[str]] = {}
        self._batteries_us = {node.id: 1000 * node.battery_ms for node in nodes}
        for node in nodes:
            if node.terminal:
                self._nodes.setdefault(node.terminal, []).append(node.id)
        self._fed = dict.fromkeys(self._nodes, True)
        self._timers: dict[str, Timeout] = {}
        self._on_empty = self._empty

    def take(self, changes: Iterable[Supply]) -> None:
        """Take the supply of terminals as it is from now on; others' elements do not matter."""
        for change in changes:
            before = self._fed.get(change.element)
            if before is None or before == change.energised:
                continue
            self._fed[change.element] = change.energised
            for node in self._nodes[change.element]:
                if change.energised:
                    self._timers.pop(node, None)
                    self._switch(node, True, change.id)
                else:
                    self._drain(node, change.id)

    def _drain(self, node: str, cause: str) -> None:
        if not self._batteries_us[node]:
            self._switch(node, False, cause)
            return
        self._horizon.passes.append((self._env.now + self._batteries_us[node], None))
        self._timers[node] = timer = Timeout(self._env, self._batteries_us[node], (node, cause))
        timer.callbacks.append(self._on_empty)

    def _empty(self, event: Any) -> None:
        node, cause = event.value
        if self._timers.get(node) is event:  # else the supply came back
            del self._timers[node]
            self._switch(node, False, cause)
