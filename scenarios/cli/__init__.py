"""The command ``fernwatt``: one small module per subcommand.

Modules import what they need when they are called, so that ``fernwatt --help`` is quick.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from fernwatt.errors import FernwattError
from scenarios.cli.app import app

__all__ = ["app", "main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code.

    0 ok, 1 internal error, 2 usage or scenario, 3 simulation, 4 KPI regression, 5 verify differs,
    130 interrupted. ``--debug`` may stand anywhere and shows tracebacks.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words or bool(os.environ.get("FERNWATT_DEBUG"))
    try:
        app(args=[word for word in words if word != "--debug"], prog_name="fernwatt")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except FernwattError as error:
        if debug:
            raise
        _say(f"fernwatt: {error}")
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        _say(
            f"fernwatt: internal error: {type(error).__name__}: {error}\n"
            "Run it again with --debug for the traceback, and report it with that."
        )
        return 1
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)
