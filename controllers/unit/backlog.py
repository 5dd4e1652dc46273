"""What a unit still owes to those who subscribed reliably: kept until they have acknowledged it.

Notifications of a reliable subscription are noted before they leave, go out a few at a time, and
are repeated, ever more seldom, until the subscriber has them: over outages of the network, the
death of either unit, and a subscription that takes the place of the one before. Each says which
one it follows, so they are taken once and in order. Where more than ``_MOST`` wait, the oldest go,
and that is told.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from controllers.unit.answers import from_plain, plain
from controllers.unit.contact import Contact
from controllers.unit.notes import Notebook
from controllers.unit.post import Post
from controllers.unit.subscriptions import Subscription, Subscriptions
from controllers.unit.surroundings import BACKLOG_TIMER, Surroundings
from controllers.unit.wire import Notify

__all__ = ["Backlog"]

_COLLECTION = "backlog"
_MOST = 10_000
_AHEAD = 8
_SLOWEST_MS = 300_000


@dataclass(slots=True)
class _Queue:
    """The notifications of one subscription, oldest first; the first ``sent`` are on their way."""

    waiting: deque[tuple[Notify, str]] = field(default_factory=deque)
    sent: int = 0
    attempt: int = 0
    due_ms: int = -1
    overflowing: bool = False


class Backlog:
    """The backlogs of one unit's reliable subscriptions."""

    __slots__ = ("_around", "_contact", "_notes", "_post", "_queues", "_subscriptions", "_unit")

    def __init__(
        self,
        unit: str,
        around: Surroundings,
        *,
        post: Post,
        subscriptions: Subscriptions,
        notes: Notebook,
        contact: Contact,
    ) -> None:
        self._unit, self._around, self._post = unit, around, post
        self._subscriptions, self._notes, self._contact = subscriptions, notes, contact
        self._queues: dict[str, _Queue] = {}

    def waiting(self, subscription: str) -> int:
        """Return how many notifications of a subscription are not acknowledged."""
        queue = self._queues.get(subscription)
        return len(queue.waiting) if queue is not None else 0

    def put(self, subscription: Subscription, notify: Notify, brought: str) -> None:
        """Owe a notification, whose number is the subscription's next."""
        queue = self._queues.setdefault(subscription.id, _Queue())
        queue.waiting.append((notify, brought))
        self._notes.put(_COLLECTION, _key(notify), [plain(notify), brought])
        if len(queue.waiting) > _MOST:
            self._drop_oldest(subscription, queue)
        self._send(subscription, queue)

    def acknowledged(self, subscription: Subscription, number: int) -> None:
        """Forget what the subscriber has, up to ``number``; go on with the rest."""
        queue = self._queues.get(subscription.id)
        if queue is None:
            return
        before = len(queue.waiting)
        while queue.waiting and queue.waiting[0][0].number <= number:
            notify, _ = queue.waiting.popleft()
            self._notes.drop(_COLLECTION, _key(notify))
            queue.sent = max(0, queue.sent - 1)
        if len(queue.waiting) < before:
            queue.attempt, queue.due_ms, queue.overflowing = 0, -1, False
            self._send(subscription, queue)

    def due(self, identifier: str) -> None:
        """Repeat the oldest notification that is not acknowledged."""
        queue, subscription = self._queues.get(identifier), self._subscriptions.get(identifier)
        if queue is None or self._around.now_ms != queue.due_ms:
            return  # the timer was set before an acknowledgement came
        if subscription is None:
            self._end(queue, identifier)
            return
        queue.attempt += 1
        if queue.attempt > self._around.flows[subscription.flow].retries:
            self._contact.missed(subscription.unit)
        queue.sent = max(1, queue.sent)
        self._transmit(subscription, queue, 0)
        self._wait(subscription, queue)

    def wake(self, unit: str) -> None:
        """Repeat at once what ``unit``, and who is behind it, did not acknowledge."""
        routes = self._around.routes
        for identifier, queue in self._queues.items():
            subscription = self._subscriptions.get(identifier)
            if subscription is None or not (queue.attempt and queue.waiting):
                continue
            if unit in {subscription.unit, routes.next(self._unit, subscription.unit)}:
                queue.attempt = 0
                self._transmit(subscription, queue, 0)
                self._wait(subscription, queue)

    def succeed(self, old: Subscription, new: Subscription) -> None:
        """Owe to a subscription what was owed to the one whose place it took."""
        queue = self._queues.pop(old.id, None)
        if queue is None:
            return
        moved = self._queues.setdefault(new.id, _Queue())
        for notify, brought in queue.waiting:
            self._notes.drop(_COLLECTION, _key(notify))
            notify.request = new.id
            moved.waiting.append((notify, brought))
            self._notes.put(_COLLECTION, _key(notify), [plain(notify), brought])
        self._send(new, moved)

    def resume(self) -> None:
        """Go on with what was owed before a restart."""
        noted = [
            (from_plain(one), brought) for one, brought in self._notes.items(_COLLECTION).values()
        ]
        for notify, brought in sorted(noted, key=lambda item: (item[0].request, item[0].number)):
            self._queues.setdefault(notify.request, _Queue()).waiting.append((notify, brought))
        for identifier, queue in list(self._queues.items()):
            subscription = self._subscriptions.get(identifier)
            if subscription is None:
                self._end(queue, identifier)
            else:
                self._send(subscription, queue)

    # -- within ------------------------------------------------------------------------------

    def _send(self, subscription: Subscription, queue: _Queue) -> None:
        """Send what may be on its way by now; wait for its acknowledgement."""
        if queue.attempt:
            return  # nobody hears: the oldest alone is repeated until somebody does
        while queue.sent < min(_AHEAD, len(queue.waiting)):
            self._transmit(subscription, queue, queue.sent)
            queue.sent += 1
        if queue.sent and queue.due_ms < 0:
            self._wait(subscription, queue)

    def _transmit(self, subscription: Subscription, queue: _Queue, place: int) -> None:
        notify, brought = queue.waiting[place]
        notify.after = queue.waiting[place - 1][0].number if place else 0
        cause = brought or subscription.id
        self._post.notify(notify, cause=cause, dst=subscription.unit, flow=subscription.flow)

    def _wait(self, subscription: Subscription, queue: _Queue) -> None:
        timeout_ms = self._around.flows[subscription.flow].timeout_ms << min(queue.attempt, 16)
        hops = self._around.routes.hops(self._unit, subscription.unit)
        queue.due_ms = self._around.now_ms + min(timeout_ms, _SLOWEST_MS) * hops
        self._around.timer(queue.due_ms, self._unit, BACKLOG_TIMER, subscription.id)

    def _drop_oldest(self, subscription: Subscription, queue: _Queue) -> None:
        notify, _ = queue.waiting.popleft()
        self._notes.drop(_COLLECTION, _key(notify))
        queue.sent = max(0, queue.sent - 1)
        self._around.counters["backlog-dropped"] += 1
        if not queue.overflowing:
            queue.overflowing = True
            told = {"subscriber": subscription.unit, "variable": subscription.variable}
            self._post.tell("backlog_overflow", subscription.id, told)

    def _end(self, queue: _Queue, identifier: str) -> None:
        """Forget what was owed to a subscription that is no more."""
        for notify, _ in queue.waiting:
            self._notes.drop(_COLLECTION, _key(notify))
        del self._queues[identifier]


def _key(notify: Notify) -> str:
    return f"{notify.request}\n{notify.number}"
