"""``fernwatt doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from scenarios.cli.options import AsJson
from scenarios.cli.screen import note, write_json

if TYPE_CHECKING:
    from scenarios.cli.health import Finding

__all__ = ["doctor"]


def doctor(as_json: AsJson = False) -> None:
    """Tell versions, solvers, and what is missing.

    Also where the packages of fernwatt were imported from. The exit code is 1 where something is
    wrong.

    Examples:
      fernwatt doctor
      fernwatt doctor --json
    """
    note("looking (imports take some seconds)", quiet=as_json)
    from scenarios.cli.health import examine

    findings = examine()
    if as_json:
        write_json([
            {"topic": f.topic, "name": f.name, "value": f.value, "trouble": f.trouble}
            for f in findings
        ])  # fmt: skip
    else:
        _show(findings)
    ill = [finding for finding in findings if finding.trouble]
    for finding in ill if as_json else ():  # whoever keeps the exit code alone learns why
        note(f"{finding.topic}, {finding.name}: {finding.value} ({finding.trouble})")
    if ill:
        raise typer.Exit(1)


def _show(findings: list[Finding]) -> None:
    width = max(len(finding.name) for finding in findings)
    topic = ""
    for finding in findings:
        if finding.topic != topic:
            topic = finding.topic
            typer.echo(topic)
        typer.echo(f"  {finding.name.ljust(width)}  {finding.value}")
        if finding.trouble:
            typer.echo(f"  {' ' * width}  ! {finding.trouble}")
