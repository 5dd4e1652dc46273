"""A subscriber of a cell: what waits in both directions, and how it gets a connection.

Idle, it contends for access as soon as it has something to send; the base station pages it when
there is something for it. Connected, it asks for a grant unless it is sending anyway; what comes
from the base station needs none.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from simpy.events import Timeout

from simulators.network.cells.channel import Bearer
from simulators.network.draws import Draws
from simulators.network.message import Message, Node

if TYPE_CHECKING:
    from simulators.network.cells.cell import Cell

__all__ = ["Phase", "Subscriber"]


class Phase(Enum):
    """How a subscriber stands to its base station."""

    IDLE = "idle"
    PAGED = "paged"
    ACCESS = "access"
    CONNECTED = "connected"


class Subscriber:
    """The interface of a subscriber; ``up`` and ``down`` are what goes either way."""

    __slots__ = (
        "_access_us",
        "_active_us",
        "_alone",
        "_cell",
        "_grant",
        "_granted_us",
        "_offset",
        "_on_connected",
        "_on_granted",
        "_on_page",
        "_on_retry",
        "_phase",
        "_ready_us",
        "_timer",
        "down",
        "draws",
        "name",
        "node",
        "queue",
        "tries",
        "up",
        "watch",
    )

    def __init__(self, cell: Cell, node: Node, snr_db: tuple[float, float]) -> None:
        technology, seed = cell.technology, cell.fabric.seed
        self._cell, self.node, self.name = cell, node, f"{cell.id}|{node.id}"
        self.up = Bearer(cell.up, f"{self.name}|up", technology.reception(True, snr_db[0]))
        self.down = Bearer(cell.down, f"{self.name}|down", technology.reception(False, snr_db[1]))
        self.queue = self.up.queue
        self.draws = Draws(seed, f"access/{self.name}")
        self._offset: float | None = None
        always = technology.setup_us == 0
        self._phase = Phase.CONNECTED if always else Phase.IDLE
        self._timer: Timeout | None = None  # of paging, of access
        self._grant: Timeout | None = None
        self._active_us = -technology.known_us - technology.hold_us - 1
        self._access_us = self._ready_us = self._granted_us = 0
        self.tries, self.watch, self._alone = 0, 0, True
        self._on_page, self._on_retry = self._paged, self._retried
        self._on_connected, self._on_granted = self._connected, self._grant_came

    # -- the port of the subscriber's node -----------------------------------------------------

    def offer(self, message: Message) -> None:
        """Take a message for the base station."""
        if not self._keep(self.up, message):
            return
        phase = self._phase_now()
        if phase is Phase.CONNECTED:
            self._request()
        elif phase is not Phase.ACCESS:
            self._seek()

    def held(self) -> tuple[list[Message], list[Message]]:
        """Return what waits and what is under way to the base station."""
        return list(self.up.queue), [flight.message for flight in self.up.flights]

    def clear(self) -> list[Message]:
        """Forget what waits and what is under way to the base station; return it.

        The connection is gone. What the base station has for this subscriber stays there.
        """
        gone = [*self.up.ground(), *self.up.stop()]
        self.disconnect()
        return gone

    def bound_us(self) -> int | None:
        """Return when what waits here arrives at its receiver at the earliest; see ``horizon``.

        What is under way is on the horizon with the instant of its arrival.
        """
        self._alone = True
        bounds_us = []
        for bearer in (self.up, self.down):
            if bearer.queue.waiting == 1:
                message = next(iter(bearer.queue))
                ahead_us = self._cell.fabric.horizon.ahead_us(message)
                bounds_us.append(self._begin_us(bearer) + bearer.least_us(message) + ahead_us)
            elif bearer.queue.waiting:
                bounds_us.append(self._begin_us(bearer) + self._cell.least_us)
        return min(bounds_us) if bounds_us else None

    def passage_us(self, size: int) -> int:
        """Return the least time from here to the base station for ``size`` bytes of payload."""
        return self.up.demand(size).air_us + self._cell.up.decode_us

    # -- what the base station does ------------------------------------------------------------

    def take(self, message: Message) -> None:
        """Take a message for the subscriber's node, at the base station."""
        if not self._keep(self.down, message):
            return
        phase = self._phase_now()
        if phase is Phase.CONNECTED:
            self.down.want()
        elif phase is Phase.IDLE:
            self._page()

    def disconnect(self) -> None:
        """Lose the connection; begin anew if something waits."""
        self._timer = self._grant = None
        self.up.forget()
        self.down.forget()
        if self._cell.technology.setup_us == 0:
            self._take_up()
            return
        self._phase = Phase.IDLE
        self._begin_anew()

    def _idle_us(self) -> int:
        """Return how long ago it was heard of, or sent to, last."""
        last_us = max(self._active_us, self.up.sent_us, self.down.sent_us)
        return self._cell.fabric.clock.now - last_us

    # -- idle and connected --------------------------------------------------------------------

    def _keep(self, bearer: Bearer, message: Message) -> bool:
        cell = self._cell
        if not bearer.queue.put(message):
            cell.fabric.lost(message, "queue-full")
            return False
        cell.usage.queue_max = max(cell.usage.queue_max, bearer.queue.waiting)
        if self._alone:
            self._alone = False
            cell.fabric.horizon.taken.append(self)
        return True

    def _phase_now(self) -> Phase:
        """Return how it stands; the connection is given up when it was not used for long."""
        technology = self._cell.technology
        if self._phase is Phase.CONNECTED and technology.setup_us:
            used = self._grant or any(
                bearer.flights or bearer.level >= 0 or bearer.resumes
                for bearer in (self.up, self.down)
            )
            if not used and self._idle_us() > technology.hold_us:
                self._phase = Phase.IDLE
        return self._phase

    def _begin_us(self, bearer: Bearer) -> int:
        """Return when what waits in one direction is given resources at the earliest."""
        now = self._cell.fabric.clock.now
        if self._phase is Phase.CONNECTED:
            if bearer.granted:
                return max(now, bearer.ready_us())
            return max(now, self._granted_us if self._grant else now)
        if self._phase is Phase.ACCESS:
            return max(now, self._ready_us)
        return now + self._cell.technology.setup_us  # it may get something to send at any time

    def _begin_anew(self) -> None:
        if self.up.queue.waiting:
            self._seek()
        elif self.down.queue.waiting:
            self._page()

    # -- paging and access ---------------------------------------------------------------------

    def _page(self) -> None:
        """Call the subscriber: at its next paging occasion, or at once if its cell is known."""
        technology, clock = self._cell.technology, self._cell.fabric.clock
        now = clock.now
        if not technology.paging_us or self._idle_us() <= technology.known_us:
            self._phase = Phase.ACCESS
            self._ready_us = now + technology.setup_us
            self._after(technology.setup_us, self._on_connected)
            return
        self._phase = Phase.PAGED
        offset = int(self._share() * technology.paging_us)
        self._after((offset - now) % technology.paging_us, self._on_page)

    def _paged(self, event: Any) -> None:
        if event is not self._timer:
            return
        if self.node.up and self._cell.station.node.up:
            self._seek()
        else:
            self._unreachable()

    def _unreachable(self) -> None:
        """Lose what the base station has for a subscriber who does not answer."""
        self._timer, self._phase = None, Phase.IDLE
        self._lose(self.down)
        self._begin_anew()

    def _seek(self) -> None:
        """Contend for access."""
        self._phase, self.tries = Phase.ACCESS, 0
        self._timer = None
        self._try()

    def _try(self) -> None:
        self._access_us = self._cell.access.join(self)
        self._ready_us = self._access_us + self._cell.technology.setup_us

    def _retried(self, event: Any) -> None:
        if event is self._timer:
            self._timer = None
            self._try()

    def tries_at(self, opportunity_us: int) -> bool:
        """Tell whether it still wants access at this opportunity."""
        wants = self._phase is Phase.ACCESS and self._timer is None
        return wants and self._access_us == opportunity_us

    def access_granted(self) -> None:
        """Set the connection up: its preamble was heard."""
        self._after(self._cell.technology.setup_us, self._on_connected)

    def access_failed(self, wait_us: int) -> None:
        """Try again after ``wait_us``, or give up: its preamble was not heard."""
        technology = self._cell.technology
        if self.tries < technology.access_tries:
            now = self._cell.fabric.clock.now
            self._ready_us = now + wait_us + technology.setup_us
            self._after(wait_us, self._on_retry)
            return
        self._phase = Phase.IDLE
        self._lose(self.up if self.up.queue.waiting else self.down)
        self._begin_anew()

    def _lose(self, bearer: Bearer) -> None:
        """Lose all that waits in a direction: access failed."""
        dead = not (self.node.up and self._cell.station.node.up)
        for message in bearer.stop("access_us"):
            self._cell.fabric.lost(message, "node-down" if dead else "access")

    def _connected(self, event: Any) -> None:
        if event is not self._timer:
            return
        self._timer = None
        if not (self.node.up and self._cell.station.node.up):
            self._unreachable()
            return
        self._phase = Phase.CONNECTED
        self._take_up()

    def _take_up(self) -> None:
        """Begin with what waits: the set-up itself tells the scheduler of it."""
        now = self._cell.fabric.clock.now
        self._active_us = now
        for bearer in (self.up, self.down):
            if bearer.queue.waiting:
                bearer.access_over(now)
                bearer.want()

    # -- grants --------------------------------------------------------------------------------

    def _request(self) -> None:
        """Let the scheduler know what waits, by what is being sent or by a request."""
        bearer, technology, clock = self.up, self._cell.technology, self._cell.fabric.clock
        now = clock.now
        if bearer.granted or now < bearer.sent_us:
            bearer.want()
        elif not self._grant:
            wait_us = technology.grant_us
            if technology.request_us:
                offset = int(self._share() * technology.request_us)
                wait_us += (offset - now) % technology.request_us
            if not wait_us:
                bearer.want()
                return
            self._granted_us = now + wait_us
            self._grant = timer = Timeout(clock, wait_us)
            timer.callbacks.append(self._on_granted)

    def _grant_came(self, event: Any) -> None:
        if event is not self._grant:
            return
        self._grant = None
        if self.up.queue.waiting:
            self.up.access_over(self._cell.fabric.clock.now)
            self.up.want()

    def _after(self, wait_us: int, callback: Any) -> None:
        self._timer = timer = Timeout(self._cell.fabric.clock, wait_us)
        timer.callbacks.append(callback)

    def _share(self) -> float:
        """Return where in each period its occasions lie: drawn once, from 0 to 1."""
        if self._offset is None:
            self._offset = self.draws.uniform()
        return self._offset
