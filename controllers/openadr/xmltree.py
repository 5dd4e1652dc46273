"""XML of strangers, read into a plain tree: no document types, no entities, bounded in every way.

Attacks by XML (entity expansion, external entities, deep nesting) need declarations or size; both
are refused before anything is built of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

__all__ = ["DocumentError", "Node", "read_tree"]

_MAX_BYTES, _MAX_NODES, _MAX_DEPTH, _MAX_TEXT = 64_000, 5_000, 40, 4_000
_SEPARATOR = "\x1f"


class DocumentError(ValueError):
    """A document that is none: what, where, and in which line."""


@dataclass(slots=True)
class Node:
    """One element: local name, namespace, attributes by local name, text, elements in it."""

    name: str
    space: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Node] = field(default_factory=list)

    def all(self, name: str) -> list[Node]:
        """Return the elements of that name in it."""
        return [child for child in self.children if child.name == name]

    def find(self, *path: str) -> Node | None:
        """Return the first element along a path of names, None where there is none."""
        node: Node | None = self
        for name in path:
            node = next(iter(node.all(name)), None) if node is not None else None
        return node

    def need(self, *path: str) -> Node:
        """Return the first element along a path of names; raises DocumentError."""
        node = self
        for name in path:
            found = node.find(name)
            if found is None:
                raise DocumentError(f"line {node.line}: {node.name} has no {name}")
            node = found
        return node

    def walk(self) -> Iterator[Node]:
        """Return all elements, itself first."""
        yield self
        for child in self.children:
            yield from child.walk()


class _Reader:
    def __init__(self) -> None:
        self.root: Node | None = None
        self._stack: list[Node] = []
        self._count = 0
        self._parser = expat.ParserCreate(namespace_separator=_SEPARATOR)
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._data
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.EntityDeclHandler = self._refuse
        self._parser.ProcessingInstructionHandler = self._refuse

    def read(self, raw: bytes) -> None:
        self._parser.Parse(raw, True)

    @property
    def _line(self) -> int:
        return self._parser.CurrentLineNumber

    def _refuse(self, *_: object) -> None:
        raise DocumentError(f"line {self._line}: declarations and instructions are refused")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > _MAX_NODES or len(self._stack) >= _MAX_DEPTH:
            raise DocumentError(f"line {self._line}: more than a document of OpenADR needs")
        space, _, name = tag.rpartition(_SEPARATOR)
        local = {key.rpartition(_SEPARATOR)[2]: value for key, value in attributes.items()}
        node = Node(name, space, self._line, local)
        if self._stack:
            self._stack[-1].children.append(node)
        elif self.root is None:
            self.root = node
        self._stack.append(node)

    def _end(self, _tag: str) -> None:
        node = self._stack.pop()
        node.text = node.text.strip()

    def _data(self, text: str) -> None:
        node = self._stack[-1]
        node.text += text
        if len(node.text) > _MAX_TEXT:
            raise DocumentError(f"line {self._line}: {node.name} is too long")


def read_tree(raw: bytes) -> Node:
    """Return the root of a document; raises DocumentError."""
    if not 0 < len(raw) <= _MAX_BYTES:
        raise DocumentError(f"has {len(raw)} bytes; 1 to {_MAX_BYTES} are read")
    reader = _Reader()
    try:
        reader.read(raw)
    except expat.ExpatError as error:
        text = expat.ErrorString(error.code)
        raise DocumentError(f"line {error.lineno}: is no XML: {text}") from None
    except (LookupError, UnicodeError, ValueError) as error:
        if isinstance(error, DocumentError):
            raise
        raise DocumentError(f"is no XML: {error}") from None
    if reader.root is None:
        raise DocumentError("is empty")
    return reader.root
