"""An envelope that introduces its unit to whom it does not know it yet.

    frame := sealed                                  to somebody who knows the sender
           | [introduction or "", asks, sealed or ""]

The sender introduces itself in every frame to a unit until that has been heard after it. Who gets
a frame that it cannot open because it does not know the sender asks, with an empty introduction;
so each side finds out when the other has forgotten. What has to be encrypted for somebody whose
key is not known waits until he has introduced himself (``ready``), for which he is asked.
"""

from __future__ import annotations

from typing import Any

import cbor2

from controllers.security.envelope import Sealed, Signed
from controllers.security.errors import Refusal, RefusedError
from controllers.security.trust import Trust

__all__ = ["Greeting", "Introduced"]

_ARRAY_OF_3 = 0x83
_ASK_AGAIN_MS, _ANSWER_AGAIN_MS = 10_000, 10_000


class Greeting(RefusedError):  # noqa: N818 - no error: a frame without a message
    """A frame that only introduced its sender or asked who somebody is; ``answer`` goes back."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(Refusal.GREETING)
        self.answer = answer


class Introduced:
    """Seals and opens by another envelope, with introductions.

    What cannot be encrypted yet, and is sealed all the same, becomes a question who its receiver
    is: it is lost.
    """

    __slots__ = (
        "_answered_ms",
        "_asked_ms",
        "_given",
        "_known_to",
        "_secret",
        "_signed",
        "_trust",
    )

    def __init__(self, signed: Signed, trust: Trust, *, secret: bool) -> None:
        self._signed, self._trust, self._secret = signed, trust, secret
        self._given: set[str] = set()
        self._known_to: set[str] = set()
        self._asked_ms: dict[str, int] = {}
        self._answered_ms: dict[str, int] = {}

    def ready(self, dst: str) -> bool:
        """Tell whether a message to ``dst`` can be sealed now."""
        return not self._secret or self._trust.knows(dst)

    def seal(
        self, payload: bytes, dst: str, t_ms: int, stakeholder: str = "", service: str = ""
    ) -> bytes:
        """Return the message as it goes to ``dst``."""
        if not self.ready(dst):
            self._given.add(dst)
            return _frame(self._trust.introduction(), b"", asks=True)
        sealed = self._signed.seal(payload, dst, t_ms, stakeholder, service)
        if dst in self._known_to:
            return sealed
        self._given.add(dst)
        return _frame(self._trust.introduction(), sealed)

    def open(self, wire: bytes, src: str, t_ms: int) -> Sealed:
        """Return what ``src`` sent; raises Greeting where that is nothing, RefusedError."""
        if not wire or wire[0] != _ARRAY_OF_3:
            return self._opened(wire, src, t_ms)
        introduction, asks, sealed = _parts(wire)
        if introduction:
            self._trust.meet(src, introduction, t_ms)
        if sealed:
            return self._opened(sealed, src, t_ms)
        if introduction and src in self._given:
            self._known_to.add(src)  # it answered our own
        answer = b""
        if asks and self._may(self._answered_ms, src, t_ms, _ANSWER_AGAIN_MS):
            self._given.add(src)
            self._known_to.discard(src)
            answer = _frame(self._trust.introduction(), b"")
        raise Greeting(answer)

    def greeting(self, dst: str, t_ms: int) -> bytes:
        """Return what introduces the unit and asks who ``dst`` is; empty: it was just asked."""
        if not self._may(self._asked_ms, dst, t_ms, _ASK_AGAIN_MS):
            return b""
        self._given.add(dst)
        return _frame(self._trust.introduction(), b"", asks=True)

    def question(self, src: str, why: Refusal, t_ms: int) -> bytes:
        """Return what asks who somebody is whose frame was refused, empty where that is no use."""
        unknown = why is Refusal.UNKNOWN_KEY and not self._trust.knows(src)
        if not unknown or not self._may(self._asked_ms, src, t_ms, _ASK_AGAIN_MS):
            return b""
        return _frame(b"", b"", asks=True)

    def forget(self, unit: str) -> None:
        """Introduce the unit anew to one that is trusted no longer, should it ever be again."""
        self._given.discard(unit)
        self._known_to.discard(unit)

    def _opened(self, sealed: bytes, src: str, t_ms: int) -> Sealed:
        opened = self._signed.open(sealed, src, t_ms)
        if src in self._given:
            self._known_to.add(src)
        return opened

    @staticmethod
    def _may(times: dict[str, int], unit: str, t_ms: int, wait_ms: int) -> bool:
        if t_ms - times.get(unit, -wait_ms) < wait_ms:
            return False
        times[unit] = t_ms
        return True


def _frame(introduction: bytes, sealed: bytes, *, asks: bool = False) -> bytes:
    return cbor2.dumps([introduction, asks, sealed], canonical=True)


def _parts(wire: bytes) -> tuple[bytes, bool, bytes]:
    try:
        parts: Any = cbor2.loads(wire)
        canonical = cbor2.dumps(parts, canonical=True) == wire
    except Exception as error:
        raise RefusedError(Refusal.MALFORMED, "frame") from error
    if not canonical or type(parts) is not list or len(parts) != 3:
        raise RefusedError(Refusal.MALFORMED, "frame")
    introduction, asks, sealed = parts
    if type(introduction) is not bytes or type(asks) is not bool or type(sealed) is not bytes:
        raise RefusedError(Refusal.MALFORMED, "frame")
    return introduction, asks, sealed
