"""The subscriber's side of a reliable subscription: each notification once, in order."""

from __future__ import annotations

from controllers.unit.notes import Notebook
from controllers.unit.wire import Notify

__all__ = ["Ordered"]

_COLLECTION = "taken"
_AHEAD = 8


class Ordered:
    """What was taken last of one series of notifications, and what came too early.

    Numbers grow over all subscriptions to the same thing, and the last one taken is noted, so
    who begins anew and subscribes again takes none twice.
    """

    __slots__ = ("_early", "_key", "_notes", "taken")

    def __init__(self, what: tuple[str, ...], notes: Notebook) -> None:
        self._key, self._notes = "\n".join(what), notes
        self.taken: int = notes.items(_COLLECTION).get(self._key, 0)
        self._early: dict[int, tuple[Notify, str]] = {}

    def take(self, notify: Notify, brought: str) -> list[tuple[Notify, str]]:
        """Return what may be handed on by now, in order; empty where it was taken or has to wait.

        ``taken`` is then what is to be acknowledged.
        """
        if notify.number <= self.taken:
            return []
        if notify.after > self.taken:
            if len(self._early) < _AHEAD:
                self._early[notify.number] = (notify, brought)
            return []
        ready = [(notify, brought)]
        self.taken = notify.number
        for number in sorted(self._early):
            early, frame = self._early[number]
            if early.after <= self.taken < number:
                ready.append((early, frame))
                self.taken = number
        self._early = {number: one for number, one in self._early.items() if number > self.taken}
        self._notes.put(_COLLECTION, self._key, self.taken)
        return ready
