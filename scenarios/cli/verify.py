"""``fernwatt verify``."""

from __future__ import annotations

import typer

from fernwatt.errors import VerificationError
from scenarios.cli.options import AsJson, Quiet, RunFolder
from scenarios.cli.screen import note, write_json

__all__ = ["verify"]


def verify(run: RunFolder, quiet: Quiet = False, as_json: AsJson = False) -> None:
    """Run a scenario again and compare the bytes.

    The run folder alone is needed: scenario and input files are in it. Results that are not as
    recorded, and those that come out otherwise, are named, with the first row and column of a
    table; the exit code is then 5.

    Examples:
      fernwatt verify runs/street-1-0123abcd
    """
    note(f"running {run.name} again", quiet=quiet)
    from scenarios.verify import verify as rerun

    differences = list(rerun(run))
    if as_json:
        write_json({"run": str(run), "same": not differences, "differences": differences})
        if differences:
            raise typer.Exit(VerificationError.exit_code)
        return
    if differences:
        lines = "\n".join(f"  - {line}" for line in differences)
        raise VerificationError(f"{run} differs from its rerun:\n{lines}")
    note("the rerun gave the same bytes", quiet=quiet)
