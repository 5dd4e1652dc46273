"""Push set-ups and what they send (IEC 62056-6-2, 4.4.8).

A set-up's list of objects says what is pushed; that it is pushed for every new value is understood.
A condition or a period, which COSEM's schedules and monitors cannot say, are in an attribute of the
manufacturer's (-1), together with the list.
"""

from __future__ import annotations

from dataclasses import dataclass

from controllers.dlms.apdu import Attribute, logical_name, obis
from controllers.dlms.axdr import Data, DlmsError, Tag
from controllers.dlms.objects import CosemObject, Objects, defined, definition, push_setup, pushed

__all__ = ["Wanted", "mark_of", "marked", "read_wanted", "wanted"]

_LIST, _TRIGGERED = 2, -1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a subscription is for; no object: it ends. ``period_ms`` 0: for every new value."""

    found: CosemObject | None
    condition: str = ""
    period_ms: int = 0


def wanted(push: int, what: Wanted) -> tuple[Attribute, Data]:
    """Return what is written to which attribute of a push set-up."""
    objects: tuple[Data, ...] = ()
    if what.found is not None:
        name = push_setup(push, 1)
        objects = tuple(definition(one) for one in (name, *what.found.reads))
    listed = Data(Tag.ARRAY, objects)
    if not what.condition and not what.period_ms:
        return push_setup(push, _LIST), listed
    trigger = (Data(Tag.UTF8_STRING, what.condition), Data(Tag.LONG64_UNSIGNED, what.period_ms))
    return push_setup(push, _TRIGGERED), Data(Tag.STRUCTURE, (listed, *trigger))


def read_wanted(attribute: Attribute, data: Data, objects: Objects) -> Wanted | None:
    """Return what is written to a push set-up; None where a meter has no such object.

    Raises DlmsError for what no attribute of a push set-up takes.
    """
    condition, period_ms, listed = "", 0, data
    if attribute.number == _TRIGGERED:
        parts = data.parts
        tags = (Tag.ARRAY, Tag.UTF8_STRING, Tag.LONG64_UNSIGNED)
        if tuple(part.tag for part in parts) != tags:
            raise DlmsError("no list and trigger")
        listed, condition, period_ms = parts[0], parts[1].value, parts[2].value
    elif attribute.number != _LIST:
        raise DlmsError("not what a push set-up is written")
    if listed.tag is not Tag.ARRAY:
        raise DlmsError("no list of objects")
    named = [defined(one) for one in listed.value]
    if not named:
        return Wanted(None)
    found = objects.at(named[-1])
    name = push_setup(pushed(attribute), 1)
    if found is None or tuple(named) != (name, *found.reads):
        return None
    return Wanted(found, condition, period_ms)


def marked(attribute: Attribute, *content: Data) -> Data:
    """Return what a notification carries: the object that it is of, and its content."""
    return Data(Tag.STRUCTURE, (Data(Tag.OCTET_STRING, obis(attribute.name)), *content))


def mark_of(data: Data) -> tuple[str, tuple[Data, ...]]:
    """Return the object's name and the content of a notification; raises DlmsError."""
    parts = data.parts
    if len(parts) < 2 or parts[0].tag is not Tag.OCTET_STRING:
        raise DlmsError("a notification without its object's name")
    return logical_name(parts[0].value), parts[1:]
