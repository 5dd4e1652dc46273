"""A study made of a run: the same scenario over the link technologies of one place, and seeds."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fernwatt.errors import RunFolderError, ScenarioError, UsageError
from scenarios.loader import load
from scenarios.yamlwrite import write_yaml

__all__ = ["PLACES", "technology_study"]

PLACES = ("han", "lv_fan", "wan", "backbone")
KPIS = (
    "peak_import_w", "distance_reduction_percent", "ev_not_served_percent",
    "metering_complete_percent", "delivery_percent", "deadline_misses_percent",
    "message_delay_p50_ms", "message_delay_p95_ms", "age_mean_s", "experience",
    "airtime_max_percent", "wire_bytes",
)  # fmt: skip

_HOSTS = {"edge", "cloud"}  # ways to hosts, as those of cores: beyond what a unit is connected by
_LONG = 25  # characters of the scenario's name in the study's


def technology_study(
    run: Path, folder: Path, *, place: str, wanted: Sequence[str], seeds: int
) -> Path:
    """Write a study of a run's scenario and its inputs into ``folder``; return its file.

    ``place`` is one of ``PLACES``; ``wanted`` names technologies, or is ``["all"]`` for those of
    access that the scenario can have there. The others are held against the run's own. The seeds
    are the run's and those that follow. Raises UsageError for a place or a technology that is
    none, RunFolderError for a folder that is no run.
    """
    if place not in PLACES:
        raise UsageError(f"--place {place}: is one of {', '.join(PLACES)}")
    source = run / "scenario.yaml"
    if not source.is_file():
        raise RunFolderError(f"{run} is no run folder of fernwatt: it has no scenario.yaml")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, folder / "scenario.yaml")
    if (run / "inputs").is_dir():
        shutil.copytree(run / "inputs", folder, dirs_exist_ok=True)
    scenario = load(folder / "scenario.yaml")
    own = str(getattr(scenario.config.network, place))
    names = _names(folder, place, own, wanted)
    text: dict[str, Any] = {
        "fernwatt-study": 1,
        "name": f"{scenario.config.name[:_LONG]}-{place}-tech",
        "description": f"{scenario.config.name} over the technologies of network.{place}.",
        "scenario": "scenario.yaml",
        "parameters": {f"network.{place}": names},
        "reference": {f"network.{place}": own},
        "seeds": [scenario.config.seed + number for number in range(seeds)],
        "kpis": list(KPIS),
    }
    file = folder / "study.yaml"
    file.write_text(write_yaml(text), "utf-8")
    return file


def _names(folder: Path, place: str, own: str, wanted: Sequence[str]) -> list[str]:
    """Return the technologies to run, the run's own first."""
    from simulators.network.technologies import CellTechnology, nearest
    from simulators.network.technologies import load as technologies

    known = technologies()
    if list(wanted) == ["all"]:
        beyond = {it.core for it in known.values() if isinstance(it, CellTechnology)} | _HOSTS
        others = [
            name
            for name in known
            if name not in beyond
            and (place == "han" or not name.endswith("-han"))
            and _fits(folder, place, name)
        ]
    else:
        for name in wanted:
            if name not in known:
                raise UsageError(f"--tech {name}: no such technology; {nearest(name, known)}")
        others = list(wanted)
    return list(dict.fromkeys([own, *others]))


def _fits(folder: Path, place: str, name: str) -> bool:
    try:
        load(folder / "scenario.yaml", [f"network.{place}={name}"])
    except ScenarioError:
        return False
    return True
