"""The reference page of the command line, made of the commands.

``python -m scenarios.cli.page`` writes it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from typer.models import ArgumentInfo, OptionInfo

from analysis.text import markdown_table
from scenarios.cli.app import COMMANDS

__all__ = ["cli_page", "write"]

_INTRO = """<!-- made by `python -m scenarios.cli.page`; do not edit -->

# Command line

`fernwatt COMMAND --help` says what stands here; `fernwatt --install-completion` makes the shell
complete commands, options and packaged scenarios.

- Results go to the standard output, progress and errors to the standard error stream.
- A terminal shows one progress bar, anything else plain lines; `NO_COLOR` takes the colours away.
- Errors say what, where, and how to mend it. `--debug` anywhere (or `FERNWATT_DEBUG=1`) shows the
  traceback as well.

| exit code | meaning |
| --- | --- |
| 0 | ok |
| 1 | internal error; `doctor` found something wrong |
| 2 | wrong usage, or a faulty scenario: nothing was run or written |
| 3 | the simulation failed, or points of a study did |
| 4 | a KPI left the tolerance of its baseline |
| 5 | a rerun gave other bytes |
| 130 | interrupted by Ctrl-C; what was recorded is readable |
"""


def cli_page() -> str:
    """Return the page: purpose, arguments, options and examples of each command."""
    return "\n".join([_INTRO, *(_command(name, run) for name, run in COMMANDS.items())])


def _command(name: str, function: Callable[..., None]) -> str:
    text, _, examples = inspect.cleandoc(function.__doc__ or "").partition("Examples:\n")
    parts = [f"## fernwatt {name}\n\n{text.strip()}\n"]
    rows = list(_rows(function))
    if rows:
        parts.append(markdown_table(["", "default", "meaning"], rows) + "\n")
    lines = "\n".join(line.strip() for line in examples.splitlines())
    return "\n".join([*parts, f"```sh\n{lines}\n```\n"])


def _rows(function: Callable[..., None]) -> Iterator[list[str]]:
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        kind, info = get_args(parameter.annotation)
        meaning = info.help or ""
        if isinstance(info, ArgumentInfo):
            yield [f"`{info.metavar}`", "required", meaning]
            continue
        assert isinstance(info, OptionInfo)
        names = ", ".join(f"`{word}`" for word in _names(name, info))
        value = info.metavar or _choices(kind)
        if info.envvar:
            meaning += f" Environment: `{info.envvar}`."
        yield [names + (f" `{value}`" if value else ""), _default(parameter), meaning]


def _names(name: str, info: OptionInfo) -> list[str]:
    """Return an option's names; typer holds the first one as its default where it is Annotated."""
    first = [info.default] if isinstance(info.default, str) else []
    return [*first, *(info.param_decls or ())] or [f"--{name.replace('_', '-')}"]


def _choices(kind: Any) -> str:
    """Return what may stand behind an option without a name for it: nothing behind a switch."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "|".join(str(member.value) for member in kind)
    return "" if kind is bool else "N" if kind is int else "TEXT"


def _default(parameter: inspect.Parameter) -> str:
    value = parameter.default
    if value is inspect.Parameter.empty:
        return "required"
    if isinstance(value, Enum):
        value = value.value
    return "" if value in (None, False, "") else f"`{value}`"


def write(root: Path) -> None:
    """Write the page into the repository at ``root``."""
    (root / "docs/reference/cli.md").write_text(cli_page(), "utf-8", newline="\n")


if __name__ == "__main__":
    write(Path(__file__).parents[2])
