"""Accounts of persons as signed tokens, and how a person shows that one is his."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase

import cbor2
from nacl.signing import VerifyKey

from controllers.security import cose
from controllers.security.certificates import Role
from controllers.security.errors import Refusal, RefusedError
from controllers.security.keys import Identity, Keys, derive, run_secret

__all__ = ["Account", "Registrar", "open_token", "prove", "verify_proof"]

_ISSUER = "operator/accounts"
_PERSON = "person"


@dataclass(frozen=True, slots=True)
class Account:
    """Who may act for whom, in which role, at which units (patterns), and until when (-1: open)."""

    serial: int
    name: str
    stakeholder: str
    role: str
    units: tuple[str, ...]
    until_ms: int
    key: bytes

    def check(self, unit: str, t_ms: int) -> None:
        """Raise RefusedError where the account is not for a unit at that time."""
        if 0 <= self.until_ms <= t_ms:
            raise RefusedError(Refusal.EXPIRED, self.name)
        if not any(fnmatchcase(unit, pattern) for pattern in self.units):
            raise RefusedError(Refusal.ROLE, f"{self.name} has no account at {unit}")


class Registrar:
    """Signs accounts; the persons' keys are the run's too, so that two runs have the same bytes."""

    __slots__ = ("_keys", "_run", "_secret")

    def __init__(self, seed: int, who: str = "") -> None:
        """``who`` else than the operator signs accounts that nobody takes."""
        self._run, self._secret = str(seed), derive(run_secret(seed), f"accounts/{who}")
        self._keys = Keys(_ISSUER, self._secret)

    def public(self) -> str:
        """Return the public key that units are given, in hexadecimal."""
        return self._keys.public_signing("operator", str(Role.SECADM)).hex()

    def person(self, name: str) -> Keys:
        """Return the keys of a person."""
        return Keys(f"{_PERSON}/{name}", self._secret)

    def token(  # noqa: PLR0917 - what an account says
        self,
        serial: int,
        name: str,
        stakeholder: str,
        role: Role,
        units: tuple[str, ...],
        until_ms: int = -1,
    ) -> bytes:
        """Return a signed account."""
        key = self.person(name).public_signing()
        account = Account(serial, name, stakeholder, str(role), units, until_ms, key)
        payload = cbor2.dumps(asdict(account), canonical=True)
        return self._keys.sign(payload, _aad(self._run, "token"), b"", "operator", str(Role.SECADM))


def open_token(token: bytes, run: str, issuer: str) -> Account:
    """Return the account that the issuer (public key, hexadecimal) signed; raises RefusedError."""
    kid = Identity(_ISSUER, "operator", str(Role.SECADM)).kid

    def key_of(named: bytes) -> VerifyKey | None:
        return VerifyKey(bytes.fromhex(issuer)) if named == kid else None

    opened = cose.verify1(token, _aad(run, "token"), key_of)
    try:
        plain = cbor2.loads(opened.payload)
        account = Account(**(plain | {"units": tuple(plain["units"])}))
        Role(account.role)
    except (TypeError, ValueError, KeyError) as error:
        raise RefusedError(Refusal.MALFORMED, "account") from error
    return account


def prove(keys: Keys, run: str, unit: str, challenge: bytes) -> bytes:
    """Return a person's answer to a unit's challenge."""
    return keys.sign(challenge, _aad(run, f"login\x1f{unit}"), b"")


def verify_proof(proof: bytes, account: Account, run: str, unit: str, challenge: bytes) -> None:
    """Raise RefusedError where it was not the account's person who answered this challenge."""
    kid = Identity(f"{_PERSON}/{account.name}").kid

    def key_of(named: bytes) -> VerifyKey | None:
        return VerifyKey(account.key) if named == kid else None

    opened = cose.verify1(proof, _aad(run, f"login\x1f{unit}"), key_of)
    if opened.payload != challenge:
        raise RefusedError(Refusal.REPLAYED, "another challenge")


def _aad(run: str, what: str) -> bytes:
    return f"fernwatt/users/v1\x1f{run}\x1f{what}".encode()
