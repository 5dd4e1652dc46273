"""``fernwatt new``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fernwatt.errors import UsageError
from scenarios.cli.screen import note

__all__ = ["new"]


def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the scenario; the file is NAME.yaml.")
    ],
    folder: Annotated[
        Path, typer.Option("--folder", metavar="DIR", help="Where to put the file.")
    ] = Path(),
) -> None:
    """Write a scenario to begin with.

    Every key is in it, with its default and its meaning.

    Nothing is overwritten.

    Examples:
      fernwatt new mine
      fernwatt new mine --folder scenarios
    """
    from scenarios.cli.starter import starter

    path = folder / f"{name}.yaml"
    text = starter(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already: take another name") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None
    typer.echo(path)
    note(f"edit it, then: fernwatt run {path}")
