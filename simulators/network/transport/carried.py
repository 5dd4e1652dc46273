"""What transports are made of: messages that carry others' bytes, a timer, and the network below.

The parts of an application message's delay are those of the segment that completed it, with what
it waited for before: ``queue`` for its turn, ``retry`` from the first transmission of that
segment's bytes to the one that got through, ``access`` for a session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simpy.events import Timeout

from fernwatt.messages import Frame
from simulators.network.carrier import Clock
from simulators.network.horizon import Horizon
from simulators.network.message import PARTS, Message, Node, Owner, Path

__all__ = ["Carried", "Host", "Sender", "Timer", "absorb", "count", "ship"]


@dataclass(frozen=True, slots=True)
class Host:
    """What a transport uses of the network.

    ``launch`` sends a message of the transport's own, ``deliver`` hands an application's message
    out at its receiver, so long after now [µs], ``lose`` books its loss, ``path`` tells the way
    between two nodes, ``header_bytes`` how many bytes a transport header adds on it, ``awake``
    whether a node listens now.
    """

    clock: Clock
    horizon: Horizon
    seed: int
    nodes: Mapping[str, Node]
    launch: Callable[[Message], None]
    deliver: Callable[[Message, int], None]
    lose: Callable[[Message, str], None]
    path: Callable[[str, str], Path | None]
    header_bytes: Callable[[str, str, str], int]
    awake: Callable[[str], bool] = lambda _: True


class Carried(Message):
    """A segment, acknowledgement or flight; ``what`` is known to its owner.

    ``bears`` is the frame of which it bears a part, if it does.
    """

    __slots__ = ("bears", "what")

    what: Any
    bears: Frame | None


def ship(  # noqa: PLR0917 - of a segment
    host: Host,
    owner: Owner,
    src: str,
    dst: str,
    size: int,
    priority: int,
    what: object,
    bears: Frame | None = None,
) -> None:
    """Send ``size`` bytes, transport header included, now."""
    carried = Carried(0, src, dst, size, priority, host.clock.now, None, owner)
    carried.what, carried.bears = what, bears
    host.launch(carried)


def absorb(message: Message, carried: Message, now_us: int) -> None:
    """Book under a message how long what carried it to its receiver took, up to now."""
    for part in PARTS:
        setattr(message, part, getattr(message, part) + getattr(carried, part))
    message.core_us += now_us - carried.mark_us
    message.mark_us = now_us
    message.hops += carried.hops


def count(message: Message, carried: Message) -> None:
    """Book under a message the bytes and transmissions that a segment of it has cost."""
    message.wire_bytes += carried.wire_bytes
    message.attempts += carried.attempts


class Sender:
    """A transport's part that sends messages and hears of them; a base for owners."""

    __slots__ = ()

    def arrived(self, message: Message) -> None:
        """Take a message that reached its receiver."""
        raise NotImplementedError

    def lost(self, message: Message, cause: str) -> None:
        """Take note of a message that died on the way."""
        raise NotImplementedError

    def heard(self, message: Message, node: Node) -> None:
        """Take a broadcast; there are none."""
        raise NotImplementedError


class Timer:
    """One timer that is set anew often: few of its settings cost an event.

    An event that finds the timer set to later goes on to then.
    """

    __slots__ = ("_at_us", "_call", "_due_us", "_env", "_event", "_horizon", "_on_event")

    def __init__(self, host: Host, call: Callable[[], None]) -> None:
        self._env, self._horizon, self._call = host.clock, host.horizon, call
        self._event: Timeout | None = None
        self._at_us = 0
        self._due_us = -1
        self._on_event = self._fire

    @property
    def running(self) -> bool:
        """Tell whether it is set."""
        return self._due_us >= 0

    def set(self, at_us: int) -> None:
        """Call at ``at_us``, instead of when it was set to."""
        self._due_us = at_us
        if self._event is None or self._at_us > at_us:
            self._arm(at_us)

    def stop(self) -> None:
        """Do not call."""
        self._due_us = -1

    def _arm(self, at_us: int) -> None:
        self._at_us = at_us
        self._event = event = Timeout(self._env, at_us - self._env.now)
        event.callbacks.append(self._on_event)
        if at_us > self._horizon.until_us:
            self._horizon.passes.append((at_us, None))

    def _fire(self, event: Any) -> None:
        if event is not self._event:
            return
        self._event = None
        due_us = self._due_us
        if due_us < 0:
            return
        if due_us > self._env.now:
            self._arm(due_us)
            return
        self._due_us = -1
        self._call()
