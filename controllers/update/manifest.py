"""What a package is, and whose signature it must bear.

A manifest is signed by the operator's engineer, one that resets by the security administrator
(roles of IEC 62351-8); the package's bytes are held to its hash. Units know both public keys from
their commissioning. The private keys are the operator's, away from the grid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any

import cbor2
import numpy as np
from nacl.signing import VerifyKey

from controllers.security import cose
from controllers.security.certificates import Role
from controllers.security.errors import Refusal, RefusedError
from controllers.security.keys import Identity, Keys, derive, run_secret
from controllers.unit.condition import ConditionError, parse

__all__ = ["Check", "Kind", "Manifest", "Publisher", "make_body", "open_manifest", "read_body"]

_SIGNERS = "operator/maintenance"
_CONTEXT = "fernwatt/update/v1"
_MAX_BYTES = 4 << 20
_MAX_BLOCK = 8192


class Kind(StrEnum):
    """What a package does: other versions of modules, other parameters, or back to the first."""

    IMAGE = "image"
    PARAMETERS = "parameters"
    RESET = "reset"

    @property
    def role(self) -> Role:
        """Who must have signed it."""
        return Role.SECADM if self is Kind.RESET else Role.ENGINEER


@dataclass(frozen=True, slots=True)
class Check:
    """During the trial an instance of a variable must be written that satisfies a condition."""

    variable: str
    condition: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is signed; ``digest`` is the SHA-256 of the package's ``size`` bytes.

    ``targets`` are patterns of units' names. ``serial`` grows from package to package.
    """

    name: str
    serial: int
    kind: Kind
    targets: tuple[str, ...]
    keep: bool
    size: int
    block: int
    digest: bytes
    trial_ms: int
    checks: tuple[Check, ...] = ()

    @property
    def blocks(self) -> int:
        """How many blocks the package has."""
        return -(-self.size // self.block)

    def means(self, unit: str) -> bool:
        """Tell whether a unit is one of the targets."""
        return any(fnmatchcase(unit, pattern) for pattern in self.targets)


class Publisher:
    """The operator's side: packages made and signed, with keys that are the run's."""

    __slots__ = ("_context", "_keys")

    def __init__(self, seed: int, who: str = "") -> None:
        """``who`` else than the operator signs in his name, with other keys."""
        self._keys = Keys(_SIGNERS, derive(run_secret(seed), f"maintenance/{who}"))
        self._context = _aad(str(seed))

    def public(self) -> dict[str, str]:
        """Return the public keys that units are given, in hexadecimal, by role."""
        roles = (Role.ENGINEER, Role.SECADM)
        return {str(role): self._keys.public_signing("operator", str(role)).hex() for role in roles}

    def sign(self, manifest: Manifest, role: Role | None = None) -> bytes:
        """Return the manifest signed, by another ``role`` than the right one if it is given."""
        plain = asdict(manifest) | {"kind": str(manifest.kind)}
        payload = cbor2.dumps(plain, canonical=True)
        return self._keys.sign(
            payload, self._context, b"", "operator", str(role or manifest.kind.role)
        )


def make_body(modules: dict[str, Any], size: int, filler: np.random.Generator) -> bytes:
    """Return a package of at least ``size`` bytes: its modules, and what stands for their code."""
    head = cbor2.dumps(modules, canonical=True)
    padding = max(0, size - len(head) - 9)
    return cbor2.dumps([modules, filler.bytes(padding)], canonical=True)


def read_body(body: bytes, manifest: Manifest) -> dict[str, Any]:
    """Return the modules of a package, ``{service: {version, params}}``; raises RefusedError."""
    if len(body) != manifest.size or sha256(body).digest() != manifest.digest:
        raise RefusedError(Refusal.FORGED, "the package is not the one that was signed")
    try:
        modules, _ = cbor2.loads(body)
    except Exception as error:
        raise RefusedError(Refusal.MALFORMED, "package") from error
    if type(modules) is not dict:
        raise RefusedError(Refusal.MALFORMED, "modules")
    return modules


def open_manifest(signed: bytes, run: str, keys: Mapping[str, str]) -> Manifest:
    """Return what the right one of ``keys`` (as ``public`` gives them) signed.

    Raises RefusedError.
    """
    identities = {Identity(_SIGNERS, "operator", role).kid: role for role in keys}

    def key_of(kid: bytes) -> VerifyKey | None:
        role = identities.get(kid)
        return None if role is None else VerifyKey(bytes.fromhex(keys[role]))

    opened = cose.verify1(signed, _aad(run), key_of)
    manifest = _parse(opened.payload)
    if identities[opened.kid] != str(manifest.kind.role):
        raise RefusedError(Refusal.ROLE, f"{manifest.kind} is not for {identities[opened.kid]}")
    return manifest


def _aad(run: str) -> bytes:
    return f"{_CONTEXT}\x1f{run}".encode()


def _parse(payload: bytes) -> Manifest:
    try:
        plain = cbor2.loads(payload)
        checks = tuple(Check(**check) for check in plain.pop("checks"))
        kind, targets = Kind(plain.pop("kind")), tuple(plain.pop("targets"))
        manifest = Manifest(kind=kind, targets=targets, checks=checks, **plain)
        for check in checks:
            parse(check.condition)
    except (ValueError, TypeError, AttributeError, ConditionError) as error:
        raise RefusedError(Refusal.MALFORMED, "manifest") from error
    if not (0 < manifest.block <= _MAX_BLOCK and 0 <= manifest.size <= _MAX_BYTES):
        raise RefusedError(Refusal.RANGE, "size")
    return manifest
