"""Subscriptions, as they live on the unit that holds the data.

A subscriber is a unit's service on behalf of a stakeholder. It may have any number of events
for a variable and owner, each with another condition, and one periodic: a second one replaces it.
They are noted, and so survive a restart of the unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

from controllers.unit.condition import Condition, parse
from controllers.unit.notes import MemoryNotebook, Notebook
from controllers.unit.wire import Operation, Request

__all__ = ["Subscription", "Subscriptions", "Window"]

_WINDOW = 64
_BLOCK = 1000
_Key = tuple[str, str, str, str, str, str]


@dataclass(slots=True)
class Subscription:
    """One subscription; ``id`` is that of the request that made it, ``serial`` counts what left.

    ``order`` is its place among all of the unit: who subscribed first is notified first. Of a
    ``reliable`` one ``serial`` begins with the time [ms], so it never comes twice.
    """

    id: str
    operation: Operation
    variable: str
    owner: str
    unit: str
    service: str
    stakeholder: str
    flow: str
    text: str = ""
    period_ms: int = 0
    order: int = 0
    reliable: bool = False
    serial: int = 0
    reserved: int = 0

    @property
    def condition(self) -> Condition | None:
        """What an instance must satisfy; None: nothing."""
        return parse(self.text)

    @property
    def key(self) -> _Key:
        """Variable, owner, subscriber, and of an event its condition."""
        text = "" if self.operation is Operation.PERIODIC else self.text or "true"
        return (self.variable, self.owner, self.unit, self.service, self.stakeholder, text)

    def plain(self) -> list[Any]:
        """Return the JSON form."""
        return [
            self.id, int(self.operation), self.variable, self.owner, self.unit, self.service,
            self.stakeholder, self.flow, self.text, self.period_ms, self.order, self.reliable,
            self.reserved,
        ]  # fmt: skip

    @classmethod
    def from_plain(cls, plain: list[Any]) -> Subscription:
        """Return the subscription of its JSON form; numbers go on after all that were given."""
        *values, reserved = plain
        names = [field.name for field in fields(cls)][: len(values)]
        made = cls(**dict(zip(names, values, strict=True)))
        made.operation = Operation(made.operation)
        made.serial = made.reserved = reserved
        return made


class Subscriptions:
    """All subscriptions of one unit, found by identifier and by variable."""

    __slots__ = ("_by_id", "_by_key", "_events", "_notes", "_orders")

    def __init__(self, notes: Notebook | None = None) -> None:
        self._notes = notes = notes or MemoryNotebook()
        self._by_id: dict[str, Subscription] = {}
        self._events: dict[tuple[str, str], dict[str, Subscription]] = {}
        self._by_key: dict[_Key, str] = {}
        noted = [Subscription.from_plain(one) for one in notes.items("subscriptions").values()]
        self._orders = 0
        for subscription in sorted(noted, key=lambda one: one.order):
            self._take(subscription)

    def __iter__(self) -> Iterator[Subscription]:
        """Iterate over all, by identifier."""
        return iter([self._by_id[key] for key in sorted(self._by_id)])

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, identifier: str) -> Subscription | None:
        """Return the subscription, None where there is none."""
        return self._by_id.get(identifier)

    def add(self, subscription: Subscription) -> Subscription | None:
        """Take a subscription; return the same one of the subscriber that it replaced, if any."""
        found = self._by_key.get(subscription.key)
        old = None if found is None else self._by_id[found]
        if old is not None:
            self.remove(old)
            # numbers grow over all that take each other's place
            subscription.serial = max(subscription.serial, old.serial)
            subscription.reserved = subscription.serial
        subscription.order = self._orders + 1
        self._take(subscription)
        self._notes.put("subscriptions", subscription.id, subscription.plain())
        return old

    def is_late(self, subscription: Subscription) -> bool:
        """Tell whether its subscriber asked for the same once more since, and that came earlier."""
        found = self._by_key.get(subscription.key)
        return found is not None and _number(found) > _number(subscription.id)

    def _take(self, subscription: Subscription) -> None:
        if subscription.operation is Operation.EVENT:
            series = (subscription.variable, subscription.owner)
            self._events.setdefault(series, {})[subscription.id] = subscription
        self._by_key[subscription.key] = subscription.id
        self._by_id[subscription.id] = subscription
        self._orders = max(self._orders, subscription.order)

    def remove(self, subscription: Subscription) -> None:
        """Forget a subscription."""
        del self._by_id[subscription.id]
        del self._by_key[subscription.key]
        if subscription.operation is Operation.EVENT:
            del self._events[subscription.variable, subscription.owner][subscription.id]
        self._notes.drop("subscriptions", subscription.id)

    def end(self, unit: str) -> int:
        """Forget all subscriptions of a unit; return how many there were."""
        held = [one for one in self if one.unit == unit]
        for subscription in held:
            self.remove(subscription)
        return len(held)

    def number(self, subscription: Subscription) -> int:
        """Return the number of the next notification of a subscription."""
        subscription.serial += 1
        # the last word on one that was just ended is not noted
        if subscription.serial > subscription.reserved and subscription.id in self._by_id:
            subscription.reserved = subscription.serial - 1 + _BLOCK
            self._notes.put("subscriptions", subscription.id, subscription.plain())
        return subscription.serial

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


def _number(identifier: str) -> int:
    return int(identifier[identifier.rindex("#") + 1 :])


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
