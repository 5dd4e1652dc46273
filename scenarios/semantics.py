"""What the schema alone cannot know: files, SimBench codes, technologies, other simulators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from scenarios.faults import nearest, place_of
from scenarios.paths import below
from scenarios.schema import RESERVED, ScenarioConfig
from scenarios.schema.extras import FILE
from scenarios.yamlsafe import PathKey, dotted

__all__ = ["check_semantics", "fill_in_seed"]

Places = Mapping[PathKey, str]
_GRID_FILE = ("grid", "source", "file")
_SEED = "{seed}"
_SHARED = {"han": True, "wan": False, "backbone": False, "direct": False}
"""Whether a part of the network is a shared medium; meters may have either."""


def check_semantics(
    config: ScenarioConfig | None, tree: Mapping[str, Any], places: Places, base: Path
) -> tuple[list[Fault], dict[str, Path]]:
    """Return further faults, and the input files the scenario names.

    What needs only the text is checked even when the schema refused the scenario (``config`` is
    None), so that all faults come at once.
    """
    faults = [*_technologies(tree, places), *_grids(tree, places)]
    files: dict[str, Path] = {}
    for path, name in _named_files(tree):
        fault = _file_fault(path, name, places, base)
        if fault:
            faults.append(fault)
        else:
            files |= _inputs(name, below(base, name) or base)
    if config is not None:
        faults += _connections(config, places)
    return faults, files


def fill_in_seed(tree: Any) -> bool:
    """Put the seed in place of ``{seed}`` in the names of input files; tell whether one had it."""
    seed = _get(tree, "seed")
    found = False
    for path, name in [*_named_files(tree)] if isinstance(tree, dict) else ():
        if _SEED in name and isinstance(seed, int):
            prefix = FILE if path[0] == "simulators" else ""
            _get(tree, *path[:-1])[path[-1]] = prefix + name.replace(_SEED, str(seed))
            found = True
    return found


def _get(tree: Any, *path: str | int) -> Any:
    for part in path:
        listed = isinstance(tree, list) and isinstance(part, int) and part < len(tree)
        if listed or (isinstance(tree, dict) and part in tree):
            tree = tree[part]
        else:
            return None
    return tree


def _named_files(tree: Mapping[str, Any]) -> Iterator[tuple[PathKey, str]]:
    for path in (
        _GRID_FILE,
        ("devices", "ev", "sessions", "file"),
        ("devices", "household", "profiles", "file"),
        ("weather", "file"),
        ("grid", "frequency", "file"),
        ("services", "signals", "tariff", "file"),
        *_documents(tree),
    ):
        name = _get(tree, *path)
        if isinstance(name, str):
            yield path, name
    simulators = _get(tree, "simulators")
    for simulator in simulators if isinstance(simulators, dict) else ():
        params = _get(tree, "simulators", simulator, "params")
        for key, value in params.items() if isinstance(params, dict) else ():
            if isinstance(value, str) and value.startswith(FILE):
                yield ("simulators", simulator, "params", key), value.removeprefix(FILE)


def _documents(tree: Mapping[str, Any]) -> list[PathKey]:
    events = _get(tree, "services", "openadr", "events")
    count = len(events) if isinstance(events, list) else 0
    return [("services", "openadr", "events", number, "file") for number in range(count)]


def _inputs(name: str, path: Path) -> dict[str, Path]:
    """Return the input files that a path stands for: itself, or those in the folder."""
    if path.is_file():
        return {name: path}
    inside = (item for item in path.iterdir() if item.is_file() and item.name[0] != ".")
    return {f"{name}/{item.name}": item for item in sorted(inside)}


def _file_fault(path: PathKey, name: str, places: Places, base: Path) -> Fault | None:
    where = place_of(path, places)
    target = below(base, name)
    if target is None:
        hint = "copy the file below the scenario's folder"
        return Fault(dotted(path), f"{name} lies outside the scenario's folder", hint, where)
    if not target.is_file() and not (path == _GRID_FILE and target.is_dir()):
        known = [p.relative_to(base).as_posix() for p in base.glob("*") if p.is_file()]
        return Fault(dotted(path), f"no file {name}", nearest(name, known), where)
    return None


@cache
def _simbench_codes() -> frozenset[str]:
    from simbench import collect_all_simbench_codes

    return frozenset(collect_all_simbench_codes())


def _grids(tree: Mapping[str, Any], places: Places) -> Iterator[Fault]:
    from fernwatt.gridmodel.sources import BUILT_IN

    attached = _get(tree, "grid", "lv")
    count = len(attached) if isinstance(attached, list) else 0
    paths: list[PathKey] = [("grid", "source", "simbench")]
    paths += [("grid", "lv", index, "simbench") for index in range(count)]
    named = [(path, _get(tree, *path)) for path in paths]
    for path, code in named:
        if isinstance(code, str) and code not in _simbench_codes():
            hint = nearest(code, _simbench_codes())
            yield Fault(dotted(path), f"no SimBench grid {code}", hint, place_of(path, places))
    place = ("grid", "source", "pandapower")
    name = _get(tree, *place)
    if isinstance(name, str) and name not in BUILT_IN:
        hint = nearest(name, BUILT_IN)
        yield Fault(dotted(place), f"no built-in network {name}", hint, place_of(place, places))


def _technologies(tree: Mapping[str, Any], places: Places) -> Iterator[Fault]:
    from simulators.network import technologies
    from simulators.network.technologies import MediumTechnology

    overrides = _get(tree, "network", "technologies")
    known = technologies.load({})
    try:
        known = technologies.load(overrides if isinstance(overrides, dict) else {})
    except ScenarioError as error:
        for fault in error.faults:
            path: PathKey = tuple(fault.path.split("."))
            yield Fault(fault.path, fault.message, fault.hint, place_of(path, places))
    network = _get(tree, "network")
    sections: list[tuple[PathKey, Any]] = [(("network",), network)]
    areas = _get(tree, "network", "areas")
    if isinstance(areas, dict):
        for name, area in areas.items():
            sections.append((("network", "areas", name), area))
    for prefix, section in sections:
        for key in ("han", "lv_fan", "wan", "backbone", "direct"):
            name = _get(section, key)
            if not isinstance(name, str):
                continue
            path = (*prefix, key)
            where = place_of(path, places)
            shared = _SHARED.get(key)
            fitting = [
                n for n, t in known.items() if shared in (None, isinstance(t, MediumTechnology))
            ]
            if name not in known:
                yield Fault(dotted(path), f"no technology {name}", nearest(name, known), where)
            elif name not in fitting:
                need = "a shared medium" if shared else "a point-to-point link"
                hint = f"known: {', '.join(sorted(fitting))}"
                yield Fault(dotted(path), f"{name} is not {need}", hint, where)


def _connections(config: ScenarioConfig, places: Places) -> Iterator[Fault]:
    for name, simulator in config.simulators.items():
        entities = {group.name for group in simulator.entities}
        for index, link in enumerate(simulator.connections):
            for key, text in (("from", link.source), ("to", link.target)):
                path = ("simulators", name, "connections", index, key)
                where = place_of(path, places)
                owner, _, rest = text.partition("/")
                known = {*config.simulators, *RESERVED}
                if owner not in known:
                    hint = nearest(owner, known)
                    yield Fault(dotted(path), f"no simulator {owner}", hint, where)
                entity = rest.rpartition(".")[0].split("/")[0].split(".")[0]
                if owner == name and entity not in entities:
                    hint = nearest(entity, entities)
                    yield Fault(dotted(path), f"no entity {entity} of {name}", hint, where)
