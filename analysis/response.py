"""Demand response of a run: what was asked, promised and delivered, beside what else could be.

What customers would have drawn without the request nobody knows in the field; there are two
baselines for it, fixed before the request. Here there is a third: a run that differs in nothing
but the request, the counterfactual. It judges the baselines, too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fernwatt.errors import UsageError
from fernwatt.timebase import HOUR_MS, SLOT_MS

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["Followers", "against", "course", "followers"]

SLOT_H = SLOT_MS / HOUR_MS


@dataclass(frozen=True, slots=True)
class Followers:
    """The customers of one request by the end of their units' names: since when each had left."""

    left_ms: dict[str, int | None]

    def counting(self, t_ms: int) -> list[str]:
        """Return who counts in the quarter-hour that begins then."""
        return [
            tail for tail, left in self.left_ms.items() if left is None or t_ms < _slot(left)
        ]  # fmt: skip


def _slot(t_ms: int) -> int:
    return t_ms // SLOT_MS * SLOT_MS


def _told(run: Run, kind: str, key: str) -> list[tuple[int, dict[str, Any]]]:
    event = run.columns("event", "t_us", "kind", "element", "value")
    ours = (event["kind"] == kind).to_numpy() & (event["element"] == key).to_numpy()
    event = event[ours]
    return [
        (int(t_us) // 1000, json.loads(text))
        for t_us, text in zip(event["t_us"], event["value"], strict=True)
    ]


def followers(run: Run, key: str) -> Followers:
    """Return who followed the request ``key``, and who of them left."""
    answers = [value for _, value in _told(run, "response_answer", key)]
    left = {value["unit"]: t_ms for t_ms, value in _told(run, "response_left", key)}
    following = sorted({value["unit"] for value in answers if value["follows"]})
    return Followers({unit.partition("/")[2]: left.get(unit) for unit in following})


def course(run: Run, other: Run | None = None) -> pd.DataFrame:
    """Return each request slot by slot, summed over all substations [W].

    Columns ``id``, ``t_ms``, ``phase``, ``customers``, ``baseline_w`` (the plan agreed to before),
    ``days_w``, ``asked_w``, ``promised_w``, ``measured_w``; null where a part is not known. With
    ``other``, the counterfactual: ``drawn_w`` and ``without_w``, what the same customers drew in
    either run. Raises UsageError where the runs do not belong together.
    """
    frame = run.series("response").drop(columns=["time", "unit"])
    sums = ["customers", "baseline_w", "days_w", "asked_w", "promised_w", "measured_w"]
    if frame.empty:
        return frame
    grouped = frame.astype({"id": str, "phase": str}).groupby(["id", "t_ms", "phase"])
    table = grouped[sums].agg(_whole).reset_index()
    if other is not None:
        _check(run, other)
        for column, which in (("drawn_w", run), ("without_w", other)):
            table[column] = _of_members(run, which, table)
    return table


def _whole(column: pd.Series) -> float:
    """Return a sum, not a number where a part of it is not known."""
    return float(column.sum(skipna=False))


def _of_members(run: Run, which: Run, table: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Return what those who count in ``run`` drew in ``which``, by the plant itself [W]."""
    wide = _by_slot(which)
    out = np.full(len(table), np.nan)
    for key, rows in table.groupby("id"):
        members = followers(run, str(key))
        for at, t_ms in zip(rows.index, rows["t_ms"], strict=True):
            if t_ms in wide.index:
                out[at] = wide.loc[t_ms, members.counting(int(t_ms))].sum()
    return out


def _by_slot(run: Run) -> pd.DataFrame:
    """Return each connection's mean power, by quarter-hour and end of its name [W]."""
    frame = run.columns("terminal", "t_ms", "terminal", "p_w")
    h = run.hours(frame["t_ms"])
    tail = frame["terminal"].astype(str).str.partition("/")[2]
    table = pd.DataFrame({"t_ms": frame["t_ms"] // SLOT_MS * SLOT_MS, "tail": tail, "h": h})
    table["wh"] = frame["p_w"].to_numpy() * h
    sums = table[h > 0.0].groupby(["t_ms", "tail"])[["wh", "h"]].sum()
    return (sums["wh"] / sums["h"]).unstack()


def _check(run: Run, other: Run) -> None:
    if max(run.interval_ms, other.interval_ms) > SLOT_MS:
        raise UsageError("a counterfactual needs quarter-hours: record.interval_s of 900 at most")
    same = all(run.manifest.get(key) == other.manifest.get(key) for key in ("seed", "start"))
    if not same or run.duration_ms != other.duration_ms:
        raise UsageError(
            f"{other.folder} is no counterfactual of {run.folder}: another time or seed"
        )


def against(run: Run, other: Run) -> pd.DataFrame:
    """Return each request's energies, by how each baseline has them [Wh].

    Rows: request; columns: ``asked``, ``promised``, ``delivered`` and ``rebound`` by the agreed
    plan, the days before (``… days``) and the counterfactual (``… true``), and by how much each
    baseline was off the counterfactual in the window (``off``, ``off days``).
    """
    table = course(run, other)
    rows = {}
    for key, part in table.groupby("id"):
        window, after = (part[part["phase"] == name] for name in ("window", "after"))
        rows[str(key)] = {
            "asked": _wh(window["asked_w"]),
            "promised": _wh(window["baseline_w"] - window["promised_w"]),
            "delivered": _wh(window["baseline_w"] - window["measured_w"]),
            "delivered days": _wh(window["days_w"] - window["measured_w"]),
            "delivered true": _wh(window["without_w"] - window["drawn_w"]),
            "rebound": _wh(after["measured_w"] - after["baseline_w"]),
            "rebound days": _wh(after["measured_w"] - after["days_w"]),
            "rebound true": _wh(after["drawn_w"] - after["without_w"]),
            "off": _wh(window["baseline_w"] - window["without_w"]),
            "off days": _wh(window["days_w"] - window["without_w"]),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("request")


def _wh(power_w: pd.Series) -> float:
    """Return an energy, not a number where a part of it is not known."""
    return _whole(power_w) * SLOT_H if len(power_w) else float("nan")
