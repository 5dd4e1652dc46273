"""Events of OpenADR 2.0b as they come: a document ``oadrDistributeEvent``, checked.

Source: OpenADR 2.0 Profile Specification, B Profile (OpenADR Alliance, 2013), and its schema.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from controllers.openadr.xmltree import DocumentError, Node, read_tree

__all__ = ["Distribution", "DrEvent", "Interval", "Signal", "parse_document"]

_OADR = "http://openadr.org/oadr-2.0b/2012/07"
_STATUSES = ("none", "far", "near", "active", "completed", "cancelled")
_RESPONSES = ("always", "never")
_MAX_EVENTS, _MAX_INTERVALS = 100, 500
_DURATION = re.compile(
    r"(?P<sign>[+-]?)P(?:(?P<weeks>\d{1,4})W|(?:(?P<days>\d{1,5})D)?"
    r"(?:T(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,7})M)?(?:(?P<seconds>\d{1,8})S)?)?)"
)
_CHILDREN = {
    "oadrDistributeEvent": {"eiResponse", "requestID", "vtnID", "oadrEvent"},
    "oadrEvent": {"eiEvent", "oadrResponseRequired"},
    "eiEvent": {"eventDescriptor", "eiActivePeriod", "eiEventSignals", "eiTarget"},
    "eventDescriptor": {
        "eventID", "modificationNumber", "modificationDateTime", "modificationReason", "priority",
        "eiMarketContext", "createdDateTime", "eventStatus", "testEvent", "vtnComment",
    },
    "eiActivePeriod": {"properties", "components"},
    "eiEventSignals": {"eiEventSignal", "eiEventBaseline"},
    "interval": {"dtstart", "duration", "uid", "signalPayload"},
}  # fmt: skip
"""What elements may hold, where more would mean more than is understood here."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A part of a signal: how long it holds, and its value."""

    lasts: timedelta
    value: float


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal of an event; ``units`` are its currency, ``per`` what it is per (kWh, MWh)."""

    id: str
    name: str
    type: str
    intervals: tuple[Interval, ...]
    classes: tuple[str, ...] = ()
    units: str = ""
    per: str = ""
    scale: str = "none"


@dataclass(frozen=True, slots=True)
class DrEvent:
    """One event; ``vens`` and ``others`` are its targets."""

    id: str
    modification: int
    status: str
    test: bool
    begins: datetime
    lasts: timedelta
    signals: tuple[Signal, ...]
    vens: tuple[str, ...]
    others: tuple[str, ...]
    answer: bool


@dataclass(frozen=True, slots=True)
class Distribution:
    """All events that a VTN has for a VEN; one that is not there any more is cancelled."""

    request: str
    vtn: str
    events: tuple[DrEvent, ...]


def parse_document(raw: bytes) -> Distribution:
    """Return the events of a document; raises DocumentError and nothing else."""
    root = read_tree(raw)
    if root.name != "oadrPayload" or root.space != _OADR:
        raise DocumentError(f"line {root.line}: begins with {root.name}, not oadr:oadrPayload")
    body = root.need("oadrSignedObject", "oadrDistributeEvent")
    if body.attributes.get("schemaVersion") != "2.0b":
        raise DocumentError(f"line {body.line}: schemaVersion is not 2.0b")
    for node in body.walk():
        known = _CHILDREN.get(node.name)
        for child in node.children if known is not None else ():
            if child.name not in (known or ()):
                raise DocumentError(f"line {child.line}: {node.name} with {child.name}, unknown")
    events = body.all("oadrEvent")
    if len(events) > _MAX_EVENTS:
        raise DocumentError(f"line {body.line}: more than {_MAX_EVENTS} events")
    parsed = tuple(_event(event) for event in events)
    if len({event.id for event in parsed}) < len(parsed):
        raise DocumentError(f"line {body.line}: an event is there twice")
    return Distribution(_text(body, "requestID"), _text(body, "vtnID"), parsed)


def _event(node: Node) -> DrEvent:
    event, answer = node.need("eiEvent"), _text(node, "oadrResponseRequired")
    if answer not in _RESPONSES:
        raise DocumentError(f"line {node.line}: oadrResponseRequired is {answer}")
    head = event.need("eventDescriptor")
    status = _text(head, "eventStatus")
    if status not in _STATUSES:
        raise DocumentError(f"line {head.line}: eventStatus is {status}")
    head.need("eiMarketContext", "marketContext")
    _instant(head.need("createdDateTime"))
    period = event.need("eiActivePeriod", "properties")
    lasts = _duration(period.need("duration", "duration"))
    signals = event.need("eiEventSignals").all("eiEventSignal")
    if not signals:
        raise DocumentError(f"line {event.line}: an event without a signal")
    targets = event.need("eiTarget").children
    return DrEvent(
        id=_text(head, "eventID"),
        modification=_natural(head.need("modificationNumber")),
        status=status,
        test=_is_test(head),
        begins=_instant(period.need("dtstart", "date-time")),
        lasts=lasts,
        signals=tuple(_signal(signal, lasts) for signal in signals),
        vens=tuple(one.text for one in targets if one.name == "venID"),
        others=tuple(one.name for one in targets if one.name != "venID"),
        answer=answer == "always",
    )


def _is_test(head: Node) -> bool:
    """Tell whether an event is a test: any text but ``false`` says so."""
    test = head.find("testEvent")
    return test is not None and test.text.lower() not in ("false", "")


def _signal(node: Node, lasts: timedelta) -> Signal:
    nodes = node.need("intervals").all("interval")
    if not 0 < len(nodes) <= _MAX_INTERVALS:
        raise DocumentError(f"line {node.line}: a signal with {len(nodes)} intervals")
    intervals = tuple(_interval(one) for one in nodes)
    total = sum((one.lasts for one in intervals), timedelta())
    if total != lasts:
        raise DocumentError(f"line {node.line}: intervals last {total}, the event {lasts}")
    classes = [one.text for one in node.walk() if one.name == "mrid"]
    money = next((one for one in node.children if one.name.startswith("currencyPer")), None)
    return Signal(
        _text(node, "signalID"),
        _text(node, "signalName"),
        _text(node, "signalType"),
        intervals,
        tuple(classes),
        _text(money, "itemUnits") if money is not None else "",
        money.name.removeprefix("currencyPer") if money is not None else "",
        _text(money, "siScaleCode") if money is not None else "none",
    )


def _interval(node: Node) -> Interval:
    value = node.need("signalPayload", "payloadFloat", "value")
    try:
        number = float(value.text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DocumentError(f"line {value.line}: {value.text!r} is no number")
    return Interval(_duration(node.need("duration", "duration")), number)


def _text(node: Node, name: str) -> str:
    found = node.need(name)
    if not found.text or len(found.text) > 200:
        raise DocumentError(f"line {found.line}: {name} is empty or too long")
    return found.text


def _natural(node: Node) -> int:
    if not re.fullmatch(r"\d{1,9}", node.text):
        raise DocumentError(f"line {node.line}: {node.name} is no number")
    return int(node.text)


def _instant(node: Node) -> datetime:
    try:
        instant = datetime.fromisoformat(node.text)
    except ValueError:
        raise DocumentError(f"line {node.line}: {node.text!r} is no time") from None
    if instant.tzinfo is None:
        raise DocumentError(f"line {node.line}: {node.text!r} has no time zone")
    return instant.astimezone(UTC)


def _duration(node: Node) -> timedelta:
    match = _DURATION.fullmatch(node.text)
    parts = {k: int(v) for k, v in match.groupdict("0").items() if k != "sign"} if match else {}
    if match is None or match["sign"] == "-" or not any(parts.values()):
        raise DocumentError(f"line {node.line}: {node.text!r} is no duration above zero")
    return timedelta(**parts)
