"""Who may read and write an owner's data, for which service, and how often.

Deny by default: who is not named has no right. The most specific grant counts: (stakeholder,
service), then (stakeholder, all), then (all, service), then (all, all); so a grant of ``NONE``
takes away from one what all have. The owner may always read and write. A policy travels with
each instance it was in force for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from controllers.unit.notes import MemoryNotebook, Notebook
from controllers.unit.service import Result, kind_of_service

__all__ = [
    "ALL",
    "NONE",
    "READ",
    "READ_WRITE",
    "WRITE",
    "AccessControl",
    "Accessor",
    "Grant",
    "Policy",
    "PolicyBook",
]

ALL = "all"
NONE, READ, WRITE, READ_WRITE = 0, 1, 2, 3
_MAX_GRANTS = 10_000


@dataclass(frozen=True, slots=True)
class Grant:
    """The rights of one stakeholder for one service; ``min_delay_ms`` between two accesses."""

    stakeholder: str
    service: str
    rights: int
    min_delay_ms: int = 0


class Policy:
    """An immutable set of grants, indexed."""

    __slots__ = ("_index", "grants")

    def __init__(self, grants: tuple[Grant, ...]) -> None:
        self.grants = grants
        self._index = {(grant.stakeholder, grant.service): grant for grant in grants}

    @staticmethod
    def of(grants: Iterable[Grant]) -> Policy:
        """Return the policy of these grants; equal ones share one object."""
        return _intern(tuple(grants))

    @staticmethod
    def from_plain(data: Any) -> Policy:
        """Return the policy of its JSON form; raises ValueError where that is wrong."""
        if not isinstance(data, list) or len(data) > _MAX_GRANTS:
            raise ValueError("a policy is a list of [stakeholder, service, rights, min_delay_ms]")
        return Policy.of(_grant(entry) for entry in data)

    def plain(self) -> list[list[Any]]:
        """Return the JSON form: ``[[stakeholder, service, rights, min_delay_ms], …]``."""
        return [[g.stakeholder, g.service, g.rights, g.min_delay_ms] for g in self.grants]

    def find(self, stakeholder: str, service: str) -> Grant | None:
        """Return the grant that counts, None where there is none."""
        index, service = self._index, kind_of_service(service)
        return (
            index.get((stakeholder, service))
            or index.get((stakeholder, ALL))
            or index.get((ALL, service))
            or index.get((ALL, ALL))
        )

    def allows(self, right: int, stakeholder: str, service: str) -> bool:
        """Tell whether the stakeholder has ``right`` for this service, at whatever rate."""
        grant = self.find(stakeholder, service)
        return grant is not None and grant.rights & right == right


def _grant(entry: Any) -> Grant:
    if not isinstance(entry, list | tuple) or len(entry) != 4:
        raise ValueError("a grant is [stakeholder, service, rights, min_delay_ms]")
    stakeholder, service, rights, delay = entry
    if not (type(stakeholder) is str and type(service) is str and stakeholder and service):
        raise ValueError("stakeholder and service of a grant are texts")
    if type(rights) is not int or not NONE <= rights <= READ_WRITE:
        raise ValueError("rights are 0 none, 1 read, 2 write, 3 both")
    if type(delay) is not int or delay < 0:
        raise ValueError("min_delay_ms is an integer from 0 on")
    return Grant(stakeholder, service, rights, delay)


@lru_cache(maxsize=4096)
def _intern(grants: tuple[Grant, ...]) -> Policy:
    return Policy(grants)


class PolicyBook:
    """The policies in force at one unit: the owner's latest, or the default.

    ``prefer`` is the owner's setting for writes that bring no policy: ``latest`` or ``default``.
    """

    __slots__ = ("_defaults", "_latest", "_notes", "_prefer_latest")

    def __init__(
        self,
        defaults: Mapping[str, Policy],
        prefer: str = "latest",
        notes: Notebook | None = None,
    ) -> None:
        if prefer not in {"latest", "default"}:
            raise ValueError(f"prefer is latest or default, not {prefer!r}")
        self._defaults, self._prefer_latest = defaults, prefer == "latest"
        self._notes = notes or MemoryNotebook()
        self._latest = {
            (variable, owner): Policy.from_plain(plain)
            for variable, owner, plain in self._notes.items("policies").values()
        }

    def current(self, variable: str, owner: str, default: Policy) -> Policy:
        """Return the policy in force; ``default`` is the catalogue's."""
        if self._prefer_latest and self._latest:
            latest = self._latest.get((variable, owner))
            if latest is not None:
                return latest
        return self._defaults.get(variable, default)

    def set(self, variable: str, owner: str, policy: Policy) -> None:
        """Put the owner's new policy in force, for instances written from now on."""
        self._latest[variable, owner] = policy
        self._notes.put("policies", f"{variable}\n{owner}", [variable, owner, policy.plain()])


class Accessor(Protocol):
    """Who wants access: a stakeholder, through a service."""

    @property
    def stakeholder(self) -> str:
        """For whom."""

    @property
    def service(self) -> str:
        """Through which service."""


class AccessControl:
    """Keeps two grants of one (right, variable, owner, stakeholder, service) apart.

    Accesses are remembered only where a minimum delay asks for it. The delay holds at this unit;
    a copy elsewhere has a clock of its own.
    """

    __slots__ = ("_last", "_notes")

    def __init__(self, notes: Notebook | None = None) -> None:
        self._notes = notes or MemoryNotebook()
        self._last: dict[tuple[int, str, str, str, str], int] = {
            (key[0], key[1], key[2], key[3], key[4]): t_ms
            for key, t_ms in self._notes.items("rates").values()
        }

    def decide(
        self,
        policies: Iterable[Policy],
        right: int,
        variable: str,
        owner: str,
        *,
        by: Accessor,
        t_ms: int,
    ) -> Result:
        """Return OK, DENIED or RATE; an OK counts as an access at ``t_ms``.

        All ``policies`` must grant the access, the longest of their delays holds.
        """
        stakeholder, service = by.stakeholder, by.service
        if stakeholder == owner:
            return Result.OK
        delay_ms = 0
        for policy in policies:
            grant = policy.find(stakeholder, service)
            if grant is None or grant.rights & right != right:
                return Result.DENIED
            delay_ms = max(delay_ms, grant.min_delay_ms)
        if delay_ms:
            key = (right, variable, owner, stakeholder, service)
            last = self._last.get(key)
            if last is not None and t_ms - last < delay_ms:
                return Result.RATE
            self._count(key, t_ms)
        return Result.OK

    def note(
        self, policy: Policy, right: int, variable: str, owner: str, *, by: Accessor, t_ms: int
    ) -> None:
        """Count an access that was granted elsewhere, if ``policy`` asks for a delay after it."""
        grant = policy.find(by.stakeholder, by.service)
        if by.stakeholder != owner and grant is not None and grant.min_delay_ms:
            self._count((right, variable, owner, by.stakeholder, by.service), t_ms)

    def since(
        self, right: int, variable: str, owner: str, *, by: Accessor, t_ms: int
    ) -> int | None:
        """Return how long ago the last access was [ms], None where none is remembered."""
        last = self._last.get((right, variable, owner, by.stakeholder, by.service))
        return None if last is None else t_ms - last

    def _count(self, key: tuple[int, str, str, str, str], t_ms: int) -> None:
        self._last[key] = t_ms
        self._notes.put("rates", "\n".join(str(part) for part in key), [list(key), t_ms])
