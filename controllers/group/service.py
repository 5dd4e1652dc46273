"""Service ``group``: who belongs to whom, who is missed, who is no longer trusted."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any

from controllers.group.books import Books
from controllers.group.follower import Follower
from controllers.group.head import Head
from controllers.group.settings import Settings
from controllers.group.silence import Silence, State
from controllers.unit.groupvariables import ADMIT, BEAT, JOIN, LEAVE, REFUSED, REVOCATIONS
from controllers.unit.membership import GroupContext, Membership, grouped
from controllers.unit.service import Notification, Result, UnitContext

__all__ = ["GroupManagement"]

_FROM_BELOW, _FROM_ABOVE = (JOIN, BEAT, LEAVE), (ADMIT, REVOCATIONS)
_REFUSED_AGAIN_MS = 60_000
_LOOKS_PER_BEAT = 4
_WORDS = {State.PRESENT: "returned", State.SUSPECTED: "suspected", State.LOST: "lost"}


class GroupManagement:
    """Follows the unit above, heads the group of those below, watches the unit's instruments."""

    name = "group"

    __slots__ = (
        "_books",
        "_context",
        "_follower",
        "_head",
        "_membership",
        "_refused_ms",
        "_revocations",
        "_sensors",
        "_settings",
    )

    _books: Books
    _context: GroupContext
    _follower: Follower
    _head: Head
    _membership: Membership

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sensors = Silence(settings.suspect, settings.lost)
        self._refused_ms: dict[tuple[str, str], int] = {}
        self._revocations = list(settings.revocations)

    @property
    def parent(self) -> str:
        """The unit that this one belongs to, empty where it belongs to nobody."""
        return self._follower.parent

    @property
    def members(self) -> list[str]:
        """The units that belong to this one."""
        return self._head.members

    def start(self, context: UnitContext) -> None:
        """Listen to those above and below, join, watch."""
        self._context, self._membership = grouped(context)
        context, settings = self._context, self._settings
        self._books = Books(context)
        self._head = Head(context, self._membership, settings, self._books)
        self._follower = Follower(context, self._membership, settings, self._books)
        for variable in (*_FROM_BELOW, *_FROM_ABOVE, REFUSED):
            context.data.event(variable, context.unit)
        for sensor, period_ms in settings.sensors:
            self._sensors.add(sensor, period_ms, context.now_ms)
        self._follower.start()
        self._next_look()
        self._plan()

    def _plan(self) -> None:
        """Set the timers of what is to happen once; what is past has happened."""
        context, settings = self._context, self._settings
        for name, at_ms in (("leave", settings.leave_ms), ("back", settings.return_ms)):
            if at_ms is not None and at_ms >= context.now_ms:
                context.set_timer(name, at_ms)
        if settings.office and self._membership.secured:
            context.set_timer("lists", context.now_ms + settings.lists_ms)
            self._revocations = [one for one in self._revocations if one[1] >= context.now_ms]
            self._revocations.sort(key=lambda one: (one[1], one[0].encode()))
            self._next_revocation()
        self._next_expiry()

    # -- stimuli -----------------------------------------------------------------------------

    def timer(self, name: str) -> None:
        """Take a timer that is due."""
        if name == "look":
            self._look()
        elif name in {"join", "beat", "home"}:
            self._follower.timer(name)
        elif name == "rekey":
            self._head.rekey()
        elif name == "leave":
            self._follower.leave()
        elif name == "back":
            self._follower.come_back()
        elif name == "revoke":
            self._revoke()
        elif name == "lists":
            self._renew()
        else:
            self._end_trust("")

    def notify(self, notification: Notification) -> None:
        """Take a message of another unit's group management, or an outcome."""
        variable, value = notification.variable, notification.value
        if notification.location != self._context.unit:
            if variable == JOIN:
                self._follower.outcome(notification)
            return
        if self._membership.take_news():
            self._end_trust(notification.id)
        told = notification.result is Result.OK and notification.t_ms != -1
        if not told or type(value) is not dict:
            return
        # an instance has the name of the request that wrote it, which the platform has verified
        source = notification.id.rpartition("#")[0]
        if variable == REFUSED:
            self._refuse(value, notification.id)
        elif variable in _FROM_BELOW:
            self._from_below(variable, source, value, notification.id)
        elif variable == ADMIT:
            self._follower.admitted(source, value, notification.id)
            self._next_expiry()
        elif variable == REVOCATIONS:  # whoever brings it: its issuer has signed it
            self._take_list(value, notification.id)

    def _from_below(self, variable: str, source: str, value: dict[str, Any], cause: str) -> None:
        if variable == JOIN:
            self._head.join(source, value, cause)
            self._next_expiry()
        elif variable == BEAT:
            self._head.beat(source, value, cause)
        else:
            self._head.leave(source, cause)

    def _refuse(self, value: dict[str, Any], cause: str) -> None:
        """Tell of a certificate that was refused, once a minute for each unit and ground."""
        key, now_ms = (str(value.get("src")), str(value.get("why"))), self._context.now_ms
        last_ms = self._refused_ms.get(key)
        if last_ms is None or now_ms - last_ms >= _REFUSED_AGAIN_MS:
            self._refused_ms[key] = now_ms
            self._books.member(key[0], "unit", "refused", why=key[1], causes=(cause,))

    # -- silence -----------------------------------------------------------------------------

    def _next_look(self) -> None:
        wait_ms = max(1, self._settings.beat_ms // _LOOKS_PER_BEAT)
        self._context.set_timer("look", self._context.now_ms + wait_ms)

    def _look(self) -> None:
        self._next_look()
        if self._membership.take_news():
            self._end_trust("")
        self._head.look()
        self._follower.look()
        read = self._membership.contacts.read
        changes = self._sensors.look(self._context.now_ms, read.get)
        for change in changes:
            self._books.member(
                change.name, "sensor", _WORDS[change.after], silent_ms=change.silent_ms
            )
        if changes:
            missed = (State.SUSPECTED, State.LOST)
            self._head.sensors = sum(self._sensors.count(state) for state in missed)
            self._head.summary("")

    # -- trust -------------------------------------------------------------------------------

    def _next_revocation(self) -> None:
        if self._revocations:
            self._context.set_timer("revoke", self._revocations[0][1])

    def _revoke(self) -> None:
        """Revoke what the operator wants revoked now, and tell all below."""
        now_ms, news = self._context.now_ms, ""
        while self._revocations and self._revocations[0][1] <= now_ms:
            unit, _ = self._revocations.pop(0)
            self._membership.revoke(unit)
            news = self._context.decide("certificate_revoked", unit, None, ())
        self._next_revocation()
        self._end_trust(news)
        self._head.push(news)

    def _renew(self) -> None:
        """Take all lists anew from the operator's office, and hand on those that changed."""
        self._context.set_timer("lists", self._context.now_ms + self._settings.lists_ms)
        if self._membership.renew():
            self._head.push("")

    def _take_list(self, value: dict[str, Any], cause: str) -> None:
        """Take a list from above, hand it on, and trust nobody who is in it."""
        try:
            der = b64decode(str(value.get("list_b64")), validate=True)
        except (binascii.Error, ValueError):
            return
        if self._membership.take_list(der):
            self._end_trust(cause)
            self._head.push(cause)

    def _end_trust(self, cause: str) -> None:
        """Have nothing more to do with those whose certificates no longer hold."""
        for unit, why in self._membership.ended().items():
            ended = self._membership.forget(unit)
            detail = {"by": self._context.unit, "why": why, "subscriptions": ended}
            decision = self._context.decide("trust_ended", unit, detail, (cause,) if cause else ())
            self._head.expel(unit, why, decision)
            if unit == self._follower.parent:
                self._follower.lose(why, cause=decision)
        self._next_expiry()

    def _next_expiry(self) -> None:
        at_ms = self._membership.next_expiry_ms()
        if at_ms is not None:
            self._context.set_timer("expiry", at_ms)
