"""The operator's public-key infrastructure: who may issue for whom, and what a member's holds.

An offline root, an operator's authority below it, one authority for each substation that may
issue for its own area only (path length 0, name constraints), and certificates of units, which
bind a unit's name and role (names of IEC 62351-8) to its keys for messages. X.509, ECDSA P-256:
path validation is cryptography's, which takes no Ed25519 certificates. Times are the run's.
Keys and signatures are deterministic (RFC 6979), so that a run has the same bytes each time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from controllers.security.errors import Refusal, RefusedError
from controllers.security.keys import derive

__all__ = ["Authority", "Member", "Role", "dns_name", "verify_member"]

_DOMAIN = "fernwatt.invalid"
_BINDING = x509.ObjectIdentifier("2.25.222641279330245173498262411120374532110")
_ORDER = int("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
_CHAIN_DEPTH = 3


class Role(StrEnum):
    """Roles of IEC 62351-8."""

    VIEWER = "VIEWER"
    OPERATOR = "OPERATOR"
    ENGINEER = "ENGINEER"
    INSTALLER = "INSTALLER"
    SECADM = "SECADM"
    SECAUD = "SECAUD"
    RBACMNT = "RBACMNT"


@dataclass(frozen=True, slots=True)
class Member:
    """What a unit's certificate says of it; for ``stakeholders`` its services may speak."""

    name: str
    role: Role
    signing: bytes
    agreement: bytes
    serial: int
    expires: datetime
    stakeholders: tuple[str, ...] = ()


def dns_name(unit: str) -> str:
    """Return a unit's name as a host name: ``meter/lv4.101/load-7`` is in ``lv4--101``.

    Areas come last, so that an authority can be held to one. Raises ValueError for other names.
    """
    labels = [part.replace(".", "--") for part in unit.split("/")]
    if len(labels) > 1:
        labels = [*labels[2:], labels[0], labels[1]]
    if not all(re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", label) for label in labels):
        raise ValueError(f"{unit} is no name of a unit")
    return ".".join([*labels, _DOMAIN])


class Authority:
    """One certification authority; its private key never leaves it."""

    __slots__ = ("__key", "_issued", "_lists", "_revoked", "_secret", "certificate", "name")

    def __init__(
        self,
        name: str,
        secret: bytes,
        issuer: Authority | None,
        valid: tuple[datetime, datetime],
        *,
        subtree: str = "",
        depth: int = 2,
    ) -> None:
        self.name, self._secret = name, secret
        self.__key = _private_key(secret, f"authority/{name}")
        self._issued, self._revoked, self._lists = Counter[str](), dict[int, datetime](), 0
        builder = _builder(name, self.__key.public_key(), valid, issuer)
        builder = builder.add_extension(x509.BasicConstraints(True, depth), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        if subtree:
            permitted = [x509.DNSName(f"{subtree.replace('.', '--')}.{_DOMAIN}")]
            builder = builder.add_extension(x509.NameConstraints(permitted, None), critical=True)
        signer = issuer or self
        self.certificate: x509.Certificate = signer._sign(
            builder, name, None if issuer is None else issuer.certificate
        )

    def issue(
        self,
        unit: str,
        role: Role,
        public_key: ec.EllipticCurvePublicKey,
        valid: tuple[datetime, datetime],
        *,
        signing: bytes,
        agreement: bytes,
        stakeholders: Sequence[str] = (),
    ) -> x509.Certificate:
        """Return a unit's certificate; its holder must have shown that it has the private key."""
        bound = [str(role), signing, agreement, *([list(stakeholders)] if stakeholders else [])]
        binding = cbor2.dumps(bound, canonical=True)
        builder = _builder(unit, public_key, valid, self)
        for extension, critical in (
            (x509.BasicConstraints(False, None), True),
            (_usage(signs_certificates=False), True),
            (x509.SubjectAlternativeName([x509.DNSName(dns_name(unit))]), False),
            (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False),
            (x509.UnrecognizedExtension(_BINDING, binding), False),
        ):
            builder = builder.add_extension(extension, critical=critical)
        return self._sign(builder, unit, self.certificate)

    def revoke(self, certificate: x509.Certificate, at: datetime) -> None:
        """Revoke a certificate of this authority from ``at`` on."""
        self._revoked.setdefault(certificate.serial_number, at)

    def revocation_list(self, at: datetime, valid_for: timedelta) -> x509.CertificateRevocationList:
        """Return the list of what is revoked, to be used until it is ``valid_for`` old.

        Each has a number, one more than the one before.
        """
        self._lists += 1
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(at).next_update(at + valid_for)
        builder = builder.add_extension(x509.CRLNumber(self._lists), critical=False)
        for serial, since in sorted(self._revoked.items()):
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.__key, SHA256(), ecdsa_deterministic=True)

    def _sign(
        self, builder: x509.CertificateBuilder, subject: str, issuer: x509.Certificate | None
    ) -> x509.Certificate:
        self._issued[subject] += 1  # a serial does not depend on who else was there first
        number = f"{subject}/{self._issued[subject]}"
        serial = derive(self._secret, f"serial/{self.name}/{number}", 16)
        builder = builder.serial_number(int.from_bytes(serial, "big") >> 1)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.__key.public_key())
        if issuer is not None:
            builder = builder.add_extension(identifier, critical=False)
        return builder.sign(self.__key, SHA256(), ecdsa_deterministic=True)


def verify_member(
    leaf: x509.Certificate,
    chain: Sequence[x509.Certificate],
    roots: Iterable[x509.Certificate],
    *,
    lists: Mapping[x509.Name, x509.CertificateRevocationList],
    at: datetime,
    role: Role | None = None,
) -> Member:
    """Return what a certificate says of its holder; raises RefusedError where it does not hold.

    ``lists`` are revocation lists by issuer; a chain without a current one for every issuer but
    the root's own is refused. ``role`` is the one that is asked for, None for any.
    """
    policy = PolicyBuilder().store(Store(list(roots))).time(at).max_chain_depth(_CHAIN_DEPTH)
    try:
        verified = policy.build_client_verifier().verify(leaf, list(chain))
    except VerificationError as error:
        expired = not all(_current(one, at) for one in (leaf, *chain))
        why = Refusal.EXPIRED if expired else Refusal.FORGED
        raise RefusedError(why, str(error)[:200]) from error
    _check_revocation(verified.chain, lists, at)
    member = _read_member(leaf)
    if role is not None and member.role is not role:
        raise RefusedError(Refusal.ROLE, f"{member.name} is {member.role}")
    return member


def _current(certificate: x509.Certificate, at: datetime) -> bool:
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def _check_revocation(
    path: Sequence[x509.Certificate],
    lists: Mapping[x509.Name, x509.CertificateRevocationList],
    at: datetime,
) -> None:
    for certificate, issuer in pairwise(path):
        found = lists.get(certificate.issuer)
        until = None if found is None else found.next_update_utc
        if found is None or until is None or not found.last_update_utc <= at <= until:
            raise RefusedError(Refusal.NO_CRL, certificate.issuer.rfc4514_string())
        if not found.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
            raise RefusedError(Refusal.FORGED, "revocation list")
        entry = found.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if entry is not None and entry.revocation_date_utc <= at:
            raise RefusedError(Refusal.REVOKED, certificate.subject.rfc4514_string())


def _read_member(leaf: x509.Certificate) -> Member:
    name = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    try:
        _same_name(leaf, str(name))
        binding: Any = leaf.extensions.get_extension_for_oid(_BINDING).value
        role, signing, agreement, *rest = cbor2.loads(binding.value)
        (stakeholders,) = rest or ([],)
        return Member(
            str(name), Role(role), bytes(signing), bytes(agreement), leaf.serial_number,
            leaf.not_valid_after_utc, tuple(str(one) for one in stakeholders),
        )  # fmt: skip
    except (x509.ExtensionNotFound, ValueError, TypeError) as error:
        raise RefusedError(Refusal.FORGED, "binding of keys") from error


def _same_name(leaf: x509.Certificate, name: str) -> None:
    hosts = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    if hosts.get_values_for_type(x509.DNSName) != [dns_name(name)]:
        raise RefusedError(Refusal.FORGED, "name and host name differ")


def unit_key(secret: bytes, unit: str) -> ec.EllipticCurvePrivateKey:
    """Return a unit's own key for its certificate."""
    return _private_key(secret, f"unit/{unit}")


def request(unit: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateSigningRequest:
    """Return a request for a certificate: its signature shows possession of the key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, unit)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(key, SHA256(), ecdsa_deterministic=True)


def to_der(item: x509.Certificate | x509.CertificateRevocationList) -> bytes:
    """Return the bytes that go over the network."""
    return item.public_bytes(Encoding.DER)


def _private_key(secret: bytes, purpose: str) -> ec.EllipticCurvePrivateKey:
    number = int.from_bytes(derive(secret, f"p256/{purpose}", 48), "big")
    return ec.derive_private_key(number % (_ORDER - 1) + 1, ec.SECP256R1())


def _builder(
    name: str,
    key: ec.EllipticCurvePublicKey,
    valid: tuple[datetime, datetime],
    issuer: Authority | None,
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).public_key(key)
    builder = builder.issuer_name(subject if issuer is None else issuer.certificate.subject)
    builder = builder.not_valid_before(valid[0]).not_valid_after(valid[1])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key)
    return builder.add_extension(identifier, critical=False)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
