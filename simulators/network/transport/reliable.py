"""Ordered, reliable streams after TCP, of messages cut into segments.

One stream for each sender, receiver and flow class. A segment holds bytes of one message only.
Segments are acknowledged cumulatively, each at once (RFC 1122 4.2.3.2 allows it) or, with
``ack_delay_ms``, every second one, or with a segment the other way. What comes out of order is
kept; a message is handed out when it is whole and all before it are. A sender that hears nothing
new for ``timeout_s`` gives up, and what it had taken is lost; so it is when the receiver turns
out to have forgotten the connection (reset).
"""

from __future__ import annotations

from collections import deque

from simulators.network.message import Message
from simulators.network.transport import stacks
from simulators.network.transport.carried import Carried, Host, Sender, Timer, absorb, count, ship
from simulators.network.transport.congestion import Congestion, RoundTrip
from simulators.network.transport.session import Session
from simulators.network.transport.settings import FlowTransport

__all__ = ["Stream", "Streams"]

_AFTER_LOST_SYN_US = 3_000_000  # RFC 6298 section 5.7


class Parcel:
    """A message in a stream: how many of its segments are missing, and the last one's number."""

    __slots__ = ("last", "message", "missing", "over", "piece_us")

    def __init__(self, message: Message, missing: int, last: int) -> None:
        self.message, self.missing, self.last = message, missing, last
        self.over = False
        self.piece_us = -1  # when its first segment was sent first


class Piece:
    """A segment: its bytes, when it was sent first, how often, whether the receiver has it."""

    __slots__ = ("first_us", "got", "number", "parcel", "sent", "size")

    def __init__(self, number: int, size: int, parcel: Parcel) -> None:
        self.number, self.size, self.parcel = number, size, parcel
        self.first_us, self.sent, self.got = -1, 0, False


class Stream(Sender):
    """One direction of a connection: the sender's window and the receiver's order."""

    __slots__ = (
        "_again",
        "_answering",
        "_delay_us",
        "_end",
        "_flight",
        "_handed_us",
        "_high",
        "_host",
        "_next",
        "_parcels",
        "_pieces",
        "_priority",
        "_progress_us",
        "_pumping",
        "_sent_us",
        "_settings",
        "_src_dst",
        "_timed",
        "_timer",
        "_una",
        "_wanted",
        "deaf",
        "gone",
        "other",
        "rtt",
        "window",
    )

    def __init__(
        self, host: Host, src_dst: tuple[str, str], settings: FlowTransport, priority: int
    ) -> None:
        self._host, self._src_dst, self._settings = host, src_dst, settings
        self._priority = priority
        self._pieces: dict[int, Piece] = {}  # from the oldest that is not acknowledged
        self._parcels: deque[Parcel] = deque()  # not handed out
        self._una = self._next = self._high = self._end = 0  # oldest open, next, never sent, none
        self._wanted = 0  # what the receiver waits for
        self._flight = 0
        self._timed: tuple[int, int] | None = None  # segment and when it was sent
        self._progress_us = self._sent_us = host.clock.now
        self._handed_us = -1
        self._again = self._pumping = False
        self.rtt = RoundTrip(round(settings.min_rto_s * 1_000_000))
        self.window = Congestion(settings.mss_bytes, settings.initial_window_segments)
        self._timer = Timer(host, self._expired)
        self._delay_us = round(settings.ack_delay_ms * 1000)
        self._answering = Timer(host, self._answer_now)  # runs while an answer is held back
        self.other: Stream | None = None  # the connection's other direction
        self.deaf = self.gone = False  # the receiver has forgotten it; it is over

    # -- sender ------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Return how many messages are not handed out yet."""
        return len(self._parcels)

    def take(self, message: Message) -> None:
        """Put a message at the end."""
        rest = stacks.wrapped_bytes(self._settings, message.size)
        mss = self._settings.mss_bytes
        pieces = max(1, -(-rest // mss))
        parcel = Parcel(message, pieces, self._end + pieces - 1)
        self._parcels.append(parcel)
        for _ in range(pieces):
            self._pieces[self._end] = Piece(self._end, min(rest, mss), parcel)
            self._end += 1
            rest -= mss
        now = self._host.clock.now
        if self._una == self._next and now - self._sent_us > self.rtt.rto_us:
            self.window.idle()
        self._pump()

    def _pump(self) -> None:
        """Send what the windows allow."""
        if self._pumping or self.gone:
            return
        self._pumping = True
        room = self._room()
        while self._next < self._end:
            size = self._pieces[self._next].size
            if self._flight and self._flight + size > room:
                break
            self._next += 1
            self._flight += size
            self._send(self._pieces[self._next - 1])
            room = self._room()
        self._pumping = False

    def _room(self) -> float:
        return min(self.window.window, self._settings.window_bytes)

    def _send(self, piece: Piece) -> None:
        host, now = self._host, self._host.clock.now
        if piece.sent:
            self._timed = None  # Karn: no round trips while something is sent again
        else:
            piece.first_us = now
            if piece.parcel.piece_us < 0:
                piece.parcel.piece_us = now
            if self._timed is None and piece.number >= self._high:
                self._timed = (piece.number, now)
        piece.sent += 1
        self._sent_us = now
        self._high = max(self._high, piece.number + 1)
        if not self._timer.running:
            if self._una == piece.number and not self._again:
                self._progress_us = now
            self._start()
        src, dst = self._src_dst
        size = piece.size + host.header_bytes(src, dst, "tcp")
        answer = None if self.other is None else self.other.answered()
        frame = piece.parcel.message.frame
        ship(host, self, src, dst, size, self._priority, (piece, answer), frame)

    def _start(self) -> None:
        give_up_us = self._progress_us + round(self._settings.timeout_s * 1_000_000)
        self._timer.set(min(self._host.clock.now + self.rtt.rto_us, give_up_us))

    def acknowledged(self, wanted: int) -> None:
        """Take an acknowledgement of all segments before ``wanted``."""
        if self.gone:
            return
        now = self._host.clock.now
        if wanted > self._una:
            size = 0
            for number in range(self._una, wanted):
                piece = self._pieces.pop(number)
                size += piece.size
                if number < self._next:
                    self._flight -= piece.size
            self._una = wanted
            self._next = max(self._next, wanted)
            if self._timed is not None and self._timed[0] < wanted:
                self.rtt.sample(now - self._timed[1])
                self._timed = None
            self._progress_us, self._again = now, False
            again = self.window.acknowledged(wanted, size)
            self._timer.stop()
            if self._una < self._high:
                self._start()
        elif self._una < self._high:
            again = self.window.duplicate(self._una, self._high - 1, self._flight)
        else:
            return
        if again and self._una < self._high:
            self._resend()
        self._pump()

    def _resend(self) -> None:
        """Send the oldest open segment again."""
        piece = self._pieces[self._una]
        if self._next == self._una:
            self._next += 1
            self._flight += piece.size
        self._send(piece)

    def _expired(self) -> None:
        now = self._host.clock.now
        if now - self._progress_us >= round(self._settings.timeout_s * 1_000_000):
            self.abort("timeout")
            return
        self.window.expired(self._high - 1, self._flight, self._again)
        self.rtt.expired()
        self._again, self._timed = True, None
        self._next, self._flight = self._una, 0
        self._start()
        self._pump()

    def abort(self, cause: str) -> None:
        """End it; what has not been handed out is lost."""
        self.gone = True
        self._timer.stop()
        self._answering.stop()
        now = self._host.clock.now
        for parcel in self._parcels:
            parcel.over = True
            _book(parcel, now)
            self._host.lose(parcel.message, cause)
        self._parcels.clear()
        self._pieces.clear()

    # -- receiver ----------------------------------------------------------------------------

    def arrived(self, message: Message) -> None:
        """Take a segment at the receiver, an acknowledgement or a reset at the sender."""
        assert isinstance(message, Carried)
        what = message.what
        if isinstance(what, tuple):
            piece, answer = what
            if not piece.parcel.over:
                count(piece.parcel.message, message)
            if not self.gone:
                self._receive(piece, message)
            if answer is not None:
                stream, wanted = answer
                stream.acknowledged(wanted)
        elif self.gone:
            return
        elif what is None:
            self.abort("reset")
        else:
            self.acknowledged(what)

    def _receive(self, piece: Piece, carried: Carried) -> None:
        if self.deaf:
            self._answer(None)
            return
        in_order = piece.number == self._wanted
        if not piece.got:
            piece.got = True
            parcel = piece.parcel
            parcel.missing -= 1
            if not parcel.missing:
                message = parcel.message
                message.queue_us += piece.first_us - message.mark_us
                message.retry_us += carried.t_send_us - piece.first_us
                absorb(message, carried, self._host.clock.now)
            self._advance()
        ahead = self._wanted == piece.number + 1  # nothing beyond was there: no gap is filled
        if self._delay_us and in_order and ahead and not self._answering.running:
            self._answering.set(self._host.clock.now + self._delay_us)
        else:
            self._answer_now()

    def _advance(self) -> None:
        """Hand out the messages that are whole and have all before them."""
        while self._wanted < self._end and self._pieces[self._wanted].got:
            self._wanted += 1
        now = self._host.clock.now
        while self._parcels and self._parcels[0].last < self._wanted:
            parcel = self._parcels.popleft()
            parcel.over = True
            message, at_us = parcel.message, max(now, self._handed_us + 1)  # one by one
            message.queue_us += at_us - message.mark_us
            message.mark_us = self._handed_us = at_us
            self._host.deliver(message, at_us - now)

    def _answer_now(self) -> None:
        self._answering.stop()
        self._answer(self._wanted)

    def answered(self) -> tuple[Stream, int] | None:
        """Return the answer that is held back, if one is, and whose: it goes with a segment."""
        if not self._answering.running:
            return None
        self._answering.stop()
        return self, self._wanted

    def _answer(self, what: int | None) -> None:
        src, dst = self._src_dst
        size = self._host.header_bytes(dst, src, "tcp")
        ship(self._host, self, dst, src, size, self._priority, what)

    def lost(self, message: Message, cause: str) -> None:  # noqa: ARG002 - the timer knows
        """Take note of what a lost segment cost."""
        assert isinstance(message, Carried)
        if isinstance(message.what, tuple) and not message.what[0].parcel.over:
            count(message.what[0].parcel.message, message)

    def leave(self) -> int:
        """Book what is under way; return how many messages that is."""
        for parcel in self._parcels:
            _book(parcel, self._host.clock.now)
        return len(self._parcels)


class Streams:
    """All streams by sender, receiver and flow class."""

    __slots__ = ("_host", "_known", "_of")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._known: dict[tuple[str, str, str], Stream] = {}
        self._of: dict[str, dict[tuple[str, str, str], None]] = {}  # keys by node, in order

    def take(self, message: Message, settings: FlowTransport, flow: str, session: Session) -> None:
        """Put a message into the stream of its ends and flow class."""
        key = (message.src, message.dst, flow)
        stream = self._known.get(key)
        if stream is not None and stream.deaf and not stream.gone:
            stream.abort("reset")  # there is a new connection
        if stream is None or stream.gone:
            ends = (message.src, message.dst)
            for end in ends:
                self._of.setdefault(end, {})[key] = None
            stream = self._known[key] = Stream(self._host, ends, settings, message.priority)
            if session.repeated:
                stream.rtt.rto_us = max(stream.rtt.rto_us, _AFTER_LOST_SYN_US)
            stream.rtt.follow(session.rtt)
            other = self._known.get((message.dst, message.src, flow))
            if other is not None and not other.gone:
                stream.other, other.other = other, stream
        if stream.waiting >= settings.waiting_messages:
            now = self._host.clock.now
            message.queue_us += now - message.mark_us
            message.mark_us = now
            self._host.lose(message, "queue-full")
            return
        stream.take(message)

    def down(self, node: str) -> None:
        """Let a node forget its streams; who sends to it finds out when it is back."""
        for key in self._of.get(node, ()):
            stream = self._known[key]
            if stream.gone:
                continue
            if key[0] == node:
                stream.abort("node-down")
            else:
                stream.deaf = True
                stream.answered()  # it has forgotten what it owed

    def leave(self) -> int:
        """Book what is under way; return how many messages that is."""
        return sum(stream.leave() for stream in self._known.values())


def _book(parcel: Parcel, now_us: int) -> None:
    """Book the time of a message that is not handed out: its turn, then its segments' tries."""
    message = parcel.message
    begun_us = now_us if parcel.piece_us < 0 else max(parcel.piece_us, message.mark_us)
    message.queue_us += begun_us - message.mark_us
    message.retry_us += now_us - begun_us
    message.mark_us = now_us
