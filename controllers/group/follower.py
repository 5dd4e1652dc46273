"""The unit's side of the one above: joining it, beating, losing it, taking another one."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import Any

from controllers.group.books import Books
from controllers.group.keyring import Keyring, tag_of
from controllers.group.settings import Settings
from controllers.group.silence import Change, Silence, State
from controllers.unit.groupvariables import BEAT, JOIN, LEAVE
from controllers.unit.membership import GroupContext, Membership
from controllers.unit.service import Notification, Result

__all__ = ["Follower"]

_PARENT, _KEY = "parent", "key"
_ANSWER_MS, _AGAIN_MS, _MOST_DOUBLINGS, _NEXT_MS, _PATIENCE_MS = 240_000, 30_000, 6, 1_000, 60_000
_KEY_BYTES = 32


class Follower:
    """Belongs to one unit at a time: its own parent, or one in its place.

    ``parent`` is empty while it belongs to nobody. Timers: ``join``, ``beat``, ``home``.
    """

    __slots__ = (
        "_asked",
        "_away",
        "_begun",
        "_books",
        "_candidate",
        "_context",
        "_membership",
        "_place",
        "_ring",
        "_settings",
        "_silence",
        "_since_ms",
        "_tries",
        "parent",
    )

    def __init__(
        self, context: GroupContext, membership: Membership, settings: Settings, books: Books
    ) -> None:
        self._context, self._membership = context, membership
        self._settings, self._books = settings, books
        self._silence = Silence(settings.suspect, settings.lost)
        self._asked, self._candidate = "", ""
        self._place = self._tries = 0
        self._away, self._begun, self._since_ms = False, False, context.now_ms
        kept = context.kept()
        self.parent: str = kept.get(_PARENT, "")
        self._ring: Keyring | None = None
        if kept.get(_KEY):
            generation, step, key = kept[_KEY]
            self._ring = Keyring(generation, step, b64decode(key))

    @property
    def home(self) -> str:
        """The unit's own parent, empty where it has none."""
        return self._settings.parents[0] if self._settings.parents else ""

    # -- timers ------------------------------------------------------------------------------

    def start(self) -> None:
        """Join some time soon; or go on as a member, after a restart."""
        if not self.home:
            return
        context, settings = self._context, self._settings
        draw = context.stream("start")
        if self.parent:
            self._watch(self.parent)
            context.set_timer("beat", context.now_ms + 1)
            if self.parent != self.home:
                context.set_timer("home", context.now_ms + settings.home_ms)
        else:
            context.set_timer("join", context.now_ms + int(draw.integers(settings.join_ms + 1)))
            context.set_timer("beat", context.now_ms + int(draw.integers(settings.beat_ms)) + 1)

    def timer(self, name: str) -> None:
        """Take a timer that is due."""
        if name == "join":
            if not self.parent and not self._away:
                self._ask(self._settings.parents[self._place % len(self._settings.parents)])
        elif name == "beat":
            self._context.set_timer("beat", self._context.now_ms + self._settings.beat_ms)
            self._beat()
        elif self.parent and self.parent != self.home:
            self._ask(self.home)
            self._context.set_timer("home", self._context.now_ms + self._settings.home_ms)

    def look(self) -> None:
        """See whether the parent is silent, or one that was lost is heard again."""
        now_ms, heard = self._context.now_ms, self._membership.contacts.heard
        for change in self._silence.look(now_ms, heard.get):
            self._changed(change)
        alone = self._begun and not (self.parent or self._away)
        patient = now_ms - self._since_ms >= _PATIENCE_MS
        if alone and patient and heard.get(self.home, -1) > self._since_ms:
            self._ask(self.home)

    def _beat(self) -> None:
        """Give a sign of life and ask for one, where no other message did lately."""
        contacts, parent, now_ms = self._membership.contacts, self.parent, self._context.now_ms
        if not parent:
            return
        latest = min(contacts.said.get(parent, -(1 << 62)), contacts.heard.get(parent, -(1 << 62)))
        if now_ms - latest >= self._settings.beat_ms // 2:
            self._send_beat("")

    def _send_beat(self, cause: str) -> None:
        value: dict[str, Any] = {}
        if self._membership.secured:
            value["up_to"] = self._membership.up_to(self._context.unit)
            if self._ring is not None:
                key = self._ring.key(self._ring.step)
                assert key is not None
                value |= {"generation": self._ring.generation, "step": self._ring.step}
                value["tag"] = tag_of(key, self._context.unit, self.parent)
        self._context.data.write(BEAT, self.parent, value, cause=cause)

    def _changed(self, change: Change) -> None:
        if change.after is State.PRESENT:
            self._books.parent(change.name, "returned", silent_ms=change.silent_ms)
        elif change.after is State.SUSPECTED:
            decision = self._books.parent(change.name, "suspected", silent_ms=change.silent_ms)
            self._send_beat(decision)
        else:
            self.lose("silent", change.silent_ms)

    # -- joining -----------------------------------------------------------------------------

    def _ask(self, candidate: str, cause: str = "") -> None:
        """Ask to be admitted; wait for the answer, or try again."""
        value = {}
        if self._membership.secured:
            value["up_to"] = self._membership.up_to(self._context.unit)
        self._since_ms, self._begun = self._context.now_ms, True
        issued = self._context.data.write(JOIN, candidate, value, cause=cause)
        self._candidate, self._asked = candidate, issued.id
        self._later(_ANSWER_MS)

    def _later(self, wait_ms: int) -> None:
        wait_ms = int(wait_ms * (0.75 + self._context.stream("wait").random() / 2))
        self._context.set_timer("join", self._context.now_ms + wait_ms)

    def outcome(self, notification: Notification) -> None:
        """Learn whether the request to join arrived; where it did not, try the next one."""
        if notification.request == self._asked and notification.result is not Result.OK:
            self._next()

    def _next(self) -> None:
        self._asked = self._candidate = ""
        if self.parent or self._away:
            return
        self._place += 1
        if self._place % len(self._settings.parents):
            self._context.set_timer("join", self._context.now_ms + _NEXT_MS)
        else:
            self._later(_AGAIN_MS << min(self._tries, _MOST_DOUBLINGS))
            self._tries += 1

    def admitted(self, source: str, value: dict[str, Any], cause: str) -> None:
        """Take an answer of a unit that was asked, or a new key from the parent."""
        why = value.get("why")
        if source == self._candidate and not self._away:
            if why:
                self._books.parent(source, "refused", why=str(why), causes=(cause,))
                self._next()
            elif self._take_key(source, value):
                self._become(source, cause)
        elif source == self.parent and why == "unknown":
            self._forget()
            self._ask(source, cause)
        elif source == self.parent:
            self._take_key(source, value)

    def _become(self, parent: str, cause: str) -> None:
        before, self.parent = self.parent, parent
        self._membership.moved(parent)
        self._candidate = self._asked = ""
        self._tries = self._place = 0
        self._context.keep(_PARENT, parent)
        self._context.cancel_timer("join")
        for name in self._silence.names:
            self._silence.remove(name)
        self._watch(parent)
        why = "" if parent == self.home else "backup"
        decision = self._books.parent(parent, "joined", why=why, causes=(cause,))
        if before and before != parent:
            self._context.data.write(LEAVE, before, {}, cause=decision)
        if parent != self.home:
            self._context.set_timer("home", self._context.now_ms + self._settings.home_ms)

    def _watch(self, parent: str) -> None:
        self._silence.add(parent, self._settings.beat_ms, self._context.now_ms)

    def _take_key(self, source: str, value: dict[str, Any]) -> bool:
        """Take the group's key; return whether it is one, or there are none."""
        if not self._membership.secured:
            return True
        generation, step, text = (value.get(key) for key in ("generation", "step", "key_b64"))
        if type(generation) is not int or type(step) is not int or type(text) is not str:
            return False
        try:
            sealed = b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return False
        number = Keyring(generation, step, b"").number
        key = self._membership.open_key(sealed, source, number) if number >= 0 else None
        if key is None or len(key) != _KEY_BYTES:
            return False
        self._ring = Keyring(generation, step, key)
        self._context.keep(_KEY, [generation, step, b64encode(key).decode()])
        return True

    # -- leaving -----------------------------------------------------------------------------

    def lose(self, why: str, silent_ms: int = 0, cause: str = "") -> None:
        """Give up the parent, and look for another one: backups first."""
        if not self.parent:
            return
        causes = (cause,) if cause else ()
        decision = self._books.parent(
            self.parent, "lost", why=why, silent_ms=silent_ms, causes=causes
        )
        lost = self.parent
        self._forget()
        parents = self._settings.parents
        self._place = (parents.index(lost) + 1) % len(parents) if lost in parents else 0
        self._ask(parents[self._place], decision)

    def leave(self) -> None:
        """Leave the group by the unit's own will."""
        self._away = True
        if self.parent:
            decision = self._books.parent(self.parent, "left")
            self._context.data.write(LEAVE, self.parent, {}, cause=decision)
        self._forget()
        self._asked = self._candidate = ""

    def come_back(self) -> None:
        """Join again after leaving."""
        self._away, self._place = False, 0
        self._ask(self.home)

    def _forget(self) -> None:
        self._silence.remove(self.parent)
        self.parent, self._ring, self._since_ms = "", None, self._context.now_ms
        self._context.keep(_PARENT, None)
        self._context.keep(_KEY, None)
