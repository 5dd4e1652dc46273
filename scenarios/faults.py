"""From the schema's errors to faults a person can mend: place, what was expected, near names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from fernwatt.errors import Fault
from scenarios.yamlsafe import PathKey, dotted

__all__ = ["nearest", "place_of", "schema_faults"]

_NOT_YET = {
    "faults": "faults of the grid",
    "attacks": "attacks",
    "market": "a market",
    "ledger": "a ledger",
    "kpis": "KPIs of one's own",
}
_WORDS = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a section with keys",
    "model_attributes_type": "must be a section with keys",
    "missing": "is missing",
    "finite_number": "must be a finite number",
}


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint with the most similar known word, or some of those there are."""
    names = sorted(known)
    close = get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"known: {shown}" if names else ""


def place_of(path: PathKey, places: Mapping[PathKey, str]) -> str:
    """Return ``file:line`` of a path, or of the nearest part above it."""
    for length in range(len(path), -1, -1):
        if path[:length] in places:
            return places[path[:length]]
    return ""


def schema_faults(
    error: ValidationError, model: type[BaseModel], places: Mapping[PathKey, str]
) -> list[Fault]:
    """Return all faults that the schema found."""
    return [_fault(dict(item), model, places) for item in error.errors()]


def _fault(
    item: dict[str, Any], model: type[BaseModel], places: Mapping[PathKey, str]
) -> Fault:
    path: PathKey = tuple(part for part in item["loc"] if part != "[key]")
    kind, message, hint = item["type"], str(item["msg"]), ""
    if kind == "extra_forbidden":
        key = str(path[-1])
        if len(path) == 1 and key in _NOT_YET:
            message, hint = "not there yet", f"this version knows no {_NOT_YET[key]}; take it out"
        else:
            message, hint = "unknown key", nearest(key, _keys(model, path[:-1]))
    elif kind == "literal_error":
        options = str(item["ctx"]["expected"])
        message = f"must be {options}, not {item['input']!r}"
        words = [word.strip(" '") for word in options.replace(" or ", ",").split(",")]
        hint = nearest(str(item["input"]), words) if isinstance(item["input"], str) else ""
    elif kind in _WORDS:
        message = _WORDS[kind]
        if kind != "missing":
            message += f", not {_shown(item['input'])}"
    elif kind == "value_error":
        message = message.removeprefix("Value error, ")
        head, colon, rest = message.partition(": ")
        if colon and head.isidentifier():
            path, message = (*path, head), rest
    else:
        message = f"{message[0].lower()}{message[1:]}, not {_shown(item['input'])}"
    return Fault(dotted(path), message, hint, place_of(path, places))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


def _keys(model: type[BaseModel], path: PathKey) -> Sequence[str]:
    """Return the keys that the section at ``path`` may have."""
    current: type[BaseModel] | None = model
    annotation: Any = None
    for part in path:
        if current is not None:
            field = next(
                (f for n, f in current.model_fields.items() if part in (n, f.alias)), None
            )
            annotation = field.annotation if field else None
        current = _model_in(annotation)
    return [field.alias or name for name, field in current.model_fields.items()] if current else ()


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = _model_in(argument)
        if found:
            return found
    return None
