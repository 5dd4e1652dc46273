"""Messages that wait until sender and receiver know each other."""

from __future__ import annotations

from collections.abc import Callable

from controllers.security.errors import RefusedError
from controllers.security.introduced import Greeting, Introduced
from controllers.unit.surroundings import Surroundings
from fernwatt.identifiers import Sequencer
from fernwatt.messages import Delivery

__all__ = ["Door", "Parcel"]

_MOST, _STALE_MS = 64, 300_000
Parcel = tuple[str, bytes, str, str, str, int, str, str]
"""Name, payload, cause, destination, flow, deadline [µs], stakeholder and service."""


class Door:
    """One unit's; ``put`` seals and sends a parcel, ``hand`` sends a frame as it is.

    Of what waits for one unit the oldest is forgotten when it is too much, and all that is too
    old; who asked asks again.
    """

    __slots__ = ("_around", "_hand", "_introduced", "_name", "_put", "_waiting")

    def __init__(
        self,
        introduced: Introduced,
        around: Surroundings,
        put: Callable[..., None],
        hand: Callable[..., None],
        name: Sequencer,
    ) -> None:
        self._introduced, self._around, self._name = introduced, around, name
        self._put, self._hand = put, hand
        self._waiting: dict[str, list[tuple[int, Parcel]]] = {}

    def ready(self, dst: str) -> bool:
        """Tell whether messages for ``dst`` can go."""
        return self._introduced.ready(dst)

    def knows(self, src: str) -> bool:
        """Tell whether ``src`` has introduced itself, and is trusted."""
        return self._introduced.knows(src)

    def hold(self, parcel: Parcel) -> None:
        """Have a message wait, in place of the same one before, and greet its receiver."""
        identifier, dst, flow = parcel[0], parcel[3], parcel[4]
        waiting = [one for one in self._waiting.get(dst, ()) if one[1][1] != parcel[1]]
        if len(waiting) >= _MOST:
            del waiting[0]
            self._around.counters["unsent"] += 1
        self._waiting[dst] = [*waiting, (self._around.now_ms, parcel)]
        greeting = self._introduced.greeting(dst, self._around.now_ms)
        if greeting:
            self._hand(self._name(), greeting, identifier, dst, flow)

    def met(self, src: str) -> None:
        """Send what waits for somebody who is known now."""
        if src in self._waiting and self.ready(src):
            now_ms = self._around.now_ms
            for since_ms, parcel in self._waiting.pop(src):
                until_ms = parcel[5] // 1000 if parcel[5] >= 0 else since_ms + _STALE_MS
                if now_ms <= until_ms:
                    self._put(*parcel)
                else:
                    self._around.counters["unsent"] += 1

    def answered(self, delivery: Delivery, error: RefusedError) -> bool:
        """Answer a frame that holds no message; return False where it was refused.

        Who sent a frame that cannot be opened, and is not known, is asked who he is.
        """
        src, now_ms = delivery.src, self._around.now_ms
        if not isinstance(error, Greeting):
            question = self._introduced.question(src, error.why, now_ms)
            if question:
                self._hand(self._name(), question, delivery.id, src, delivery.flow)
            return False
        if error.answer:
            self._hand(self._name(), error.answer, delivery.id, src, delivery.flow)
        self.met(src)
        return True
