"""``fernwatt study``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fernwatt.errors import SimulationError
from scenarios.cli.options import AsJson, Quiet, RunsDir
from scenarios.cli.screen import Steps, note, write_json

__all__ = ["study"]


def study(
    file: Annotated[Path, typer.Argument(metavar="STUDY", help="Study file.")],
    *,
    runs: RunsDir = Path("runs"),
    workers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Worker processes; as many as processors if absent."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="tcp://HOST:PORT", help="Dask scheduler that is there already."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="PATH=VALUE", help="Setting that the others are held against; else the first."
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run a scenario over parameters and seeds.

    On all processors of this machine, or on a Dask cluster.

    Points that are done already are taken over, so a study that was stopped goes on where it
    was. Points that fail keep their error and do not stop the others; the exit code is then 3.

    Examples:
      fernwatt study pv.yaml
      fernwatt study pv.yaml --workers 4 --runs /data/runs
      fernwatt study street_links.yaml --against network.lv_fan=lte-m
      fernwatt study pv.yaml --scheduler tcp://cluster:8786
    """
    note("reading the study", quiet=quiet)
    from scenarios.study import run_study

    with Steps(quiet=quiet, tenth=lambda share, text: f"  {share:4.0%}  {text}") as steps:
        outcome = run_study(
            file, runs, scheduler=scheduler, workers=workers, against=against,
            progress=steps.show, tell=steps.say,
        )  # fmt: skip
    if as_json:
        write_json(outcome.plain())
    else:
        typer.echo(outcome.text())
    if outcome.failed:
        raise SimulationError(
            f"{len(outcome.failed)} of {len(outcome.points)} points failed; their errors are in "
            f"{outcome.summary}"
        )
