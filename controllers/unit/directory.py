"""The directory: what units there are, how they stand to each other, whose their data are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controllers.unit.catalogue import OPERATOR, Catalogue
from fernwatt.errors import Fault, ScenarioError

__all__ = ["Directory", "Entry"]


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a unit by everybody."""

    id: str
    kind: str
    area: str
    parent: str
    children: tuple[str, ...]
    services: tuple[str, ...]
    customer: str
    owner: str


class Directory:
    """All units by identifier; raises ScenarioError where the tree does not hang together."""

    __slots__ = ("_catalogue", "_entries")

    def __init__(self, specs: Sequence[Mapping[str, Any]], catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._entries: dict[str, Entry] = {}
        faults = []
        for i, spec in enumerate(specs):
            if spec["id"] in self._entries:
                faults.append(Fault(f"units[{i}].id", f"{spec['id']} is there twice"))
            self._entries[spec["id"]] = Entry(
                spec["id"],
                spec.get("kind", ""),
                spec.get("area", ""),
                spec.get("parent") or "",
                tuple(spec.get("children", ())),
                tuple(sorted(spec.get("services", {}))),
                spec.get("customer") or "",
                spec.get("owner") or spec.get("customer") or OPERATOR,
            )
        for i, spec in enumerate(specs):
            named = [spec.get("parent") or "", *spec.get("children", ())]
            faults += [
                Fault(f"units[{i}]", f"{spec['id']} names {other}, which is no unit")
                for other in named
                if other and other not in self._entries
            ]
        if faults:
            raise ScenarioError(faults)

    def __contains__(self, unit: str) -> bool:
        return unit in self._entries

    def __getitem__(self, unit: str) -> Entry:
        return self._entries[unit]

    def owner(self, unit: str, variable: str) -> str:
        """Return whose ``variable`` at ``unit`` is by default; empty where nobody can say.

        Of an authored variable that is ``authors``: each instance has an owner of its own.
        """
        entry, declared = self._entries.get(unit), self._catalogue.get(variable)
        if entry is None or declared is None:
            return ""
        if declared.owner == "operator":
            return OPERATOR
        if declared.owner == "customers":
            return f"customers/{entry.area or unit}"
        if declared.owner not in {"customer", "unit"}:
            return declared.owner
        return (entry.customer if declared.owner == "customer" else "") or entry.owner

    def below(self, unit: str) -> Iterable[Entry]:
        """Return all descendants of ``unit``, depth first in the order of its children."""
        for child in self._entries[unit].children:
            yield self._entries[child]
            yield from self.below(child)

    def levels(self, unit: str, service: str) -> int:
        """Return how many levels of units with ``service`` are below ``unit``, itself counted."""
        entry = self._entries[unit]
        own = 1 if service in entry.services else 0
        return own + max((self.levels(child, service) for child in entry.children), default=0)
