"""What modules a unit runs, and how that changes: two slots, a trial, roll-back, reset.

A unit is changed only through its variable ``module.order``, which its own service ``update``
alone may write. The order is noted and the unit begins anew; what it then is follows from its
notes. New modules are on trial until they are confirmed: a module that cannot begin, one that
fails, a check that has not held (an instance of a variable that satisfies a condition), or a
second restart during the trial brings the modules before back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controllers.unit.condition import parse
from controllers.unit.notes import Notebook
from controllers.unit.store import Instance

__all__ = ["KEPT", "ORDER", "STATE", "Maintenance", "Modules", "is_order"]

ORDER, STATE = "module.order", "module.state"
# what a reset leaves of a unit's notes: its numbers must never come twice, its deeds stay known
KEPT = ("sequence", "numbers", "audit", "modules", "update")
_NOTES = "modules"
_MAX_BOOT_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Modules:
    """Versions and parameters of modules that differ from the unit's first ones."""

    serial: int = 0
    changes: Mapping[str, Mapping[str, Any]] | None = None

    def params(self, service: str, first: Mapping[str, Any]) -> dict[str, Any]:
        """Return the parameters of a service."""
        return {**first, **self._of(service).get("params", {})}

    def version(self, service: str) -> str:
        """Return the version of a service, "" for the first."""
        return str(self._of(service).get("version", ""))

    def _of(self, service: str) -> Mapping[str, Any]:
        return (self.changes or {}).get(service) or {}


def is_order(value: Any) -> bool:
    """Tell whether a value of ``module.order`` is one."""
    if type(value) is not dict or value.get("do") not in {"install", "confirm", "back", "reset"}:
        return False
    boot_ms, modules = value.get("boot_ms", 0), value.get("modules", {})
    return (
        type(boot_ms) is int
        and 0 <= boot_ms <= _MAX_BOOT_MS
        and all(type(value.get(key, 0)) is int for key in ("serial", "trial_ms"))
        and type(modules) is dict
        and all(type(change) is dict for change in modules.values())
        and all(_is_check(check) for check in value.get("checks", []))
    )


def _is_check(check: Any) -> bool:
    try:
        variable, condition = check
        parse(condition)
    except (TypeError, ValueError):
        return False
    return type(variable) is str


class Maintenance:
    """The slots of one unit, as they are in its notes."""

    __slots__ = ("_notes", "_on_trial", "_open")

    def __init__(self, notes: Notebook) -> None:
        self._notes = notes
        self._on_trial = False
        self._open: list[tuple[str, str]] = []  # checks that have not held yet

    def begin(self) -> Modules:
        """Return what the unit runs from now on: its trial at first, else what is confirmed."""
        kept = self._notes.items(_NOTES)
        trial = kept.get("trial")
        if trial is not None and trial["begun"]:
            self.back("it began anew during the trial")
            trial = None
        if trial is None:
            return _modules(self._notes.items(_NOTES).get("confirmed"))
        self._notes.put(_NOTES, "trial", trial | {"begun": True})
        self._on_trial = True
        self._open = [(variable, condition) for variable, condition in trial["checks"]]
        self._state(trial["serial"], "trial", trial_ms=trial["ms"])
        return _modules(trial)

    def saw(self, instance: Instance) -> None:
        """Hold a new instance against the checks of a trial."""
        self._open = [
            (variable, condition)
            for variable, condition in self._open
            if variable != instance.variable or not _holds(condition, instance)
        ]

    @property
    def on_trial(self) -> bool:
        """Whether the unit runs modules that are not confirmed."""
        return self._on_trial

    @property
    def wants_reset(self) -> bool:
        """Whether the unit is to forget its data before it begins."""
        return bool(self._notes.items(_NOTES).get("reset"))

    def forgot(self) -> None:
        """Note that the unit has forgotten its data."""
        self._notes.drop(_NOTES, "reset")

    def take(self, order: Mapping[str, Any]) -> bool:
        """Note an order (``is_order``); tell whether the unit has to begin anew for it."""
        do, serial = order["do"], order.get("serial", 0)
        if do == "install":
            changes = self._merged(order.get("modules") or {})
            trial = {"serial": serial, "changes": changes, "begun": False}
            trial |= {"checks": order.get("checks", []), "ms": order.get("trial_ms", 0)}
            self._notes.put(_NOTES, "trial", trial)
        elif do == "reset":
            for slot in ("trial", "confirmed"):
                self._notes.drop(_NOTES, slot)
            self._state(serial, "reset")
        elif do == "back":
            self.back(str(order.get("why", "")))
        elif self._open:
            self.back(f"{self._open[0][0]} has not come as it should")
            return True
        else:
            self._confirm()
            return False
        if do == "reset" or (do == "install" and not order.get("keep", True)):
            self._notes.put(_NOTES, "reset", True)
        return True

    def back(self, why: str) -> None:
        """Give up what is on trial."""
        trial = self._notes.items(_NOTES).get("trial")
        self._on_trial = False
        if trial is not None:
            self._notes.drop(_NOTES, "trial")
            self._state(trial["serial"], "rolled-back", why)

    @property
    def state(self) -> dict[str, Any]:
        """The value of ``module.state``: the newest package and what became of it."""
        first = {"serial": 0, "phase": "first", "why": "", "trial_ms": 0}
        return dict(self._notes.items(_NOTES).get("state") or first)

    def _confirm(self) -> None:
        trial = self._notes.items(_NOTES).get("trial")
        if trial is not None and self._on_trial:
            self._notes.put(_NOTES, "confirmed", trial)
            self._notes.drop(_NOTES, "trial")
            self._on_trial = False
            self._state(trial["serial"], "confirmed")

    def _merged(self, modules: Mapping[str, Any]) -> dict[str, Any]:
        """Return the confirmed changes with those of ``modules`` on top, module by module."""
        confirmed = self._notes.items(_NOTES).get("confirmed") or {"changes": {}}
        out = {name: dict(change) for name, change in confirmed["changes"].items()}
        for name, change in modules.items():
            one = out.setdefault(name, {})
            one["params"] = {**one.get("params", {}), **(change.get("params") or {})}
            if change.get("version"):
                one["version"] = change["version"]
        return out

    def _state(self, serial: int, phase: str, why: str = "", trial_ms: int = 0) -> None:
        state = {"serial": serial, "phase": phase, "why": why, "trial_ms": trial_ms}
        self._notes.put(_NOTES, "state", state)


def _holds(text: str, instance: Instance) -> bool:
    condition = parse(text)
    return condition is None or condition(instance)


def _modules(slot: Mapping[str, Any] | None) -> Modules:
    return Modules() if slot is None else Modules(slot["serial"], slot["changes"])
