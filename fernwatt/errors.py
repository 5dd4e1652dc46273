"""Errors a person may meet, each saying what is wrong, where, and how to mend it.

    FernwattError                 exit code 1
    ├── UsageError                2   a wrong option, a missing file
    ├── ScenarioError             2   one or more faults in a scenario, all listed
    ├── SimulationError           3
    │   ├── ComponentError            a simulator failed: its name and the simulated time
    │   └── ConvergenceError          the power flow has no solution: time, worst bus, last change
    ├── KpiRegression             4   a KPI left its tolerance band
    ├── VerificationError         5   a rerun differs from the recorded run
    └── RunFolderError            2   a run folder cannot be read

``KeyboardInterrupt`` ends a run in order and exits with 130.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "ComponentError",
    "ConvergenceError",
    "Fault",
    "FernwattError",
    "KpiRegression",
    "RunFolderError",
    "ScenarioError",
    "SimulationError",
    "UsageError",
    "VerificationError",
]


class FernwattError(Exception):
    """Root of all errors that fernwatt raises on purpose."""

    exit_code = 1


class UsageError(FernwattError):
    """The command was called with something it cannot use."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault in a scenario.

    ``path`` is the place in the document (``devices.ev.share``), ``where`` is ``file:line``.
    """

    path: str
    message: str
    hint: str = ""
    where: str = ""

    def __str__(self) -> str:
        """Return the fault as one line: where, path, what, and how to mend it."""
        place = f"{self.where}: " if self.where else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.path}: {self.message}{hint}"


class ScenarioError(FernwattError):
    """A scenario that cannot be run; ``faults`` lists everything that is wrong with it."""

    exit_code = 2

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        count = len(self.faults)
        noun = "fault" if count == 1 else "faults"
        lines = "\n".join(f"  - {fault}" for fault in self.faults)
        super().__init__(f"the scenario has {count} {noun}:\n{lines}")


class SimulationError(FernwattError):
    """A run that had begun could not be finished."""

    exit_code = 3


class ComponentError(SimulationError):
    """A simulator failed; ``component`` is its name, ``t_ms`` the simulated time (-1: set-up)."""

    def __init__(self, component: str, t_ms: int, reason: str) -> None:
        self.component, self.t_ms, self.reason = component, t_ms, reason
        when = f"at simulated time {t_ms / 1000:.3f} s" if t_ms >= 0 else "while setting up"
        super().__init__(f"simulator {component} failed {when}: {reason}")

    def __reduce__(self) -> tuple[type[ComponentError], tuple[str, int, str]]:
        """Return what pickle needs to make the error anew in another process."""
        return type(self), (self.component, self.t_ms, self.reason)


class ConvergenceError(SimulationError):
    """The power flow found no solution; ``bus`` is the worst one, "" where none is known."""

    def __init__(self, reason: str, bus: str = "") -> None:
        super().__init__(reason)
        self.bus = bus


class RunFolderError(FernwattError):
    """A run folder is missing, foreign, or damaged."""

    exit_code = 2


class KpiRegression(FernwattError):  # noqa: N818 - the name of the event, as in the exit codes
    """At least one KPI left the tolerance band of its baseline."""

    exit_code = 4


class VerificationError(FernwattError):
    """A rerun of a run folder gave other bytes."""

    exit_code = 5
