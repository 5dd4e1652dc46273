"""Check a scenario as a run would, without running it or writing anything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fernwatt.errors import ScenarioError
from scenarios.faults import placed, printable
from scenarios.loader import Scenario, load

__all__ = ["validate"]


def validate(
    source: Path | str, overrides: Sequence[str] = (), *, base_dir: Path | None = None
) -> Scenario:
    """Return the scenario if it can be run; raises ScenarioError with its faults.

    First all faults of the files, then, where there are none, those that show only when grid,
    session table and simulators of others are put together.
    """
    from scenarios.assembly import assemble  # brings the grid libraries, seconds to import

    scenario = load(source, overrides, base_dir=base_dir)
    try:
        assemble(scenario)
    except ScenarioError as error:
        faults = placed(error.faults, scenario.places)
        raise ScenarioError([printable(fault) for fault in faults]) from error
    return scenario
