"""``fernwatt list``."""

from __future__ import annotations

from pathlib import Path

import typer

from scenarios.cli.options import AsJson
from scenarios.cli.screen import write_json

__all__ = ["list_scenarios"]


def list_scenarios(as_json: AsJson = False) -> None:
    """List the packaged scenarios and what they show.

    Examples:
      fernwatt list
      fernwatt list --json
    """
    from scenarios.loader import library

    found = {name: (path, _description(path)) for name, path in sorted(library().items())}
    if as_json:
        write_json([
            {"name": name, "file": str(path), "description": text}
            for name, (path, text) in found.items()
        ])  # fmt: skip
        return
    width = max((len(name) for name in found), default=0)
    for name, (_, text) in found.items():
        typer.echo(f"{name.ljust(width)}  {_wrapped(text, width + 2)}")


def _description(path: Path) -> str:
    """Return what a scenario says of itself, without checking the rest of it."""
    from scenarios.yamlsafe import read_yaml

    tree = read_yaml(path).tree
    return " ".join(str(tree.get("description", "")).split())


def _wrapped(text: str, indent: int) -> str:
    import textwrap

    return f"\n{' ' * indent}".join(textwrap.wrap(text, 98 - indent))
