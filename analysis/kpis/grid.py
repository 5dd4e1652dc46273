"""The grid: loading of its branches, voltage at its buses, supply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["VM_HIGH_PU", "VM_LOW_PU"]

VM_LOW_PU, VM_HIGH_PU = 0.9, 1.1
_EN_50160 = "EN 50160, 4.2.2: mean values within +-10 % of the nominal voltage"
_NO_BUS = "no bus was energised"


def _highest(frame: pd.DataFrame, value: str, element: str, sign: float = 1.0) -> Outcome:
    """Return the extreme of a column, with time and element; the first of equals."""
    row = int(np.argmax(sign * frame[value].to_numpy()))
    return Outcome(
        float(frame[value].iloc[row]),
        t_ms=int(frame["t_ms"].iloc[row]),
        element=str(frame[element].iloc[row]),
    )


def _loading(run: Run, kind: str) -> Outcome:
    frame = run.columns("branch", "t_ms", "branch", "kind", "loading_max_percent")
    frame = frame[(frame["kind"] == kind).to_numpy()]
    if frame.empty:
        return nothing(f"there is no {kind}")
    return _highest(frame, "loading_max_percent", "branch")


@kpi("%", "grid", Up.BAD)
def transformer_loading_max_percent(run: Run) -> Outcome:
    """Highest loading of a transformer at any moment, with time and place."""
    return _loading(run, "transformer")


@kpi("%", "grid", Up.BAD)
def line_loading_max_percent(run: Run) -> Outcome:
    """Highest loading of a line at any moment, with time and place."""
    return _loading(run, "line")


@kpi("%", "grid", Up.BAD)
def overload_percent(run: Run) -> Outcome:
    """Share of all intervals of all branches in which the mean loading is above 100 %."""
    loading = run.columns("branch", "loading_percent")["loading_percent"]
    return (
        Outcome(float(100.0 * (loading > 100.0).mean()))
        if len(loading)
        else nothing("there is no branch")
    )


def _energised(run: Run) -> pd.DataFrame:
    return run.columns("bus", "t_ms", "bus", "vm_pu", "vm_min_pu", "vm_max_pu").dropna()


@kpi("pu", "grid", Up.GOOD)
def voltage_min_pu(run: Run) -> Outcome:
    """Lowest voltage of an energised bus at any moment, with time and place."""
    frame = _energised(run)
    return nothing(_NO_BUS) if frame.empty else _highest(frame, "vm_min_pu", "bus", -1.0)


@kpi("pu", "grid", Up.BAD)
def voltage_max_pu(run: Run) -> Outcome:
    """Highest voltage of an energised bus at any moment, with time and place."""
    frame = _energised(run)
    return nothing(_NO_BUS) if frame.empty else _highest(frame, "vm_max_pu", "bus")


def _violations(run: Run) -> tuple[int, int]:
    vm_pu = run.columns("bus", "vm_pu")["vm_pu"].dropna()
    return int(((vm_pu < VM_LOW_PU) | (vm_pu > VM_HIGH_PU)).sum()), len(vm_pu)


@kpi("1", "grid", Up.BAD, source=_EN_50160)
def voltage_violations(run: Run) -> Outcome:
    """Number of bus intervals whose mean voltage is outside 0.9 to 1.1 pu. The interval is the
    run's recording interval; the standard's is ten minutes.
    """
    bad, count = _violations(run)
    return Outcome(bad) if count else nothing(_NO_BUS)


@kpi("%", "grid", Up.BAD, source=_EN_50160)
def voltage_violations_percent(run: Run) -> Outcome:
    """Share of the intervals of all energised buses whose mean voltage is outside 0.9 to
    1.1 pu.
    """
    bad, count = _violations(run)
    return Outcome(100.0 * bad / count) if count else nothing(_NO_BUS)


@kpi("%", "grid", Up.BAD)
def unsupplied_percent(run: Run) -> Outcome:
    """Share of all bus intervals without voltage."""
    vm_pu = run.columns("bus", "vm_pu")["vm_pu"]
    return (
        Outcome(float(100.0 * vm_pu.isna().mean()))
        if len(vm_pu)
        else nothing("nothing was recorded")
    )
