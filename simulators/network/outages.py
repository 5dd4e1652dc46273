"""Outages by plan: nodes and carriers that fail at an instant and are mended at another.

A node may be a meter, a concentrator, a gateway, a base station, the mobile core, a host at the
edge or in the cloud; a carrier a link, a medium or a cell. What it holds when it fails is lost.
Outages of the same element may overlap: it works again when the last of them is over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simpy.events import Timeout

from fernwatt.errors import Fault
from simulators.network.carrier import Clock
from simulators.network.horizon import Horizon
from simulators.network.technologies import nearest

__all__ = ["OutageSpec", "Outages", "parse_outages"]

Switch = Callable[[str, bool, str], None]


@dataclass(frozen=True, slots=True)
class OutageSpec:
    """``element`` (a node's or carrier's identifier) fails at ``at_us``.

    It is mended at ``until_us``; None: never.
    """

    id: str
    element: str
    at_us: int
    until_us: int | None


def parse_outages(
    items: Sequence[Mapping[str, Any]], nodes: Collection[str], carriers: Collection[str]
) -> tuple[tuple[OutageSpec, ...], list[Fault]]:
    """Return the outages ``{id, element, at_ms, until_ms}`` by time, and what is wrong with them.

    Times are in milliseconds, to the microsecond where they have decimals.
    """
    outages: dict[str, OutageSpec] = {}
    faults: list[Fault] = []
    for place, item in enumerate(items):
        path, element = f"network.outages[{place}]", str(item.get("element"))
        if element not in nodes and element not in carriers:
            hint = nearest(element, sorted({*nodes, *carriers}))
            faults.append(Fault(f"{path}.element", f"no node or carrier {element}", hint))
        at_us, until_us = _us(item.get("at_ms")), _us(item.get("until_ms"))
        if at_us is None:
            faults.append(Fault(f"{path}.at_ms", f"must be a time, is {item.get('at_ms')!r}"))
            continue
        if item.get("until_ms") is not None and (until_us is None or until_us <= at_us):
            message = f"must be after at_ms, is {item['until_ms']!r}"
            faults.append(Fault(f"{path}.until_ms", message, "null: it is never mended"))
        identifier = str(item.get("id") or f"outage#{place}")
        if identifier in outages:
            faults.append(Fault(f"{path}.id", f"a second outage is named {identifier}"))
        outages[identifier] = OutageSpec(identifier, element, at_us, until_us)
    ordered = sorted(outages.values(), key=lambda it: (it.at_us, it.element, it.id))
    return tuple(ordered), faults


def _us(value: object) -> int | None:
    """Return milliseconds as whole microseconds, None for what is no time."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        return None
    return round(value * 1000)


class Outages:
    """Switches elements off and on at their times.

    ``set_node`` and ``set_carrier`` take identifier, whether it works, and the cause: that of a
    failure is the outage. The horizon is told of every instant, since a way that opens may
    bring a message earlier than anything known before.
    """

    __slots__ = ("_env", "_on_begin", "_on_end", "_open", "_switches")

    def __init__(
        self,
        env: Clock,
        horizon: Horizon,
        outages: Sequence[OutageSpec],
        nodes: Collection[str],
        switches: tuple[Switch, Switch],
    ) -> None:
        self._env, self._open = env, Counter[str]()
        set_node, set_carrier = switches
        self._switches = {it.element: set_node for it in outages}
        self._switches |= {it.element: set_carrier for it in outages if it.element not in nodes}
        self._on_begin, self._on_end = self._begin, self._end
        for it in outages:
            for at_us, callback in ((it.at_us, self._on_begin), (it.until_us, self._on_end)):
                if at_us is not None:
                    horizon.passes.append((at_us, None))
                    timer = Timeout(env, at_us, it)
                    timer.callbacks.append(callback)

    def _begin(self, event: Any) -> None:
        it: OutageSpec = event.value
        self._open[it.element] += 1
        if self._open[it.element] == 1:
            self._switches[it.element](it.element, False, it.id)

    def _end(self, event: Any) -> None:
        it: OutageSpec = event.value
        self._open[it.element] -= 1
        if not self._open[it.element]:
            self._switches[it.element](it.element, True, it.id)
