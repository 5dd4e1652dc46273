"""The certificates of a run: one operator's authorities, and what each unit is given by them.

Root → operator → one authority for each area → units of that area; units of no area (the top,
data providers) have theirs from the operator. Authorities and certificates are made when they are
first asked for, and are the same bytes in whatever order that is. Some certificates may be bad on
purpose, for a scenario to see what becomes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from controllers.security.certificates import Authority, Role, to_der, unit_key
from controllers.security.keys import Keys, derive

__all__ = ["FAULTS", "Applicant", "Credential", "Pki", "area_of", "role_of"]

FAULTS = ("forged", "expired", "revoked", "role", "area")
_OF_NO_AREA = ("tlgmu", "provider")
_FOREVER = timedelta(days=36_500)
_BEFORE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Credential:
    """What a unit shows of itself: its certificate and those above but the root's; its key."""

    unit: str
    chain: tuple[bytes, ...]
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Applicant:
    """For whom a certificate is made: a unit's keys, and whom its services speak for."""

    keys: Keys
    stakeholders: tuple[str, ...]


class _Office:
    """One operator's authorities; a second one is an impostor's."""

    def __init__(self, secret: bytes, start: datetime) -> None:
        self._secret, self._valid = secret, (start - _BEFORE, start + _FOREVER)
        self.root = Authority("root", secret, None, self._valid, depth=2)
        self.operator = Authority("operator", secret, self.root, self._valid, depth=1)
        self._areas: dict[str, Authority] = {}

    def of(self, area: str) -> Authority:
        """Return the authority of an area, the operator's where it is empty."""
        if not area:
            return self.operator
        if area not in self._areas:
            self._areas[area] = Authority(
                f"substation {area}", self._secret, self.operator, self._valid, subtree=area,
                depth=0,
            )  # fmt: skip
        return self._areas[area]

    def all(self) -> list[Authority]:
        """Return all authorities there are so far, areas by name."""
        return [self.root, self.operator, *(self._areas[area] for area in sorted(self._areas))]


class Pki:
    """Gives units their certificates, and lists of what is revoked.

    ``start`` is the instant of t = 0. ``faults`` are bad certificates by unit, each one of
    ``FAULTS``. Certificates hold for ``certificate_ms``, lists for ``list_ms``.
    """

    def __init__(
        self,
        secret: bytes,
        start: datetime,
        *,
        certificate_ms: int,
        list_ms: int,
        faults: Mapping[str, str] | None = None,
    ) -> None:
        self._secret, self.start, self.list_ms = derive(secret, "pki"), start, list_ms
        self._until = start + timedelta(milliseconds=certificate_ms)
        self._office = _Office(self._secret, start)
        self._impostor: _Office | None = None
        self._faults = dict(faults or {})
        self._made: dict[str, tuple[x509.Certificate, Authority, Credential]] = {}
        self._lists: dict[str, tuple[int, bytes]] = {}

    @property
    def root(self) -> x509.Certificate:
        """What all units have from the beginning."""
        return self._office.root.certificate

    def at(self, t_ms: int) -> datetime:
        """Return the instant of a time of the run."""
        return self.start + timedelta(milliseconds=t_ms)

    def credential(self, unit: str, applicant: Applicant) -> Credential:
        """Return what a unit shows of itself; the same each time."""
        if unit not in self._made:
            self._made[unit] = self._make(unit, applicant)
        return self._made[unit][2]

    def authorities(self) -> list[str]:
        """Return the names of the authorities so far, the root's first."""
        return [one.name for one in self._office.all()]

    def installed(self, unit: str, t_ms: int) -> list[bytes]:
        """Return the lists that a unit is given with its certificate: those of its issuers."""
        office = self._office
        issuers = {office.root.name: office.root, office.operator.name: office.operator}
        own = office.of(area_of(unit))
        return [self._list(one, t_ms) for one in (issuers | {own.name: own}).values()]

    def lists(self, t_ms: int) -> list[bytes]:
        """Return the lists of all authorities so far, renewed where half their time is over."""
        return [self._list(one, t_ms) for one in self._office.all()]

    def revoke(self, unit: str, applicant: Applicant, t_ms: int) -> bytes:
        """Revoke a unit's certificate; return the new list of its issuer."""
        self.credential(unit, applicant)
        certificate, issuer, _ = self._made[unit]
        issuer.revoke(certificate, self.at(t_ms).replace(microsecond=0))
        self._lists.pop(issuer.name, None)
        return self._list(issuer, t_ms)

    def _list(self, authority: Authority, t_ms: int) -> bytes:
        since_ms, der = self._lists.get(authority.name, (-self.list_ms, b""))
        if not der or 2 * (t_ms - since_ms) >= self.list_ms:
            at = self.at(t_ms).replace(microsecond=0)
            valid = timedelta(milliseconds=self.list_ms)
            der = to_der(authority.revocation_list(at, valid))
            self._lists[authority.name] = (t_ms, der)
        return der

    def _make(
        self, unit: str, applicant: Applicant
    ) -> tuple[x509.Certificate, Authority, Credential]:
        fault = self._faults.get(unit, "")
        office, area = self._office, area_of(unit)
        if fault == "forged":
            if self._impostor is None:
                self._impostor = _Office(derive(self._secret, "impostor"), self.start)
            office = self._impostor
        issuer = office.of("elsewhere" if fault == "area" else area)
        key = unit_key(self._secret, unit)
        certificate = issuer.issue(
            unit,
            Role.INSTALLER if fault == "role" else role_of(unit),
            key.public_key(),
            (self.start - _BEFORE, self.start - _BEFORE / 2 if fault == "expired" else self._until),
            signing=applicant.keys.public_signing(),
            agreement=applicant.keys.public_agreement(),
            stakeholders=applicant.stakeholders,
        )
        if fault == "revoked":
            issuer.revoke(certificate, self.start - _BEFORE / 2)
        above = [issuer, *([office.operator] if issuer is not office.operator else [])]
        chain = (to_der(certificate), *(to_der(one.certificate) for one in above))
        return certificate, issuer, Credential(unit, chain, key)


def role_of(unit: str) -> Role:
    """Return the role that a unit's certificate has to state: providers only give data."""
    return Role.VIEWER if unit.startswith("provider/") else Role.OPERATOR


def area_of(unit: str) -> str:
    """Return the area whose authority is a unit's, by the unit's name; empty: the operator's."""
    kind, _, rest = unit.partition("/")
    return "" if kind in _OF_NO_AREA else rest.partition("/")[0]
