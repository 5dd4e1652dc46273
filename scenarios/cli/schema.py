"""``fernwatt schema``."""

from __future__ import annotations

import typer

__all__ = ["schema"]


def schema() -> None:
    """Print the JSON Schema of scenarios.

    Editors complete and check YAML by it.

    Examples:
      fernwatt schema > scenario.schema.json
    """
    from scenarios.reference import schema_text

    typer.echo(schema_text(), nl=False)
