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
from scenarios.world import World, reason

__all__ = ["RunLog", "failure"]

_LOST = ("ConnectionClosedError", "SimulatorConnectionLostError", "IncompleteReadError")


class RunLog:
    """Keeps mosaik's log beside the run, and off the screen."""

    def __init__(self, path: Path) -> None:
        self._path, self._sink = path, -1

    def __enter__(self) -> Self:
        """Begin to write."""
        logger.remove()
        logger.enable("mosaik")
        self._sink = logger.add(
            self._path, level="INFO", format="{level} {message}", diagnose=False
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Note the error, if there is one, and stop writing."""
        if error is not None:
            traced = None if isinstance(error, KeyboardInterrupt) else error
            logger.opt(exception=traced).error("{}", str(error) or type(error).__name__)
        logger.remove(self._sink)


async def failure(world: World, raised: BaseException | None) -> FernwattError:
    """Return the error of a run that ended before its time: who failed, when, and why.

    ``raised`` is what mosaik raised, None where it returned as if all were well.
    """
    if isinstance(raised, ComponentError):
        name, t_ms, error = raised.component, raised.t_ms, raised.__cause__
    elif isinstance(raised, FernwattError):
        return raised
    else:
        name, t_ms, error = world.culprit(raised)
    lost = type(error).__name__ in _LOST
    if isinstance(raised, ComponentError) and not lost:
        return raised
    why = (await world.fate(name) or f"it closed the connection ({error})") if lost else ""
    failed = ComponentError(name, t_ms, why or reason(error))
    failed.__cause__ = error
    return failed
