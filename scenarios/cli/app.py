"""The application and its subcommands, in the order in which a person meets them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated

import typer

from scenarios.cli.check import check
from scenarios.cli.compare import compare
from scenarios.cli.doctor import doctor
from scenarios.cli.explain import explain
from scenarios.cli.flows import flows
from scenarios.cli.listing import list_scenarios
from scenarios.cli.new import new
from scenarios.cli.report import report
from scenarios.cli.run import run
from scenarios.cli.schema import schema
from scenarios.cli.study import study
from scenarios.cli.users import users_app
from scenarios.cli.validate import validate
from scenarios.cli.verify import verify

__all__ = ["COMMANDS", "app"]

COMMANDS: dict[str, Callable[..., None]] = {
    "new": new,
    "validate": validate,
    "run": run,
    "report": report,
    "compare": compare,
    "check": check,
    "verify": verify,
    "explain": explain,
    "flows": flows,
    "study": study,
    "list": list_scenarios,
    "schema": schema,
    "doctor": doctor,
}

_HELP = """Co-simulation testbed for smart-grid ICT.

Examples:
  fernwatt list                            what comes with it
  fernwatt run street                      run a packaged scenario
  fernwatt new mine                        begin a scenario of your own
  fernwatt validate mine.yaml              check it without running it
  fernwatt run mine.yaml --set seed=7      run it with one value changed

Exit codes: 0 ok, 1 internal error, 2 usage or scenario, 3 simulation, 4 KPI regression,
5 verify differs, 130 interrupted.
"""


def _help(text: str) -> str:
    """Return a help text with its examples line by line: elsewhere lines are filled anew."""
    return inspect.cleandoc(text).replace("Examples:\n", "\b\nExamples:\n")


app = typer.Typer(
    name="fernwatt",
    help=_help(_HELP),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        import fernwatt

        typer.echo(f"fernwatt {fernwatt.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    del version, debug  # the one is eager, the other read by main() wherever it stands


for _name, _command in COMMANDS.items():
    app.command(_name, help=_help(_command.__doc__ or ""))(_command)
app.add_typer(users_app, name="users")
