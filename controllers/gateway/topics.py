"""Topics and payloads of a gateway at a broker.

    <prefix>/<gateway>/status          "online" or "offline", retained; "offline" is the last will
    <prefix>/<gateway>/event/<name>    what a unit, or an element that it watches, read in a period
    <prefix>/<gateway>/area            what the area was: how many answered, who did not
    <prefix>/<gateway>/command         in: {"id", "variable", "location", "value"}
    <prefix>/<gateway>/reply           {"id", "result"}; result as in the Data Interface, in words

All but the status are JSON (UTF-8, no blanks) with a number ``n`` that counts a gateway's messages
up, so that who gets one twice takes it once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from controllers.unit.wire import ValueRefusedError, strict_value

__all__ = ["Command", "CommandError", "Topics", "packed", "read_command", "unpacked"]

_MAX_TEXT = 200
_MAX_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one gateway."""

    prefix: str
    gateway: str

    @property
    def root(self) -> str:
        """What all begin with."""
        return f"{self.prefix}/{self.gateway}"

    @property
    def status(self) -> str:
        """Whether it is there."""
        return f"{self.root}/status"

    @property
    def area(self) -> str:
        """Of the whole area."""
        return f"{self.root}/area"

    @property
    def command(self) -> str:
        """What it is told."""
        return f"{self.root}/command"

    @property
    def reply(self) -> str:
        """What it answers."""
        return f"{self.root}/reply"

    def event(self, name: str) -> str:
        """Of one unit or element."""
        return f"{self.root}/event/{name}"


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody wants written."""

    id: str
    variable: str
    location: str
    value: Any


class CommandError(ValueError):
    """No command; ``id`` is that of the message, where it has one."""

    def __init__(self, why: str, identifier: str = "") -> None:
        super().__init__(why)
        self.id = identifier


def packed(value: Any) -> bytes:
    """Return a payload."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True, allow_nan=False).encode()


def unpacked(payload: bytes) -> dict[str, Any]:
    """Return the record in a payload; raises CommandError, and nothing else."""
    if len(payload) > _MAX_BYTES:
        raise CommandError("too long")
    try:
        value = strict_value(json.loads(payload, parse_constant=_refuse))
    except (ValueError, RecursionError, ValueRefusedError) as error:
        raise CommandError("no JSON") from error
    if not isinstance(value, dict):
        raise CommandError("no record")
    return value


def read_command(payload: bytes) -> Command:
    """Return the command in a payload; raises CommandError, and nothing else."""
    value = unpacked(payload)
    identifier = value.get("id")
    if not isinstance(identifier, str) or not 0 < len(identifier) <= _MAX_TEXT:
        raise CommandError("no id")
    texts = [value.get(key) for key in ("variable", "location")]
    if any(not isinstance(text, str) or not 0 < len(text) <= _MAX_TEXT for text in texts):
        raise CommandError("variable and location are texts", identifier)
    if value.keys() != {"id", "variable", "location", "value"}:
        raise CommandError("id, variable, location, value and nothing else", identifier)
    return Command(identifier, value["variable"], value["location"], value["value"])


def _refuse(name: str) -> Any:
    raise ValueError(name)
