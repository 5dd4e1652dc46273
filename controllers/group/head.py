"""The unit's side of those below it: who is a member, who is silent, what key the group has."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from controllers.group.books import Books
from controllers.group.keyring import Keyring, tag_of
from controllers.group.settings import Settings
from controllers.group.silence import Change, Silence, State
from controllers.unit.groupvariables import ADMIT, MEMBERS, PARENT, REVOCATIONS
from controllers.unit.membership import GroupContext, Membership

__all__ = ["Head"]

_MEMBER, _RING, _REKEY = "member/", "ring", "rekey"
_WORDS = {State.PRESENT: "returned", State.SUSPECTED: "suspected", State.LOST: "lost"}


class Head:
    """Admits, watches and expels; a member is who was admitted and has not left since.

    Members and the key's place are noted, so that a restart forgets nobody. ``sensors`` is how
    many of the unit's own instruments are missed.
    """

    __slots__ = (
        "_books",
        "_context",
        "_membership",
        "_ring",
        "_settings",
        "_silence",
        "_waiting",
        "sensors",
    )

    def __init__(
        self, context: GroupContext, membership: Membership, settings: Settings, books: Books
    ) -> None:
        self._context, self._membership = context, membership
        self._settings, self._books = settings, books
        self._silence = Silence(settings.suspect, settings.lost)
        self._waiting = False  # for a new key
        self.sensors = 0
        kept = context.kept()
        generation, step = kept.get(_RING, (0, 0))
        self._ring = Keyring(generation, 0, membership.group_key(generation))
        self._ring.key(step)
        for name, state in kept.items():
            if name.startswith(_MEMBER):
                unit = name.removeprefix(_MEMBER)
                believed = State.LOST if state == State.LOST else State.PRESENT
                self._silence.add(unit, settings.beat_ms, context.now_ms, believed)
                books.again(unit, lost=believed is State.LOST)
        if kept.get(_REKEY):
            self._due()

    def __contains__(self, unit: str) -> bool:
        return unit in self._silence

    @property
    def members(self) -> list[str]:
        """All members, lost ones too."""
        return self._silence.names

    # -- what members ask --------------------------------------------------------------------

    def join(self, unit: str, value: dict[str, Any], cause: str) -> None:
        """Admit a unit that has its place below this one, or takes this one for its backup."""
        own = self._membership.belongs(unit, self._context.unit)
        if not own and unit not in self._settings.accepts:
            decision = self._books.member(unit, "unit", "refused", why="place", causes=(cause,))
            self._context.data.write(ADMIT, unit, {"why": "place"}, cause=decision)
            return
        is_new = unit not in self._silence
        missed = not is_new and self._silence.state(unit) is not State.PRESENT
        self._silence.add(unit, self._settings.beat_ms, self._context.now_ms)
        self._context.keep(_MEMBER + unit, State.PRESENT)
        if is_new:
            self._step()
            why = "" if own else "backup"
            cause = self._books.member(unit, "unit", "joined", why=why, causes=(cause,))
        elif missed:
            cause = self._books.member(unit, "unit", "returned", why="join", causes=(cause,))
        self._give_key(unit, "", cause)
        self._bring_up(unit, value, cause)
        if is_new or missed:
            self.summary(cause)

    def beat(self, unit: str, value: dict[str, Any], cause: str) -> None:
        """Take a sign of life; see that the member has the newest key and lists."""
        if unit not in self._silence:
            self._context.data.write(ADMIT, unit, {"why": "unknown"}, cause=cause)
            return
        if self._membership.secured and not self._has_key(unit, value):
            if value.get("generation") == self._ring.generation:
                detail = {"by": self._context.unit, "why": "key"}
                cause = self._context.decide("beat_refused", unit, detail, (cause,))
            self._give_key(unit, "rekey", cause)
        self._bring_up(unit, value, cause)

    def leave(self, unit: str, cause: str) -> None:
        """Let a member go."""
        if unit in self._silence:
            self._remove(unit, "left", "", (cause,))

    def expel(self, unit: str, why: str, cause: str) -> None:
        """Put out a member that is no longer trusted; those below it are told past it."""
        if unit in self._silence:
            self._remove(unit, "expelled", why, (cause,) if cause else ())
            for child in self._membership.children(unit):
                self._send_lists(child, cause)

    def _remove(self, unit: str, state: str, why: str, causes: Sequence[str]) -> None:
        self._silence.remove(unit)
        self._context.keep(_MEMBER + unit, None)
        decision = self._books.member(unit, "unit", state, why=why, causes=causes)
        self._due()
        self.summary(decision)

    # -- silence -----------------------------------------------------------------------------

    def look(self) -> None:
        """See who is silent; ask who is suspected whether he is there."""
        heard = self._membership.contacts.heard
        changes = self._silence.look(self._context.now_ms, heard.get)
        for change in changes:
            self._context.keep(_MEMBER + change.name, change.after)
            self._changed(change)
        if changes:
            self.summary("")

    def _changed(self, change: Change) -> None:
        decision = self._books.member(
            change.name, "unit", _WORDS[change.after], silent_ms=change.silent_ms
        )
        if change.after is State.SUSPECTED:
            self._context.data.query(PARENT, change.name, cause=decision)

    def summary(self, cause: str) -> None:
        """Write how many there are, and which key they have."""
        value = {
            "members": len(self._silence),
            "suspected": self._silence.count(State.SUSPECTED),
            "lost": self._silence.count(State.LOST),
            "sensors": self.sensors,
            "generation": self._ring.generation,
            "step": self._ring.step,
        }
        self._context.data.write(MEMBERS, self._context.unit, value, cause=cause)

    # -- keys --------------------------------------------------------------------------------

    def rekey(self) -> None:
        """Begin a new generation, and give it to all members that are not lost."""
        self._waiting = False
        self._context.keep(_REKEY, None)
        if not self._membership.secured:
            return
        generation = self._ring.generation + 1
        self._ring = Keyring(generation, 0, self._membership.group_key(generation))
        self._context.keep(_RING, [generation, 0])
        rest = [unit for unit in self.members if self._silence.state(unit) is not State.LOST]
        detail = {"generation": generation, "members": len(rest)}
        decision = self._context.decide("group_rekeyed", self._context.unit, detail, ())
        for unit in rest:
            self._give_key(unit, "rekey", decision)

    def _due(self) -> None:
        """Have a new key soon; who leaves meanwhile is seen to by the same one."""
        if not self._waiting:
            self._waiting = True
            self._context.keep(_REKEY, value=True)
            self._context.set_timer(_REKEY, self._context.now_ms + self._settings.rekey_ms)

    def _step(self) -> None:
        if self._membership.secured:
            self._ring.advance()
            self._context.keep(_RING, [self._ring.generation, self._ring.step])

    def _give_key(self, unit: str, why: str, cause: str) -> None:
        value: dict[str, Any] = {"why": why}
        if self._membership.secured:
            ring = self._ring
            key = ring.key(ring.step)
            assert key is not None
            sealed = self._membership.seal_key(key, unit, ring.number)
            value |= {"generation": ring.generation, "step": ring.step}
            value["key_b64"] = b64encode(sealed).decode()
        self._context.data.write(ADMIT, unit, value, cause=cause)

    def _has_key(self, unit: str, value: dict[str, Any]) -> bool:
        generation, step, tag = (value.get(name) for name in ("generation", "step", "tag"))
        if generation != self._ring.generation or type(step) is not int:
            return False
        key = self._ring.key(step) if 0 <= step <= self._ring.step else None
        return key is not None and tag == tag_of(key, unit, self._context.unit)

    # -- revocation lists --------------------------------------------------------------------

    def push(self, cause: str) -> None:
        """Send the newest lists to all members."""
        for unit in self.members:
            self._send_lists(unit, cause)

    def _bring_up(self, unit: str, value: dict[str, Any], cause: str) -> None:
        up_to = value.get("up_to")
        if type(up_to) is int and up_to < self._membership.up_to(unit):
            self._send_lists(unit, cause)

    def _send_lists(self, unit: str, cause: str) -> None:
        for der in self._membership.lists(unit):
            value = {"list_b64": b64encode(der).decode()}
            self._context.data.write(REVOCATIONS, unit, value, cause=cause)
