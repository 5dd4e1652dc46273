"""What mosaik keeps to itself when a simulator fails, made loud.

mosaik returns normally from ``run`` when a simulator in another process raises or dies; it
only logs. The watch keeps mosaik's log beside the run and works out who failed, and when.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from loguru import logger

from fernwatt.errors import ComponentError

__all__ = ["Watch"]


class _HasProgress(Protocol):
    @property
    def progress(self) -> float: ...


class Watch:
    """Collects mosaik's log while a run goes on."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._errors: list[str] = []
        self._sinks: list[int] = []
        self.end_ms = 0
        self.progress = 0.0

    def __enter__(self) -> Self:
        logger.remove()
        logger.enable("mosaik")
        self._sinks = [
            logger.add(self._log, level="DEBUG", format="{level} {message}", enqueue=False),
            logger.add(self._keep, level="ERROR", format="{message}"),
        ]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for sink in self._sinks:
            logger.remove(sink)

    def _keep(self, message: str) -> None:
        self._errors.append(str(message).strip())

    @property
    def t_ms(self) -> int:
        """Simulated time that was reached, as far as mosaik told."""
        return round(self.end_ms * self.progress / 100)

    def failure(self, world: _HasProgress) -> ComponentError:
        """Return the error of a run that ended before its time."""
        self.progress = world.progress
        reason = self._errors[-1] if self._errors else "ended without saying why"
        return ComponentError("unknown", self.t_ms, reason)
