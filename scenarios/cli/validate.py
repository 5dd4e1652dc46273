"""``fernwatt validate``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from fernwatt.errors import ScenarioError
from scenarios.cli.options import AsJson, Quiet, ScenarioSource, Seed, Settings, overrides
from scenarios.cli.screen import note, write_json

__all__ = ["validate"]


def validate(
    scenario: ScenarioSource,
    *,
    settings: Settings = None,
    seed: Seed = None,
    effective: Annotated[
        bool,
        typer.Option("--effective", help="Print the complete scenario, defaults and all."),
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Check a scenario, run nothing, write nothing.

    All faults are told at once, each with file and line, the path of the key, what was
    expected, and the nearest name that there is.

    Examples:
      fernwatt validate mine.yaml
      fernwatt validate street --set devices.ev.share=0.8 --effective
      fernwatt validate mine.yaml --json
    """
    from scenarios.loader import dump
    from scenarios.validate import validate as check

    try:
        checked = check(scenario, overrides(settings, seed))
    except ScenarioError as error:
        if not as_json:
            raise
        write_json(_outcome(error))
        raise typer.Exit(error.exit_code) from None
    if as_json:
        write_json({"valid": True, "faults": []})
    elif effective:
        typer.echo(dump(checked), nl=False)
    else:
        note(f"{checked.config.name}: no faults", quiet=quiet)


def _outcome(error: ScenarioError) -> dict[str, Any]:
    return {"valid": False, "faults": [asdict(fault) for fault in error.faults]}
