"""What a person sees while a run goes on: one bar on a terminal, plain lines elsewhere.

All of it goes to the standard error stream; the standard output is for results.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

    from fernwatt.timebase import Clock

__all__ = ["RunScreen", "Steps", "note", "write_json"]

_RUNNING = "running"
_STAGES = {
    "assembling": "assembling grid, devices and units",
    "starting": "starting the simulators",
    "closing": "writing the tables",
    "KPIs": "working out the KPIs",
    "report": "writing the report",
}


def write_json(value: Any) -> None:
    """Write a value as JSON to the standard output."""
    typer.echo(json.dumps(value, indent=1, sort_keys=True, allow_nan=False))


def note(text: str, *, quiet: bool = False) -> None:
    """Say something that is no result."""
    if not quiet:
        typer.echo(text, err=True)


class Steps:
    """A bar that counts from 0 to 1, with the time left; plain lines without a terminal."""

    def __init__(self, *, quiet: bool, tenth: Callable[[float, str], str]) -> None:
        self._quiet, self._tenth = quiet, tenth
        self._bar: Progress | None = None
        self._done = -1

    def __enter__(self) -> Self:
        """Begin."""
        if not self._quiet and sys.stderr.isatty():
            self._bar = _bar()
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str) -> None:
        """Write a line above the bar."""
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, markup=False)
        else:
            note(text, quiet=self._quiet)

    def show(self, share: float, text: str = "") -> None:
        """Move the bar to ``share``; without a terminal, a line for every tenth."""
        if self._bar is not None:
            task = self._bar.task_ids[0] if self._bar.task_ids else self._bar.add_task("", total=1)
            self._bar.update(task, completed=share, description=text)
            return
        tenth = int(share * 10 + 1e-9)
        if tenth > self._done:
            self._done = tenth
            note(self._tenth(share, text), quiet=self._quiet)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.progress import TimeRemainingColumn as Left

    columns = (
        BarColumn(),
        TaskProgressColumn(),
        Left(compact=True),
        TextColumn("{task.description}"),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)


class RunScreen:
    """Shows the stages of a run and its simulated time; called by the runner."""

    def __init__(self, clock: Clock, end_ms: int, *, quiet: bool) -> None:
        self._clock, self._end_ms = clock, end_ms
        self._steps = Steps(quiet=quiet, tenth=lambda share, text: f"  {share:4.0%}  {text}")
        self._stage = ""

    def __enter__(self) -> Self:
        """Begin."""
        self._steps.__enter__()
        return self

    def __exit__(self, *reason: Any) -> None:
        """Leave the terminal as it was."""
        self._steps.__exit__(*reason)

    def __call__(self, stage: str, share: float, latest: str = "") -> None:
        """Show how far a stage is; ``latest`` is the latest thing that happened."""
        if stage != self._stage:
            self._stage = stage
            if stage != _RUNNING:
                self._steps.say(_STAGES.get(stage, stage))
            else:
                length = timedelta(milliseconds=self._end_ms)
                self._steps.say(f"running {length} of simulated time")
        if stage == _RUNNING:
            with suppress(OverflowError):
                instant = self._clock.iso(round(share * self._end_ms))
                self._steps.show(share, f"{instant[:10]} {instant[11:16]} UTC  {latest}".rstrip())
