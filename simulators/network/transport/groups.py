"""Frames to groups: on a shared air one transmission for all who hear it, over links copies.

A frame becomes a message for each member. They go together along the tree of their paths: at each
node those with the same next hop share what carries them. On a shared medium that is one
broadcast, which nobody acknowledges or repeats; whoever misses it has lost the message. In a mesh
it goes from neighbour to neighbour until all have heard it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields

from fernwatt.messages import Frame
from simulators.network.csma import Station
from simulators.network.mesh.carrier import MeshPort
from simulators.network.message import Message, Node, Port, book
from simulators.network.transport import stacks
from simulators.network.transport.carried import Carried, Host, Sender, absorb, count
from simulators.network.transport.settings import FlowTransport

__all__ = ["Casts", "Copy"]


class Copy(Frame):
    """A group's frame as one of its members gets it."""

    __slots__ = ()


class Branch:
    """What carries messages from one node to the next ones: who is behind each of these."""

    __slots__ = ("at_us", "key", "members")

    def __init__(self, key: tuple[str, ...], at_us: int) -> None:
        self.key, self.at_us = key, at_us
        self.members: dict[str, list[tuple[Message, FlowTransport]]] = {}


class Casts(Sender):
    """All frames to groups on their way."""

    __slots__ = ("_branches", "_groups", "_host", "_open")

    def __init__(self, host: Host, groups: Mapping[str, tuple[str, ...]]) -> None:
        self._host, self._groups = host, groups
        self._branches: dict[tuple[str, ...], Branch] = {}
        self._open: dict[int, Message] = {}

    def frames(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Return the frames, those to groups once for every member but the sender."""
        for frame in frames:
            members = self._groups.get(frame.dst)
            if members is None:
                yield frame
                continue
            values = {it.name: getattr(frame, it.name) for it in fields(frame)}
            for member in members:
                if member != frame.src:
                    yield Copy(**{**values, "dst": member})

    def take(self, message: Message, settings: FlowTransport) -> None:
        """Send a message on its way to its member, with what else goes there now."""
        self._open[message.serial] = message
        self._step(message.src, message, settings)

    def _step(self, here: str, message: Message, settings: FlowTransport) -> None:
        if here == message.dst:
            del self._open[message.serial]
            self._host.deliver(message, 0)
            return
        path = self._host.path(here, message.dst)
        if path is None:
            up = self._host.nodes[message.dst].up
            self._lose(message, "no-route" if up else "node-down")
            return
        port, node = path[0]
        shared = isinstance(port, Station | MeshPort) and self._host.awake(node.id)
        assert message.frame is not None
        now = self._host.clock.now
        key = (message.frame.id, here, port.name, "" if shared else node.id)
        branch = self._branches.get(key)
        if branch is not None and branch.at_us == now:
            branch.members.setdefault(node.id, []).append((message, settings))
            return
        branch = self._branches[key] = Branch(key, now)
        branch.members[node.id] = [(message, settings)]
        self._launch(here, port if shared else None, node, branch)

    def _launch(self, here: str, port: Port | None, node: Node, branch: Branch) -> None:
        """Send by broadcast on ``port``, or to ``node`` alone."""
        host = self._host
        ((message, settings),) = branch.members[node.id]
        size = stacks.wrapped_bytes(settings, message.size)
        if not settings.plain:
            size += host.header_bytes(here, node.id, "udp")
        dst = "" if port is not None else node.id
        carried = Carried(0, here, dst, size, message.priority, host.clock.now, None, self)
        carried.what, carried.bears = branch, message.frame
        if port is None:
            host.launch(carried)
        else:
            port.offer(carried)

    def heard(self, message: Message, node: Node) -> None:
        """Take a broadcast at a node: it is for this one, or for those behind it."""
        assert isinstance(message, Carried)
        for member, settings in message.what.members.pop(node.id, ()):
            self._book(member, message)
            member.hops += 1
            self._step(node.id, member, settings)

    def ended(self, message: Message) -> None:
        """Lose what nobody has heard of a broadcast."""
        self.lost(message, "noise")

    def arrived(self, message: Message) -> None:
        """Take a copy at the next node."""
        assert isinstance(message, Carried)
        members = message.what.members.pop(message.dst, ())
        self._close(message.what)
        for member, settings in members:
            self._book(member, message)
            self._step(message.dst, member, settings)

    def lost(self, message: Message, cause: str) -> None:
        """Lose all that was carried."""
        assert isinstance(message, Carried)
        branch: Branch = message.what
        self._close(branch)
        for node in sorted(branch.members):
            for member, _ in branch.members[node]:
                self._book(member, message)
                self._lose(member, cause if self._host.nodes[node].up else "node-down")
        branch.members.clear()

    def _close(self, branch: Branch) -> None:
        if self._branches.get(branch.key) is branch:
            del self._branches[branch.key]

    def _book(self, member: Message, carried: Carried) -> None:
        count(member, carried)
        absorb(member, carried, self._host.clock.now)

    def _lose(self, message: Message, cause: str) -> None:
        del self._open[message.serial]
        self._host.lose(message, cause)

    def leave(self) -> int:
        """Book what is under way; return how many messages that is."""
        book(list(self._open.values()), "air_us", self._host.clock.now)
        return len(self._open)
