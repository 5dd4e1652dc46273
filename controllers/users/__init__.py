"""Persons: accounts, roles, logins, and what they ask of a unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controllers.security.keys import Keys
from controllers.unit.directory import Directory
from controllers.users.rights import RIGHTS, Right, needed
from controllers.users.service import REVOKED, Session, Users, parse_actions, token_of
from controllers.users.tokens import Account, Registrar, prove

__all__ = ["REVOKED", "RIGHTS", "Account", "Registrar", "Right", "Users", "make_service", "needed"]


@dataclass(frozen=True, slots=True)
class _Holder:
    """Somebody who has keys: the account's, or (who stole the token alone) his own."""

    keys: Keys
    run: str

    def answer(self, unit: str, challenge: bytes) -> bytes:
        """Return the answer to a challenge."""
        return prove(self.keys, self.run, unit, challenge)


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: Directory
) -> Users:
    """Return the service of a unit, as the units' hub asks for it.

    ``params``: ``seed``, ``issuer``, ``top``, ``sessions`` (``[{at_ms, token_b64, name,
    keys_of, actions}]``, ``keys_of`` "" for the person's own keys), and at the top ``revocations``.
    """
    unit, seed = unit_spec["id"], int(params["seed"])
    run = str(seed)
    sessions = [
        Session(
            int(item["at_ms"]),
            token_of(item),
            _Holder(Registrar(seed, item["keys_of"]).person(item["name"]), run),
            parse_actions(item["actions"]),
        )
        for item in params.get("sessions", ())
    ]
    revocations = [(int(at_ms), int(serial)) for at_ms, serial in params.get("revocations", ())]
    owner = directory[unit].owner
    return Users(run, str(params["issuer"]), owner, str(params["top"]), sessions, revocations)
