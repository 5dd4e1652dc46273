"""YAML without its traps: YAML 1.2 scalars, no tags, anchors, aliases, merges or duplicates.

Every value keeps the line it stands in. All faults of a file are collected, not only the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from fernwatt.errors import Fault, ScenarioError

__all__ = ["Document", "PathKey", "dotted", "parse", "read_yaml", "scalar"]

PathKey = tuple[str | int, ...]

_MAX_BYTES, _MAX_DEPTH, _MAX_NODES = 1_000_000, 20, 20_000
_INT = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_HINT = "look at the indentation, colons, quotes and brackets there and just above"
_AMBIGUOUS = frozenset({"yes", "no", "on", "off", "y", "n"})


def dotted(path: PathKey) -> str:
    """Return a path as ``a.b[3].c``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "(document)"


@dataclass
class Document:
    """A parsed file: plain values, ``file:line`` of each path, and what was refused.

    Where a value was refused the tree holds None in its place, so that the rest can be checked.
    """

    tree: Any
    places: dict[PathKey, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def scalar(text: str) -> Any:
    """Return the value of a plain scalar by the core schema of YAML 1.2.

    Raises ValueError for what YAML versions read differently, and for NaN and infinities.
    """
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE"):
        return True
    if text in ("false", "False", "FALSE"):
        return False
    if text.lower() in _AMBIGUOUS:
        raise ValueError(
            f"'{text}' is true or false to some readers: quote it, or write true/false"
        )
    if _INT.fullmatch(text):
        return int(text, 0 if text[:2] in ("0x", "0o") else 10)
    if _FLOAT.fullmatch(text):
        return _finite(text)
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"'{text}' is not a finite number")
    return text


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"'{text}' is too large for a number")
    return value


def read_yaml(path: Path) -> Document:
    """Parse a file; raise ScenarioError with all its faults."""
    return _sound(read_lenient(path))


def parse(text: str, name: str) -> Document:
    """Parse text that came from the file called ``name``; raise ScenarioError with all faults."""
    return _sound(_parse(text, name))


def read_lenient(path: Path) -> Document:
    """Parse a file; raise ScenarioError only where nothing can be made of it.

    What else is wrong with it is in the document's ``faults``.
    """
    return _parse(_text(path), path.name)


def _sound(document: Document) -> Document:
    if document.faults:
        raise ScenarioError(document.faults)
    return document


def _text(path: Path) -> str:
    message, hint = "", ""
    try:
        if path.stat().st_size <= _MAX_BYTES:
            return path.read_text("utf-8")
        message, hint = f"larger than {_MAX_BYTES} bytes", "keep tables in files of their own"
    except UnicodeDecodeError:
        message, hint = "not UTF-8 text", "save it with the encoding UTF-8"
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
    raise ScenarioError([Fault("(document)", message, hint, path.name)])


def _parse(text: str, name: str) -> Document:
    builder = _Builder(name)
    fault = None
    try:
        builder.run(YAML(typ="safe", pure=True).parse(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        fault = Fault("(document)", f"not YAML: {error.problem or error.context}", _HINT, where)
    except YAMLError as error:
        reason = str(error).splitlines()[0] if str(error) else "unreadable"
        fault = Fault("(document)", f"not YAML: {reason}", _HINT, name)
    if fault or not builder.whole:
        raise ScenarioError([*builder.document.faults, *([fault] if fault else [])])
    return builder.document


class _TooMuchError(Exception):
    """The document exceeds a limit; nothing more of it is read."""


class _Builder:
    """Builds plain values from the parser's events."""

    def __init__(self, name: str) -> None:
        self.document = Document(None)
        self.whole = True
        self._name, self._nodes, self._documents = name, 0, 0

    def run(self, events: Iterator[Event]) -> None:
        """Consume all events."""
        try:
            for event in events:
                if isinstance(event, DocumentStartEvent):
                    self._documents += 1
                    if self._documents > 1:
                        self._fault((), event, "a second document; one file holds one scenario")
                        return
                    self.document.tree = self._node(events, next(events), (), 0)
        except _TooMuchError:
            self.whole = False

    def _fault(self, path: PathKey, event: Event, message: str, hint: str = "") -> None:
        where = f"{self._name}:{event.start_mark.line + 1}"
        self.document.faults.append(Fault(dotted(path), message, hint, where))

    def _node(self, events: Iterator[Event], event: Event, path: PathKey, depth: int) -> Any:
        self._nodes += 1
        if depth > _MAX_DEPTH or self._nodes > _MAX_NODES:
            limit = (
                f"deeper than {_MAX_DEPTH} levels"
                if depth > _MAX_DEPTH
                else (f"more than {_MAX_NODES} values")
            )
            self._fault(path, event, limit)
            raise _TooMuchError
        self.document.places[path] = f"{self._name}:{event.start_mark.line + 1}"
        if isinstance(event, AliasEvent):
            self._fault(path, event, "an alias (*)", "write the value out; see extends: for reuse")
            return None
        self._marks(event, path)
        if isinstance(event, MappingStartEvent):
            return self._mapping(events, path, depth)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(events, path, depth)
        return self._scalar(event, path)

    def _marks(self, event: Event, path: PathKey) -> None:
        """Refuse anchors and tags."""
        if getattr(event, "anchor", None):
            self._fault(path, event, "an anchor (&)", "take it out; see extends: for reuse")
        tag = getattr(event, "ctag", None)
        if tag and str(tag) not in ("None", "!"):
            self._fault(path, event, f"a tag ({tag})", "take it out; plain values only")

    def _scalar(self, event: Event, path: PathKey) -> Any:
        assert isinstance(event, ScalarEvent)
        if event.style:  # quoted or block: text
            return event.value
        try:
            return scalar(event.value)
        except ValueError as error:
            self._fault(path, event, str(error))
            return None

    def _sequence(self, events: Iterator[Event], path: PathKey, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(events), SequenceEndEvent):
            items.append(self._node(events, event, (*path, len(items)), depth + 1))
        return items

    def _mapping(self, events: Iterator[Event], path: PathKey, depth: int) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while isinstance(
            event := next(events), ScalarEvent | AliasEvent | SequenceStartEvent | MappingStartEvent
        ):
            if not isinstance(event, ScalarEvent):
                self._fault(path, event, "a key that is not text")
                self._node(events, event, path, depth + 1)
                self._node(events, next(events), (*path, "?"), depth + 1)
                continue
            key = event.value
            self._marks(event, (*path, key))
            if key == "<<":
                self._fault((*path, key), event, "a merge key", "see extends: for reuse")
            elif key in items:
                self._fault((*path, key), event, "this key is there twice", "keep one of them")
            value = self._node(events, next(events), (*path, key), depth + 1)
            self.document.places[*path, key] = f"{self._name}:{event.start_mark.line + 1}"
            items[key] = value
        return items
