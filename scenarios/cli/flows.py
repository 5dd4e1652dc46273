"""``fernwatt flows``."""

from __future__ import annotations

from typing import Annotated

import typer

from scenarios.cli.options import AsJson, RunFolder
from scenarios.cli.screen import write_json

__all__ = ["flows"]


def flows(
    run: RunFolder,
    groups: Annotated[
        bool, typer.Option("--groups", help="The data groups of each kind of unit instead.")
    ] = False,
    kind: Annotated[
        str, typer.Option(metavar="KIND", help="Only what concerns this kind of unit.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Show what data passed between units: flow, way, owner, rights, how much.

    Examples:
      fernwatt flows runs/street-1-0123abcd
      fernwatt flows runs/street-1-0123abcd --groups --kind meter
      fernwatt flows runs/street-1-0123abcd --json
    """
    from analysis import Run
    from analysis.text import text_table
    from fernwatt.errors import UsageError

    folder = Run(run)
    known = sorted({str(unit["kind"]) for unit in folder.topology.get("units") or ()})
    if kind and kind not in known:
        raise UsageError(f"there is no unit of kind {kind}; the run has {', '.join(known)}")
    table = folder.groups if groups else folder.flows
    if kind and groups:
        table = table[table["kind"] == kind]
    elif kind:
        table = table[(table["source"] == kind) | (table["target"] == kind)]
    if as_json:
        write_json(table.to_dict("records"))
        return
    shown = table if groups else table.drop(columns="rights")
    rows = [[str(cell) for cell in row] for row in shown.to_numpy().tolist()]
    typer.echo(text_table(list(shown.columns), rows))
