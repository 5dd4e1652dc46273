"""An envelope that introduces its unit to whom it does not know it yet, before anything is said.

    frame := sealed | [introduction or "", asks]       asks: 0 no, 1 yes, 2 with all lists

Who has a message for somebody new holds it back and greets him: its own introduction, and the
question for his. He answers with his own, which is confirmed by an empty frame; who has been
answered or confirmed sends what he has, bare. Greetings that cross are confirmed each. Who gets a
frame of somebody it does not know asks who he is, by a question alone; so each side finds out when
the other has forgotten. Whose revocation lists are too old to check another with asks him for
those of all his issuers. None of these frames is secret or fresh: all that a forged one brings
about is another introduction.
"""

from __future__ import annotations

from typing import Any

import cbor2

from controllers.security.envelope import Sealed, Signed
from controllers.security.errors import Refusal, RefusedError
from controllers.security.trust import Trust

__all__ = ["Greeting", "Introduced"]

_ARRAY_OF_2 = 0x82
_ASKS, _COMPLETE = 1, 2
_SOON_MS = 5_000
_ASK_AGAIN_MS, _ANSWER_AGAIN_MS, _ON_ITS_WAY_MS = 10_000, 5_000, 60_000


class Greeting(RefusedError):  # noqa: N818 - no error: a frame without a message
    """A frame that only introduced its sender or asked who somebody is; ``answer`` goes back."""

    def __init__(self, answer: bytes) -> None:
        super().__init__(Refusal.GREETING)
        self.answer = answer


class Introduced:
    """Seals and opens by another envelope; ``ready`` tells to whom it may.

    What is sealed for somebody who is not ready becomes a greeting, and is lost.
    """

    __slots__ = (
        "_answered_ms",
        "_asked_ms",
        "_given_ms",
        "_known_to",
        "_signed",
        "_trust",
        "_wanted_ms",
    )

    def __init__(self, signed: Signed, trust: Trust) -> None:
        self._signed, self._trust = signed, trust
        self._known_to: set[str] = set()
        self._given_ms: dict[str, int] = {}
        self._asked_ms: dict[str, int] = {}
        self._answered_ms: dict[str, int] = {}
        self._wanted_ms: dict[str, int] = {}

    def ready(self, dst: str) -> bool:
        """Tell whether the unit and ``dst`` know each other."""
        return dst in self._known_to and self._trust.knows(dst)

    def knows(self, src: str) -> bool:
        """Tell whether the unit trusts the keys of ``src``."""
        return self._trust.knows(src)

    def seal(
        self, payload: bytes, dst: str, t_ms: int, stakeholder: str = "", service: str = ""
    ) -> bytes:
        """Return the message as it goes to ``dst``."""
        if not self.ready(dst):
            return self._greeting(dst, t_ms)
        return self._signed.seal(payload, dst, t_ms, stakeholder, service)

    def open(self, wire: bytes, src: str, t_ms: int) -> Sealed:
        """Return what ``src`` sent; raises Greeting where that is nothing, RefusedError."""
        if not wire or wire[0] != _ARRAY_OF_2:
            return self._signed.open(wire, src, t_ms)
        introduction, asks = _parts(wire)
        if introduction:
            try:
                self._trust.meet(src, introduction, t_ms)
            except RefusedError as error:
                if error.why is Refusal.NO_CRL and self._may(self._wanted_ms, src, t_ms, _SOON_MS):
                    raise Greeting(_frame(b"", asks=_COMPLETE)) from error
                raise
        if not asks:  # he answers or confirms: he knows the unit
            self._known_to.add(src)
            raise Greeting(_frame(b"") if introduction else b"")
        raise Greeting(self._answer(src, t_ms, asks, knows=bool(introduction)))

    def _answer(self, src: str, t_ms: int, asks: int, *, knows: bool) -> bytes:
        if asks != _COMPLETE and not self._may(self._answered_ms, src, t_ms, _ANSWER_AGAIN_MS):
            return b""
        given_ms = self._given_ms.pop(src, None)
        if knows and given_ms is not None and t_ms - given_ms < _ON_ITS_WAY_MS:
            return _frame(b"")
        self._known_to.discard(src)
        return _frame(self._trust.introduction(complete=asks == _COMPLETE))

    def greeting(self, dst: str, t_ms: int) -> bytes:
        """Return what introduces the unit and asks who ``dst`` is; empty: it was just asked."""
        if not self._may(self._asked_ms, dst, t_ms, _ASK_AGAIN_MS):
            return b""
        return self._greeting(dst, t_ms)

    def question(self, src: str, why: Refusal, t_ms: int) -> bytes:
        """Return what asks who somebody is whose frame was refused, empty where that is no use."""
        unknown = why is Refusal.UNKNOWN_KEY and not self._trust.knows(src)
        if not unknown or not self._may(self._asked_ms, src, t_ms, _ASK_AGAIN_MS):
            return b""
        return _frame(b"", asks=_ASKS)

    def forget(self, unit: str) -> None:
        """Introduce the unit anew to one that is trusted no longer, should it ever be again."""
        self._known_to.discard(unit)

    def _greeting(self, dst: str, t_ms: int) -> bytes:
        self._given_ms[dst] = t_ms
        return _frame(self._trust.introduction(), asks=_ASKS)

    @staticmethod
    def _may(times: dict[str, int], unit: str, t_ms: int, wait_ms: int) -> bool:
        if t_ms - times.get(unit, -wait_ms) < wait_ms:
            return False
        times[unit] = t_ms
        return True


def _frame(introduction: bytes, *, asks: int = 0) -> bytes:
    return cbor2.dumps([introduction, asks], canonical=True)


def _parts(wire: bytes) -> tuple[bytes, int]:
    try:
        parts: Any = cbor2.loads(wire)
        canonical = cbor2.dumps(parts, canonical=True) == wire
    except Exception as error:
        raise RefusedError(Refusal.MALFORMED, "frame") from error
    if not canonical or type(parts) is not list or len(parts) != 2:
        raise RefusedError(Refusal.MALFORMED, "frame")
    introduction, asks = parts
    if type(introduction) is not bytes or type(asks) is not int or not 0 <= asks <= _COMPLETE:
        raise RefusedError(Refusal.MALFORMED, "frame")
    return introduction, asks
