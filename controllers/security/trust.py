"""Whom one unit trusts: who introduced itself with a certificate that holds, while it holds.

Kept is what would be asked for again after a restart: introductions and revocation lists. A list
is taken in place of an older one of the same issuer, and ends the trust in all that it revokes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import lru_cache
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from controllers.security.errors import RefusedError
from controllers.security.introduction import CHECKS, Introductions, Known, Speaker, introduce
from controllers.security.keys import PublicKeys
from controllers.security.pki import Credential, Pki

__all__ = ["Notes", "Trust"]

_PREFIX = "substation "
_SECOND = timedelta(seconds=1)  # certificates hold to the end of their last second


class Notes(Protocol):
    """Where is kept what survives a restart."""

    def put(self, collection: str, key: str, value: Any) -> None:
        """Keep the value of a key."""

    def drop(self, collection: str, key: str) -> None:
        """Forget a key."""

    def items(self, collection: str) -> dict[str, Any]:
        """Return all keys of a collection with their values."""


class Trust:
    """What one unit knows of others' keys; ``keys`` is what its envelope looks at.

    ``charge(n)`` takes the unit's time for checking n signatures.
    Raises RefusedError where somebody's introduction does not hold; then nothing has changed.
    """

    __slots__ = (
        "_charge",
        "_checker",
        "_credential",
        "_introduced",
        "_lists",
        "_news",
        "_notes",
        "_own",
        "_pki",
        "_run",
        "_speakers",
        "keys",
    )

    def __init__(
        self,
        credential: Credential,
        speakers: Iterable[Speaker],
        *,
        pki: Pki,
        checker: Introductions,
        run: str,
        notes: Notes,
        t_ms: int,
        charge: Callable[[int], object] | None = None,
    ) -> None:
        self._charge = charge or (lambda _count: None)
        self._credential, self._speakers, self._run = credential, tuple(speakers), run
        self._pki, self._checker, self._notes = pki, checker, notes
        self.keys = PublicKeys()
        self._news = False
        self._own: dict[tuple[bytes, ...], bytes] = {}
        self._introduced: dict[str, Known] = {}
        self._lists: dict[x509.Name, x509.CertificateRevocationList] = {}
        noted = notes.items("lists")
        for der in noted.values() if noted else pki.installed(credential.unit, t_ms):
            self._keep_list(der)
        for src, wire in notes.items("introductions").items():
            try:
                self._take(src, wire, t_ms)
            except RefusedError:  # expired or revoked while the unit was down
                notes.drop("introductions", src)

    def up_to(self, areas: Iterable[str]) -> int:
        """Return the sum of the numbers of the lists for units of these areas.

        Who has the smaller sum lacks something.
        """
        return sum(_number(found) for found in self._for(areas))

    def introduction(self, *, complete: bool = False) -> bytes:
        """Return what the unit shows of itself, with its issuer's list; ``complete``: with all."""
        chain = [x509.load_der_x509_certificate(der) for der in self._credential.chain]
        found = [self._lists.get(one.issuer) for one in (chain if complete else chain[:1])]
        staples = tuple(_der(one) for one in found if one is not None)
        if (wire := self._own.get(staples)) is None:
            wire = introduce(self._credential, self._speakers, staples, self._run)
            self._own = {staples: wire}
        return wire

    def knows(self, unit: str) -> bool:
        """Tell whether a unit has introduced itself."""
        return unit in self._introduced

    def serial(self, unit: str) -> int:
        """Return the number of a known unit's certificate; raises KeyError."""
        return self._introduced[unit].member.serial

    def meet(self, src: str, wire: bytes, t_ms: int) -> None:
        """Take an introduction; raises RefusedError. One that is known is not checked again."""
        known = self._introduced.get(src)
        if known is not None and known.wire == wire:
            return
        self._charge(CHECKS)
        self._take(src, wire, t_ms)
        self._notes.put("introductions", src, wire)

    def _take(self, src: str, wire: bytes, t_ms: int) -> None:
        at = self._pki.at(t_ms)
        lists = dict(self._lists)
        staples = [one for der in self._checker.staples(wire) if (one := _list(der)) is not None]
        for staple in staples:
            if _is_newer(staple, lists.get(staple.issuer)):
                lists[staple.issuer] = staple
        known = self._checker.check(wire, src, lists, at)
        for staple in staples:
            # lists of issuers in the path have all been checked
            if any(one.issuer == staple.issuer for one in known.chain):
                self._keep_list(_der(staple))
        self.forget(src)
        self._introduced[src] = known
        for identity, key in known.identities:
            self.keys.trust(identity, key)
        self.keys.trust_agreement(src, known.member.agreement)

    def forget(self, unit: str) -> None:
        """Trust a unit no longer."""
        if self._introduced.pop(unit, None) is not None:
            self.keys.forget(unit)
            self._notes.drop("introductions", unit)

    # -- what is revoked and expired ---------------------------------------------------------

    def take_list(self, der: bytes, t_ms: int, *, own: bool = False) -> bool:
        """Take a revocation list; return whether it is newer than the one that was there.

        One whose issuer is not known, not current or not signed by it is not taken; of the
        operator's ``own`` office all are.
        """
        found, at = _list(der), self._pki.at(t_ms)
        if found is None or not _is_newer(found, self._lists.get(found.issuer)):
            return False
        if own:
            self._keep_list(der)
            return True
        until = found.next_update_utc
        issuer = self._issuer(found.issuer)
        if issuer is None or until is None or not found.last_update_utc <= at <= until:
            return False
        if not _is_signed(der, issuer):
            return False
        self._keep_list(der)
        return True

    def lists(self, areas: Iterable[str]) -> list[bytes]:
        """Return the lists that units of these areas have use for."""
        return [_der(found) for found in self._for(areas)]

    def _for(self, areas: Iterable[str]) -> list[x509.CertificateRevocationList]:
        wanted = set(areas)
        named = sorted(self._lists.items(), key=lambda item: item[0].rfc4514_string())
        return [it for name, it in named if (area := _area_of(name)) is None or area in wanted]

    def ended(self, t_ms: int) -> dict[str, str]:
        """Return who is no longer to be trusted, and why: revoked or expired."""
        at = self._pki.at(t_ms)
        out = {}
        for unit, known in sorted(self._introduced.items()):
            if known.member.expires + _SECOND <= at:
                out[unit] = "expired"
            elif any(self._is_revoked(one) for one in known.chain):
                out[unit] = "revoked"
        return out

    def take_news(self) -> bool:
        """Tell whether a list has come since this was asked last, be it with an introduction."""
        news, self._news = self._news, False
        return news

    def next_expiry_ms(self) -> int | None:
        """Return when the next certificate expires [ms of the run], None where none is known."""
        ends = [known.member.expires for known in self._introduced.values()]
        if not ends:
            return None
        return int((min(ends) + _SECOND - self._pki.start).total_seconds() * 1000)

    def _is_revoked(self, certificate: x509.Certificate) -> bool:
        found = self._lists.get(certificate.issuer)
        if found is None:
            return False
        return found.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None

    def _keep_list(self, der: bytes) -> None:
        found = _list(der)
        if found is None or not _is_newer(found, self._lists.get(found.issuer)):
            return
        self._lists[found.issuer] = found
        self._news = True
        self._notes.put("lists", found.issuer.rfc4514_string(), der)

    def _issuer(self, name: x509.Name) -> x509.Certificate | None:
        """Return the certificate of an authority, of those that the unit has seen verified."""
        if name == self._pki.root.subject:
            return self._pki.root
        own = [x509.load_der_x509_certificate(der) for der in self._credential.chain[1:]]
        for chain in (own, *(known.chain[1:] for known in self._introduced.values())):
            for certificate in chain:
                if certificate.subject == name:
                    return certificate
        return None


def _is_newer(
    found: x509.CertificateRevocationList, old: x509.CertificateRevocationList | None
) -> bool:
    return old is None or _number(found) > _number(old)


def _number(found: x509.CertificateRevocationList) -> int:
    try:
        return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except (x509.ExtensionNotFound, ValueError):
        return 0


def _area_of(name: x509.Name) -> str | None:
    """Return the area of an issuer, None for those who issue for all."""
    common = str(name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    return common.removeprefix(_PREFIX) if common.startswith(_PREFIX) else None


@lru_cache(maxsize=1 << 14)
def _list(der: bytes) -> x509.CertificateRevocationList | None:
    try:
        found = x509.load_der_x509_crl(der)
        # all that is asked of it later is read here, where it may fail
        plain = found.issuer, found.last_update_utc, found.next_update_utc, len(found)
        return found if plain[2] is not None and _number(found) else None
    except Exception:  # noqa: BLE001 - whatever a parser makes of garbage
        return None


def _der(found: x509.CertificateRevocationList) -> bytes:
    return found.public_bytes(Encoding.DER)


@lru_cache(maxsize=1 << 14)
def _is_signed(der: bytes, issuer: x509.Certificate) -> bool:
    found = _list(der)
    return found is not None and found.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
