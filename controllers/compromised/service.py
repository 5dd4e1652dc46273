"""A service around another, whose Data Interface writes something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from controllers.unit.securityvariables import ALARM
from controllers.unit.service import Issued, Notification, Result, Service
from controllers.unit.service import UnitContext as Context
from fernwatt.errors import Fault, ScenarioError
from fernwatt.identifiers import Sequencer

__all__ = ["Compromised", "Rule", "compromise", "parse_rules"]

ACTIONS = ("scale", "set", "drop")


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of writes of ``variable`` from ``from_ms`` until ``until_ms``.

    ``fields`` are those of a record; empty: the value itself.
    """

    id: str
    variable: str
    does: str
    fields: tuple[str, ...] = ()
    factor: float = 1.0
    value: Any = None
    from_ms: int = 0
    until_ms: int = 1 << 62

    def meant(self, variable: str, t_ms: int) -> bool:
        """Tell whether a write is falsified."""
        return variable == self.variable and self.from_ms <= t_ms < self.until_ms

    def falsified(self, value: Any) -> Any:
        """Return what is written instead of ``value``."""
        if not self.fields:
            return self._changed(value)
        if not isinstance(value, dict):
            return value
        return value | {name: self._changed(value[name]) for name in self.fields if name in value}

    def _changed(self, value: Any) -> Any:
        if self.does == "set":
            return self.value
        if isinstance(value, list):
            return [self._changed(item) for item in value]
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        return round(value * self.factor) if isinstance(value, int) else value * self.factor


def parse_rules(items: Sequence[Mapping[str, Any]], path: str) -> tuple[Rule, ...]:
    """Return the rules of a specification; raises ScenarioError."""
    known = {field.name for field in fields(Rule)}
    faults, rules = [], []
    for number, item in enumerate(items):
        where = f"{path}[{number}]"
        unknown = sorted(set(item) - known)
        faults += [Fault(f"{where}.{name}", "unknown field") for name in unknown]
        if item.get("does") not in ACTIONS:
            faults.append(Fault(f"{where}.does", f"one of {', '.join(ACTIONS)}"))
        given = {name: item[name] for name in item if name in known}
        rules.append(Rule(**given | {"fields": tuple(item.get("fields", ()))}))
    if faults:
        raise ScenarioError(faults)
    return tuple(rules)


def compromise(service: Service, unit: Mapping[str, Any], path: str) -> Service:
    """Return a service as it runs in a unit: itself, or falsified where the unit is compromised."""
    rules = parse_rules(unit.get("compromised") or (), f"{path}.compromised")
    if service.name == "detection":  # whoever has the unit has its alarms, and those it hands on
        rules = tuple(replace(rule, variable=ALARM, does="drop", fields=()) for rule in rules)
    return Compromised(service, rules) if rules else service


class Compromised:
    """Is the service to the unit, and the unit to the service."""

    def __init__(self, service: Service, rules: Sequence[Rule]) -> None:
        self.name, self._service, self._rules = service.name, service, tuple(rules)

    def start(self, context: Context) -> None:
        """Begin."""
        false: Any = _FalseContext(context, self._rules, self.name)
        self._service.start(false)

    def notify(self, notification: Notification) -> None:
        """Hand on."""
        self._service.notify(notification)

    def timer(self, name: str) -> None:
        """Hand on."""
        self._service.timer(name)


class _FalseContext:
    """The unit's context, but for ``data``."""

    def __init__(self, context: Context, rules: tuple[Rule, ...], service: str) -> None:
        self._context = context
        self.data = _FalseData(context, rules, Sequencer(f"false/{context.unit}/{service}"))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)


class _FalseData:
    """The Data Interface, but for writes that a rule means; each is told to the recorder."""

    def __init__(self, context: Context, rules: tuple[Rule, ...], name: Sequencer) -> None:
        self._context, self._rules, self._name = context, rules, name

    def write(
        self, variable: str, location: str, value: Any, *, policy: Any = None, cause: str = ""
    ) -> Issued:
        write = self._context.data.write
        rule = next((it for it in self._rules if it.meant(variable, self._context.now_ms)), None)
        if rule is None:
            return write(variable, location, value, policy=policy, cause=cause)
        if rule.does == "drop":
            issued = Issued(Result.ISSUED, "")
        else:
            issued = write(variable, location, rule.falsified(value), policy=policy, cause=cause)
        text = f'{{"attack":"{rule.id}","location":"{location}","variable":"{variable}"}}'
        self._context.record(
            "truth",
            {
                "t_ms": self._context.now_ms,
                "id": self._name(),
                "cause": issued.id or cause,
                "kind": "falsified",
                "element": self._context.unit,
                "value": text,
            },
        )
        return issued

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context.data, name)
