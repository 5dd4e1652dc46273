"""From the schema's errors to faults a person can mend: place, what was expected, near names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from fernwatt.errors import Fault
from scenarios.yamlsafe import PathKey, dotted

__all__ = ["by_line", "nearest", "place_of", "placed", "printable", "schema_faults"]

_NOT_YET = {
    "attacks": "attacks",
    "market": "market",
    "ledger": "ledger",
    "kpis": "KPIs of one's own",
}
_WORDS = {
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a whole number of less than 20 digits",
    "float_type": "must be a number",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be a section with keys",
    "model_type": "must be a section with keys",
    "model_attributes_type": "must be a section with keys",
    "finite_number": "must be a finite number",
}
_HINTS = {
    "string_type": "put it between quotes if it is meant as text",
    "list_type": "write it as [first, second]",
    "dict_type": "write it as {key: value}, or indent the keys below it",
    "model_type": "write it as {key: value}, or indent the keys below it",
    "float_type": "numbers stand without quotes and without unit",
    "int_type": "numbers stand without quotes and without unit",
}
_MAX_SHOWN = 300
_PATTERNS = (
    ("^[a-z0-9][", "up to 40 lower-case letters, digits, - and _, the first a letter or digit"),
    (r"^[\w.]+:", "write it as package.module:Class"),
    (r"^[^:\s]+:", "write it as host:port"),
)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint with the most similar known word, or some of those there are."""
    names = sorted(known)
    close = get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"known: {shown}" if names else ""


def by_line(fault: Fault) -> tuple[str, int, str]:
    """Return the key that sorts faults as they stand in their files."""
    name, _, number = fault.where.rpartition(":")
    return (name, int(number) if number.isdigit() else 0, fault.path)


def place_of(path: PathKey, places: Mapping[PathKey, str]) -> str:
    """Return ``file:line`` of a path, or of the nearest part above it."""
    for length in range(len(path), -1, -1):
        if path[:length] in places:
            return places[path[:length]]
    return ""


def placed(faults: Iterable[Fault], places: Mapping[PathKey, str]) -> list[Fault]:
    """Return faults found after loading with the line of what they are about, where it is known."""
    by_text = {dotted(path): where for path, where in places.items()}
    made = []
    for fault in faults:
        above, where = fault.path, fault.where
        while above and not where:
            where = by_text.get(above, "")
            above = above[: max(above.rfind("."), above.rfind("["), 0)]
        made.append(Fault(fault.path, fault.message, fault.hint, where))
    return made


def printable(fault: Fault) -> Fault:
    """Return a fault that a terminal can show: what it quotes of a file may hold anything."""
    return Fault(*map(_shortened, (fault.path, fault.message, fault.hint, fault.where)))


def _shortened(text: str) -> str:
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return shown if len(shown) <= _MAX_SHOWN else f"{shown[:_MAX_SHOWN]}…"


def schema_faults(
    error: ValidationError, model: type[BaseModel], tree: Any, places: Mapping[PathKey, str]
) -> list[Fault]:
    """Return all faults that the schema found in ``tree``, one per place."""
    found: dict[PathKey, list[tuple[str, str]]] = {}
    for item in error.errors():
        details = dict(item)
        path = _in_tree(details, tree)
        path, message, hint = _words(details, path, model)
        found.setdefault(path, []).append((message, hint))
    faults = []
    for path, said in found.items():
        message, hint = _joined([text for text, _ in said]), said[0][1]
        faults.append(Fault(dotted(path), message, hint, place_of(path, places)))
    return faults


def _in_tree(item: Mapping[str, Any], tree: Any) -> PathKey:
    """Return where an error is in the document: pydantic names the members of unions too."""
    path: list[str | int] = []
    last = len(item["loc"]) - 1
    for number, part in enumerate(item["loc"]):
        listed = isinstance(tree, list) and isinstance(part, int) and part < len(tree)
        if listed or (isinstance(tree, dict) and part in tree):
            tree = tree[part]
            path.append(part)
        elif number == last and item["type"] == "missing":
            path.append(part)
    return tuple(path)


def _joined(messages: Sequence[str]) -> str:
    """Return one message for all types that a value might have had."""
    texts = list(dict.fromkeys(messages))
    if len(texts) == 1:
        return texts[0]
    parts = [text.removeprefix("must be ").partition(", not ") for text in texts]
    heads = [head for head, _, _ in parts]
    return f"must be {', '.join(heads[:-1])} or {heads[-1]}, not {parts[0][2]}"


def _words(item: dict[str, Any], path: PathKey, model: type[BaseModel]) -> tuple[PathKey, str, str]:
    """Return place, message and hint of one error."""
    kind, message = str(item["type"]), str(item["msg"])
    if kind == "extra_forbidden":
        return path, *_unknown(path, model)
    if kind == "missing":
        return path, "is missing", _described(model, path)
    if kind == "literal_error":
        return path, *_choice(item)
    if kind == "value_error":
        return _own(path, message.removeprefix("Value error, "))
    return path, *_refused(kind, message, item)


def _refused(kind: str, message: str, item: Mapping[str, Any]) -> tuple[str, str]:
    """Return message and hint of a value of the wrong type or size."""
    shown = _shown(item["input"])
    if kind in _WORDS:
        quotable = kind != "string_type" or isinstance(item["input"], int | float)
        return f"{_WORDS[kind]}, not {shown}", _HINTS.get(kind, "") if quotable else ""
    if kind == "string_pattern_mismatch":
        pattern = str(item["ctx"]["pattern"])
        hint = next((text for start, text in _PATTERNS if pattern.startswith(start)), pattern)
        return f"cannot be {shown}", hint
    if kind in ("too_short", "too_long"):
        short = kind == "too_short"
        limit = item["ctx"]["min_length" if short else "max_length"]
        most = "at least" if short else "at most"
        return f"must have {most} {limit} entries, not {item['ctx']['actual_length']}", ""
    return f"{message.replace('Input should', 'must')}, not {shown}", ""


def _unknown(path: PathKey, model: type[BaseModel]) -> tuple[str, str]:
    key = str(path[-1]) if path else ""
    if len(path) == 1 and key in _NOT_YET:
        return "not there yet", f"this version knows no {_NOT_YET[key]}; take it out"
    return "unknown key", nearest(key, _keys(model, path[:-1]))


def _choice(item: Mapping[str, Any]) -> tuple[str, str]:
    options = str(item["ctx"]["expected"])
    words = [word.strip(" '") for word in options.replace(" or ", ",").split(",")]
    hint = nearest(item["input"], words) if isinstance(item["input"], str) else ""
    return f"must be {options}, not {_shown(item['input'])}", hint


def _own(path: PathKey, text: str) -> tuple[PathKey, str, str]:
    """Return what a validator of ours says: ``key: message; hint``."""
    head, colon, rest = text.partition(": ")
    if colon and all(part.replace("-", "_").isidentifier() for part in head.split(".")):
        path, text = (*path, *head.split(".")), rest
    message, _, hint = text.partition("; ")
    return path, message, hint


def _shown(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of so many digits"
    if isinstance(value, dict):
        return "a section" if value else "an empty section"
    text = "true" if value is True else "false" if value is False else repr(value)
    text = "null" if value is None else text
    return text if len(text) <= 40 else f"{text[:37]}…"


def _described(model: type[BaseModel], path: PathKey) -> str:
    section = _section(model, path[:-1])
    for name, field in section.model_fields.items() if section else ():
        if path[-1] in (name, field.alias):
            return (field.description or "").rstrip(".")
    return ""


def _keys(model: type[BaseModel], path: PathKey) -> Sequence[str]:
    """Return the keys that the section at ``path`` may have."""
    section = _section(model, path)
    return [f.alias or name for name, f in section.model_fields.items()] if section else ()


def _section(model: type[BaseModel], path: PathKey) -> type[BaseModel] | None:
    annotation: Any = model
    for part in path:
        annotation = _below(annotation, part)
    return (
        annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
    )


def _below(annotation: Any, part: str | int) -> Any:
    """Return the type of what ``part`` names in a section, a mapping or a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        pairs = annotation.model_fields.items()
        return next((f.annotation for name, f in pairs if part in (name, f.alias)), None)
    if get_origin(annotation) in (dict, list):
        return get_args(annotation)[-1]
    return None
