"""``fernwatt run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scenarios.cli.options import AsJson, Quiet, RunsDir, ScenarioSource, Seed, Settings, overrides
from scenarios.cli.screen import RunScreen, note, write_json

if TYPE_CHECKING:
    from scenarios.runner import RunResult

__all__ = ["run"]


def run(
    scenario: ScenarioSource,
    *,
    settings: Settings = None,
    seed: Seed = None,
    runs: RunsDir = Path("runs"),
    no_report: Annotated[bool, typer.Option("--no-report", help="Write no report.")] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run a scenario, into a folder of its own.

    The folder is named by scenario, seed and a hash of all that goes in: the same run comes to
    the same folder. Ctrl-C ends a run in order; what was recorded stays readable.

    Examples:
      fernwatt run street
      fernwatt run mine.yaml --set devices.ev.share=0.8 --set network.lv_fan=plc-g3
      fernwatt run street --seed 7 --runs /data/runs --no-report --json
    """
    from fernwatt.timebase import Clock
    from scenarios.loader import load

    note("reading the scenario", quiet=quiet)
    checked = load(scenario, overrides(settings, seed))
    time = checked.config.time
    with RunScreen(Clock(time.instant), time.end_ms, quiet=quiet) as screen:
        from scenarios import runner  # seconds of imports, and the first line is out

        result = runner.run(checked, runs_dir=runs, progress=screen, with_report=not no_report)
    if as_json:
        write_json(_outcome(result))
    if isinstance(result.error, KeyboardInterrupt):
        note(f"interrupted; what was recorded until then is in {result.folder}")
        raise typer.Exit(130)
    if result.error is not None:
        note(f"the run failed; what was recorded until then is in {result.folder}")
    result.check()
    if not as_json:
        _summary(result, quiet=quiet)


def _outcome(result: RunResult) -> dict[str, Any]:
    import json

    path = result.folder / "kpis.json"
    kpis = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    error = None if result.error is None else str(result.error) or type(result.error).__name__
    return {"folder": str(result.folder), "status": result.status, "error": error, "kpis": kpis}


def _summary(result: RunResult, *, quiet: bool) -> None:
    from analysis import Run
    from analysis.report.page import HEADLINES
    from analysis.text import number, text_table

    page = result.folder / "report.html"
    if not quiet:
        kpis = Run(result.folder).kpis
        rows = [
            [name, number(kpis[name]["value"], kpis[name]["unit"])]
            for name in HEADLINES
            if name in kpis
        ]
        typer.echo(text_table(["KPI", "value"], rows))
    typer.echo(f"run:    {result.folder}")
    if page.is_file():
        typer.echo(f"report: {page}")
