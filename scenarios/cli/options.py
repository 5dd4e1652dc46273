"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AsJson",
    "Quiet",
    "RunFolder",
    "RunsDir",
    "ScenarioSource",
    "Seed",
    "Settings",
    "overrides",
]


def _scenario_names() -> list[str]:
    from scenarios.loader import library

    return sorted(library())


ScenarioSource = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="Scenario file, or the name of a packaged one (see: fernwatt list).",
        autocompletion=_scenario_names,
    ),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="PATH=VALUE",
        help="Change one value of the scenario, such as devices.ev.share=0.3. May be repeated.",
    ),
]
Seed = Annotated[
    int | None, typer.Option("--seed", metavar="N", help="Another seed; short for --set seed=N.")
]
RunsDir = Annotated[
    Path,
    typer.Option(
        "--runs", metavar="DIR", envvar="FERNWATT_RUNS", help="Folder that holds the run folders."
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but results and errors.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write the outcome as JSON.")]


def overrides(settings: list[str] | None, seed: int | None) -> list[str]:
    """Return the overrides of a command: ``--seed`` counts after all ``--set``."""
    return [*(settings or []), *([] if seed is None else [f"seed={seed}"])]
