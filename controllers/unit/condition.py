"""Conditions over an instance: a small language, parsed once, never evaluated as code.

    expression := conjunction { "or" conjunction }
    conjunction := negation { "and" negation }
    negation := "not" negation | "(" expression ")" | comparison
    comparison := operand operator operand { operator operand }        0 <= value < 10 is a range
    operator := "<" | "<=" | ">" | ">=" | "==" | "!="
    operand := field | number | 'text' | "true" | "false" | "null"
    field := "value" { "." name } | "t" | "owner" | "location"

``t`` is the instance's time stamp [ms]. An ordering between things that have none (a text and a
number, a field that a record lacks) does not hold; nothing raises once a condition is parsed.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from controllers.unit.store import Instance

__all__ = ["Condition", "ConditionError", "parse"]

Operand = Callable[[Instance], Any]
Condition = Callable[[Instance], bool]

_MAX_LENGTH, _MAX_DEPTH = 1000, 40
_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<text>'[^']*')|(?P<op><=|>=|==|!=|<|>)|(?P<bracket>[()])"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*))"
)
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_CONSTANTS = {"true": True, "false": False, "null": None}


class ConditionError(ValueError):
    """A condition that does not follow the grammar."""


@lru_cache(maxsize=4096)
def parse(text: str) -> Condition | None:
    """Return the condition of ``text``, None for the empty one, which always holds.

    Raises ConditionError.
    """
    if not text.strip():
        return None
    if len(text) > _MAX_LENGTH:
        raise ConditionError(f"a condition has at most {_MAX_LENGTH} characters")
    parser = _Parser(_tokens(text))
    condition = parser.expression(0)
    parser.end()
    return condition


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, position, stripped = [], 0, text.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None or match.lastgroup is None:
            raise ConditionError(f"cannot read {stripped[position : position + 20]!r}")
        tokens.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens, self._at = tokens, 0

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token

    def _accept(self, kind: str, text: str) -> bool:
        if self._peek() == (kind, text):
            self._at += 1
            return True
        return False

    def end(self) -> None:
        if self._peek()[0] != "end":
            raise ConditionError(f"{self._peek()[1]!r} is not expected here")

    def expression(self, depth: int) -> Condition:
        if depth > _MAX_DEPTH:
            raise ConditionError("too deep")
        parts = [self._conjunction(depth)]
        while self._accept("word", "or"):
            parts.append(self._conjunction(depth))
        if len(parts) == 1:
            return parts[0]
        return lambda instance: any(part(instance) for part in parts)

    def _conjunction(self, depth: int) -> Condition:
        parts = [self._negation(depth)]
        while self._accept("word", "and"):
            parts.append(self._negation(depth))
        if len(parts) == 1:
            return parts[0]
        return lambda instance: all(part(instance) for part in parts)

    def _negation(self, depth: int) -> Condition:
        odd = False
        while self._accept("word", "not"):
            odd = not odd
        if self._accept("bracket", "("):
            inner = self.expression(depth + 1)
            if not self._accept("bracket", ")"):
                raise ConditionError("a bracket is not closed")
        else:
            inner = self._comparison()
        return (lambda instance: not inner(instance)) if odd else inner

    def _comparison(self) -> Condition:
        operands, compare = [self._operand()], []
        while self._peek()[0] == "op":
            compare.append(_OPERATORS[self._next()[1]])
            operands.append(self._operand())
        if not compare:
            raise ConditionError("a comparison is expected")
        links = tuple(zip(operands, compare, operands[1:], strict=False))
        if len(links) == 1:
            left, relation, right = links[0]
            return lambda instance: _holds(left(instance), relation, right(instance))
        return lambda instance: all(
            _holds(left(instance), relation, right(instance)) for left, relation, right in links
        )

    def _operand(self) -> Operand:
        kind, text = self._next()
        if kind == "number":
            number = float(text) if set(text) & set(".eE") else int(text)
            return lambda _: number
        if kind == "text":
            inner = text[1:-1]
            return lambda _: inner
        if kind == "word":
            return _field(text)
        raise ConditionError(f"a field or a constant is expected, not {text!r}")


def _field(text: str) -> Operand:
    if text in _CONSTANTS:
        constant = _CONSTANTS[text]
        return lambda _: constant
    simple: dict[str, Operand] = {
        "value": lambda instance: instance.value,
        "t": lambda instance: instance.t_ms,
        "owner": lambda instance: instance.owner,
        "location": lambda instance: instance.location,
    }
    if text in simple:
        return simple[text]
    head, *path = text.split(".")
    if head != "value":
        raise ConditionError(f"unknown field {text!r}; fields are value, t, owner, location")

    def member(instance: Instance) -> Any:
        found = instance.value
        for name in path:
            found = found.get(name) if type(found) is dict else None
        return found

    return member


def _holds(left: Any, relation: Callable[[Any, Any], Any], right: Any) -> bool:
    try:
        return bool(relation(left, right))
    except TypeError:
        return False
