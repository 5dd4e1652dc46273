"""What mosaik keeps to itself when a simulator fails, made loud.

mosaik returns normally from ``run`` when a simulator in another process raises, and does not say
which one it was when one dies. So whoever ended a run is looked up among its tasks.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from loguru import logger

from fernwatt.errors import ComponentError, FernwattError
from scenarios.world import World

__all__ = ["RunLog", "failure"]


class RunLog:
    """Keeps mosaik's log beside the run, and off the screen."""

    def __init__(self, path: Path) -> None:
        self._path, self._sink = path, -1

    def __enter__(self) -> Self:
        """Begin to write."""
        logger.remove()
        logger.enable("mosaik")
        self._sink = logger.add(self._path, level="INFO", format="{level} {message}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop writing."""
        logger.remove(self._sink)


def failure(world: World, raised: BaseException | None) -> BaseException:
    """Return the error of a run that ended before its time: who failed, when, and why.

    ``raised`` is what mosaik raised, None where it returned as if all were well.
    """
    if isinstance(raised, FernwattError):
        return raised
    name, t_ms, error = world.culprit()
    reason = _reason(error or raised)
    failed = ComponentError(name, t_ms, reason)
    failed.__cause__ = error or raised
    return failed


def _reason(error: BaseException | None) -> str:
    """Return an error in words; mosaik's errors of remote simulators carry type and message."""
    if error is None:
        return "ended before its time without saying why"
    kind, message = type(error).__name__, str(error)
    if kind == "RemoteException":
        kind, message = str(error.args[0]), str(error.args[1])
        if kind == "ComponentError":  # one of ours, in another process: it has said where and when
            return message.partition(": ")[2] or message
    if kind in ("ConnectionClosedError", "ConnectionError", "IncompleteReadError"):
        return f"its process ended or closed the connection ({message})"
    return f"{kind}: {message}"
