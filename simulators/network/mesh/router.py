"""One node's side of the routing protocol: what it believes, and what it does about it.

Trees are numbered by ``version``; a node's place in one is its ``rank``. A node takes as parent
only who stands in a newer version, or in its own with a rank below its own, and within a version
its own rank never rises. Both only move one way in time, and a node keeps them while it is off.
So what it believes of a neighbour is never more favourable than the truth, ranks fall along
every way to the root, and no loop can arise, however old the beliefs are. (This is RPL with
DAGMaxRankIncrease 0 and path cost and rank apart; the argument is that of Babel's feasibility
condition, RFC 8966.) A node that finds no such parent asks the root for a new version.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simpy.events import Timeout

from simulators.network.draws import Draws
from simulators.network.mesh.control import (
    INFINITE_RANK,
    Ack,
    Content,
    Dao,
    Dio,
    Dis,
    Probe,
    Renew,
)
from simulators.network.mesh.neighbours import ETX_UNIT, MAX_ETX, MAX_PATH_COST, Neighbours
from simulators.network.mesh.registration import Registration
from simulators.network.mesh.trickle import Trickle

if TYPE_CHECKING:
    from simulators.network.mesh.carrier import Mesh
    from simulators.network.mesh.neighbours import Neighbour
    from simulators.network.message import Node

__all__ = ["Router"]

_SWITCH_COST = 192  # RFC 6719: PARENT_SWITCH_THRESHOLD, 1.5 transmissions
_MOST_SOLICIT_DOUBLINGS = 4


class Router:
    """The protocol at one node; the root is the one without parent and with rank ``ETX_UNIT``."""

    __slots__ = (
        "_advertised",
        "_draws",
        "_judged_etx",
        "_mesh",
        "_renewed_us",
        "_soliciting",
        "_timers",
        "_unanswered",
        "epoch",
        "is_root",
        "neighbours",
        "node",
        "number",
        "parent",
        "rank",
        "registration",
        "trickle",
        "tries",
        "uplink_us",
        "version",
    )

    def __init__(self, mesh: Mesh, number: int, node: Node, is_root: bool) -> None:
        self._mesh, self.number, self.node, self.is_root = mesh, number, node, is_root
        technology = mesh.technology
        self._draws = Draws(mesh.fabric.seed, f"mesh/{mesh.id}|{node.id}")
        self.version, self.rank = (0, ETX_UNIT) if is_root else (-1, INFINITE_RANK)
        self.parent: Neighbour | None = None
        self.neighbours = Neighbours(technology.mesh_neighbours)
        self.trickle = Trickle(
            mesh.fabric.clock,
            self._draws,
            1000 * technology.mesh_dio_min_ms,
            technology.mesh_dio_doublings,
            technology.mesh_dio_redundancy,
            self.advertise,
        )
        self.registration = Registration(mesh, self)
        self.epoch = self.tries = self._unanswered = self._soliciting = 0
        self.uplink_us = 0
        self._renewed_us = -1000 * technology.mesh_renew_ms
        self._judged_etx, self._advertised = 1.0, 0
        self._timers: dict[str, Timeout] = {}

    # -- what it is ----------------------------------------------------------------------------

    @property
    def joined(self) -> bool:
        """Tell whether it believes to have a way to the root."""
        return self.is_root or self.parent is not None

    @property
    def cost(self) -> int:
        """Return the cost of its way to the root [ETX/128]."""
        return 0 if self.parent is None else self.parent.path_cost

    @property
    def uniform(self) -> Callable[[], float]:
        """Return its source of random numbers."""
        return self._draws.uniform

    # -- life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin cold: the root opens a tree, any other node looks for one."""
        if self.is_root:
            self.trickle.start()
            return
        self._unanswered = 0
        self._solicit_in(self._mesh.technology.mesh_settle_ms)

    def settle_as(self, parent: Neighbour | None, rank: int) -> None:
        """Begin as part of a tree that has been there for long."""
        self.version, self.rank, self.parent = 0, rank, parent
        self.trickle.start(settled=True)
        self._advertised = self.cost
        if parent is not None:
            self._judged_etx = parent.etx
            self.uplink_us = -int(self.uniform() * 1000 * self._mesh.technology.mesh_probe_ms)
            self._watch()
            self.registration.settle()

    def stop(self) -> None:
        """Go off; version and rank are kept, as in memory that outlives supply."""
        self.trickle.stop()
        self.registration.stop()
        self._timers.clear()
        self.neighbours.clear()
        self.parent, self.tries = None, 0

    def wake(self) -> None:
        """Come back; the root begins a new version, because it has forgotten its children."""
        if self.is_root:
            self.version += 1
            self.epoch += 1
        self.start()

    # -- timers --------------------------------------------------------------------------------

    def _in(self, name: str, delay_us: int, action: Callable[[], None]) -> None:
        """Let ``action`` happen later, unless the timer of this name is set anew or cleared."""
        timer = Timeout(self._mesh.fabric.clock, delay_us, (name, action))
        self._timers[name] = timer
        timer.callbacks.append(self._due)

    def _due(self, event: Any) -> None:
        name, action = event.value
        if self._timers.get(name) is event:
            del self._timers[name]
            action()

    # -- looking for a tree --------------------------------------------------------------------

    def _solicit_in(self, delay_ms: int) -> None:
        doublings = min(self._unanswered, _MOST_SOLICIT_DOUBLINGS)
        spread_us = (1000 * delay_ms) << doublings
        self._in("solicit", int(self.uniform() * spread_us) + spread_us // 2, self._solicit)

    def _solicit(self) -> None:
        """Ask all around for a tree; from the second time on, for a newer one if need be."""
        if self.joined:
            return
        urgent = self._unanswered > 0 and self.version >= 0
        self._mesh.broadcast(self, Dis(self.version, self.rank, urgent))
        self._unanswered += 1
        self._solicit_in(self._mesh.technology.mesh_solicit_ms)

    def heard_dis(self, sender: int, dis: Dis) -> None:
        """Answer who looks for a tree: advertise soon, and pass an urgent call to the root."""
        neighbour = self.neighbours.get(sender)
        if neighbour is not None:
            neighbour.rank = INFINITE_RANK
            if neighbour is self.parent:
                self._judge()
        if not self.joined:
            return
        self.trickle.reset()
        useful = self.version > dis.version or self.rank < dis.rank
        if dis.urgent and not useful:
            self.renew(dis.version)

    def renew(self, version: int) -> None:
        """Have the root begin a new version, unless that has just been asked for."""
        now, technology = self._mesh.fabric.clock.now, self._mesh.technology
        if version < self.version or now - self._renewed_us < 1000 * technology.mesh_renew_ms:
            return
        self._renewed_us = now
        if self.is_root:
            self.version += 1
            self.trickle.reset()
        else:
            self._mesh.send_up(self, Renew(version))

    # -- the tree ------------------------------------------------------------------------------

    def advertise(self) -> None:
        """Tell all around where it stands; without parent, that it leads nowhere."""
        self._advertised = self.cost
        rank = self.rank if self.joined else INFINITE_RANK
        self._mesh.broadcast(self, Dio(self.version, rank, self._advertised, self.epoch))

    def heard_dio(self, sender: int, dio: Dio) -> None:
        """Take what a neighbour says of where it stands."""
        if self.joined and dio.version == self.version and dio.rank < INFINITE_RANK:
            self.trickle.heard()
        elif self.joined and dio.version < self.version:
            self.trickle.reset()  # it must learn of the newer version
        if self.is_root:
            return
        neighbour = self.neighbours.get(sender)
        if neighbour is None:
            etx = self._mesh.guess(self.number, sender)
            neighbour = self.neighbours.admit(sender, etx, dio, self.parent)
            if neighbour is None:
                return
        neighbour.told(dio)
        if neighbour.forgivable(self._mesh.fabric.clock.now):
            neighbour.failures, neighbour.etx = 0, self._mesh.guess(self.number, sender)
        self._consider(neighbour)

    def _consider(self, neighbour: Neighbour) -> None:
        """Look whether the news of a neighbour change anything."""
        parent, fits = self.parent, self._fit(neighbour)
        if fits and (parent is None or neighbour.version > self.version):
            if "settle" not in self._timers:  # others will be heard from soon
                wait_us = 1000 * self._mesh.technology.mesh_settle_ms
                self._in("settle", wait_us // 2 + int(self.uniform() * wait_us), self._judge)
        elif neighbour is parent or (
            fits and parent and neighbour.path_cost + _SWITCH_COST < parent.path_cost
        ):
            self._judge()

    def _fit(self, it: Neighbour) -> bool:
        """Tell whether a neighbour may be the parent: no loop, not given up, not too far."""
        if it.dead or it.rank >= INFINITE_RANK or it.path_cost > MAX_PATH_COST:
            return False
        if it.etx > MAX_ETX and it is not self.parent:
            return False
        ahead = it.version > self.version
        return ahead or (it.version == self.version and it.rank < self.rank)

    def _judge(self) -> None:
        """Choose the parent: the least cost in the newest version, with hysteresis."""
        if self.is_root:
            return
        parent = self.parent
        fit = [it for it in self.neighbours.values() if self._fit(it)]
        best = min(fit, key=self._preference, default=None)
        if parent is not None:
            self._judged_etx = parent.etx
        if best is None:
            if parent is not None:
                self._leave()
        elif best is not parent or best.version > self.version:
            self._adopt(best)
        elif abs(self.cost - self._advertised) > _SWITCH_COST:
            self._advertised = self.cost
            self.trickle.reset()

    def _preference(self, it: Neighbour) -> tuple[int, int, int]:
        """Order by version, then cost; the parent has a start over the others."""
        start = _SWITCH_COST if it is self.parent else 0
        return (-it.version, it.path_cost - start, it.number)

    def _adopt(self, parent: Neighbour) -> None:
        """Take a parent; the rank may fall, or begin anew in a newer version."""
        before, newer = self.parent, parent.version > self.version
        rank = parent.rank + parent.step
        self.rank = rank if newer else min(self.rank, rank)
        self.version, self.parent = parent.version, parent
        self._judged_etx = parent.etx
        self._timers.pop("settle", None)
        self._timers.pop("solicit", None)
        self._unanswered = 0
        self.uplink_us = self._mesh.fabric.clock.now
        self._mesh.counts.parent_changes += before is not parent
        if before is None:
            self._watch()
            self._mesh.reachability_changed()
        if before is None or newer or abs(self.cost - self._advertised) > _SWITCH_COST:
            self._advertised = self.cost
            self.trickle.reset()
        if before is not parent or self.epoch != parent.epoch:
            self.epoch = parent.epoch
            self.registration.renew()

    def _leave(self) -> None:
        """Give up: tell the children that it leads nowhere, and look for another tree."""
        self.parent = None
        self.trickle.stop()
        self.registration.stop()
        self._timers.pop("watch", None)
        self._mesh.reachability_changed()
        self.advertise()
        self._unanswered = 0
        self._solicit_in(self._mesh.technology.mesh_settle_ms)

    # -- links ---------------------------------------------------------------------------------

    def acknowledged(self, number: int) -> None:
        """Take note of a message that a neighbour has acknowledged."""
        tries, self.tries = self.tries, 0
        neighbour = self.neighbours.get(number)
        if neighbour is None:
            return
        neighbour.acknowledged(tries)
        if neighbour is self.parent:
            self.uplink_us = self._mesh.fabric.clock.now
            if abs(neighbour.etx - self._judged_etx) > 0.5:
                self._judge()

    def failed(self, number: int) -> None:
        """Take note of a message that a neighbour never acknowledged; ask a parent once more."""
        tries, self.tries = self.tries, 0
        neighbour = self.neighbours.get(number)
        if neighbour is None:
            return
        neighbour.failed(tries, self._mesh.fabric.clock.now)
        if neighbour is not self.parent:
            return
        self._judge()
        if neighbour is self.parent:
            wait_us = 1000 * self._mesh.technology.mesh_settle_ms
            self._in("watch", wait_us + int(self.uniform() * wait_us), self._probe)

    def _watch(self) -> None:
        """Wait until nothing has gone to the parent for as long as it is trusted."""
        probe_us = 1000 * self._mesh.technology.mesh_probe_ms
        left_us = self.uplink_us + probe_us - self._mesh.fabric.clock.now
        if left_us > 0:
            self._in("watch", left_us, self._watch)
        else:
            self._probe()

    def _probe(self) -> None:
        """Ask the parent whether it is still there, and trust it that long if it answers."""
        if self.parent is None:
            return
        self._in("watch", 1000 * self._mesh.technology.mesh_probe_ms, self._watch)
        self._mesh.send_to(self, self.parent.number, Probe())

    # -- what reaches it -----------------------------------------------------------------------

    def heard(self, sender: int, content: Content) -> None:
        """Take a broadcast of a neighbour."""
        if isinstance(content, Dio):
            self.heard_dio(sender, content)
        elif isinstance(content, Dis):
            self.heard_dis(sender, content)

    def take(self, content: Content) -> None:
        """Take a message that has come over several hops."""
        if isinstance(content, Ack):
            self.registration.acknowledged(content)
        elif isinstance(content, Renew):
            self.renew(content.version)
        elif isinstance(content, Dao):
            self._mesh.registered(content)

    def uphill(self, own: bool) -> int | None:  # noqa: ARG002 - others ask for a way before they have one
        """Return the next node towards the root; without one, tell who believes otherwise.

        It missed the first poisoning.
        """
        if self.parent is not None:
            return self.parent.number
        now = self._mesh.fabric.clock.now
        if not self.is_root and now - self.uplink_us > 1000 * self._mesh.technology.mesh_settle_ms:
            self.uplink_us = now
            self.advertise()
        return None
