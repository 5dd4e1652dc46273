"""Subscriptions, as they live on the unit that holds the data.

A subscriber is a unit's service on behalf of a stakeholder. It may have any number of events
for a variable and owner, and one periodic: a second one replaces it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from controllers.unit.condition import Condition
from controllers.unit.wire import Operation, Request

__all__ = ["Subscription", "Subscriptions", "Window"]

_WINDOW = 64
_Key = tuple[str, str, str, str, str]


@dataclass(slots=True)
class Subscription:
    """One subscription; ``id`` is that of the request that made it, ``serial`` counts what left."""

    id: str
    operation: Operation
    variable: str
    owner: str
    unit: str
    service: str
    stakeholder: str
    flow: str
    condition: Condition | None = None
    period_ms: int = 0
    serial: int = 0

    @property
    def key(self) -> _Key:
        """Variable, owner and subscriber."""
        return (self.variable, self.owner, self.unit, self.service, self.stakeholder)


class Subscriptions:
    """All subscriptions of one unit, found by identifier and by variable."""

    __slots__ = ("_by_id", "_events", "_periodic")

    def __init__(self) -> None:
        self._by_id: dict[str, Subscription] = {}
        self._events: dict[tuple[str, str], dict[str, Subscription]] = {}
        self._periodic: dict[_Key, str] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, identifier: str) -> Subscription | None:
        """Return the subscription, None where there is none."""
        return self._by_id.get(identifier)

    def add(self, subscription: Subscription) -> bool:
        """Take a subscription; return whether it replaced a periodic one of the subscriber."""
        replaced = False
        if subscription.operation is Operation.PERIODIC:
            old = self._periodic.get(subscription.key)
            replaced = old is not None
            if old is not None:
                del self._by_id[old]
            self._periodic[subscription.key] = subscription.id
        else:
            series = (subscription.variable, subscription.owner)
            self._events.setdefault(series, {})[subscription.id] = subscription
        self._by_id[subscription.id] = subscription
        return replaced

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        del self._by_id[subscription.id]
        if subscription.operation is Operation.PERIODIC:
            del self._periodic[subscription.key]
        else:
            del self._events[subscription.variable, subscription.owner][subscription.id]

    def owned(self, request: Request) -> Subscription | None:
        """Return the subscription that ``request`` names, if it is its sender's own."""
        found = self._by_id.get(request.subscription)
        if found is None:
            return None
        own = (found.unit, found.service, found.stakeholder)
        return found if own == (request.source, request.service, request.stakeholder) else None

    def events(self, variable: str, owner: str) -> Iterable[Subscription]:
        """Return the events of a series, in the order of subscribing."""
        found = self._events.get((variable, owner))
        return tuple(found.values()) if found else ()


class Window:
    """Tells new serial numbers from repeated ones, whatever their order.

    A number more than 64 behind the highest counts as repeated.
    """

    __slots__ = ("_bits", "_high")

    def __init__(self) -> None:
        self._high, self._bits = 0, 0

    def fresh(self, serial: int) -> bool:
        """Return whether ``serial`` was not there before; it now was."""
        ahead = serial - self._high
        if ahead > 0:
            shifted = self._bits << ahead if ahead < _WINDOW else 0
            self._bits = (shifted | 1) & ((1 << _WINDOW) - 1)
            self._high = serial
            return True
        if -ahead >= _WINDOW or self._bits >> -ahead & 1:
            return False
        self._bits |= 1 << -ahead
        return True
