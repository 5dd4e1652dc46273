"""Settings of group management, from a unit's specification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fernwatt.errors import Fault, ScenarioError

__all__ = ["Settings", "parse_settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How often a unit gives signs of life, how long it bears silence, who its parents may be.

    ``parents``: its own, then those in its place, the best first; ``accepts``: units that it takes
    in although they belong elsewhere. ``sensors``: periods of instruments [ms]. ``revocations``
    are the operator's, at the unit that is his ``office``: unit and time [ms]. ``leave_ms`` and
    ``return_ms``: when the unit leaves its group by itself, and joins again.
    """

    beat_ms: int = 300_000
    suspect: int = 2
    lost: int = 4
    join_ms: int = 300_000
    rekey_ms: int = 30_000
    home_ms: int = 900_000
    lists_ms: int = 302_400_000
    parents: tuple[str, ...] = ()
    accepts: frozenset[str] = frozenset()
    sensors: tuple[tuple[str, int], ...] = ()
    office: bool = False
    revocations: tuple[tuple[str, int], ...] = ()
    leave_ms: int | None = None
    return_ms: int | None = None


_TIMES = {
    "beat_s": "beat_ms",
    "join_s": "join_ms",
    "rekey_s": "rekey_ms",
    "return_s": "home_ms",
    "lists_s": "lists_ms",
}
_COUNTS = ("suspect", "lost")
_OTHERS = {
    "backups", "accepts", "sensors", "office", "revoke", "parent", "leave_ms", "return_ms",
}  # fmt: skip


def parse_settings(params: Mapping[str, Any], parent: str, path: str) -> Settings:
    """Return the settings of a unit whose parent is ``parent`` (empty: it has none).

    Raises ScenarioError.
    """
    faults = [
        Fault(f"{path}.{key}", "is not known")
        for key in sorted(set(params) - {*_TIMES, *_COUNTS, *_OTHERS})
    ]
    values: dict[str, Any] = {}
    for key, name in _TIMES.items():
        if key in params:
            value = params[key]
            if type(value) not in (int, float) or not 0 <= value < 1e9:
                faults.append(Fault(f"{path}.{key}", "must be a time in seconds"))
                continue
            values[name] = round(value * 1000)
    for key in _COUNTS:
        if key in params:
            values[key] = params[key]
            if type(params[key]) is not int or params[key] < 1:
                faults.append(Fault(f"{path}.{key}", "must be an integer from 1 on"))
    if not faults:
        settings = Settings(**values, **_others(params, parent))
        if settings.beat_ms < 1 or settings.lists_ms < 1 or settings.home_ms < 1:
            faults.append(Fault(path, "beat_s, lists_s and return_s must be more than 0"))
        elif settings.suspect >= settings.lost:
            faults.append(Fault(f"{path}.lost", "must be more than suspect"))
        else:
            return settings
    raise ScenarioError(faults)


def _others(params: Mapping[str, Any], parent: str) -> dict[str, Any]:
    home = params.get("parent") or parent
    backups = [unit for unit in params.get("backups") or () if unit != home]
    return {
        "parents": (home, *backups) if home else (),
        "accepts": frozenset(params.get("accepts") or ()),
        "sensors": tuple(sorted((params.get("sensors") or {}).items())),
        "office": bool(params.get("office", False)),
        "revocations": tuple((one["unit"], one["at_ms"]) for one in params.get("revoke") or ()),
        "leave_ms": params.get("leave_ms"),
        "return_ms": params.get("return_ms"),
    }
