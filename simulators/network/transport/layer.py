"""The transport layer of a network: which transport takes a message, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from fernwatt.messages import Frame
from simulators.network.carrier import Carrier, Clock
from simulators.network.horizon import Horizon
from simulators.network.message import Message, Node, Path
from simulators.network.transport import stacks
from simulators.network.transport.carried import Host
from simulators.network.transport.datagram import Datagrams
from simulators.network.transport.groups import Casts, Copy
from simulators.network.transport.reliable import Streams
from simulators.network.transport.request import Requests
from simulators.network.transport.session import Session, Sessions, Take
from simulators.network.transport.settings import FlowTransport, TransportSpec

__all__ = ["Transports", "make_host"]


def make_host(  # noqa: PLR0917 - all of a network that transports see
    clock: Clock,
    horizon: Horizon,
    seed: int,
    nodes: Mapping[str, Node],
    carriers: Sequence[Carrier],
    path: Callable[[str, str], Path | None],
    calls: tuple[
        Callable[[Message], None], Callable[[Message, int], None], Callable[[Message, str], None]
    ],
    awake: Callable[[str], bool] = lambda _: True,
) -> Host:
    """Return what transports use of a network; ``calls`` are launch, deliver and lose."""
    families = {
        port.name: stacks.family(carrier.technology.name)
        for carrier in carriers
        for port in carrier.ports()
    }

    known: dict[tuple[str, str, str], tuple[Path | None, int]] = {}

    def header_bytes(src: str, dst: str, transport: str) -> int:
        way, key = path(src, dst), (src, dst, transport)
        found = known.get(key)
        if found is None or found[0] is not way:
            on_way = [families.get(port.name, "ipv4") for port, _ in way or ()]
            found = known[key] = (way, stacks.extra_bytes(on_way, transport))
        return found[1]

    launch, deliver, lose = calls
    return Host(clock, horizon, seed, nodes, launch, deliver, lose, path, header_bytes, awake)


class Transports:
    """Takes the messages whose flow class has a transport, and those to groups."""

    __slots__ = (
        "_casts",
        "_datagrams",
        "_host",
        "_requests",
        "_sessions",
        "_spec",
        "_streams",
    )

    def __init__(
        self, host: Host, spec: TransportSpec, groups: Mapping[str, tuple[str, ...]]
    ) -> None:
        self._host, self._spec = host, spec
        self._sessions = Sessions(host)
        self._datagrams, self._requests = Datagrams(host), Requests(host)
        self._streams, self._casts = Streams(host), Casts(host, groups)

    def frames(self, frames: Iterable[Frame]) -> Iterable[Frame]:
        """Return the frames, those to groups once for every member."""
        return self._casts.frames(frames)

    def takes(self, message: Message) -> bool:
        """Take an application's message that leaves its sender now, or return False."""
        frame = message.frame
        if frame is None or message.src == message.dst or message.dst not in self._host.nodes:
            return False
        settings = self._spec.of(frame.flow)
        if isinstance(frame, Copy) and settings.kind == "datagram":
            self._casts.take(message, settings)
        elif settings.plain:
            return False
        elif settings.kind == "reliable" or settings.security != "none":
            take = self._taker(settings, frame.flow)
            self._sessions.pass_by(message, settings, frame.flow, take)
        elif settings.kind == "request":
            self._requests.take(message, settings, None)
        else:
            self._datagrams.take(message, settings, None)
        return True

    def _taker(self, settings: FlowTransport, flow: str) -> Take:
        def take(message: Message, session: Session) -> None:
            if settings.kind == "reliable":
                self._streams.take(message, settings, flow, session)
            elif settings.kind == "request":
                self._requests.take(message, settings, session)
            else:
                self._datagrams.take(message, settings, session)

        return take

    def down(self, node: str) -> None:
        """Let a node that went down forget all that it was about to send, and its sessions."""
        self._streams.down(node)
        self._requests.down(node)
        self._sessions.down(node)

    def leave(self) -> int:
        """Book all messages under way, up to now; return how many there are."""
        parts = (self._sessions, self._datagrams, self._requests, self._streams, self._casts)
        return sum(part.leave() for part in parts)
