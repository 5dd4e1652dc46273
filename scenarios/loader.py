"""From a scenario file to a checked scenario: inheritance, overrides, all faults at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fernwatt.errors import Fault, ScenarioError
from scenarios.faults import by_line, nearest, printable, schema_faults
from scenarios.paths import below
from scenarios.schema import ScenarioConfig
from scenarios.semantics import check_semantics, fill_in_seed
from scenarios.yamlsafe import Document, PathKey, dotted, parse, read_lenient, scalar
from scenarios.yamlwrite import write_yaml

__all__ = ["Scenario", "baseline_of", "dump", "library", "load"]

_LIBRARY = Path(__file__).parent
_MAX_PARENTS = 8


@dataclass(frozen=True)
class Scenario:
    """A scenario that passed all checks.

    ``files`` are the input files it names (name below ``base_dir`` -> place on disk); ``by_seed``
    tells whether these depend on the seed.
    """

    config: ScenarioConfig
    base_dir: Path
    files: Mapping[str, Path] = field(default_factory=dict)
    places: Mapping[PathKey, str] = field(default_factory=dict)
    by_seed: bool = False


def library() -> dict[str, Path]:
    """Return the packaged scenarios, by name."""
    return {path.stem: path for path in sorted(_LIBRARY.glob("*.yaml"))}


def baseline_of(name: str) -> Path | None:
    """Return where the baseline of a packaged scenario is, or would be; None for others."""
    path = library().get(name)
    return None if path is None else path.parent / "baselines" / f"{name}.json"


def load(
    source: Path | str, overrides: Sequence[str] = (), *, base_dir: Path | None = None
) -> Scenario:
    """Read a scenario by path or by its name in the library.

    ``overrides`` are ``path=value``. ``base_dir`` is where input files lie, by default the
    scenario's folder. Raises ScenarioError with all faults.
    """
    try:
        return _load(source, overrides, base_dir)
    except ScenarioError as error:
        raise ScenarioError([printable(fault) for fault in error.faults]) from None


def _load(source: Path | str, overrides: Sequence[str], base_dir: Path | None) -> Scenario:
    path = _locate(source)
    document = _with_parents(path, read_lenient(path))
    refused = {fault.path for fault in document.faults}
    faults = [fault for text in overrides for fault in _override(document, text)]
    if not isinstance(document.tree, dict):
        hint = "begin with fernwatt: 1, name: ... and grid: ..."
        faults.append(Fault("(document)", "must be a section with keys", hint, path.name))
        raise ScenarioError([*document.faults, *faults])
    by_seed, config = fill_in_seed(document.tree), None
    try:
        config = ScenarioConfig.model_validate(document.tree)
    except ValidationError as error:
        faults += schema_faults(error, ScenarioConfig, document.tree, document.places)
    base = (base_dir or path.parent).resolve()
    more, files = check_semantics(config, document.tree, document.places, base)
    # A value that could not be read is not reported a second time as missing or of a wrong type.
    faults = [*document.faults, *(f for f in [*faults, *more] if f.path not in refused)]
    if faults or config is None:
        raise ScenarioError(sorted(set(faults), key=by_line))
    return Scenario(config, base, files, document.places, by_seed)


def dump(scenario: Scenario) -> str:
    """Return the complete effective scenario as YAML; the same scenario gives the same text."""
    return write_yaml(scenario.config.model_dump(by_alias=True))


def _locate(source: Path | str) -> Path:
    path = Path(source)
    with suppress(OSError, ValueError):  # a name that no file can have
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
    chain = [document]
    try:
        for parent in _parents(path, document):
            chain.append(parent)  # noqa: PERF402 - what was read before a fault counts
    except ScenarioError as error:
        found = [fault for read in chain for fault in read.faults]
        refused = {fault.path for fault in found}
        more = [fault for fault in error.faults if fault.path not in refused]
        raise ScenarioError(found + more) from None
    merged = chain[-1]
    for child in reversed(chain[:-1]):
        tree = _merge(merged.tree, child.tree)
        places = {**merged.places, **child.places}
        merged = Document(tree, places, [*merged.faults, *child.faults])
    return merged


def _parents(path: Path, document: Document) -> Iterator[Document]:
    """Yield what a document extends, the nearest first; takes ``extends`` out of all of them."""
    seen = {path.resolve()}
    while isinstance(document.tree, dict) and "extends" in document.tree:
        where = document.places.get(("extends",), "")
        path = _parent(document.tree.pop("extends"), path.parent, where)
        if path.resolve() in seen or len(seen) > _MAX_PARENTS:
            message, hint = "goes round in a circle", "break it at one of the files"
            if path.resolve() not in seen:
                message, hint = f"more than {_MAX_PARENTS} generations", "join some of the files"
            raise ScenarioError([Fault("extends", message, hint, where)])
        seen.add(path.resolve())
        document = read_lenient(path)
        yield document
        if not isinstance(document.tree, dict):
            message = f"{path.name} is no section with keys"
            raise ScenarioError([Fault("extends", message, where=where)])


def _parent(value: object, folder: Path, where: str) -> Path:
    if not isinstance(value, str):
        raise ScenarioError([Fault("extends", "must be one file or one name", where=where)])
    named = library()
    if value in named:
        return named[value]
    path = below(folder, value)
    if path is None:
        message = f"{value} lies outside the scenario's folder"
        raise ScenarioError([Fault("extends", message, "copy it there", where)])
    if not path.is_file():
        raise ScenarioError([Fault("extends", f"no file {value}", nearest(value, named), where)])
    return path


def _merge(lower: Any, upper: Any) -> Any:
    if isinstance(lower, dict) and isinstance(upper, dict):
        merged = dict(lower)
        for key, value in upper.items():
            merged[key] = _merge(lower[key], value) if key in lower else value
        return merged
    return upper


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
    node = document.tree
    for index, part in enumerate(parts[:-1]):
        if isinstance(node, dict) and node.get(part) is None:
            node[part] = {}
        node = node[part] if isinstance(node, dict) else None
        if not isinstance(node, dict):
            path = dotted(tuple(parts[: index + 1]))
            return [Fault(path, "is no section with keys", "set it as a whole", place)]
    if not isinstance(node, dict):
        return []  # the document is no section itself, which is said elsewhere
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
