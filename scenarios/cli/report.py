"""``fernwatt report``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from scenarios.cli.options import RunFolder
from scenarios.cli.screen import write_json

__all__ = ["report"]


class Format(StrEnum):
    """What a report may be written as."""

    HTML = "html"
    MARKDOWN = "markdown"
    JSON = "json"


def report(
    run: RunFolder,
    form: Annotated[
        Format,
        typer.Option("--format", help="html: into the run folder; others: KPIs to the screen."),
    ] = Format.HTML,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Baseline that the verdict refers to.")
    ] = None,
    counterfactual: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="The same without demand response, to be shown beside."),
    ] = None,
) -> None:
    """Write the report of a run: one HTML file that works offline.

    Examples:
      fernwatt report runs/street-1-0123abcd
      fernwatt report runs/street-1-0123abcd --format markdown
    """
    if form is Format.HTML:
        from analysis import report as page

        typer.echo(page.write(run, baseline=baseline, counterfactual=counterfactual))
        return
    from analysis import Run
    from analysis.text import markdown_table, number

    kpis = Run(run).kpis
    if form is Format.JSON:
        write_json(kpis)
        return
    rows = [[name, number(kpi["value"], kpi["unit"])] for name, kpi in kpis.items()]
    typer.echo(markdown_table(["KPI", "value"], rows))
