"""How a unit introduces itself: certificates, current revocation lists, keys of its services.

    introduction := [[certificate, issuer's, operator's], [list, …],
                     [[stakeholder, service, key], …], signature]

in deterministic CBOR, certificates and lists in DER; usually the issuer's list alone. The
signature is made with the certificate's own key, over the run and all but the lists: so its holder
has that key, and vouches for those of its services; whom they speak for is in the certificate. It
says nothing that is secret and nothing that is fresh: who repeats it has none of the keys in it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from typing import Any

import cbor2
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.utils import CryptographyDeprecationWarning

from controllers.security.certificates import Member, verify_member
from controllers.security.errors import Refusal, RefusedError
from controllers.security.keys import Identity
from controllers.security.pki import Credential, role_of

__all__ = ["CHECKS", "IntroductionRefusedError", "Introductions", "Known", "Speaker", "introduce"]

CHECKS = 4
"""Signatures that a receiver checks: of three certificates and of the introduction."""
_MAX_BYTES, _MAX_CHAIN, _MAX_SPEAKERS = 16_384, 4, 64
_DOMAIN = b"fernwatt/introduction/v1\x1f"
_KEY_BYTES = 32
Speaker = tuple[str, str, bytes]
Lists = Mapping[x509.Name, x509.CertificateRevocationList]


class IntroductionRefusedError(RefusedError):
    """Somebody's introduction does not hold."""


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody whose introduction holds."""

    member: Member
    speakers: tuple[Speaker, ...]
    chain: tuple[x509.Certificate, ...]
    wire: bytes

    @property
    def identities(self) -> list[tuple[Identity, bytes]]:
        """Who may sign with which key."""
        own = (Identity(self.member.name), self.member.signing)
        return [own, *((Identity(self.member.name, s, n), key) for s, n, key in self.speakers)]


def introduce(
    credential: Credential, speakers: Sequence[Speaker], staples: Sequence[bytes], run: str
) -> bytes:
    """Return a unit's introduction; ``staples`` are lists of its issuers."""
    body = [list(credential.chain), list(staples), [list(one) for one in sorted(speakers)]]
    signed = _signed(run, cbor2.dumps([body[0], body[2]], canonical=True))
    signature = credential.key.sign(signed, ec.ECDSA(SHA256(), deterministic_signing=True))
    return cbor2.dumps([*body, signature], canonical=True)


class Introductions:
    """Checks introductions for all units of a process.

    A path that one unit has verified with the same lists is not verified again while it holds:
    that spares the computer, not the units, who are charged for each.
    """

    __slots__ = ("_held", "_roots", "_run")

    def __init__(self, roots: Sequence[x509.Certificate], run: str) -> None:
        self._roots, self._run = list(roots), run
        self._held: dict[tuple[bytes, ...], tuple[Known, datetime, datetime]] = {}

    @staticmethod
    def staples(wire: bytes) -> tuple[bytes, ...]:
        """Return the revocation lists in an introduction; raises RefusedError."""
        return _parsed(wire).staples

    def check(self, wire: bytes, src: str, lists: Lists, at: datetime) -> Known:
        """Return who ``src`` is; raises IntroductionRefusedError."""
        try:
            return self._check(wire, src, lists, at)
        except RefusedError as error:
            raise IntroductionRefusedError(error.why, str(error)) from error
        except Exception as error:  # some parts of a certificate are parsed when they are needed
            raise IntroductionRefusedError(Refusal.MALFORMED, "certificate") from error

    def _check(self, wire: bytes, src: str, lists: Lists, at: datetime) -> Known:
        parts = _parsed(wire)
        leaf, *above = parts.chain
        used = [found for one in parts.chain if (found := lists.get(one.issuer)) is not None]
        key = (wire, *(one.signature for one in used))
        held = self._held.get(key)
        if held is None or not held[1] <= at <= held[2]:
            self._signature(parts)
            try:
                member = verify_member(
                    leaf, above, self._roots, lists=lists, at=at, role=role_of(src)
                )
            except RefusedError as error:
                if error.why is Refusal.FORGED and _outside([*parts.chain, *self._roots]):
                    raise RefusedError(Refusal.AREA, str(error)) from error
                raise
            known = Known(member, parts.speakers, parts.chain, wire)
            held = self._held[key] = (known, at, _until(parts.chain, used))
        known = held[0]
        if known.member.name != src:
            raise RefusedError(Refusal.FORGED, f"{src} shows a certificate of {known.member.name}")
        if any(one not in known.member.stakeholders for one, _, _ in known.speakers):
            raise RefusedError(Refusal.ROLE, f"{src} speaks for others")
        return known

    def _signature(self, parts: _Parts) -> None:
        key = parts.chain[0].public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise RefusedError(Refusal.ALGORITHM, "of the certificate's key")
        try:
            key.verify(parts.signature, _signed(self._run, parts.body), ec.ECDSA(SHA256()))
        except InvalidSignature as error:
            raise RefusedError(Refusal.SIGNATURE, "of the introduction") from error


@dataclass(frozen=True, slots=True)
class _Parts:
    chain: tuple[x509.Certificate, ...]
    staples: tuple[bytes, ...]
    speakers: tuple[Speaker, ...]
    signature: bytes
    body: bytes


@lru_cache(maxsize=1 << 15)
def _parsed(wire: bytes) -> _Parts:
    try:
        return _parse(wire)
    except RefusedError as error:
        raise IntroductionRefusedError(error.why, str(error)) from error


def _parse(wire: bytes) -> _Parts:
    malformed = RefusedError(Refusal.MALFORMED, "introduction")
    if not 0 < len(wire) <= _MAX_BYTES:
        raise malformed
    try:
        parts: Any = cbor2.loads(wire)
        canonical = cbor2.dumps(parts, canonical=True) == wire
    except Exception as error:
        raise malformed from error
    if not canonical or type(parts) is not list or len(parts) != 4:
        raise malformed
    chain, staples, speakers, signature = parts
    if type(staples) is not list or len(staples) > _MAX_CHAIN or type(signature) is not bytes:
        raise malformed
    if not all(type(one) is bytes for one in staples):
        raise malformed
    if type(chain) is not list or not 0 < len(chain) <= _MAX_CHAIN:
        raise malformed
    if type(speakers) is not list or len(speakers) > _MAX_SPEAKERS:
        raise malformed
    if not all(_is_speaker(one) for one in speakers):
        raise malformed
    try:
        certificates = tuple(_certificate(der) for der in chain)
    except Exception as error:
        raise malformed from error
    told = tuple((s, n, key) for s, n, key in speakers)
    return _Parts(
        certificates,
        tuple(staples),
        told,
        signature,
        cbor2.dumps([chain, speakers], canonical=True),
    )


def _is_speaker(entry: Any) -> bool:
    if type(entry) is not list or len(entry) != 3:
        return False
    texts, key = entry[:2], entry[2]
    return all(type(one) is str for one in texts) and type(key) is bytes and len(key) == _KEY_BYTES


@lru_cache(maxsize=1 << 12)
def _certificate(der: bytes) -> x509.Certificate:
    with warnings.catch_warnings():
        warnings.simplefilter("error", CryptographyDeprecationWarning)  # what is only tolerated
        return x509.load_der_x509_certificate(der)


def _signed(run: str, body: bytes) -> bytes:
    return _DOMAIN + run.encode() + b"\x1f" + sha256(body).digest()


def _until(
    chain: Sequence[x509.Certificate], used: Sequence[x509.CertificateRevocationList]
) -> datetime:
    ends = [one.not_valid_after_utc for one in chain]
    return min(ends + [one.next_update_utc for one in used if one.next_update_utc is not None])


def _outside(chain: Sequence[x509.Certificate]) -> bool:
    """Tell whether all is signed as it should be, but the name is not one that it may be for."""
    for certificate, issuer in pairwise(chain):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            return False
    try:
        names = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        limits = chain[1].extensions.get_extension_for_class(x509.NameConstraints).value
    except (IndexError, x509.ExtensionNotFound, ValueError):
        return False
    allowed = [one.value for one in limits.permitted_subtrees or ()]
    hosts = names.get_values_for_type(x509.DNSName)
    return not all(any(host.endswith(f".{one}") for one in allowed) for host in hosts)
