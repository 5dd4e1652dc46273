"""A PRIME subnetwork (ITU-T G.9904): a tree of switches below the base node, made by the base node.

Only the base node and switches send beacons. A node that hears one registers through it. One that
hears none calls for a switch; registered nodes that hear the call ask the base node to be
promoted, and the base node chooses among them. It keeps all registered nodes alive by asking
them in turn, and demotes switches that nobody needs any more. A node whose beacons have ceased,
or that has not been asked for too long, is disconnected; as a switch it falls silent with that.

Beacons are no events here: that one is heard, or not any more, is found when it matters, from
the levels at that time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simpy.events import Timeout

from simulators.network.draws import Draws
from simulators.network.mesh.control import (
    Alive,
    AliveReply,
    Content,
    Demotion,
    Join,
    JoinReply,
    Orphan,
    Promotion,
    PromotionReply,
)
from simulators.network.mesh.neighbours import MAX_ETX, Neighbour

if TYPE_CHECKING:
    from simulators.network.mesh.carrier import Mesh
    from simulators.network.message import Node

__all__ = ["GOOD_ETX", "Subnet", "Terminal"]

GOOD_ETX = 1.5
"""A link that loses no more than a third of its frames; a poorer one is taken if there is none."""
_REGISTER_TRIES = 3
_LEAST_POLLS = 64  # in a keep-alive time, however few nodes there are
_ALIVE_TRIES = 3
_DEAD_AFTER = 3  # messages lost in a row, each with all its repetitions
_MOST_CALL_DOUBLINGS = 4


class Timers:
    """Named timeouts: one that is set anew or cleared does not happen."""

    __slots__ = ("_mesh", "_set")

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._set: dict[str, Timeout] = {}

    def __contains__(self, name: str) -> bool:
        """Tell whether a timer runs."""
        return name in self._set

    def after(self, name: str, delay_us: int, action: Callable[[], None]) -> None:
        """Let ``action`` happen later."""
        timer = Timeout(self._mesh.fabric.clock, delay_us, (name, action))
        self._set[name] = timer
        timer.callbacks.append(self._due)

    def cancel(self, name: str) -> None:
        """Let it not happen."""
        self._set.pop(name, None)

    def clear(self) -> None:
        """Let nothing happen."""
        self._set.clear()

    def _due(self, event: Any) -> None:
        name, action = event.value
        if self._set.get(name) is event:
            del self._set[name]
            action()


class Terminal:
    """One node of a subnetwork; ``parent`` is the switch that it is registered through.

    While it registers it has a parent already, but is not ``joined``, and carries nothing for
    others: so a registration that would close a loop never reaches the base node.
    """

    __slots__ = (
        "_asked_us",
        "_calls",
        "_mesh",
        "_subnet",
        "_timers",
        "_tries",
        "_under",
        "identity",
        "is_root",
        "joined",
        "node",
        "number",
        "parent",
        "sequence",
        "switch",
        "tries",
        "uniform",
    )

    def __init__(self, mesh: Mesh, subnet: Subnet, number: int, node: Node) -> None:
        self._mesh, self._subnet, self.number, self.node = mesh, subnet, number, node
        self.is_root = self.joined = self.switch = number == subnet.root
        self.uniform = Draws(mesh.fabric.seed, f"mesh/{mesh.id}|{node.id}").uniform
        self.parent: Neighbour | None = None
        self.identity = self._under = 0
        self.sequence = self.tries = self._tries = self._calls = self._asked_us = 0
        self._timers = Timers(mesh)

    # -- life ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin cold: the base node beacons, any other node listens for beacons."""
        if self.is_root:
            self.joined = self.switch = True
            self._subnet.switched(self)
        else:
            self._calls = 0
            self._listen()

    def settle_as(self, parent: Neighbour | None, switch: bool) -> None:
        """Begin as part of a subnetwork that has been there for long."""
        self.joined, self.switch, self.parent = True, switch, parent
        if parent is not None:
            self._expire()

    def stop(self) -> None:
        """Go off."""
        self._timers.clear()
        switch, self.switch, self.joined, self.parent = self.switch, False, False, None
        self.tries = 0
        if switch:
            self._subnet.silenced(self)

    def wake(self) -> None:
        """Come back."""
        self.start()

    # -- joining -------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Wait for some beacons, then choose; call for a switch after long silence."""
        wait_us = self._subnet.listen_us
        self._timers.after("listen", wait_us // 2 + int(self.uniform() * wait_us), self._choose)

    def beacons_appear(self, number: int) -> None:
        """Take note of beacons that had not been there, if they are heard."""
        if not self.joined and self.parent is None and self._subnet.etx(self, number) <= MAX_ETX:
            self._listen()

    def _choose(self) -> None:
        """Register through the best of those whose beacons are heard; else call for a switch."""
        subnet = self._subnet
        heard = [(it, subnet.etx(self, it.number)) for it in subnet.beaconing(self.number)]
        usable = [(it, etx) for it, etx in heard if etx <= MAX_ETX]
        if not usable:
            self._call_later()
            return
        best, etx = min(usable, key=lambda it: subnet.preference(*it))
        self.parent, self._under = Neighbour(best.number, etx), best.identity
        self._tries = 0
        self._register()

    def _register(self) -> None:
        if self.joined or self.parent is None:
            return
        if self._tries >= _REGISTER_TRIES:
            self.parent = None
            self._call_later()
            return
        wait_us = self._subnet.reply_us << self._tries
        self._timers.after("register", wait_us + int(self.uniform() * wait_us), self._register)
        self._tries += 1
        self.sequence += 1
        self._mesh.send_up(self, Join(self.number, self.parent.number, self.sequence))

    def _call_later(self) -> None:
        doublings = min(self._calls, _MOST_CALL_DOUBLINGS)
        wait_us = self._subnet.search_us << doublings
        self._timers.after("call", wait_us // 2 + int(self.uniform() * wait_us), self._call)

    def _call(self) -> None:
        """Tell all around that there is somebody without beacon, and listen again."""
        if self.joined or self.parent is not None:
            return
        self._calls += 1
        self._mesh.broadcast(self, Orphan(self.number))
        self._timers.after("listen", self._subnet.search_us, self._choose)

    def _joins(self, reply: JoinReply) -> None:
        if self.joined or self.parent is None or reply.sequence != self.sequence:
            return
        self.joined = True
        self._timers.clear()
        self._mesh.counts.parent_changes += 1
        self._asked_us = self._mesh.fabric.clock.now
        self._expire()
        self._mesh.reachability_changed()

    # -- leaving -------------------------------------------------------------------------------

    def beacons_cease(self, number: int) -> None:
        """Notice after some time that the beacons of its switch have ceased."""
        if self.parent is not None and self.parent.number == number:
            miss_us = self._subnet.miss_us
            wait_us = miss_us + int(self.uniform() * miss_us)
            self._timers.after("miss", wait_us, self._missed)

    def _missed(self) -> None:
        parent = self.parent
        if parent is None:
            return
        other = self._mesh.terminals[parent.number].identity != self._under
        if other or not self._subnet.hears(self, parent.number):
            self.disconnect()

    def base_restarts(self) -> None:
        """Notice by its beacons that the base node has begun anew and knows nobody."""
        wait_us = int(self.uniform() * self._subnet.miss_us)
        self._timers.after("restart", wait_us, self.disconnect)

    def disconnect(self) -> None:
        """Be no part of the subnetwork any more, and look for beacons."""
        if self.is_root or not self.node.up:
            return
        joined = self.joined
        self.stop()
        if joined:
            self._mesh.reachability_changed()
        self._calls = 0
        self._listen()

    def _expire(self) -> None:
        """Disconnect when the base node has not asked for too long."""
        left_us = self._asked_us + self._subnet.expiry_us - self._mesh.fabric.clock.now
        if left_us > 0:
            self._timers.after("expire", left_us, self._expire)
        else:
            self.disconnect()

    # -- links ---------------------------------------------------------------------------------

    def acknowledged(self, number: int) -> None:
        """Take note of a message that a neighbour has acknowledged."""
        tries, self.tries = self.tries, 0
        if self.parent is not None and self.parent.number == number:
            self.parent.acknowledged(tries)

    def failed(self, number: int) -> None:
        """Take note of a message that a neighbour never acknowledged."""
        tries, self.tries = self.tries, 0
        parent = self.parent
        if parent is None or parent.number != number:
            return
        parent.failed(tries, self._mesh.fabric.clock.now)
        if parent.failures >= _DEAD_AFTER:
            self.disconnect()
        elif self.joined:
            self.beacons_cease(number)  # it looks whether they have

    def uphill(self, own: bool) -> int | None:
        """Return the switch, for its own messages also before it is registered."""
        if self.parent is None or not (self.joined or own):
            return None
        return self.parent.number

    # -- what reaches it -----------------------------------------------------------------------

    def heard(self, sender: int, content: Content) -> None:  # noqa: ARG002 - the call says who
        """Take a call of somebody without beacon."""
        if isinstance(content, Orphan) and self.joined and not self.switch:
            wait_us = int(self.uniform() * self._subnet.listen_us)
            orphan = content.number
            self._timers.after(f"offer {orphan}", wait_us, lambda: self._offer(orphan))

    def _offer(self, orphan: int) -> None:
        if self.joined and not self.switch:
            self._mesh.send_up(self, Promotion(self.number, orphan))

    def take(self, content: Content) -> None:
        """Take a message that has come over several hops."""
        if isinstance(content, JoinReply):
            self._joins(content)
        elif isinstance(content, Alive):
            self._asked_us = self._mesh.fabric.clock.now
            self._mesh.send_up(self, AliveReply(self.number))
        elif isinstance(content, PromotionReply):
            if self.joined and not self.switch:
                self.switch = True
                self._subnet.switched(self)
        elif isinstance(content, Demotion):
            if self.switch:
                self.switch = False
                self._subnet.silenced(self)
        else:
            self._subnet.take(content)


class Subnet:
    """What the base node does, and who beacons now."""

    __slots__ = (
        "_beaconing",
        "_children_us",
        "_mesh",
        "_offers",
        "_timers",
        "alive_us",
        "expiry_us",
        "listen_us",
        "miss_us",
        "reply_us",
        "root",
        "search_us",
    )

    def __init__(self, mesh: Mesh, root: int) -> None:
        self._mesh, self.root = mesh, root
        technology = mesh.technology
        self.listen_us = 1000 * technology.mesh_settle_ms
        self.search_us = 1000 * technology.mesh_solicit_ms
        self.reply_us = 1000 * technology.mesh_dao_timeout_ms
        self.miss_us = 1000 * technology.mesh_dao_delay_ms
        self.alive_us = 1000 * technology.mesh_probe_ms
        self.expiry_us = 1000 * technology.mesh_lifetime_ms
        self._beaconing: dict[int, Terminal] = {}
        self._offers: dict[int, list[int]] = {}
        self._children_us: dict[int, int] = {}
        self._timers = Timers(mesh)

    # -- beacons -------------------------------------------------------------------------------

    def etx(self, here: Terminal, number: int) -> float:
        """Return the transmissions expected between a node and one whose beacons it measures."""
        return self._mesh.guess(here.number, number)

    def beaconing(self, without: int) -> list[Terminal]:
        """Return who beacons, but for one; nobody is heard while there is no air."""
        if not self._mesh.works:
            return []
        return [it for number, it in sorted(self._beaconing.items()) if number != without]

    def hears(self, here: Terminal, number: int) -> bool:
        """Tell whether beacons of a switch reach a node now."""
        beacons = number in self._beaconing and self._mesh.works
        return beacons and self.etx(here, number) <= MAX_ETX

    def air_changed(self) -> None:
        """Have all look whether beacons are heard: the medium was turned off, or on again."""
        for it in self._mesh.terminals:
            if not it.node.up or it.is_root:
                continue
            if it.parent is not None:
                it.beacons_cease(it.parent.number)
            elif self._mesh.works:
                for other in self.beaconing(it.number):
                    it.beacons_appear(other.number)

    def preference(self, it: Terminal, etx: float) -> tuple[bool, int, float, int]:
        """Order by a good link, then by the level that beacons tell, then by the link."""
        return (etx > GOOD_ETX, self._mesh.hops(it.number) or 0, etx, it.number)

    def switched(self, it: Terminal) -> None:
        """Take note of one more that beacons, with a switch identifier of its own."""
        self._beaconing[it.number] = it
        it.identity += 1
        if it.is_root:
            self._mesh.downward.clear()
            self._poll_later()
            for other in self._mesh.terminals:
                if other.joined and not other.is_root:
                    other.base_restarts()
        else:
            self._children_us[it.number] = self._mesh.fabric.clock.now
        self._tell_access()
        for other in self._mesh.terminals:
            if other.node.up and not other.is_root:
                other.beacons_appear(it.number)

    def silenced(self, it: Terminal) -> None:
        """Take note of one who does not beacon any more."""
        self._beaconing.pop(it.number, None)
        if it.is_root:
            self._timers.clear()
            self._offers.clear()
        self._tell_access()
        for other in self._mesh.terminals:
            other.beacons_cease(it.number)

    def form(self, switches: list[Terminal]) -> None:
        """Begin with switches that have been there for long."""
        self._beaconing = {it.number: it for it in switches}
        self._children_us = {it.number: 0 for it in switches}
        self._tell_access()
        self._poll_later()

    def _tell_access(self) -> None:
        tell = getattr(self._mesh.inner, "set_switches", None)
        if tell is not None:
            tell([it.node for _, it in sorted(self._beaconing.items()) if not it.is_root])

    # -- the base node -------------------------------------------------------------------------

    def take(self, content: Content) -> None:
        """Let the base node take a message."""
        if isinstance(content, Join):
            self._register(content)
        elif isinstance(content, Promotion):
            self._consider(content)
        elif isinstance(content, AliveReply):
            self._timers.cancel(f"alive {content.number}")
            self._mesh.downward.prolong(content.number, self._until_us())

    def _until_us(self) -> int:
        return self._mesh.fabric.clock.now + self.expiry_us

    def _register(self, join: Join) -> None:
        downward = self._mesh.downward
        if downward.register(join.number, join.parent, join.sequence, self._until_us()):
            self._mesh.reachability_changed()
        self._children_us[join.parent] = self._mesh.fabric.clock.now
        self._mesh.send_down(join.number, JoinReply(join.sequence))

    def _consider(self, promotion: Promotion) -> None:
        """Collect the offers to an orphan for a while, then promote the best."""
        orphan = promotion.orphan
        if orphan in self._offers:
            self._offers[orphan].append(promotion.number)
            return
        self._offers[orphan] = [promotion.number]
        self._timers.after(f"promote {orphan}", self.listen_us, lambda: self._promote(orphan))

    def _promote(self, orphan: int) -> None:
        """Promote the best, unless one that beacons already could serve the orphan."""
        terminals = self._mesh.terminals
        offers = [(terminals[it], self.etx(terminals[orphan], it)) for it in self._offers[orphan]]
        del self._offers[orphan]
        best, _ = min(offers, key=lambda it: self.preference(*it))
        self._mesh.send_down(best.number, PromotionReply())

    def _poll_later(self) -> None:
        """Ask the registered nodes in turn, each once in the keep-alive time."""
        count = max(_LEAST_POLLS, len(self._mesh.downward))
        self._timers.after("poll", max(1, self.alive_us // count), self._poll)

    def _poll(self) -> None:
        number = self._mesh.downward.next_in_turn()
        self._poll_later()
        if number is None:
            return
        if self._needless(number):
            self._mesh.send_down(number, Demotion())
        else:
            self._ask(number, _ALIVE_TRIES)

    def _ask(self, number: int, tries: int) -> None:
        """Ask a node whether it is there, again if it does not answer."""
        if tries and number in self._mesh.downward:
            again_us = 4 * self.reply_us
            self._timers.after(f"alive {number}", again_us, lambda: self._ask(number, tries - 1))
            self._mesh.send_down(number, Alive())

    def _needless(self, number: int) -> bool:
        """Tell whether a switch has had no child for the keep-alive time."""
        if not self._mesh.terminals[number].switch:
            return False
        now = self._mesh.fabric.clock.now
        if self._mesh.downward.has_children(number):
            self._children_us[number] = now
        return now - self._children_us.get(number, now) > self.alive_us
