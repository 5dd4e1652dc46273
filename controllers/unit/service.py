"""What a service sees of its unit, and what a unit wants of a service.

Services are event-driven and sans-I/O: they get notifications and timers, and answer with
requests of the Data Interface, timers and records. They know neither mosaik, nor SimPy, nor
the network, nor the grid's internals, so the same object runs in a co-simulation, in a unit
test, and on a laptop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from controllers.security.aggregator import Aggregator

__all__ = [
    "DataInterface",
    "Issued",
    "Notification",
    "Result",
    "Service",
    "UnitContext",
    "kind_of_service",
]


def kind_of_service(name: str) -> str:
    """Return what a service is: ``balancing`` of the instance ``balancing:green``.

    A unit runs several instances of a service for several stakeholders; rights and flow are those
    of the kind, subscriptions and keys the instance's own.
    """
    return name.partition(":")[0]


class Result(IntEnum):
    """Result codes of the Data Interface, on the wire as small integers."""

    OK = 0
    ISSUED = 1
    DENIED = 2
    UNKNOWN_VARIABLE = 3
    UNKNOWN_LOCATION = 4
    MALFORMED = 5
    NO_DATA = 6
    TIMEOUT = 7
    UNREACHABLE = 8
    RATE = 9
    REPLACED = 10
    OVERLOADED = 11
    UNKNOWN_SUBSCRIPTION = 12

    @property
    def label(self) -> str:
        """Return the code as it stands in tables: ``unknown-variable``."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Issued:
    """The immediate answer to a request; its outcome comes as a Notification, always.

    ``result`` is ISSUED, or why the request was refused at once; ``id`` identifies it.
    """

    result: Result
    id: str


@dataclass(frozen=True, slots=True)
class Notification:
    """The outcome of a request, or one notification of a subscription.

    ``id`` identifies what brought it (frame or instance) and is what a service names as the
    cause of what it does next. ``t_ms`` is the time stamp of the instance (the clock of whoever
    wrote it), -1 where there is none. ``hop`` names the unit on the way that a request did not
    pass, where that is known.
    """

    id: str
    request: str
    result: Result
    variable: str
    location: str
    owner: str
    value: Any
    t_ms: int
    hop: str = ""


class DataInterface(Protocol):
    """The six operations, ``notify`` being ``Service.notify``.

    ``location`` is the unit that holds the variable. ``cause`` is the identifier of what made
    the service ask. Source and signature are the unit's business: it knows which service calls.
    """

    def write(
        self, variable: str, location: str, value: Any, *, policy: Any = None, cause: str = ""
    ) -> Issued:
        """Make a new instance of a variable."""

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
        """Read a variable once; several instances reduce to one value by ``function``.

        ``at`` is a unit that keeps copies, to be asked instead of the one at ``location``.
        """

    def event(
        self,
        variable: str,
        location: str,
        *,
        condition: str = "",
        reliable: bool = False,
        cause: str = "",
    ) -> Issued:
        """Be notified of every new instance that satisfies ``condition``.

        What a ``reliable`` subscription brings is acknowledged, and kept at its source until it is.
        """

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

    def unsubscribe(self, subscription: str, location: str, *, cause: str = "") -> Issued:
        """End a subscription."""


class UnitContext(Protocol):
    """What a unit gives to each of its services."""

    @property
    def unit(self) -> str:
        """Identifier of the unit."""

    @property
    def now_ms(self) -> int:
        """The unit's clock."""

    @property
    def data(self) -> DataInterface:
        """The Data Interface, on behalf of this service."""

    def set_timer(self, name: str, at_ms: int) -> None:
        """Call ``Service.timer(name)`` at ``at_ms``; the same name again moves the timer."""

    def cancel_timer(self, name: str) -> None:
        """Forget a timer; a name that is not set does nothing."""

    def decide(self, kind: str, element: str, value: Any, causes: Sequence[str]) -> str:
        """Record a decision and all that led to it; return its identifier, to name as a cause."""

    def record(self, table: str, row: Mapping[str, Any]) -> None:
        """Write one row of a result table."""

    def stream(self, name: str) -> np.random.Generator:
        """Return this service's random stream of that name."""

    def aggregator(self, scheme: str) -> Aggregator:
        """Return the unit's side of sums that who adds them cannot read (``masking``, …)."""

    def work(self, kind: str, count: int) -> None:
        """Keep the unit's processor busy (``hash``, ``point``): what is sent after waits for it."""


class Service(Protocol):
    """One service of a unit."""

    name: str

    def start(self, context: UnitContext) -> None:
        """Begin: subscribe, set timers. Called once, at the unit's start."""

    def notify(self, notification: Notification) -> None:
        """Take the outcome of a request or a subscription's notification."""

    def timer(self, name: str) -> None:
        """Take a timer that is due."""
