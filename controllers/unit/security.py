"""What protects messages between units: an envelope for each unit, at the level of the run.

A unit signs what its services ask for with a key of unit, stakeholder and service, and its
answers with its own. Opened is only what the claimed sender signed with such a key; that the
stakeholder and service of a request are those of its key is checked too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from controllers.security.aggregator import Aggregator, make_aggregator
from controllers.security.envelope import LEVELS, SECRET, Envelope, Sealed, make_envelope
from controllers.security.freshness import Numbers
from controllers.security.keys import Identity, Keys, PublicKeys, run_secret
from controllers.unit.channels import Channel, Protecting
from controllers.unit.host import Crypto
from controllers.unit.notes import Notebook
from controllers.unit.wire import Message, Request

__all__ = ["LEVELS", "Security", "is_by"]


class Security:
    """The keys of all units of one process; ``run`` is signed with every message."""

    __slots__ = ("_known", "_level", "_members", "_run", "_secret")

    def __init__(self, level: str, seed: int) -> None:
        self._level, self._run = level, str(seed)
        self._secret = run_secret(seed)
        self._known, self._members = PublicKeys(), PublicKeys()

    @property
    def crypto(self) -> Crypto:
        """What a message costs the processors of its sender and receiver."""
        return Crypto(signs=self._level != "none", encrypts=self._level in SECRET)

    def aggregator(self, unit: str, scheme: str, since_ms: int = 0) -> Aggregator:
        """Return a unit's side of sums that who adds them cannot read.

        Members' keys for that are the directory's, as their certificates bind them.
        """
        return make_aggregator(scheme, Keys(unit, self._secret), self._members, since_ms)

    def auditing(self, unit: str) -> Callable[[bytes], bytes]:
        """Return what puts a unit's tag to the head of its audit log."""

        @cache
        def keys() -> Keys:
            return Keys(unit, self._secret)

        return lambda data: keys().tag(data, "audit")

    def at_rest(self, unit: str) -> bytes:
        """Return a unit's key for its data at rest."""
        return Keys(unit, self._secret).at_rest(0)

    def enrol(
        self,
        unit: str,
        speakers: dict[str, str],
        notes: Notebook,
        since_ms: int | None = None,
        known: PublicKeys | None = None,
    ) -> Envelope:
        """Return the envelope of a unit whose services (by name) speak for stakeholders.

        ``since_ms`` is when it began anew, None at first; ``known`` are the keys that the unit
        itself has learned, None where all know all.
        """
        keys = Keys(unit, self._secret)
        if self._level != "none":
            self._known.trust(Identity(unit), keys.public_signing())
            self._known.trust_agreement(unit, keys.public_agreement())
            for service, stakeholder in sorted(speakers.items()):
                signing = keys.public_signing(stakeholder, service)
                self._known.trust(Identity(unit, stakeholder, service), signing)
        if self._level == "with-privacy":
            self._members.trust_agreement(unit, keys.public_agreement())
            self._members.trust_sums(unit, keys.sums().public.point)
        numbers = Numbers(
            notes.items("numbers").get("last", 0),
            lambda last: notes.put("numbers", "last", last),
        )
        known = self._known if known is None else known
        return make_envelope(self._level, self._run, keys, known, numbers, since_ms)

    def protected(self, unit: str, channels: Mapping[str, Channel]) -> dict[str, Protecting]:
        """Return those of a unit's channels, by peer, that protect themselves at this level."""
        own: dict[str, Protecting] = {}
        if self._level == "none":
            return own
        for peer, channel in channels.items():
            if isinstance(channel, Protecting):
                public = Keys(peer, self._secret).public_agreement()
                purpose = "channel/" + "/".join(sorted((unit, peer)))
                secret = Keys(unit, self._secret).shared(public, purpose)
                if channel.protect(self._level, secret):
                    own[peer] = channel
        return own


def is_by(message: Message, sealed: Sealed) -> bool:
    """Tell whether a message says it is from whom its envelope shows."""
    identity = sealed.identity
    if identity is None or not isinstance(message, Request):
        return True
    return (message.source, message.stakeholder, message.service) == (
        identity.unit,
        identity.stakeholder,
        identity.service,
    )
