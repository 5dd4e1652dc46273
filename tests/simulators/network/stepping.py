"""Whoever steps a network through every tick sees what who steps from due tick to due tick sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fernwatt.messages import Frame, Supply
from simulators.network.core import NetworkCore

__all__ = ["same_at_every_tick"]


def same_at_every_tick(
    spec: Mapping[str, Any],
    sends: Mapping[int, Sequence[Frame]],
    supply: Mapping[int, Sequence[Supply]],
    end_ms: int,
) -> None:
    """Assert that deliveries, changes of nodes and rows are the same both ways."""
    assert _seen(spec, sends, supply, end_ms, False) == _seen(spec, sends, supply, end_ms, True)


def _seen(
    spec: Mapping[str, Any],
    sends: Mapping[int, Sequence[Frame]],
    supply: Mapping[int, Sequence[Supply]],
    end_ms: int,
    every_tick: bool,
) -> tuple[list[tuple[int, str, bool]], Any]:
    core, out = NetworkCore(spec, 1), list[tuple[int, str, bool]]()
    outside = sorted({*sends, *supply, end_ms})
    t_ms = -1
    while t_ms < end_ms:
        due_ms = t_ms + 1 if every_tick else core.next_ms()
        coming_ms = next(tick for tick in outside if tick > t_ms)
        t_ms = coming_ms if due_ms is None else min(coming_ms, due_ms)
        out += [(t_ms, delivery.id, True) for delivery in core.advance(t_ms)]
        core.supply(t_ms, supply.get(t_ms, []))
        core.inject(t_ms, sends.get(t_ms, []))
        out += [(t_ms, change.unit, change.up) for change in core.node_up()]
    core.close(end_ms)
    return out, core.rows()
