"""What waits for the services of one unit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import TypeVar

from controllers.unit.service import Notification, Service
from controllers.unit.surroundings import Surroundings
from controllers.unit.wire import Notify
from fernwatt.errors import FernwattError, SimulationError

__all__ = ["Inbox"]

T = TypeVar("T")
_MAX_CALLS_PER_TICK = 100_000


class Inbox:
    """Notifications in the order they came; ``drain`` alone calls a service."""

    __slots__ = ("_around", "_calls", "_queue", "_rescue", "_t_ms", "_unit")

    def __init__(
        self, unit: str, around: Surroundings, rescue: Callable[[str, Exception], bool]
    ) -> None:
        self._unit, self._around, self._rescue = unit, around, rescue
        self._queue: deque[tuple[str, Notification]] = deque()
        self._t_ms, self._calls = -1, 0

    def put(self, service: str, notify: Notify, brought: str) -> None:
        """Queue a notification for ``service``; ``brought`` is the frame or instance behind it."""
        owner = notify.owner or self._around.directory.owner(notify.location, notify.variable)
        notification = Notification(
            brought,
            notify.request,
            notify.result,
            notify.variable,
            notify.location,
            owner,
            notify.value,
            notify.t_ms,
            notify.hop,
        )
        self._queue.append((service, notification))

    def drain(self, services: Mapping[str, Service]) -> None:
        """Hand on what waits; raises SimulationError where a service fails or never ends."""
        queue, now_ms = self._queue, self._around.now_ms
        if self._t_ms != now_ms:
            self._t_ms, self._calls = now_ms, 0
        while queue:
            service, notification = queue.popleft()
            self._calls += 1
            if self._calls > _MAX_CALLS_PER_TICK:
                raise SimulationError(
                    f"service {service} of {self._unit} answers itself without end at one instant"
                )
            self.guard(service, services[service].notify, notification)

    def guard(self, service: str, call: Callable[[T], None], argument: T) -> None:
        """Call a service; a failure that is not ``rescue``d names it and its unit."""
        try:
            call(argument)
        except FernwattError:
            raise
        except Exception as error:
            if self._rescue(service, error):
                return
            reason = f"service {service} of {self._unit} failed: {error!r}"
            raise SimulationError(reason) from error
