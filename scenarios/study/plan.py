"""From a study file to its points: each a scenario of its own, checked before anything runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fernwatt.errors import Fault, ScenarioError, UsageError
from scenarios import manifest as manifests
from scenarios.faults import by_line, nearest, place_of, schema_faults
from scenarios.loader import Scenario, dump, library, load
from scenarios.paths import below
from scenarios.study.config import StudyConfig
from scenarios.study.sampling import count_settings, settings
from scenarios.yamlsafe import Document, PathKey, dotted, parse, read_lenient

__all__ = ["Point", "Study", "load_study"]

_MAX_POINTS = 100_000
_UNKNOWN = "unknown key"
Places = Mapping[PathKey, str]


@dataclass(frozen=True, slots=True)
class Point:
    """One run of a study: the parameters' ``values``, a seed, and the effective scenario.

    ``run`` names its folder, by a hash of the scenario and the code. A combination that is no
    valid scenario has an ``error`` in place of ``text``.
    """

    number: int
    values: Mapping[str, Any]
    seed: int
    text: str = ""
    run: str = ""
    files: Mapping[str, Path] = None  # type: ignore[assignment]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Study:
    """A study that passed all checks; ``base_dir`` is where the scenario's input files lie."""

    config: StudyConfig
    text: str
    base_dir: Path
    points: tuple[Point, ...]


def load_study(path: Path | str, against: str | None = None) -> Study:
    """Read a study file and work out its points; ``against`` replaces its reference.

    Raises ScenarioError with the faults of the file, and those of values that make no valid
    scenario at any point. A value that fails in some combinations only is an error of these.
    """
    path = Path(path)
    document = read_lenient(path)
    if against is not None and isinstance(document.tree, dict):
        document.tree["reference"] = _reference(against)
    config, source = _checked(path, document)
    points, base_dir = _Points(config, source, document, path.name).made()
    return Study(config, path.read_text("utf-8"), base_dir, points)


def _reference(text: str) -> dict[str, Any]:
    """Return the reference of ``path=value``, the value as YAML has it."""
    path, found, value = text.partition("=")
    if not found or not path:
        raise UsageError(f"--against {text}: write PATH=VALUE, such as network.lv_fan=plc-prime")
    return {path: parse(value, "--against").tree}


def _checked(path: Path, document: Document) -> tuple[StudyConfig, Path]:
    """Return the study and the file of its scenario; raise all faults of the study file."""
    tree, places = document.tree, document.places
    if not isinstance(tree, dict):
        hint = "begin with fernwatt-study: 1, name: ... and scenario: ..."
        fault = Fault("(document)", "must be a section with keys", hint, path.name)
        raise ScenarioError([*document.faults, fault])
    found, config = [], None
    try:
        config = StudyConfig.model_validate(tree)
    except ValidationError as error:
        found += schema_faults(error, StudyConfig, tree, places)
    found += _unknown_kpis(tree.get("kpis"), places)
    source = _source(path, tree.get("scenario"))
    if isinstance(tree.get("scenario"), str) and source is None:
        found.append(_no_scenario(path, tree["scenario"], places))
    if config and count_settings(config) * max(1, len(config.seeds)) > _MAX_POINTS:
        hint, where = "take fewer values, or sampling: random", place_of(("parameters",), places)
        found.append(Fault("parameters", f"make more than {_MAX_POINTS} points", hint, where))
    refused = {fault.path for fault in document.faults}
    faults = [*document.faults, *(fault for fault in found if fault.path not in refused)]
    if faults or config is None or source is None:
        raise ScenarioError(sorted(faults, key=by_line))
    return config, source


def _unknown_kpis(names: object, places: Places) -> list[Fault]:
    from analysis.kpis import KPIS  # brings pandas

    return [
        Fault(f"kpis[{index}]", f"no KPI {name}", nearest(name, KPIS),
              place_of(("kpis", index), places))
        for index, name in enumerate(names if isinstance(names, list) else [])
        if isinstance(name, str) and name not in KPIS
    ]  # fmt: skip


def _source(path: Path, name: object) -> Path | None:
    """Return the file of a scenario: below the study's folder, else of the library."""
    if not isinstance(name, str):
        return None
    file = below(path.parent, name)
    return file if file is not None and file.is_file() else library().get(name)


def _no_scenario(path: Path, name: str, places: Places) -> Fault:
    message = f"no scenario {name} below the study's folder, nor in the library"
    beside = [file.name for file in path.parent.glob("*.yaml") if file.name != path.name]
    where = place_of(("scenario",), places)
    return Fault("scenario", message, nearest(name, [*library(), *beside]), where)


class _Points:
    """Makes the points of a study, each setting loaded once for all seeds."""

    def __init__(self, config: StudyConfig, source: Path, document: Document, file: str) -> None:
        self._config, self._source, self._document, self._file = config, source, document, file
        self._refused: dict[tuple[str, str], list[Fault]] = {}
        self._good: set[tuple[str, str]] = set()
        self._first: tuple[Fault, ...] = ()

    def made(self) -> tuple[tuple[Point, ...], Path]:
        """Return the points and the folder of the input files."""
        points: list[Point] = []
        base_dir = self._source.parent.resolve()
        seeds = self._config.seeds
        for values in settings(self._config):
            try:
                scenario = load(self._source, self._overrides(values))
            except ScenarioError as error:
                self._blame(values, error.faults)
                points += [
                    Point(len(points) + index, values, seed, error=_short(error))
                    for index, seed in enumerate(seeds or [-1])
                ]
                continue
            self._good.update(_pairs(values))
            for seed in seeds or [scenario.config.seed]:
                points.append(self._point(len(points), values, seed, scenario))
        self._judge(all(point.error for point in points))
        return tuple(points), base_dir

    def _point(
        self, number: int, values: Mapping[str, Any], seed: int, scenario: Scenario
    ) -> Point:
        if not scenario.by_seed:
            return _point(number, values, seed, scenario)
        try:  # its input files are others'
            scenario = load(self._source, [*self._overrides(values), f"seed={seed}"])
        except ScenarioError as error:
            return Point(number, values, seed, error=_short(error))
        return _point(number, values, seed, scenario)

    def _overrides(self, values: Mapping[str, Any]) -> list[str]:
        pairs = {**self._config.settings, **values}
        return [f"{path}={json.dumps(value)}" for path, value in pairs.items()]

    def _blame(self, values: Mapping[str, Any], faults: Sequence[Fault]) -> None:
        self._first = self._first or tuple(faults)
        for pair in _pairs(values):
            mine = [fault for fault in faults if fault.where == f"--set {pair[0]}"]
            self._refused.setdefault(pair, mine or list(faults))

    def _judge(self, nothing_runs: bool) -> None:
        """Raise the faults of values that are good at no point at all."""
        faults: list[Fault] = []
        if self._config.sampling == "random" or not self._refused:
            if nothing_runs:
                faults = [self._placed(fault) for fault in self._first]
        else:
            for pair, found in self._refused.items():
                if pair not in self._good:
                    faults += [self._placed(fault, pair) for fault in found]
        if faults:
            raise ScenarioError(sorted(dict.fromkeys(faults), key=by_line))

    def _placed(self, fault: Fault, pair: tuple[str, str] | None = None) -> Fault:
        """Return a fault of an override as one of the study file."""
        head, _, path = fault.where.partition(" ")
        if head != "--set":
            return fault
        section = "parameters" if path in self._config.parameters else "set"
        place: tuple[str | int, ...] = (section, path)
        values = self._config.parameters.get(path)
        wrong_value = fault.message != _UNKNOWN  # else the path is wrong, whatever the value
        if pair and pair[0] == path and isinstance(values, list) and wrong_value:
            place = (*place, [json.dumps(value) for value in values].index(pair[1]))
        where = place_of(place, self._document.places) or self._file
        return replace(fault, path=dotted(place), where=where)


def _pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(path, json.dumps(value)) for path, value in values.items()]


def _point(number: int, values: Mapping[str, Any], seed: int, scenario: Scenario) -> Point:
    config = scenario.config.model_copy(update={"seed": seed})
    text = dump(replace(scenario, config=config))
    digest = hashlib.sha256(f"{text}\0{manifests.code_hash()}".encode()).hexdigest()
    run = f"{config.name}-{seed}-{digest[:16]}"
    return Point(number, values, seed, text, run, scenario.files)


def _short(error: ScenarioError) -> str:
    return "; ".join(f"{fault.path}: {fault.message}" for fault in error.faults)
