"""The holding side of subscriptions: who is notified of what, and when."""

from __future__ import annotations

from collections.abc import Callable

from controllers.unit.backlog import Backlog
from controllers.unit.copies import travelling
from controllers.unit.inbox import Inbox
from controllers.unit.notes import Notebook
from controllers.unit.policy import READ, Accessor
from controllers.unit.post import Post
from controllers.unit.requests import RequestProcessor
from controllers.unit.service import Result
from controllers.unit.store import Instance
from controllers.unit.subscriptions import Subscription
from controllers.unit.surroundings import PERIOD_TIMER, REPORT_TIMER, Surroundings
from controllers.unit.variable import AUTHORS
from controllers.unit.wire import Notify, Operation

__all__ = ["Publisher"]

_COLLECTION = "reports"

Conflict = Callable[[Operation, str, Accessor, str, Result], None]
"""Takes operation, variable, who wanted access, the request, and why it was refused."""


class Publisher:
    """Notifies the subscribers of one unit's data.

    Remote subscribers who are not the data's owner are notified ``report_ms`` late: each meter
    has its own place in the reporting schedule, lest all of an area speak at the slot's boundary.
    The customer's own units are notified ``home_ms`` late: a fraction of a second, in which the
    units of one house make way for each other.
    """

    __slots__ = (
        "_around",
        "_backlog",
        "_conflict",
        "_home_ms",
        "_inbox",
        "_notes",
        "_post",
        "_processor",
        "_report_ms",
        "_reports",
        "_unit",
    )

    def __init__(
        self,
        unit: str,
        around: Surroundings,
        *,
        processor: RequestProcessor,
        post: Post,
        inbox: Inbox,
        conflict: Conflict,
        notes: Notebook,
        backlog: Backlog,
        report_ms: int,
        home_ms: int,
    ) -> None:
        self._notes, self._backlog = notes, backlog
        self._unit, self._around, self._processor = unit, around, processor
        self._post, self._inbox = post, inbox
        self._report_ms, self._home_ms = report_ms, home_ms
        self._conflict = conflict
        self._reports: dict[str, tuple[Subscription, Instance]] = {}

    def publish(self, instance: Instance) -> None:
        """Notify those who subscribed to new instances."""
        series = self._around.directory.owner(self._unit, instance.variable)
        for subscription in self._processor.subscriptions.events(instance.variable, series):
            condition = subscription.condition
            if condition is not None and not condition(instance):
                continue
            own = subscription.stakeholder == instance.owner
            late_ms = self._home_ms if own else self._report_ms
            if late_ms and subscription.unit != self._unit:
                key = f"{subscription.id}\n{instance.id}"
                at_ms = self._around.now_ms + late_ms
                if subscription.reliable:
                    self._notes.put(_COLLECTION, key, at_ms)
                self._report(key, subscription, instance, at_ms)
            else:
                self._release(subscription, instance)

    def report_due(self, key: str) -> None:
        """Send the report whose turn has come."""
        subscription, instance = self._reports.pop(key)
        if subscription.reliable:
            self._notes.drop(_COLLECTION, f"{subscription.id}\n{instance.id}")
        self._release(subscription, instance)

    def _report(self, key: str, subscription: Subscription, instance: Instance, at_ms: int) -> None:
        self._reports[key] = (subscription, instance)
        self._around.timer(at_ms, self._unit, REPORT_TIMER, key)

    def succeed(self, old: Subscription, new: Subscription) -> None:
        """Send what waits for its turn to the subscription that took the other's place."""
        if not (old.reliable and new.reliable):
            return
        self._backlog.succeed(old, new)
        noted = self._notes.items(_COLLECTION)
        for key, (subscription, instance) in self._reports.items():
            if subscription is old:
                self._reports[key] = (new, instance)
                before = f"{old.id}\n{instance.id}"
                self._notes.drop(_COLLECTION, before)
                self._notes.put(_COLLECTION, f"{new.id}\n{instance.id}", noted[before])

    def resume(self) -> None:
        """Go on with what there was before a restart: periods, reports in waiting, backlogs."""
        for subscription in self._processor.subscriptions:
            if subscription.period_ms:
                self.next_period(subscription)
        for key, at_ms in self._notes.items(_COLLECTION).items():
            identifier, brought = key.split("\n")
            found = self._processor.subscriptions.get(identifier)
            instance = None if found is None else self._processor.find(found, brought)
            if found is not None and instance is not None:
                self._report(key, found, instance, at_ms)
            else:
                self._notes.drop(_COLLECTION, key)
        self._backlog.resume()

    def next_period(self, subscription: Subscription) -> None:
        """Set the timer of a periodic subscription."""
        at_ms = self._around.now_ms + subscription.period_ms
        self._around.timer(at_ms, self._unit, PERIOD_TIMER, subscription.id)

    def period_due(self, identifier: str) -> None:
        """Notify a periodic subscriber of the newest instance, or that there is none."""
        subscription = self._processor.subscriptions.get(identifier)
        if subscription is None:
            return
        self.next_period(subscription)
        instance = self._processor.newest(subscription.variable, subscription.owner)
        if instance is None:
            self._put(subscription, self._notify(subscription, Result.NO_DATA), "")
        else:
            self._release(subscription, instance)

    def _release(self, subscription: Subscription, instance: Instance) -> None:
        if self._processor.subscriptions.get(subscription.id) is not subscription:
            return  # it ended while the report waited for its turn
        now_ms = self._around.now_ms
        result = self._processor.release(subscription, instance, now_ms)
        if self._processor.breaks(instance.variable, READ, subscription, result, now_ms):
            operation, variable = subscription.operation, instance.variable
            self._conflict(operation, variable, subscription, subscription.id, result)
        authored = subscription.owner == AUTHORS
        if result is Result.RATE or (authored and result is Result.DENIED):
            self._around.counters["withheld"] += 1  # what this author does not show, another may
            return
        notify = self._notify(subscription, result)
        notify.owner = instance.owner
        if result is Result.DENIED:  # the right was lost, and the subscription with it
            self._processor.subscriptions.remove(subscription)
        else:
            notify.value, notify.t_ms = instance.value, instance.t_ms
            declared = self._around.catalogue.get(instance.variable)
            if declared is not None and subscription.unit != self._unit:
                notify.policy = travelling(instance.policy, declared)
        self._put(subscription, notify, instance.id)

    def _notify(self, subscription: Subscription, result: Result) -> Notify:
        variable, owner = subscription.variable, subscription.owner
        return Notify(subscription.id, result, variable, self._unit, owner, None, -1)

    def _put(self, subscription: Subscription, notify: Notify, brought: str) -> None:
        """Send one notification of a subscription, or queue it for a service of this unit."""
        notify.number = self._processor.subscriptions.number(subscription)
        cause = brought or subscription.id
        if subscription.unit == self._unit:
            self._inbox.put(subscription.service, notify, cause)
        elif subscription.reliable and notify.result is not Result.DENIED:
            self._backlog.put(subscription, notify, brought)
        else:
            self._post.notify(notify, cause=cause, dst=subscription.unit, flow=subscription.flow)
