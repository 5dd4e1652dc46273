"""From a scenario file to a checked scenario: inheritance, overrides, all faults at once."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML

from fernwatt.errors import Fault, ScenarioError
from scenarios.faults import nearest, schema_faults
from scenarios.schema import ScenarioConfig
from scenarios.semantics import check_semantics
from scenarios.yamlsafe import Document, PathKey, dotted, parse, read_yaml, scalar

__all__ = ["Scenario", "dump", "library", "load"]

_LIBRARY = Path(__file__).parent
_MAX_PARENTS = 8


@dataclass(frozen=True)
class Scenario:
    """A scenario that passed all checks.

    ``files`` are the input files it names (name below ``base_dir`` -> place on disk).
    """

    config: ScenarioConfig
    base_dir: Path
    files: Mapping[str, Path] = field(default_factory=dict)
    places: Mapping[PathKey, str] = field(default_factory=dict)


def library() -> dict[str, Path]:
    """Return the packaged scenarios, by name."""
    return {path.stem: path for path in sorted(_LIBRARY.glob("*.yaml"))}


def load(
    source: Path | str, overrides: Sequence[str] = (), *, base_dir: Path | None = None
) -> Scenario:
    """Read a scenario by path or by its name in the library.

    ``overrides`` are ``path=value``. ``base_dir`` is where input files lie, by default the
    scenario's folder. Raises ScenarioError with all faults.
    """
    path = _locate(source)
    document = _with_parents(path, read_yaml(path))
    faults = [fault for text in overrides for fault in _override(document, text)]
    if not isinstance(document.tree, dict):
        faults.append(Fault("(document)", "must be a section with keys", where=path.name))
        raise ScenarioError(faults)
    config = None
    try:
        config = ScenarioConfig.model_validate(document.tree)
    except ValidationError as error:
        faults += schema_faults(error, ScenarioConfig, document.places)
    base = (base_dir or path.parent).resolve()
    more, files = check_semantics(config, document.tree, document.places, base)
    faults += more
    if faults or config is None:
        raise ScenarioError(sorted(set(faults), key=_line))
    return Scenario(config, base, files, document.places)


def dump(scenario: Scenario) -> str:
    """Return the complete effective scenario as YAML; the same scenario gives the same text."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    stream = io.StringIO()
    yaml.dump(scenario.config.model_dump(by_alias=True), stream)
    return stream.getvalue()


def _line(fault: Fault) -> tuple[str, int, str]:
    name, _, number = fault.where.rpartition(":")
    return (name, int(number) if number.isdigit() else 0, fault.path)


def _locate(source: Path | str) -> Path:
    path = Path(source)
    if path.is_file():
        return path
    named = library()
    if str(source) in named:
        return named[str(source)]
    known = nearest(str(source), named)
    fault = Fault("(document)", "no such scenario file, nor one of the library", known, str(source))
    raise ScenarioError([fault])


def _with_parents(path: Path, document: Document) -> Document:
    """Return the document laid over all that it extends."""
    chain, seen = [document], [path.resolve()]
    folder = path.parent
    while isinstance(chain[-1].tree, dict) and "extends" in chain[-1].tree:
        where = chain[-1].places.get(("extends",), "")
        parent = _parent(chain[-1].tree.pop("extends"), folder, where)
        if parent.resolve() in seen or len(chain) > _MAX_PARENTS:
            raise ScenarioError(
                [Fault("extends", "goes round in a circle", "break it at one of the files", where)]
            )
        seen.append(parent.resolve())
        chain.append(read_yaml(parent))
        folder = parent.parent
    merged = chain[-1]
    for child in reversed(chain[:-1]):
        merged = Document(
            _merge(merged.tree, child.tree), {**merged.places, **child.places}
        )
    return merged


def _parent(value: object, folder: Path, where: str) -> Path:
    if not isinstance(value, str):
        raise ScenarioError([Fault("extends", "must be one file or one name", where=where)])
    named = library()
    if value in named:
        return named[value]
    path = folder / value
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ScenarioError(
            [Fault("extends", f"{value} lies outside the scenario's folder", "copy it there", where)]
        )
    if not path.is_file():
        raise ScenarioError([Fault("extends", f"no file {value}", nearest(value, named), where)])
    return path


def _merge(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        merged = dict(below)
        for key, value in above.items():
            merged[key] = _merge(below[key], value) if key in below else value
        return merged
    return above


def _override(document: Document, text: str) -> list[Fault]:
    """Apply one ``path=value``; the schema checks the outcome."""
    path_text, equals, value_text = text.partition("=")
    parts = path_text.strip().split(".")
    if not equals or not all(parts):
        return [Fault(path_text or "--set", "write it as path=value", where="--set")]
    place = f"--set {path_text}"
    try:
        value = _value(value_text.strip(), place)
    except ScenarioError as error:
        return [Fault(path_text, fault.message, fault.hint, place) for fault in error.faults]
    node, path = document.tree, []
    for part in parts[:-1]:
        path.append(part)
        if not isinstance(node, dict):
            return [Fault(dotted(tuple(path)), "is no section", where=place)]
        if not isinstance(node.get(part), dict):
            node[part] = {}
        node = node[part]
    if not isinstance(node, dict):
        return [Fault(dotted(tuple(path)), "is no section", where=place)]
    node[parts[-1]] = value
    document.places[tuple(parts)] = place
    return []


def _value(text: str, place: str) -> Any:
    if text[:1] in "[{\"'":
        return parse(text, place).tree
    try:
        return scalar(text)
    except ValueError as error:
        raise ScenarioError([Fault("--set", str(error), where=place)]) from None
