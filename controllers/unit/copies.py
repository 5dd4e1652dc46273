"""Copies of others' data: the owner's policy comes with each instance, and rules the copy, too.

A policy goes with a notification only where it is not the variable's usual one, which everybody
knows. It goes in full the first two times to a unit and every sixteenth time, since notifications
are not acknowledged; in between by the first eight bytes of its hash. A unit that does not know
the policy of a hash takes it for one that grants nothing: only the owner may read such a copy.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

import cbor2

from controllers.unit.catalogue import Catalogue
from controllers.unit.directory import Directory
from controllers.unit.notes import Notebook
from controllers.unit.policy import READ, AccessControl, Policy
from controllers.unit.service import Result
from controllers.unit.store import Instance, Store
from controllers.unit.variable import Variable
from controllers.unit.wire import Notify

__all__ = ["Copies", "Policies", "reference", "travelling"]

_REFERENCE_BYTES = 8
_FULL_FIRST, _FULL_EACH = 2, 16
_NOBODY = Policy.of(())
_NOTES = "policies known"


def travelling(policy: Policy, variable: Variable) -> list[list[Any]] | None:
    """Return the policy that an instance has to carry; None where it is the usual one."""
    grants = policy.grants
    return None if grants is variable.grants or grants == variable.grants else policy.plain()


def reference(plain: list[list[Any]]) -> str:
    """Return what stands for a policy: the beginning of a hash of it, in hexadecimal."""
    return _reference(tuple(tuple(grant) for grant in plain))


@lru_cache(maxsize=4096)
def _reference(grants: tuple[tuple[Any, ...], ...]) -> str:
    plain = [list(grant) for grant in grants]
    return sha256(cbor2.dumps(plain, canonical=True)).digest()[:_REFERENCE_BYTES].hex()


class Policies:
    """What policies a unit has sent to whom, and knows by their references."""

    __slots__ = ("_known", "_notes", "_sent")

    def __init__(self, notes: Notebook) -> None:
        self._notes = notes
        self._known = {key: Policy.from_plain(plain) for key, plain in notes.items(_NOTES).items()}
        self._sent: dict[tuple[str, str], int] = {}

    def outgoing(self, dst: str, plain: list[list[Any]]) -> list[list[Any]] | str:
        """Return a policy as it goes to ``dst`` this time."""
        short = reference(plain)
        times = self._sent.get((dst, short), 0)
        self._sent[dst, short] = times + 1
        in_full = times < _FULL_FIRST or times % _FULL_EACH == 0 or not plain
        return plain if in_full else short

    def incoming(self, policy: Any) -> Policy:
        """Return the policy that came, which is remembered; one of nobody where it is unknown."""
        if type(policy) is str:
            return self._known.get(policy, _NOBODY)
        try:
            taken = Policy.from_plain(policy)
        except ValueError:
            return _NOBODY
        short = reference(policy)
        if short not in self._known:
            self._known[short] = taken
            self._notes.put(_NOTES, short, policy)
        return taken


@dataclass(frozen=True, slots=True)
class _By:
    stakeholder: str
    service: str


class Copies:
    """Keeps copies of ``variables`` that a unit is notified of.

    ``foreign`` are peers whose protocol carries no policies: of theirs the owner alone may read a
    copy. What a service of the unit was given counts as its access, here as at the source.
    """

    __slots__ = ("_access", "_catalogue", "_directory", "_foreign", "_policies", "_store",
                 "_unit", "_variables")  # fmt: skip

    def __init__(  # noqa: PLR0917 - what a unit consists of
        self,
        unit: str,
        variables: Collection[str],
        catalogue: Catalogue,
        directory: Directory,
        store: Store,
        access: AccessControl,
        policies: Policies,
        foreign: Collection[str] = (),
    ) -> None:
        self._unit, self._variables = unit, frozenset(variables)
        self._catalogue, self._directory = catalogue, directory
        self._store, self._access, self._policies = store, access, policies
        self._foreign = frozenset(foreign)

    def keep(self, notify: Notify, service: str, brought: str, t_ms: int) -> None:
        """Keep the instance that an outcome or a notification brought, if it is to be kept."""
        variable = self._catalogue.get(notify.variable)
        if variable is None or variable.name not in self._variables:
            return
        if notify.result is not Result.OK or notify.t_ms == -1 or notify.location == self._unit:
            return
        owner = notify.owner or self._directory.owner(notify.location, variable.name)
        policy = variable.policy
        if notify.location in self._foreign:
            policy = _NOBODY
        elif notify.policy is not None:
            policy = self._policies.incoming(notify.policy)
        latest = self._store.newest(variable.name, owner, notify.location)
        if latest is not None and latest.t_ms >= notify.t_ms:
            return  # it was read again
        instance = Instance(
            brought, variable.name, notify.value, notify.t_ms, notify.location, owner, policy
        )
        self._store.append(instance, variable.retention_ms)
        by = _By(self._directory[self._unit].owner, service)
        self._access.note(policy, READ, variable.name, owner, by=by, t_ms=t_ms)
