"""The schema as editors and readers see it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from scenarios.loader import dump, library, load
from scenarios.reference import scenario_page, schema_text
from scenarios.schema import json_schema
from scenarios.yamlsafe import parse, read_yaml

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


def test_the_schema_for_editors_is_current():
    assert (ROOT / "scenarios/schema.json").read_text("utf-8") == schema_text(), (
        "run python -m scenarios.reference"
    )


def test_the_reference_is_current():
    assert (ROOT / "docs/reference/scenario.md").read_text("utf-8") == scenario_page(), (
        "run python -m scenarios.reference"
    )


def test_every_key_is_described():
    schema = json_schema()
    sections = {"(document)": schema, **schema["$defs"]}
    bare = [
        f"{title}.{name}"
        for title, section in sections.items()
        for name, field in section.get("properties", {}).items()
        if not {**schema["$defs"].get(field.get("$ref", "")[8:], {}), **field}.get("description")
    ]
    assert bare == []


@pytest.mark.parametrize("name", sorted(library()))
def test_editors_accept_the_library_and_what_is_dumped_of_it(name):
    checker = jsonschema.Draft202012Validator(json_schema())
    checker.check_schema(json_schema())
    assert [error.message for error in checker.iter_errors(read_yaml(library()[name]).tree)] == []
    dumped = parse(dump(load(name)), name).tree
    assert [error.message for error in checker.iter_errors(dumped)] == []


@pytest.mark.parametrize(
    "name", ["unknown_key", "share_above_one", "wrong_enum", "wrong_version", "wrong_types"]
)
def test_editors_refuse_what_the_loader_refuses(name):
    tree = read_yaml(HERE / f"corpus/{name}.yaml").tree
    checker = jsonschema.Draft202012Validator(json.loads(schema_text()))
    assert list(checker.iter_errors(tree))
