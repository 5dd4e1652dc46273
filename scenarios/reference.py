"""The scenario's reference page and JSON Schema, made of the schema.

``python -m scenarios.reference`` writes both, and the page on variables.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.text import markdown_table
from controllers.unit.ownership import variables_page
from scenarios.schema import json_schema

__all__ = ["scenario_page", "schema_text", "write"]

_INTRO = """<!-- made by `python -m scenarios.reference`; do not edit -->

# Scenario

A scenario is one YAML file. `fernwatt validate FILE` checks it and says of each fault where it
is, what was expected and what was perhaps meant; `fernwatt run FILE --set path=value` changes
single values. `scenarios/schema.json` is the same as below for editors.

- `extends: street` (a name of the library) or `extends: other.yaml` (a file below the folder)
  takes everything over from there; sections are merged key by key, lists are replaced.
- Plain values only, by YAML 1.2: no anchors, aliases, merge keys or tags. `yes`, `no`, `on` and
  `off` are refused without quotes, because YAML readers disagree about them.
- Units are in the names. Power is positive where it is drawn from the grid.
- Files are named relative to the scenario's folder and have to lie below it.
"""


def schema_text() -> str:
    """Return the JSON Schema as the text of ``schema.json``."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def scenario_page() -> str:
    """Return the page: a table for each section, with type, default and meaning of each key."""
    schema = json_schema()
    parts = [_INTRO, f"## (document)\n\n{_table(schema, schema)}\n"]
    for path, section in _sections(schema, schema, ""):
        text = section.get("description", "").split("\n\n")[0].replace("\n", " ")
        parts.append(f"## {path}\n\n{text}\n\n{_table(schema, section)}\n")
    return "\n".join(parts)


def _sections(
    root: dict[str, Any], section: dict[str, Any], path: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield all sections below one, with their paths."""
    for name, field in section["properties"].items():
        place = f"{path}.{name}" if path else name
        optional = [kind for kind in field.get("anyOf", ()) if "$ref" in kind]
        for suffix, kind in (
            ("", optional[0] if optional else field),
            ("[]", field.get("items", {})),
            (".<name>", field.get("additionalProperties", {})),
        ):
            if isinstance(kind, dict) and "$ref" in kind:
                found = root["$defs"][kind["$ref"].rpartition("/")[2]]
                yield place + suffix, found
                yield from _sections(root, found, place + suffix)


def _table(root: dict[str, Any], section: dict[str, Any]) -> str:
    required = set(section.get("required", ()))
    rows = []
    for name, field in section["properties"].items():
        default = json.dumps(field["default"]) if "default" in field else ""
        default = "required" if name in required else f"`{default}`" if default else ""
        # a field that says the same as its section has no description of its own
        named = root["$defs"].get(field.get("$ref", "").rpartition("/")[2], {})
        meaning = field.get("description") or named.get("description", "").split("\n\n")[0]
        rows.append([f"`{name}`", _type(field), default, meaning])
    return markdown_table(["key", "type", "default", "meaning"], rows)


def _type(field: dict[str, Any]) -> str:
    """Return a field's type in words."""
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return ", ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(_type(kind) for kind in field["anyOf"])
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    return _section_or_scalar(field)


def _section_or_scalar(field: dict[str, Any]) -> str:
    kind = field.get("type")
    if "$ref" in field or (kind == "object" and "additionalProperties" not in field):
        return "section"
    if kind == "object":
        values = field["additionalProperties"]
        return f"by name: {_type(values)}" if isinstance(values, dict) else "any keys"
    names = {"integer": "whole number", "string": "text", "boolean": "true or false"}
    return names.get(str(kind), str(kind or "anything")) + _limits(field)


def _limits(field: dict[str, Any]) -> str:
    words = (
        ("minimum", "at least"),
        ("exclusiveMinimum", "above"),
        ("maximum", "at most"),
        ("exclusiveMaximum", "below"),
    )
    said = [f"{text} {_figure(field[key])}" for key, text in words if key in field]
    return f", {', '.join(said)}" if said else ""


def _figure(value: float) -> str:
    return (
        f"2^{value.bit_length() - 1}" if isinstance(value, int) and value > 2**53 else f"{value:g}"
    )


def write(root: Path) -> None:
    """Write page and schema into the repository at ``root``."""
    page, schema = root / "docs/reference/scenario.md", root / "scenarios/schema.json"
    page.write_text(scenario_page(), "utf-8", newline="\n")
    schema.write_text(schema_text(), "utf-8", newline="\n")
    variables = root / "docs/reference/variables.md"
    variables.write_text(variables_page(), "utf-8", newline="\n")


if __name__ == "__main__":
    write(Path(__file__).parents[1])
