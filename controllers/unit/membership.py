"""What group management sees of its unit's platform, and what it may have it do.

The platform notes when it heard of whom, when it spoke to whom, and when an instrument was read;
it checks what others show of themselves, and keeps their keys. Without security of messages there
are no certificates, and whoever says that he is a unit is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from controllers.security.certificates import dns_name
from controllers.security.envelope import Envelope, Sealed, Signed
from controllers.security.errors import RefusedError
from controllers.security.introduced import Introduced
from controllers.security.introduction import IntroductionRefusedError, Introductions
from controllers.security.keys import Keys, run_secret
from controllers.security.pki import FAULTS, Applicant, Pki, area_of
from controllers.security.trust import Trust
from controllers.unit.directory import Directory
from controllers.unit.links import LinkContext
from controllers.unit.notes import Notebook
from controllers.unit.service import UnitContext
from fernwatt.errors import Fault, ScenarioError, SimulationError
from fernwatt.timebase import DAY_MS

__all__ = ["Contacts", "GroupContext", "Membership", "Memberships", "grouped"]

_NONCE_BYTES = 12


class Contacts:
    """When the unit last heard of others, spoke to them, and read its instruments [ms]."""

    __slots__ = ("heard", "read", "refused", "said")

    def __init__(self) -> None:
        self.heard: dict[str, int] = {}
        self.said: dict[str, int] = {}
        self.read: dict[str, int] = {}
        self.refused: list[tuple[str, str]] = []

    def take_refused(self) -> list[tuple[str, str]]:
        """Return whose introductions were refused, and why, since this was asked last."""
        taken, self.refused = self.refused, []
        return taken


class Attentive:
    """An envelope that notes who was heard and spoken to."""

    __slots__ = ("_contacts", "_inner", "door")

    def __init__(self, inner: Envelope, contacts: Contacts, door: Introduced | None) -> None:
        self._inner, self._contacts, self.door = inner, contacts, door

    def seal(
        self, payload: bytes, dst: str, t_ms: int, stakeholder: str = "", service: str = ""
    ) -> bytes:
        """Return what goes on the wire."""
        self._contacts.said[dst] = t_ms
        return self._inner.seal(payload, dst, t_ms, stakeholder, service)

    def open(self, wire: bytes, src: str, t_ms: int) -> Sealed:
        """Return what ``src`` sent; raises RefusedError."""
        try:
            sealed = self._inner.open(wire, src, t_ms)
        except IntroductionRefusedError as error:
            self._contacts.refused.append((src, str(error.why)))
            raise
        self._contacts.heard[src] = t_ms
        return sealed

    def around(self, peer: str, t_ms: int, *, said: bool) -> None:
        """Note a message to or from a peer whose protocol protects itself, without an envelope."""
        noted = self._contacts.said if said else self._contacts.heard
        noted[peer] = t_ms


@dataclass(frozen=True, slots=True)
class _Secure:
    """What a unit has where messages are protected."""

    trust: Trust
    keys: Keys
    applicant: Callable[[str], Applicant]
    pki: Pki


class Membership:
    """One unit's; ``end`` ends the subscriptions of a unit and returns how many there were.

    ``moved`` tells who is the unit's parent from now on.
    """

    __slots__ = ("_directory", "_now", "_scopes", "_secure", "contacts", "door", "end", "moved")

    def __init__(
        self, directory: Directory, now: Callable[[], int], secure: _Secure | None
    ) -> None:
        self._directory, self._now, self._secure = directory, now, secure
        self.contacts = Contacts()
        self.door: Introduced | None = None
        self.end: Callable[[str], int] = lambda _unit: 0
        self.moved: Callable[[str], None] = lambda _parent: None
        self._scopes: dict[str, frozenset[str]] = {}

    @property
    def secured(self) -> bool:
        """Whether units have certificates and groups have keys."""
        return self._secure is not None

    @property
    def trust(self) -> Trust | None:
        """Whom the unit trusts."""
        return None if self._secure is None else self._secure.trust

    def belongs(self, unit: str, to: str) -> bool:
        """Tell whether a unit has its place right below another one."""
        return unit in self._directory and self._directory[unit].parent == to

    def children(self, unit: str) -> tuple[str, ...]:
        """Return the units that have their place right below one."""
        return self._directory[unit].children if unit in self._directory else ()

    # -- who is no longer trusted ------------------------------------------------------------

    def ended(self) -> dict[str, str]:
        """Return whose certificates have expired or were revoked, and which of both."""
        return {} if self._secure is None else self._secure.trust.ended(self._now())

    def forget(self, unit: str) -> int:
        """Trust a unit no longer; return how many of its subscriptions ended by that."""
        if self._secure is not None:
            self._secure.trust.forget(unit)
        if self.door is not None:
            self.door.forget(unit)
        return self.end(unit)

    def next_expiry_ms(self) -> int | None:
        """Return when the next certificate of somebody known expires, if one does."""
        return None if self._secure is None else self._secure.trust.next_expiry_ms()

    # -- revocation lists --------------------------------------------------------------------

    def take_list(self, der: bytes) -> bool:
        """Take a list; return whether it was newer than what was there."""
        return self._secure is not None and self._secure.trust.take_list(der, self._now())

    def take_news(self) -> bool:
        """Tell whether a list has come since this was asked last, be it with an introduction."""
        return self._secure is not None and self._secure.trust.take_news()

    def lists(self, unit: str) -> list[bytes]:
        """Return the lists that a unit and those below it have use for."""
        return [] if self._secure is None else self._secure.trust.lists(self._scope(unit))

    def up_to(self, unit: str) -> int:
        """Return a sum that grows with each of these lists."""
        return 0 if self._secure is None else self._secure.trust.up_to(self._scope(unit))

    def renew(self) -> bool:
        """Take all lists as the operator's office has them now; return whether any is newer."""
        if self._secure is None:
            return False
        lists, now_ms = self._secure.pki.lists(self._now()), self._now()
        taken = [self._secure.trust.take_list(der, now_ms, own=True) for der in lists]
        return any(taken)

    def revoke(self, unit: str) -> None:
        """Have the operator's office revoke a unit's certificate, and take the new list."""
        if self._secure is not None:
            now_ms = self._now()
            der = self._secure.pki.revoke(unit, self._secure.applicant(unit), now_ms)
            self._secure.trust.take_list(der, now_ms, own=True)

    def _scope(self, unit: str) -> frozenset[str]:
        if unit not in self._scopes:
            below = [entry.id for entry in self._directory.below(unit)]
            self._scopes[unit] = frozenset(area_of(one) for one in (unit, *below))
        return self._scopes[unit]

    # -- group keys --------------------------------------------------------------------------

    def group_key(self, generation: int) -> bytes:
        """Return the first key of a generation of the group below this unit."""
        return b"" if self._secure is None else self._secure.keys.group(generation)

    def seal_key(self, key: bytes, member: str, number: int) -> bytes:
        """Return a key that only ``member`` can read; a number stands for one key."""
        assert self._secure is not None
        agreement = self._secure.trust.keys.agreement(member)
        own = self._secure.keys.unit
        shared = self._secure.keys.shared(agreement, f"group/{own}\x1f{member}")
        return AESGCM(shared).encrypt(number.to_bytes(_NONCE_BYTES, "big"), key, None)

    def open_key(self, sealed: bytes, parent: str, number: int) -> bytes | None:
        """Return the key that ``parent`` sealed, None where it is not one."""
        assert self._secure is not None
        try:
            agreement = self._secure.trust.keys.agreement(parent)
            own = self._secure.keys.unit
            shared = self._secure.keys.shared(agreement, f"group/{parent}\x1f{own}")
            return AESGCM(shared).decrypt(number.to_bytes(_NONCE_BYTES, "big"), sealed, None)
        except (RefusedError, InvalidTag, ValueError, OverflowError):
            return None


class Memberships:
    """Those of all units of a process.

    ``settings``: ``start`` (ISO, needed with security), ``certificate_ms``, ``list_ms``,
    ``certificates: {unit: fault}``. Raises ScenarioError.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        level: str,
        seed: int,
        directory: Directory,
        speakers: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._directory, self._level, self._run = directory, level, str(seed)
        self._secret, self._speakers = run_secret(seed), speakers
        self._pki: Pki | None = None
        if level != "none":
            self._pki = _make_pki(settings, self._secret, speakers)
            self._checker = Introductions([self._pki.root], self._run)
            for unit, fault in sorted((settings.get("certificates") or {}).items()):
                if fault == "revoked":  # it stands in the first lists
                    self._pki.credential(unit, self._applicant(unit))

    def of(
        self, unit: str, notes: Notebook, now: Callable[[], int], charge: Callable[[int], object]
    ) -> Membership:
        """Return a unit's; ``charge(n)`` takes its processor's time for n signatures."""
        if self._pki is None:
            return Membership(self._directory, now, None)
        applicant = self._applicant(unit)
        keys = applicant.keys
        told = [
            (stakeholder, service, keys.public_signing(stakeholder, service))
            for service, stakeholder in sorted(self._speakers[unit].items())
        ]
        trust = Trust(
            self._pki.credential(unit, applicant),
            told,
            pki=self._pki,
            checker=self._checker,
            run=self._run,
            notes=notes,
            t_ms=now(),
            charge=charge,
        )
        secure = _Secure(trust, keys, self._applicant, self._pki)
        return Membership(self._directory, now, secure)

    def envelope(self, membership: Membership, inner: Envelope) -> Attentive:
        """Return an envelope around one that looks at the membership's keys."""
        if membership.trust is None or not isinstance(inner, Signed):
            return Attentive(inner, membership.contacts, None)
        membership.door = Introduced(inner, membership.trust)
        return Attentive(membership.door, membership.contacts, membership.door)

    def _applicant(self, unit: str) -> Applicant:
        speakers = tuple(sorted(set(self._speakers[unit].values())))
        return Applicant(Keys(unit, self._secret), speakers)


def _make_pki(settings: Mapping[str, Any], secret: bytes, units: Iterable[str]) -> Pki:
    faults, known = [], set(units)
    for unit in known:
        try:
            dns_name(unit)
        except ValueError as error:
            hint = "small letters, digits, hyphens and points"
            faults.append(Fault("units", str(error), hint))
    bad = settings.get("certificates") or {}
    for unit, fault in sorted(bad.items()):
        if unit not in known:
            faults.append(Fault(f"group.certificates.{unit}", "no such unit"))
        elif fault not in FAULTS:
            hint = f"one of {', '.join(FAULTS)}"
            faults.append(Fault(f"group.certificates.{unit}", f"{fault!r}", hint))
    try:
        start = datetime.fromisoformat(str(settings.get("start")))
    except ValueError:
        faults.append(Fault("group.start", "an instant as 2026-01-01T00:00:00Z is needed"))
        start = None
    if faults or start is None:
        raise ScenarioError(sorted(faults, key=str))
    return Pki(
        secret,
        start,
        certificate_ms=settings.get("certificate_ms", 730 * DAY_MS),
        list_ms=settings.get("list_ms", 7 * DAY_MS),
        faults=bad,
    )


@runtime_checkable
class GroupContext(LinkContext, Protocol):
    """What the service ``group`` sees of its unit."""

    @property
    def membership(self) -> Membership | None:
        """The platform's part in group management."""


def grouped(context: UnitContext) -> tuple[GroupContext, Membership]:
    """Return a service's context as one with group management.

    Raises SimulationError where the units' specification has none.
    """
    if not isinstance(context, GroupContext) or context.membership is None:
        raise SimulationError(f"{context.unit}: the service group needs the section group")
    return context, context.membership
