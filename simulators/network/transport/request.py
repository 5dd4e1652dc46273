"""Confirmable exchanges after CoAP: stop and wait, repeated after doubled time-outs.

RFC 7252 sections 4.2 (repetition), 4.5 (duplicates), 4.7 (few exchanges at a time) and 4.8 (times);
RFC 7959 for messages of more than one block. An acknowledgement says that the receiver has the
block, not what it thinks of it: answers are messages of their own (separate responses).
"""

from __future__ import annotations

from collections import deque

from simulators.network.draws import Draws
from simulators.network.message import Message, book
from simulators.network.transport import stacks
from simulators.network.transport.carried import Carried, Host, Sender, Timer, absorb, count, ship
from simulators.network.transport.session import Session
from simulators.network.transport.settings import FlowTransport

__all__ = ["Requests"]


class Exchange:
    """One message on its way: which block, how often it was sent, what the receiver has."""

    __slots__ = (
        "blocks",
        "cause",
        "copies",
        "first_us",
        "got",
        "last_us",
        "message",
        "over",
        "place",
        "repeats",
        "sent",
        "session",
        "settings",
        "timer",
        "wait_us",
    )

    def __init__(self, message: Message, settings: FlowTransport, session: Session | None) -> None:
        self.message, self.settings, self.session = message, settings, session
        self.blocks = stacks.block_sizes(settings, message.size)
        self.place = self.got = self.repeats = self.wait_us = 0
        self.copies: set[int] = set()  # numbers of those under way
        self.sent = 0
        self.first_us = self.last_us = -1
        self.cause = ""  # why its sender gave up
        self.over = False  # delivered or lost
        self.timer: Timer | None = None


class Requests(Sender):
    """All exchanges of a network; at most ``outstanding`` of a sender with one receiver."""

    __slots__ = ("_active", "_draws", "_host", "_of", "_open", "_queues")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._draws: dict[str, Draws] = {}
        self._open: dict[int, Exchange] = {}
        self._of: dict[str, list[tuple[str, str]]] = {}  # keys by sender
        self._queues: dict[tuple[str, str], deque[Exchange]] = {}
        self._active: dict[tuple[str, str], list[Exchange]] = {}

    def take(self, message: Message, settings: FlowTransport, session: Session | None) -> None:
        """Begin an exchange, or queue it."""
        key = (message.src, message.dst)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = deque()
            self._of.setdefault(message.src, []).append(key)
        if len(queue) >= settings.waiting_messages:
            book([message], "queue_us", self._host.clock.now)
            self._host.lose(message, "queue-full")
            return
        exchange = Exchange(message, settings, session)
        self._open[message.serial] = exchange
        queue.append(exchange)
        self._next(key)

    def _next(self, key: tuple[str, str]) -> None:
        queue, active = self._queues[key], self._active.setdefault(key, [])
        while queue and len(active) < queue[0].settings.outstanding:
            exchange = queue.popleft()
            active.append(exchange)
            self._block(exchange)

    def _block(self, exchange: Exchange) -> None:
        """Send a block for the first time."""
        src, settings = exchange.message.src, exchange.settings
        draws = self._draws.get(src)
        if draws is None:
            draws = self._draws[src] = Draws(self._host.seed, f"request/{src}")
        factor = 1.0 + draws.uniform() * (settings.ack_random_factor - 1.0)
        exchange.wait_us = round(settings.ack_timeout_s * factor * 1_000_000)
        exchange.repeats, exchange.first_us = 0, self._host.clock.now
        self._send(exchange)

    def _send(self, exchange: Exchange) -> None:
        host, message = self._host, exchange.message
        now = exchange.last_us = host.clock.now
        if exchange.timer is None:
            exchange.timer = Timer(host, lambda: self._silent(exchange))
        exchange.timer.set(now + exchange.wait_us)
        exchange.sent += 1
        exchange.copies.add(exchange.sent)
        size = exchange.blocks[exchange.place] + host.header_bytes(message.src, message.dst, "udp")
        what = (exchange, exchange.place, exchange.sent)
        frame = message.frame
        ship(host, self, message.src, message.dst, size, message.priority, what, frame)

    def _silent(self, exchange: Exchange) -> None:
        """Take it that a block or its acknowledgement was lost."""
        if exchange.repeats < exchange.settings.max_retransmit:
            exchange.repeats += 1
            exchange.wait_us *= 2
            self._send(exchange)
        else:
            self._give_up(exchange, "timeout")

    def _give_up(self, exchange: Exchange, cause: str) -> None:
        """Send no more; a copy on its way may still complete it."""
        exchange.cause = cause
        self._settle(exchange)
        self._end(exchange)

    def _settle(self, exchange: Exchange) -> None:
        """Lose a message that nothing can complete any more."""
        if exchange.over or not exchange.cause:
            return
        if exchange.copies and exchange.place + 1 == len(exchange.blocks):
            return
        exchange.over = True
        self._open.pop(exchange.message.serial, None)
        _book(exchange, self._host.clock.now)
        self._host.lose(exchange.message, exchange.cause)

    def _end(self, exchange: Exchange) -> None:
        """Make room for the next exchange of the same ends."""
        if exchange.timer is not None:
            exchange.timer.stop()
        key = (exchange.message.src, exchange.message.dst)
        self._active[key].remove(exchange)
        self._next(key)

    def arrived(self, message: Message) -> None:
        """Take a block at its receiver, or an acknowledgement at the sender."""
        assert isinstance(message, Carried)
        exchange, place, copy = message.what
        if not copy:
            self._acknowledged(exchange, place)
            return
        exchange.copies.discard(copy)
        session = exchange.session
        if session is not None and session.gone:
            self._settle(exchange)  # nobody there can read it
            return
        self._receive(exchange, place, message)
        self._acknowledge(exchange, place)

    def _receive(self, exchange: Exchange, place: int, carried: Carried) -> None:
        if exchange.over:
            return
        count(exchange.message, carried)
        if place != exchange.got:
            return  # a duplicate
        exchange.got += 1
        if exchange.got < len(exchange.blocks):
            return
        message, now = exchange.message, self._host.clock.now
        exchange.over = True
        self._open.pop(message.serial, None)
        message.queue_us += exchange.first_us - message.mark_us
        message.retry_us += carried.t_send_us - exchange.first_us
        absorb(message, carried, now)
        self._host.deliver(message, 0)

    def _acknowledge(self, exchange: Exchange, place: int) -> None:
        host, message, settings = self._host, exchange.message, exchange.settings
        size = stacks.acknowledgement_bytes(settings, place, len(exchange.blocks))
        size += host.header_bytes(message.dst, message.src, "udp")
        what = (exchange, place, 0)
        ship(host, self, message.dst, message.src, size, message.priority, what)

    def _acknowledged(self, exchange: Exchange, place: int) -> None:
        if exchange.cause or place != exchange.place or exchange.place == len(exchange.blocks):
            return
        now, message = self._host.clock.now, exchange.message
        exchange.place += 1
        if exchange.place == len(exchange.blocks):
            self._end(exchange)
            return
        message.queue_us += exchange.first_us - message.mark_us + now - exchange.last_us
        message.retry_us += exchange.last_us - exchange.first_us
        message.mark_us = now
        self._block(exchange)

    def lost(self, message: Message, cause: str) -> None:  # noqa: ARG002 - the timer knows
        """Take note of a copy less on its way."""
        assert isinstance(message, Carried)
        exchange, _, copy = message.what
        if copy:
            exchange.copies.discard(copy)
            if not exchange.over:
                count(exchange.message, message)
            self._settle(exchange)

    def down(self, node: str) -> None:
        """Let a node forget what it was about to send, or to send again."""
        for key in self._of.get(node, ()):
            queue = self._queues[key]
            forgotten = [*self._active[key], *queue]
            self._active[key].clear()
            queue.clear()
            for exchange in forgotten:
                if exchange.timer is not None:
                    exchange.timer.stop()
                exchange.cause = "node-down"
                self._settle(exchange)

    def leave(self) -> int:
        """Book what is under way; return how many messages that is."""
        for exchange in self._open.values():
            _book(exchange, self._host.clock.now)
        return len(self._open)


def _book(exchange: Exchange, now_us: int) -> None:
    """Book the time of a message that has not arrived: its turn, then its block's tries."""
    message, first_us = exchange.message, exchange.first_us
    begun_us = now_us if first_us < 0 else max(first_us, message.mark_us)
    message.queue_us += begun_us - message.mark_us
    message.retry_us += now_us - begun_us
    message.mark_us = now_us
