"""``fernwatt explain``."""

from __future__ import annotations

from typing import Annotated

import typer

from scenarios.cli.options import AsJson, RunFolder
from scenarios.cli.screen import write_json

__all__ = ["explain"]


def explain(
    run: RunFolder,
    what: Annotated[
        str,
        typer.Argument(metavar="WHAT", help="Identifier, element@time, or the name of a KPI."),
    ],
    width: Annotated[int, typer.Option(min=1, max=100, help="Causes shown of each thing.")] = 6,
    table: Annotated[
        bool, typer.Option("--table", help="A table in order of time in place of the tree.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Follow an event or a KPI back to its causes.

    Examples:
      fernwatt explain runs/street-1-0123abcd peak_import_w
      fernwatt explain runs/street-1-0123abcd ev/lv1.101/load-3@18:15
      fernwatt explain runs/street-1-0123abcd 'meter/lv1.101/load-3#12' --table
    """
    from analysis import explain as follow

    trail = follow(run, what, width=width)
    if as_json:
        write_json(trail.plain())
    else:
        typer.echo(trail.table() if table else trail.text())
