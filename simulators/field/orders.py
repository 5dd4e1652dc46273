"""What commands to drives and crews may say, and what that is to the grid."""

from __future__ import annotations

from typing import Any

from fernwatt.messages import Command
from simulators.field.specs import ActuatorSpec

__all__ = ["actuation", "element_of", "refusal"]

_STATES = {"switch": ("switch/", "closed"), "light": ("lighting/", "on")}
_WORKS = {"open": "switch/", "close": "switch/", "tap": "transformer/", "repair": ""}


def element_of(command: Command) -> str:
    """Return the element that a command names, "" for none."""
    value = command.value
    element = value.get("element") if isinstance(value, dict) else None
    return element if isinstance(element, str) else ""


def refusal(spec: ActuatorSpec, command: Command) -> str:
    """Return why a drive does not take a command, "" where it does."""
    value = command.value if isinstance(command.value, dict) else {}
    if command.action == "tap":
        position, (low, high) = value.get("position"), spec.steps
        if not (spec.step_ms and type(position) is int and low <= position <= high):
            return f"no such tap: {position}"
    elif command.action in _STATES:
        prefix, name = _STATES[command.action]
        if not spec.target.startswith(prefix) or type(value.get(name)) is not bool:
            return f"cannot be done at {spec.target}: {name} {value.get(name)}"
    elif command.action == "crew":
        work, position, (low, high) = value.get("work"), value.get("position"), spec.steps
        if work not in _WORKS or not spec.target.startswith(_WORKS[work]):
            return f"no work of a crew at {spec.target}: {work}"
        if work == "tap" and not (type(position) is int and low <= position <= high):
            return f"no such tap: {position}"
    return ""


def actuation(spec: ActuatorSpec, command: Command) -> tuple[str, Any]:
    """Return what is done to the target: its action and value."""
    value = command.value
    if command.action == "switch":
        return ("close" if value["closed"] else "open"), None
    if command.action == "light":
        return ("switch_on" if value["on"] else "switch_off"), None
    if command.action == "crew" and value["work"] != "tap":
        return value["work"], None
    if command.action in ("tap", "crew") and spec.target.startswith("transformer/"):
        return "set_tap", {"position": value["position"]}
    return command.action, value
