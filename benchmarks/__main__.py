"""Run the benchmarks and print one table.

``python -m benchmarks [MODULE ...] [--write FILE]``: all modules, or those named. With
``--write`` the lines between the two markers in FILE are replaced by the table and by what it
was measured on. A module whose figure misses its floor, or that fails, is named at the end, and
the exit code is 1; nothing is written then.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import platform
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

MODULES = (
    "grid",
    "fourwire",
    "faults",
    "quality",
    "devices",
    "network",
    "fidelity",
    "meters",
    "units",
    "balancing",
    "coupling",
)
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
_KEYS = ("name", "value", "unit", "reference", "ratio", "note")
_HEAD = ("figure", "value", "unit", "reference", "ratio", "note")
_LIBRARIES = ("mosaik", "pandapower", "power-grid-model", "simpy", "numpy", "pyarrow")

Row = Mapping[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the command line says; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(MODULES))
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the block in FILE")
    options = parser.parse_args(argv)
    unknown = sorted(set(options.modules) - set(MODULES))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(MODULES)}")
    if options.write:
        options.write = options.write.resolve()  # OpenDSS goes to where it leaves its files
        _block(options.write)  # the markers are looked for before the work, not after it
    logging.disable(logging.WARNING)
    rows, failed = measure(options.modules or MODULES)
    lines = table(rows)
    print("\n".join(lines))
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
        return 1
    if options.write:
        write(options.write, lines)
    return 0


def measure(modules: Sequence[str]) -> tuple[list[Row], list[str]]:
    """Run the modules one after the other; return all rows, and the modules that failed."""
    rows: list[Row] = []
    failed = []
    for name in modules:
        begin = time.perf_counter()
        try:
            found = importlib.import_module(f"benchmarks.{name}").run()
            rows += [_checked(name, row) for row in found]
        except Exception:  # noqa: BLE001 - one module's failure leaves the others' figures
            traceback.print_exc()
            failed.append(name)
        print(f"{name}: {time.perf_counter() - begin:.0f} s", file=sys.stderr)
    return rows, failed


def table(rows: Sequence[Row]) -> list[str]:
    """Return the rows as the lines of a Markdown table."""
    cells = [_HEAD, tuple("-" * len(title) for title in _HEAD)]
    for row in rows:
        numbers = {key: _number(row[key]) for key in ("value", "reference", "ratio")}
        cells.append(tuple(str((row | numbers)[key]).replace("|", "/") for key in _KEYS))
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    return [
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in cells
    ]


def write(path: Path, lines: Sequence[str]) -> None:
    """Replace the block between the markers in ``path``."""
    before, after = _block(path)
    text = "\n".join([BEGIN, "", *lines, "", _host(), "", END])
    path.write_text(before + text + after, "utf-8")


def _block(path: Path) -> tuple[str, str]:
    text = path.read_text("utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise SystemExit(f"{path} lacks the lines {BEGIN} and {END}, in that order, once each")
    return text[: text.index(BEGIN)], text[text.index(END) + len(END) :]


def _checked(module: str, row: Row) -> Row:
    if set(row) != set(_KEYS):
        raise ValueError(f"benchmarks.{module}: a row has {sorted(row)} instead of {_KEYS}")
    return row


def _number(value: float | None) -> str:
    if value is None:
        return ""
    size = abs(value)
    return f"{value:,.0f}" if size >= 1000 else f"{value:.3g}"


def _host() -> str:
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return (
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores; {libraries}."
    )


if __name__ == "__main__":
    sys.exit(main())
