"""What a unit puts around a message before it goes out, by level of security.

``none``: nothing. ``integrity``: signed by unit, stakeholder and service, with sender and receiver
and the run's name in what is signed, and a number that makes it fresh. ``integrity+secrecy``:
that, encrypted for the receiver. ``with-privacy`` is the same for messages; what is more of it
is within them (``aggregator``). The bytes are on the wire; whoever is in between may do with
them as he likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from controllers.security import cose
from controllers.security.errors import Refusal, RefusedError
from controllers.security.freshness import Numbers, Replays
from controllers.security.keys import Identity, Keys, PublicKeys

__all__ = ["LEVELS", "SECRET", "Envelope", "Plain", "Sealed", "Signed", "make_envelope"]

_WINDOW_MS = 300_000


@dataclass(frozen=True, slots=True)
class Sealed:
    """A message as it came out of its envelope; ``identity`` is None where nobody signed it."""

    payload: bytes
    identity: Identity | None


class Envelope(Protocol):
    """One unit's way of sealing and opening."""

    def seal(
        self, payload: bytes, dst: str, t_ms: int, stakeholder: str = "", service: str = ""
    ) -> bytes:
        """Return what goes on the wire to ``dst`` at the unit's time."""

    def open(self, wire: bytes, src: str, t_ms: int) -> Sealed:
        """Return what ``src`` sent; raises RefusedError."""


class Plain:
    """Level ``none``."""

    __slots__ = ()

    def seal(
        self,
        payload: bytes,
        dst: str,  # noqa: ARG002 - the protocol's
        t_ms: int,  # noqa: ARG002
        stakeholder: str = "",  # noqa: ARG002
        service: str = "",  # noqa: ARG002
    ) -> bytes:
        """Return the payload."""
        return payload

    def open(self, wire: bytes, src: str, t_ms: int) -> Sealed:  # noqa: ARG002 - the protocol's
        """Return the payload."""
        return Sealed(wire, None)


class Signed:
    """Level ``integrity``; with ``secret`` also secrecy.

    ``run`` names the run. A unit that begins anew gives ``numbers`` that go on after those before,
    and ``since_ms``, when that is.
    """

    __slots__ = ("_keys", "_known", "_numbers", "_replays", "_run", "_secret", "_unit")

    def __init__(
        self,
        run: str,
        keys: Keys,
        known: PublicKeys,
        *,
        secret: bool = False,
        numbers: Numbers | None = None,
        since_ms: int | None = None,
    ) -> None:
        self._run, self._keys, self._known, self._unit = run, keys, known, keys.unit
        self._numbers, self._replays = numbers or Numbers(), Replays(_WINDOW_MS, since_ms)
        self._secret = secret

    def seal(
        self, payload: bytes, dst: str, t_ms: int, stakeholder: str = "", service: str = ""
    ) -> bytes:
        """Return the message signed and, at that level, encrypted; raises RefusedError."""
        number = self._numbers.next(t_ms)
        aad = self._context(self._unit, dst)
        signed = self._keys.sign(payload, aad, number, stakeholder, service)
        if not self._secret:
            return signed
        return self._keys.encrypt(signed, aad, dst, self._known.agreement(dst), number)

    def open(self, wire: bytes, src: str, t_ms: int) -> Sealed:
        """Return what ``src`` signed; raises RefusedError, and then nothing has changed."""
        aad = self._context(src, self._unit)
        if self._secret:
            wire = self._keys.decrypt(wire, aad, src, self._known.agreement(src))
        opened = _verified(wire, aad, self._known)
        identity = self._known.identity(opened.kid)
        if identity is None or identity.unit != src:
            raise RefusedError(Refusal.UNKNOWN_KEY, f"{src} does not sign with this key")
        self._replays.take(opened.kid, opened.number, t_ms)
        return Sealed(opened.payload, identity)

    def _context(self, src: str, dst: str) -> bytes:
        return "\x1f".join(("fernwatt/message/v1", self._run, src, dst)).encode()


def _verified(wire: bytes, aad: bytes, known: PublicKeys) -> cose.Opened:
    return cose.verify1(wire, aad, known.signing)


LEVELS = ("none", "integrity", "integrity+secrecy", "with-privacy")
SECRET = LEVELS[2:]


def make_envelope(  # noqa: PLR0917 - of an envelope
    level: str,
    run: str,
    keys: Keys,
    known: PublicKeys,
    numbers: Numbers | None = None,
    since_ms: int | None = None,
) -> Envelope:
    """Return the envelope of a level, one of ``LEVELS``; raises ValueError for another."""
    if level not in LEVELS:
        raise ValueError(f"there is no level {level!r}: one of {', '.join(LEVELS)}")
    if level == "none":
        return Plain()
    secret = level in SECRET
    return Signed(run, keys, known, secret=secret, numbers=numbers, since_ms=since_ms)
