"""From a study file to its points: each a scenario of its own, checked before anything runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from fernwatt.errors import Fault, ScenarioError
from scenarios import manifest as manifests
from scenarios.faults import nearest, place_of, schema_faults
from scenarios.loader import Scenario, dump, library, load
from scenarios.paths import below
from scenarios.study.config import StudyConfig
from scenarios.study.sampling import count_settings, settings
from scenarios.yamlsafe import Document, read_lenient

__all__ = ["Point", "Study", "load_study"]

_MAX_POINTS = 100_000


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


def load_study(path: Path | str) -> Study:
    """Read a study file and work out its points.

    Raises ScenarioError with the faults of the file, and those of values that make no valid
    scenario at any point. A value that fails in some combinations only is an error of these.
    """
    path = Path(path)
    document = read_lenient(path)
    config = _config(path, document)
    source = _source(path, config, document)
    points, base_dir = _Points(config, source, document, path.name).made()
    return Study(config, path.read_text("utf-8"), base_dir, points)


def _config(path: Path, document: Document) -> StudyConfig:
    if not isinstance(document.tree, dict):
        hint = "begin with fernwatt-study: 1, name: ... and scenario: ..."
        fault = Fault("(document)", "must be a section with keys", hint, path.name)
        raise ScenarioError([*document.faults, fault])
    faults = list(document.faults)
    refused = {fault.path for fault in faults}
    try:
        config = StudyConfig.model_validate(document.tree)
    except ValidationError as error:
        more = schema_faults(error, StudyConfig, document.tree, document.places)
        raise ScenarioError([*faults, *(f for f in more if f.path not in refused)]) from None
    faults += _unknown_kpis(config, document)
    if count_settings(config) * max(1, len(config.seeds)) > _MAX_POINTS:
        where = place_of(("parameters",), document.places)
        hint = "take fewer values, or sampling: random"
        faults.append(Fault("parameters", f"make more than {_MAX_POINTS} points", hint, where))
    if faults:
        raise ScenarioError(faults)
    return config


def _unknown_kpis(config: StudyConfig, document: Document) -> list[Fault]:
    from analysis.kpis import KPIS  # brings pandas

    return [
        Fault(f"kpis[{index}]", f"no KPI {name}", nearest(name, KPIS),
              place_of(("kpis", index), document.places))
        for index, name in enumerate(config.kpis)
        if name not in KPIS
    ]  # fmt: skip


def _source(path: Path, config: StudyConfig, document: Document) -> Path:
    file = below(path.parent, config.scenario)
    if file is not None and file.is_file():
        return file
    named = library()
    if config.scenario in named:
        return named[config.scenario]
    message = f"no scenario {config.scenario} below the study's folder, nor in the library"
    near = [*named, *(file.name for file in path.parent.glob("*.yaml") if file.name != path.name)]
    where = place_of(("scenario",), document.places)
    raise ScenarioError([Fault("scenario", message, nearest(config.scenario, near), where)])


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
                points.append(_point(len(points), values, seed, scenario))
        self._judge(all(point.error for point in points))
        return tuple(points), base_dir

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
        faults: dict[Fault, None] = {}
        if nothing_runs and (not self._refused or self._config.sampling == "random"):
            faults = dict.fromkeys(self._placed(fault) for fault in self._first)
        elif self._config.sampling != "random":
            for pair, found in self._refused.items():
                if pair not in self._good:
                    faults |= dict.fromkeys(self._placed(fault, pair) for fault in found)
        if faults:
            raise ScenarioError(list(faults))

    def _placed(self, fault: Fault, pair: tuple[str, str] | None = None) -> Fault:
        """Return a fault of an override as one of the study file."""
        head, _, path = fault.where.partition(" ")
        if head != "--set":
            return fault
        section = "parameters" if path in self._config.parameters else "set"
        place: tuple[str | int, ...] = (section, path)
        values = self._config.parameters.get(path)
        if pair and pair[0] == path and isinstance(values, list):
            place = (*place, [json.dumps(value) for value in values].index(pair[1]))
        dotted = f"{section}.{path}" + (f"[{place[2]}]" if len(place) > 2 else "")
        where = place_of(place, self._document.places) or self._file
        return replace(fault, path=dotted, where=where)


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
