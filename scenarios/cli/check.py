"""``fernwatt check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fernwatt.errors import UsageError
from scenarios.cli.options import AsJson, RunFolder
from scenarios.cli.screen import note, write_json

__all__ = ["check"]


def check(
    run: RunFolder,
    *,
    baseline: Annotated[
        Path, typer.Option("--baseline", metavar="FILE", help="Baseline, JSON or YAML.")
    ],
    update: Annotated[
        bool, typer.Option("--update", help="Rewrite the baseline with the run's values.")
    ] = False,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why the values moved; kept in the baseline.")
    ] = "",
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the outcome as JUnit XML too.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the outcome as Markdown too.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Show the KPIs that held as well.")] = False,
    as_json: AsJson = False,
) -> None:
    """Hold a run's KPIs against a baseline.

    The exit code is 4 where one left its tolerance.

    Examples:
      fernwatt check runs/street-1-0123abcd --baseline street.baseline.json
      fernwatt check runs/street-1-0123abcd --baseline b.json --junit kpis.xml
      fernwatt check runs/street-1-0123abcd --baseline b.json --update --reason 'new PLC model'
    """
    import analysis

    if update:
        if not reason.strip() and _asks():
            reason = typer.prompt("Why do the values move?")
        typer.echo(analysis.update(run, baseline, reason))
        return
    if reason:
        raise UsageError("--reason goes with --update")
    outcome = analysis.check(run, baseline)
    for path, text in ((junit, outcome.junit), (markdown, outcome.markdown)):
        if path is not None:
            path.write_text(text(), "utf-8")
    if as_json:
        write_json(outcome.plain())
    else:
        typer.echo(outcome.text(every=every))
    if outcome.failed:
        note("If that is meant, rewrite the baseline with --update and a reason.")
        raise typer.Exit(4)


def _asks() -> bool:
    import sys

    return sys.stdin.isatty() and sys.stderr.isatty()
