"""``fernwatt check``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fernwatt.errors import KpiRegression, UsageError
from scenarios.cli.options import AsJson, RunFolder
from scenarios.cli.screen import note, write_json

__all__ = ["check"]


def check(
    run: RunFolder,
    *,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline",
            metavar="FILE",
            help="Baseline, JSON or YAML; that of the packaged scenario of the name if absent.",
        ),
    ] = None,
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
      fernwatt check runs/street-1-0123abcd
      fernwatt check runs/street-1-0123abcd --baseline b.json --junit kpis.xml
      fernwatt check runs/street-1-0123abcd --baseline b.json --update --reason 'new PLC model'
    """
    import analysis

    path = baseline or _packaged(run)
    if update:
        _update(run, path, reason, as_json=as_json)
        return
    if reason:
        raise UsageError("--reason goes with --update")
    outcome = analysis.check(run, path)
    for file, text in ((junit, outcome.junit), (markdown, outcome.markdown)):
        if file is not None:
            file.write_text(text(), "utf-8")
    if as_json:
        write_json(outcome.plain())
    else:
        typer.echo(outcome.text(every=every))
    if outcome.failed:
        note("If that is meant, rewrite the baseline with --update and a reason.")
        raise typer.Exit(KpiRegression.exit_code)


def _update(run: Path, path: Path, reason: str, *, as_json: bool) -> None:
    """Rewrite a baseline, and say what that changes."""
    import analysis

    if not reason.strip() and _asks():
        reason = typer.prompt("Why do the values move?")
    outcome = analysis.check(run, path) if path.exists() else None
    analysis.update(run, path, reason)
    if as_json:
        write_json({"baseline": str(path), "kpis": outcome.plain()["kpis"] if outcome else []})
    else:
        typer.echo(f"{outcome.moved()} now\n{path}" if outcome else f"new: {path}")


def _packaged(run: Path) -> Path:
    """Return where the baseline of a run's scenario is, or would be."""
    from analysis import Run
    from scenarios.loader import baseline_of

    name = Run(run).name
    path = baseline_of(name)
    if path is None:
        raise UsageError(f"{name} is no packaged scenario: name its baseline with --baseline")
    return path


def _asks() -> bool:
    import sys

    return sys.stdin.isatty() and sys.stderr.isatty()
