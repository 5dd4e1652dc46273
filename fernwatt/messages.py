"""What crosses the boundaries between simulators; the names are those of ``docs/contracts.md``.

All are immutable. ``plain`` gives the JSON form that a simulator in a process of its own
receives (bytes as base64), ``Frame.from_plain`` and the like take it back.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, fields
from typing import Any, Self

__all__ = ["Actuation", "Command", "Delivery", "Event", "Frame", "NodeUp", "Reading", "Supply"]

JsonValue = Any  # int | float | str | bool | None | list | dict, as json gives it


class _Plain:
    """JSON form of a flat dataclass."""

    __slots__ = ()

    def plain(self) -> dict[str, JsonValue]:
        """Return the JSON form."""
        out: dict[str, JsonValue] = {}
        for field in fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            out[field.name] = base64.b64encode(value).decode() if type(value) is bytes else value
        return out

    @classmethod
    def from_plain(cls, data: Self | dict[str, JsonValue]) -> Self:
        """Return the object of a JSON form; an object is handed through."""
        if not isinstance(data, dict):
            return data
        values = {
            field.name: base64.b64decode(data[field.name])
            if field.type == "bytes"
            else data[field.name]
            for field in fields(cls)  # type: ignore[arg-type]
        }
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Frame(_Plain):
    """An encoded message between two interfaces, as a unit hands it to the network.

    ``payload`` is what is above the transport; lower headers are the network's.
    ``ready_us`` is when the unit's host had finished processing it (absolute [µs]).
    ``deadline_us`` is the absolute time after which it is of no use (-1: none).
    ``priority`` 0 is the highest, 3 the lowest.
    """

    id: str
    cause: str
    src: str
    dst: str
    flow: str
    priority: int
    ready_us: int
    deadline_us: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Delivery(_Plain):
    """A frame that arrived; ``t_arrival_us`` is the fine time, within the tick's limits."""

    id: str
    cause: str
    src: str
    dst: str
    flow: str
    t_arrival_us: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Reading(_Plain):
    """One value of an instrument. ``t_clock_ms`` is the instrument's own clock.

    ``value`` is a number, or for a record (an EV session, a stored load profile) a JSON object.
    ``measure`` is its unit (``Wh``, ``W``, ``V``, ``1`` for none).
    """

    id: str
    cause: str
    instrument: str
    variable: str
    t_sample_ms: int
    t_clock_ms: int
    value: JsonValue
    measure: str
    quality: str = "good"


@dataclass(frozen=True, slots=True)
class Command(_Plain):
    """A unit's order to an actuator in its own housing; ``at_ms`` is when it was given."""

    id: str
    cause: str
    unit: str
    actuator: str
    action: str
    value: JsonValue
    at_ms: int


@dataclass(frozen=True, slots=True)
class Actuation(_Plain):
    """What an actuator does to a device or a switch."""

    id: str
    cause: str
    target: str
    action: str
    value: JsonValue


@dataclass(frozen=True, slots=True)
class Event(_Plain):
    """Something that happened in the world."""

    id: str
    cause: str
    t_us: int
    kind: str
    element: str
    value: JsonValue


@dataclass(frozen=True, slots=True)
class Supply(_Plain):
    """A terminal's supply or a conductor's continuity, complete at t = 0, then changes."""

    id: str
    cause: str
    element: str
    energised: bool
    continuous: bool


@dataclass(frozen=True, slots=True)
class NodeUp(_Plain):
    """A unit's node came up or went down."""

    id: str
    cause: str
    unit: str
    up: bool
