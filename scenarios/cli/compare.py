"""``fernwatt compare``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

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
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="Short for --format json.")] = False,
) -> None:
    """Put the KPIs of runs side by side.

    Examples:
      fernwatt compare runs/street-1-0123abcd runs/street-1-4567ef01
      fernwatt compare runs/* --format markdown
    """
    from analysis import compare as side_by_side

    compared = side_by_side(runs)
    writers = {
        Format.TEXT: compared.text,
        Format.MARKDOWN: compared.markdown,
        Format.HTML: compared.html,
        Format.JSON: compared.json,
    }
    typer.echo(writers[Format.JSON if as_json else form]())
