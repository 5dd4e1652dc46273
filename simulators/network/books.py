"""The books: one row per message when its fate is known, one per carrier and interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fernwatt.errors import SimulationError
from simulators.network.carrier import Carrier
from simulators.network.mesh import Mesh
from simulators.network.message import Message

__all__ = ["MEDIUM_COLUMNS", "MESH_COLUMNS", "MESSAGE_COLUMNS", "Books"]

MESSAGE_COLUMNS = [
    "id",
    "cause",
    "src",
    "dst",
    "flow",
    "priority",
    "bytes",
    "wire_bytes",
    "t_send_us",
    "t_arrival_us",
    "fate",
    "loss",
    "delay_us",
    "processing_us",
    "queue_us",
    "access_us",
    "air_us",
    "retry_us",
    "core_us",
    "tick_us",
    "hops",
    "attempts",
]
MEDIUM_COLUMNS = [
    "t_ms",
    "medium",
    "technology",
    "transmissions",
    "collisions",
    "errors",
    "airtime_us",
    "queue_max",
]
MESH_COLUMNS = [
    "t_ms",
    "medium",
    "nodes",
    "joined",
    "parent_changes",
    "hops_mean",
    "control_transmissions",
    "control_bytes",
]
_EVENT_COLUMNS = ["t_us", "id", "cause", "source", "kind", "element", "value"]
_TRUTH_COLUMNS = ["t_ms", "id", "cause", "kind", "element", "value"]


class Books:
    """Counts messages and collects rows until they are taken."""

    __slots__ = (
        "_events",
        "_media",
        "_meshes",
        "_messages",
        "_truth",
        "delivered",
        "in_flight",
        "lost",
        "sent",
    )

    def __init__(self) -> None:
        self.sent = self.delivered = self.lost = self.in_flight = 0
        self._messages: list[tuple[Any, ...]] = []
        self._media: list[tuple[Any, ...]] = []
        self._meshes: list[tuple[Any, ...]] = []
        self._events: list[tuple[Any, ...]] = []
        self._truth: list[tuple[Any, ...]] = []

    @property
    def pending(self) -> int:
        """Return how many rows of messages wait to be taken."""
        return len(self._messages)

    def deliver(self, message: Message, tick_us: int) -> None:
        """Book a message that is handed to its receiver at ``tick_us``."""
        self.delivered += 1
        delay_us = tick_us - message.t_send_us
        self._row(message, "delivered", "none", delay_us, tick_us - message.arrival_us)

    def lose(self, message: Message, cause: str) -> None:
        """Book a message that died; the parts of its delay say where its time went."""
        self.lost += 1
        self._row(message, "lost", cause, None, 0)

    def leave(self, message: Message) -> None:
        """Book a message that is under way when the run ends."""
        self.in_flight += 1
        self._row(message, "in-flight", "none", None, 0)

    def measure(self, t_ms: int, carriers: Sequence[Carrier]) -> None:
        """Book what the carriers did in the interval from ``t_ms``, and reset their counters."""
        for carrier in carriers:
            usage = carrier.usage
            self._media.append(
                (
                    t_ms,
                    carrier.id,
                    carrier.technology.name,
                    usage.transmissions,
                    usage.collisions,
                    usage.errors,
                    usage.airtime_us,
                    usage.queue_max,
                )
            )
            usage.transmissions = usage.collisions = usage.errors = usage.airtime_us = 0
            usage.queue_max = carrier.longest_queue()
            if isinstance(carrier, Mesh):
                self._meshes.append((t_ms, carrier.id, *carrier.report()))

    def note(self, row: tuple[int, str, str, str, str]) -> None:
        """Book an event: time [µs], identifier, cause, kind, element."""
        t_us, identifier, cause, kind, element = row
        self._events.append((t_us, identifier, cause, "network", kind, element, "{}"))

    def tell(self, t_us: int, identifier: str, cause: str, element: str, value: str) -> None:
        """Book what an adversary did to a frame, which no unit is told."""
        self._truth.append((t_us // 1000, identifier, cause, "tapped", element, value))

    def check(self, found: int) -> None:
        """Raise SimulationError unless sent = delivered + lost + in flight, all found.

        ``found`` is how many messages were met in queues, in service and between nodes.
        """
        accounted = self.delivered + self.lost + self.in_flight
        if self.sent != accounted or found != self.in_flight:
            raise SimulationError(
                f"the network lost count of its messages: {self.sent} sent, {self.delivered} "
                f"delivered, {self.lost} lost, {self.in_flight} in flight, {found} found"
            )

    def take(self) -> list[tuple[str, dict[str, list[Any]]]]:
        """Return the rows since the last call as (table, columns), and forget them."""
        tables = []
        for table, names, rows in (
            ("message", MESSAGE_COLUMNS, self._messages),
            ("medium", MEDIUM_COLUMNS, self._media),
            ("mesh", MESH_COLUMNS, self._meshes),
            ("event", _EVENT_COLUMNS, self._events),
            ("truth", _TRUTH_COLUMNS, self._truth),
        ):
            if rows:
                columns = map(list, zip(*rows, strict=True))
                tables.append((table, dict(zip(names, columns, strict=True))))
                rows.clear()
        return tables

    def _row(
        self, message: Message, fate: str, loss: str, delay_us: int | None, tick_us: int
    ) -> None:
        frame = message.frame
        assert frame is not None, "the network's own messages have no row"
        self._messages.append(
            (
                frame.id,
                frame.cause,
                frame.src,
                frame.dst,
                frame.flow,
                message.priority,
                message.size,
                message.wire_bytes,
                message.t_send_us,
                None if message.arrival_us < 0 else message.arrival_us,
                fate,
                loss,
                delay_us,
                message.processing_us,
                message.queue_us,
                message.access_us,
                message.air_us,
                message.retry_us,
                message.core_us,
                tick_us,
                message.hops,
                message.attempts,
            )
        )
