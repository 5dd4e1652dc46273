"""``fernwatt compare``."""

from __future__ import annotations

import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fernwatt.errors import SimulationError, UsageError
from scenarios.cli.options import Quiet, RunsDir
from scenarios.cli.screen import Steps, note, write_json

if TYPE_CHECKING:
    from scenarios.study import Outcome

__all__ = ["compare"]


class Format(StrEnum):
    """What a comparison may be written as."""

    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"
    JSON = "json"


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN RUN...", help="Run folders; the first is the reference."),
    ],
    *,
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
    tech: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="Run the scenario of one run over link technologies and seeds instead: names "
            "with commas between, or all.",
        ),
    ] = "",
    place: Annotated[
        str, typer.Option(metavar="PLACE", help="With --tech: han, lv_fan, wan or backbone.")
    ] = "lv_fan",
    seeds: Annotated[
        int, typer.Option(min=2, metavar="N", help="With --tech: how many, the run's own first.")
    ] = 3,
    folder: RunsDir = Path("runs"),
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="With --tech: worker processes.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Put the KPIs of runs side by side, or one run's scenario over all link technologies.

    With --tech the table has the differences from the run's own technology between runs of the
    same seed, with 95 % confidence intervals.

    Examples:
      fernwatt compare runs/street-1-0123abcd runs/street-1-4567ef01
      fernwatt compare runs/* --format markdown
      fernwatt compare runs/street-1-0123abcd --tech all
      fernwatt compare runs/street-1-0123abcd --tech lte,gprs --place wan --seeds 5
    """
    if tech:
        outcome = _technologies(
            runs, tech, place, seeds, folder=folder, workers=workers, quiet=quiet
        )
        if as_json or form is Format.JSON:
            write_json(outcome.plain())
        else:
            typer.echo(outcome.text())
        if outcome.failed:
            raise SimulationError(f"{len(outcome.failed)} runs failed: see {outcome.summary}")
        return
    from analysis import compare as side_by_side

    compared = side_by_side(runs)
    writers = {
        Format.TEXT: compared.text,
        Format.MARKDOWN: compared.markdown,
        Format.HTML: compared.html,
        Format.JSON: compared.json,
    }
    typer.echo(writers[Format.JSON if as_json else form]())


def _technologies(
    runs: list[Path],
    tech: str,
    place: str,
    seeds: int,
    *,
    folder: Path,
    workers: int | None,
    quiet: bool,
) -> Outcome:
    if len(runs) != 1:
        raise UsageError("--tech goes with one run folder, whose scenario it runs")
    note("reading the run", quiet=quiet)
    from scenarios.study import run_study
    from scenarios.study.technologies import technology_study

    with tempfile.TemporaryDirectory(prefix="fernwatt-") as scratch:
        wanted = [name.strip() for name in tech.split(",")]
        file = technology_study(runs[0], Path(scratch), place=place, wanted=wanted, seeds=seeds)
        with Steps(quiet=quiet, tenth=lambda share, text: f"  {share:4.0%}  {text}") as steps:
            return run_study(file, folder, workers=workers, progress=steps.show, tell=steps.say)
