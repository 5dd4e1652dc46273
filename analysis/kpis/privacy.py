"""What of customers' data was known to whom: sums held back, accesses refused, conflicts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["told"]


def told(run: Run, *kinds: str) -> pd.DataFrame:
    """Return the events of these kinds with what they tell: ``kind``, ``element``, ``value``."""
    event = run.columns("event", "kind", "element", "value")
    event = event[event["kind"].astype(str).isin(kinds).to_numpy()]
    return pd.DataFrame(
        {
            "kind": event["kind"].astype(str).to_numpy(),
            "element": event["element"].astype(str).to_numpy(),
            "value": [json.loads(text) for text in event["value"]],
        }
    )


def _counts(labels: list[str]) -> dict[str, float]:
    found = pd.Series(labels, dtype=object).value_counts()
    return {str(key): int(found[key]) for key in sorted(found.index)}


@kpi("1", "privacy", Up.BAD)
def suppressed_sums(run: Run) -> Outcome:
    """Sums over customers that were not given out: over too few, with too large a share of one,
    or masked and not to be resolved; by kind of the unit and reason.
    """
    frame = told(run, "sum_suppressed", "hidden_sum", "area_energy")
    held = frame[frame["kind"] == "sum_suppressed"]
    if frame.empty:
        return nothing("no sum over customers was made")
    labels = [
        f"{unit.partition('/')[0]}: {value['why']}"
        for unit, value in zip(held["element"], held["value"], strict=True)
    ]
    return Outcome(len(held), by=_counts(labels))


@kpi("1", "privacy")
def hidden_sums(run: Run) -> Outcome:
    """Sums of what meters had hidden, by how often survivors had to be asked for each."""
    frame = told(run, "hidden_sum")
    if frame.empty:
        return nothing("no meter hid what it measured")
    labels = [f"{value['rounds']} rounds" for value in frame["value"]]
    return Outcome(len(frame), by=_counts(labels))


@kpi("1", "privacy")
def reads_refused(run: Run) -> Outcome:
    """Accesses of readers to customers' data that were refused, and all of them by result."""
    frame = run.columns("request", "service", "result")
    frame = frame[(frame["service"].astype(str) == "reader").to_numpy()]
    if frame.empty:
        return nothing("nobody read customers' data")
    by = _counts([str(result) for result in frame["result"]])
    refused = sum(by.get(key, 0) for key in ("denied", "rate"))
    return Outcome(int(refused), by=by)


@kpi("1", "privacy", Up.BAD)
def access_conflicts(run: Run) -> Outcome:
    """Accesses that a contract grants and the customer's policy denies, by stakeholder."""
    frame = told(run, "access_conflict")
    stakeholders = [str(value["stakeholder"]) for value in frame["value"]]
    return Outcome(len(frame), by=_counts(stakeholders))
