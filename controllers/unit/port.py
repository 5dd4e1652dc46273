"""A service's side of its unit: the Data Interface on its behalf, timers, records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from controllers.unit.service import Issued, Result
from controllers.unit.surroundings import SERVICE_TIMER
from controllers.unit.wire import Operation, Request, ValueRefusedError, clean_value
from fernwatt.messages import Event
from fernwatt.streams import stream

if TYPE_CHECKING:
    from controllers.security.aggregator import Aggregator
    from controllers.unit.membership import Membership
    from controllers.unit.policy import Policy
    from controllers.unit.unit import ManagementUnit

__all__ = ["Port"]


class Port:
    """Implements ``UnitContext`` and ``DataInterface`` for one service."""

    __slots__ = ("_service", "_stakeholder", "_streams", "_timers", "_unit")

    def __init__(self, unit: ManagementUnit, service: str, stakeholder: str) -> None:
        self._unit, self._service, self._stakeholder = unit, service, stakeholder
        self._timers: dict[str, int] = {}
        self._streams: dict[str, np.random.Generator] | None = None

    # -- UnitContext -------------------------------------------------------------------------

    @property
    def unit(self) -> str:
        """Identifier of the unit."""
        return self._unit.id

    @property
    def now_ms(self) -> int:
        """The unit's clock."""
        return self._unit.around.now_ms

    @property
    def data(self) -> Port:
        """The Data Interface, on behalf of this service."""
        return self

    def set_timer(self, name: str, at_ms: int) -> None:
        """Call ``Service.timer(name)`` at ``at_ms``."""
        key = f"{self._service}\n{name}"
        self._timers[name] = self._unit.around.timer(at_ms, self.unit, SERVICE_TIMER, key)

    def cancel_timer(self, name: str) -> None:
        """Forget a timer."""
        self._timers.pop(name, None)

    def expire(self, name: str, serial: int) -> bool:
        """Tell whether the timer that is due is still meant, and forget it."""
        if self._timers.get(name) != serial:
            return False
        del self._timers[name]
        return True

    def decide(self, kind: str, element: str, value: Any, causes: Sequence[str]) -> str:
        """Record a decision and all that led to it; return its identifier."""
        around, identifier = self._unit.around, self._unit.name()
        first = causes[0] if causes else ""
        t_us = around.now_ms * 1000
        around.event(Event(identifier, first, t_us, kind, element, clean_value(value)))
        if len(causes) > 1:
            for cause in causes:
                around.books.add("cause", identifier, cause)
        return identifier

    def record(self, table: str, row: Mapping[str, Any]) -> None:
        """Write one row of a result table."""
        self._unit.around.books.add_row(table, row)

    def stream(self, name: str) -> np.random.Generator:
        """Return this service's random stream of that name; the same object each time."""
        if self._streams is None:
            self._streams = {}
        if name not in self._streams:
            entity = f"{self.unit}\x1f{self._service}\x1f{name}"
            self._streams[name] = stream(self._unit.around.seed, "units", entity)
        return self._streams[name]

    @property
    def membership(self) -> Membership | None:
        """The platform's part in group management, None where there is none."""
        return self._unit.membership

    def aggregator(self, scheme: str) -> Aggregator:
        """Return the unit's side of sums that who adds them cannot read."""
        return self._unit.aggregator(scheme)

    def work(self, kind: str, count: int) -> None:
        """Keep the unit's processor busy: what is sent after waits for it."""
        self._unit.work(kind, count)

    # -- LinkContext -------------------------------------------------------------------------

    def transmit(
        self, peer: str, payload: bytes, *, flow: str = "metering", cause: str = ""
    ) -> str:
        """Send bytes of a foreign protocol to a peer; return the frame's name."""
        return self._unit.links.transmit(peer, payload, flow, cause)

    def keep(self, key: str, value: Any) -> None:
        """Note what is to survive the unit's restart; None: forget it."""
        collection = f"service/{self._service}"
        if value is None:
            self._unit.notes.drop(collection, key)
        else:
            self._unit.notes.put(collection, key, value)

    def kept(self) -> dict[str, Any]:
        """Return what was noted, by key."""
        return self._unit.notes.items(f"service/{self._service}")

    # -- DataInterface -----------------------------------------------------------------------

    def write(
        self, variable: str, location: str, value: Any, *, policy: Any = None, cause: str = ""
    ) -> Issued:
        """Make a new instance of a variable; ``policy`` is a Policy or its plain form."""
        request = self._request(Operation.WRITE, variable, location)
        request.policy = _plain_policy(policy)
        try:
            request.value = clean_value(value)
        except ValueRefusedError:
            return self._unit.caller.refuse(request, Result.MALFORMED, cause)
        return self._unit.caller.call(request, cause)

    def query(
        self,
        variable: str,
        location: str,
        *,
        condition: str = "",
        function: str = "last",
        at: str = "",
        cause: str = "",
    ) -> Issued:
        """Read a variable once, where it is or where a copy of it is."""
        request = self._request(Operation.QUERY, variable, location)
        request.condition, request.function, request.at = condition, function, at
        return self._unit.caller.call(request, cause)

    def event(
        self,
        variable: str,
        location: str,
        *,
        condition: str = "",
        reliable: bool = False,
        cause: str = "",
    ) -> Issued:
        """Be notified of every new instance that satisfies ``condition``."""
        request = self._request(Operation.EVENT, variable, location)
        request.condition, request.reliable = condition, reliable
        return self._unit.caller.call(request, cause)

    def periodic(
        self,
        variable: str,
        location: str,
        period_ms: int,
        *,
        reliable: bool = False,
        cause: str = "",
    ) -> Issued:
        """Be notified of the newest instance every ``period_ms``."""
        request = self._request(Operation.PERIODIC, variable, location)
        request.period_ms, request.reliable = period_ms, reliable
        return self._unit.caller.call(request, cause)

    def unsubscribe(self, subscription: str, location: str, *, cause: str = "") -> Issued:
        """End a subscription."""
        request = self._request(Operation.UNSUBSCRIBE, "", location)
        request.subscription = subscription
        return self._unit.caller.call(request, cause)

    def _request(self, operation: Operation, variable: str, location: str) -> Request:
        unit = self._unit
        return Request(
            operation,
            unit.name(),
            unit.id,
            self._service,
            self._stakeholder,
            variable,
            location,
        )


def _plain_policy(policy: Policy | list[list[Any]] | None) -> list[list[Any]] | None:
    return policy if policy is None or isinstance(policy, list) else policy.plain()
