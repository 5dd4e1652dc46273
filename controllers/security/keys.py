"""The keys of one unit: to sign with for each stakeholder and service, to agree on secrets.

All are derived from one secret (HKDF, RFC 5869), so that a run has the same keys each time. They
never leave this module: what others get are signatures, ciphertexts and public keys.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256, shake_256
from itertools import count

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.signing import SigningKey, VerifyKey

from controllers.security import cose
from controllers.security.elgamal import PrivateSum
from controllers.security.errors import Refusal, RefusedError

__all__ = ["Identity", "Keys", "PublicKeys", "derive", "run_secret"]

KID_BYTES = 8


@dataclass(frozen=True, slots=True)
class Identity:
    """Who speaks: a unit, for a stakeholder and by a service ("" for the unit itself)."""

    unit: str
    stakeholder: str = ""
    service: str = ""

    @property
    def kid(self) -> bytes:
        """Return the key identifier: the beginning of a hash of the three names."""
        return _kid(self.unit, self.stakeholder, self.service)


@lru_cache(maxsize=1 << 16)
def _kid(unit: str, stakeholder: str, service: str) -> bytes:
    return sha256("\x1f".join((unit, stakeholder, service)).encode()).digest()[:KID_BYTES]


def derive(secret: bytes, purpose: str, size: int = 32) -> bytes:
    """Return ``size`` bytes for one purpose from a secret."""
    return HKDF(SHA256(), size, None, b"fernwatt/" + purpose.encode() + b"/v1").derive(secret)


def run_secret(seed: int) -> bytes:
    """Return the secret from which all keys of a run are derived."""
    return sha256(f"fernwatt/run/{seed}".encode()).digest()


class PublicKeys:
    """What a unit knows of others' keys: from their certificates, never from a message."""

    __slots__ = ("_agreement", "_signing", "_sums")

    def __init__(self) -> None:
        self._signing: dict[bytes, tuple[Identity, VerifyKey]] = {}
        self._agreement: dict[str, bytes] = {}
        self._sums: dict[str, bytes] = {}

    def trust(self, identity: Identity, signing: bytes) -> None:
        """Take a signing key for an identity."""
        self._signing[identity.kid] = (identity, VerifyKey(signing))

    def trust_agreement(self, unit: str, agreement: bytes) -> None:
        """Take a unit's key for agreeing on secrets."""
        self._agreement[unit] = agreement

    def trust_sums(self, unit: str, point: bytes) -> None:
        """Take a unit's key that sums are encrypted for."""
        self._sums[unit] = point

    def sums(self, unit: str) -> bytes:
        """Return that key; raises RefusedError if it is unknown."""
        point = self._sums.get(unit)
        if point is None:
            raise RefusedError(Refusal.UNKNOWN_KEY, unit)
        return point

    def forget(self, unit: str) -> None:
        """Trust a unit's keys no longer: it left, or its certificate was revoked."""
        self._agreement.pop(unit, None)
        self._sums.pop(unit, None)
        for kid in [kid for kid, (who, _) in self._signing.items() if who.unit == unit]:
            del self._signing[kid]

    def signing(self, kid: bytes) -> VerifyKey | None:
        """Return the key of a key identifier."""
        found = self._signing.get(kid)
        return None if found is None else found[1]

    def identity(self, kid: bytes) -> Identity | None:
        """Return whose key it is."""
        found = self._signing.get(kid)
        return None if found is None else found[0]

    def agreement(self, unit: str) -> bytes:
        """Return a unit's key for agreeing on secrets; raises RefusedError if it is unknown."""
        key = self._agreement.get(unit)
        if key is None:
            raise RefusedError(Refusal.UNKNOWN_KEY, unit)
        return key


class Keys:
    """The private keys of one unit."""

    __slots__ = ("__agreement", "__secret", "__shared", "__signing", "__sums", "__tags", "unit")

    def __init__(self, unit: str, secret: bytes) -> None:
        self.unit = unit
        self.__secret = derive(secret, f"unit/{unit}")
        agreement = derive(self.__secret, "agreement")
        self.__agreement = X25519PrivateKey.from_private_bytes(agreement)
        self.__signing: dict[Identity, SigningKey] = {}
        self.__shared: dict[tuple[bytes, str], bytes] = {}
        self.__tags: dict[str, bytes] = {}
        self.__sums: PrivateSum | None = None

    def __repr__(self) -> str:
        """Do not show the keys."""
        return f"Keys({self.unit})"

    def public_signing(self, stakeholder: str = "", service: str = "") -> bytes:
        """Return the public key that verifies what is signed for a stakeholder and service."""
        return bytes(self.__key(stakeholder, service).verify_key)

    def public_agreement(self) -> bytes:
        """Return the public key for agreeing on secrets with this unit."""
        return self.__agreement.public_key().public_bytes_raw()

    def sign(
        self, payload: bytes, aad: bytes, number: bytes, stakeholder: str = "", service: str = ""
    ) -> bytes:
        """Return a signed envelope (COSE_Sign1)."""
        kid = Identity(self.unit, stakeholder, service).kid
        return cose.sign1(payload, aad, self.__key(stakeholder, service), kid, number)

    def encrypt(
        self, plaintext: bytes, aad: bytes, receiver: str, to: bytes, number: bytes
    ) -> bytes:
        """Return an envelope that only ``receiver``, whose public key is ``to``, can open.

        ``number`` must never come twice: it is the nonce.
        """
        key = self.__key_with(to, f"{self.unit}\x1f{receiver}")
        nonce = number.rjust(cose.NONCE_BYTES, b"\0")
        return cose.encrypt0(plaintext, aad, key, Identity(self.unit).kid, nonce)

    def decrypt(self, envelope: bytes, aad: bytes, sender: str, of: bytes) -> bytes:
        """Return what ``sender``, whose public key is ``of``, sent; raises RefusedError."""
        kid = Identity(sender).kid
        key = self.__key_with(of, f"{sender}\x1f{self.unit}")
        opened = cose.decrypt0(envelope, aad, lambda named: key if named == kid else None)
        return opened.payload

    def shared(self, of: bytes, purpose: str) -> bytes:
        """Return a secret of this unit and the holder of a public key, for one purpose.

        For masks and group keys, whose modules keep it to themselves.
        """
        return self.__key_with(of, purpose)

    def sums(self) -> PrivateSum:
        """Return the key that reads sums which were encrypted for this unit."""
        if self.__sums is None:
            self.__sums = PrivateSum(derive(self.__secret, "sums", 64))
        return self.__sums

    def randomness(self, purpose: str) -> Callable[[int], bytes]:
        """Return a source of bytes that nobody else can foretell; one for each purpose."""
        secret, numbers = derive(self.__secret, f"draw/{purpose}"), count()
        return lambda size: shake_256(secret + next(numbers).to_bytes(8, "big")).digest(size)

    def group(self, generation: int) -> bytes:
        """Return the first key of a generation of the group that this unit heads."""
        return derive(self.__secret, f"group/{generation}")

    def tag(self, data: bytes, purpose: str) -> bytes:
        """Return what only this unit can put to ``data`` and check (HMAC-SHA-256)."""
        key = self.__tags.get(purpose)
        if key is None:
            key = self.__tags[purpose] = derive(self.__secret, f"tag/{purpose}")
        return hmac.digest(key, data, "sha256")

    def at_rest(self, version: int) -> bytes:
        """Return the key of that version for data at rest."""
        return derive(self.__secret, f"storage/{version}")

    def __key(self, stakeholder: str, service: str) -> SigningKey:
        identity = Identity(self.unit, stakeholder, service)
        key = self.__signing.get(identity)
        if key is None:
            seed = derive(self.__secret, f"sign/{stakeholder}\x1f{service}")
            key = self.__signing[identity] = SigningKey(seed)
        return key

    def __key_with(self, other: bytes, purpose: str) -> bytes:
        key = self.__shared.get((other, purpose))
        if key is None:
            try:  # raises for a point of small order too, whose secret everybody knows
                secret = self.__agreement.exchange(X25519PublicKey.from_public_bytes(other))
            except ValueError as error:
                raise RefusedError(Refusal.UNKNOWN_KEY, "no key to agree with") from error
            key = self.__shared[other, purpose] = derive(secret, f"shared/{purpose}")
        return key
