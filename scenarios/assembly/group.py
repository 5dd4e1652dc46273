"""Group management of a scenario: what each unit is told, whose certificate is bad, spare links."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import HOUR_MS
from scenarios.assembly.hierarchy import Hierarchy
from scenarios.assembly.hosting import Hosting
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig
from scenarios.schema.group import Group
from simulators.network import technologies
from simulators.network.technologies import LinkTechnology

__all__ = ["group_spec", "with_backup_links", "with_group"]

Spec = dict[str, Any]


def with_group(config: ScenarioConfig, hierarchy: Hierarchy) -> None:
    """Give all units the service ``group``, if the scenario has it; they are changed in place.

    Raises ScenarioError with everything that names no unit or cannot be.
    """
    if config.units.group is not None:
        _Maker(config, config.units.group, hierarchy).make()


def group_spec(config: ScenarioConfig, units: Sequence[Spec]) -> Spec | None:
    """Return what the hub of the units is told, None where there are no groups."""
    wanted = config.units.group
    if wanted is None:
        return None
    names = [unit["id"] for unit in units]
    bad: dict[str, str] = {}
    for item in wanted.certificates:
        for name in _matching(item.unit, names):
            bad.setdefault(name, item.fault)
    return {
        "start": config.time.start,
        "certificate_ms": round(wanted.certificate_h * HOUR_MS),
        "list_ms": round(wanted.revocation_list_h * HOUR_MS),
        "certificates": bad,
    }


def with_backup_links(config: ScenarioConfig, units: Sequence[Spec], network: Spec) -> Spec:
    """Return the network's specification with links to backups that the scenario asks for.

    Raises ScenarioError for a technology that makes no links.
    """
    wanted = config.units.group
    if wanted is None or all(item.over is None for item in wanted.backups):
        return network
    known = technologies.load(config.network.technologies)
    fitting = [name for name, one in known.items() if isinstance(one, LinkTechnology)]
    site, names = Hosting(config.network, units).site, [unit["id"] for unit in units]
    links: list[Spec] = []
    taken: set[str] = set()
    for number, item in enumerate(wanted.backups):
        found = [name for name in _matching(item.unit, names) if name not in taken]
        taken |= set(found)
        if item.over is None:
            continue
        if item.over not in fitting:
            path = f"units.group.backups[{number}].over"
            hint = f"one of {', '.join(sorted(fitting))}"
            raise ScenarioError([Fault(path, f"{item.over} makes no links", hint)])
        links += [
            {"id": f"backup/{a}/{b}", "technology": item.over, "a": site(a), "b": site(b)}
            for a in found
            for b in item.to
            if a != b
        ]
    return network | {"links": [*network["links"], *links]}


class _Maker:
    def __init__(self, config: ScenarioConfig, wanted: Group, hierarchy: Hierarchy) -> None:
        self._config, self._wanted, self._hierarchy = config, wanted, hierarchy
        self._units = {unit["id"]: unit for unit in hierarchy.units}
        self._names = list(self._units)
        self._faults: list[Fault] = []
        self._params: dict[str, Spec] = {name: self._common() for name in self._names}

    def make(self) -> None:
        """Do it all."""
        self._check_security()
        self._homes()
        self._sensors()
        self._backups()
        self._plans()
        for number, item in enumerate(self._wanted.certificates):
            self._found(item.unit, f"certificates[{number}]")
        if self._faults:
            raise ScenarioError(self._faults)
        for name, unit in self._units.items():
            if unit["kind"] != "device":  # which knows nothing of groups
                unit["services"] = dict(unit["services"]) | {"group": self._params[name]}

    def _common(self) -> Spec:
        wanted = self._wanted
        return {
            "beat_s": wanted.beat_s,
            "suspect": wanted.suspect,
            "lost": wanted.lost,
            "join_s": wanted.join_s,
            "rekey_s": wanted.rekey_s,
            "return_s": wanted.return_s,
            "lists_s": wanted.revocation_list_h * 1800.0,
        }

    def _check_security(self) -> None:
        wanted, level = self._wanted, self._config.units.security
        if level == "none":
            for key in ("certificates", "revoke"):
                if getattr(wanted, key):
                    what = "there are no certificates without security of messages"
                    hint = "write units.security: integrity"
                    self._faults.append(Fault(f"units.group.{key}", what, hint))
        if level != "none" and self._config.units.routing == "levels":
            what = "units that are several levels apart cannot introduce themselves"
            hint = "write routing: direct, or security: none"
            self._faults.append(Fault("units.routing", what, hint))

    def _root(self) -> str:
        heads = [name for name, unit in self._units.items() if not unit["parent"]]
        return str(max(heads, key=lambda name: (len(self._units[name]["children"]), name.encode())))

    def _homes(self) -> None:
        """Have units that stand beside the tree belong to its root, which is the office too."""
        root = self._root()
        beside = [n for n, unit in self._units.items() if not unit["parent"] and n != root]
        for name in beside:
            self._params[name]["parent"] = root
        self._params[root] |= {"office": True, "accepts": beside}

    def _sensors(self) -> None:
        period = {one["id"]: one["period_ms"] for one in self._hierarchy.instruments}
        for name, unit in self._units.items():
            sensors = {one: period[one] for one in unit["instruments"] if one in period}
            if sensors:
                self._params[name]["sensors"] = sensors

    def _backups(self) -> None:
        taken: set[str] = set()
        for number, item in enumerate(self._wanted.backups):
            path = f"backups[{number}]"
            for place, to in enumerate(item.to):
                if to not in self._units:
                    self._unknown(to, f"{path}.to[{place}]")
            for name in self._found(item.unit, path):
                if name not in taken:
                    self._back_up(name, [to for to in item.to if to in self._units], path)
            taken |= set(self._found(item.unit, path))

    def _back_up(self, name: str, backups: Iterable[str], path: str) -> None:
        for backup in backups:
            if backup == name:
                continue
            if self._is_above(name, backup):
                what = f"{backup} is below {name}"
                self._faults.append(Fault(f"units.group.{path}", what, "take one that is not"))
                continue
            self._params[name].setdefault("backups", []).append(backup)
            accepts = self._params[backup].get("accepts", [])
            self._params[backup]["accepts"] = [*accepts, name]

    def _is_above(self, above: str, unit: str) -> bool:
        while unit:
            unit = self._units[unit]["parent"]
            if unit == above:
                return True
        return False

    def _plans(self) -> None:
        root, wanted = self._root(), self._wanted
        revoked = [
            {"unit": name, "at_ms": round(item.at_h * HOUR_MS)}
            for number, item in enumerate(wanted.revoke)
            for name in self._found(item.unit, f"revoke[{number}]")
        ]
        if revoked:
            self._params[root]["revoke"] = revoked
        for number, item in enumerate(wanted.leave):
            for name in self._found(item.unit, f"leave[{number}]"):
                self._params[name]["leave_ms"] = round(item.at_h * HOUR_MS)
                if item.returns_h is not None:
                    self._params[name]["return_ms"] = round(item.returns_h * HOUR_MS)

    def _found(self, pattern: str, path: str) -> list[str]:
        found = _matching(pattern, self._names)
        if not found:
            self._unknown(pattern, f"{path}.unit")
        return found

    def _unknown(self, name: str, path: str) -> None:
        hint = nearest(name, self._names)
        self._faults.append(Fault(f"units.group.{path}", f"no unit {name}", hint))


def _matching(pattern: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if fnmatchcase(name, pattern)]
