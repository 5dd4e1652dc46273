"""The outcome of a study: one row per point, as Parquet and CSV, and a table for the screen."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.kpis import KPIS
from analysis.report.page import HEADLINES
from analysis.text import number, text_table
from scenarios.study.plan import Point, Study
from scenarios.study.worker import PointResult

__all__ = ["Outcome", "Setting", "mean_half", "write_summary"]

_OPEN = PointResult("open")
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Setting:
    """One choice of the parameters' values, with its points, over the seeds."""

    values: Mapping[str, Any]
    points: list[tuple[Point, PointResult]]

    @property
    def done(self) -> str:
        """How many of its runs are complete."""
        count = sum(result.status == "complete" for _, result in self.points)
        return f"{count} of {len(self.points)}"

    def known(self, name: str) -> dict[int, float]:
        """Return a KPI's values by seed, of the runs that have one."""
        values = {point.seed: result.kpis.get(name) for point, result in self.points}
        return {seed: float(value) for seed, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Outcome:
    """All points of a study with their results; ``summary`` is the table's file."""

    name: str
    summary: Path
    parameters: tuple[str, ...]
    kpis: tuple[str, ...]
    points: tuple[tuple[Point, PointResult], ...]

    @property
    def failed(self) -> tuple[tuple[Point, PointResult], ...]:
        """The points that have an error."""
        return tuple(pair for pair in self.points if pair[1].error)

    def plain(self) -> dict[str, Any]:
        """Return the outcome as JSON values."""
        return {
            "name": self.name,
            "summary": str(self.summary),
            "points": [
                {
                    "point": point.number, "seed": _seed(point), "parameters": dict(point.values),
                    "status": result.status, "run": point.run or None,
                    "error": result.error or None,
                    "kpis": {name: result.kpis.get(name) for name in self.kpis},
                }
                for point, result in self.points
            ],
        }  # fmt: skip

    def intervals(self) -> pd.DataFrame:
        """Return mean, half-width of the 95 % confidence interval, and runs, over the seeds.

        One row per setting and KPI: the parameters, ``kpi``, ``mean``, ``half``, ``runs``.
        ``half`` is null for fewer than two runs. Student's t, runs taken as independent.
        """
        rows = []
        for setting in self.settings():
            for name in self.kpis:
                known = setting.known(name)
                mean, half = mean_half(np.array(list(known.values())))
                rows.append({**setting.values, "kpi": name, "mean": mean, "half": half,
                             "runs": len(known)})  # fmt: skip
        columns = [*self.parameters, "kpi", "mean", "half", "runs"]
        return pd.DataFrame(rows, columns=columns)

    def text(self) -> str:
        """Return a table of the main KPIs by setting, means over the seeds with intervals."""
        shown = [name for name in HEADLINES if name in self.kpis] or list(self.kpis)
        if len(self.kpis) < len(KPIS):
            shown = list(self.kpis)
        rows = []
        for setting in self.settings():
            cells = [_cell(name, setting) for name in shown]
            rows.append([*(_shown(setting.values[p]) for p in self.parameters), setting.done,
                         *cells])  # fmt: skip
        head = [*self.parameters, "runs", *shown]
        return f"{text_table(head, rows)}\nsummary: {self.summary}"

    def settings(self) -> list[Setting]:
        """Return the settings in the order of their first points."""
        found: dict[str, Setting] = {}
        for point, result in self.points:
            key = json.dumps(point.values)
            found.setdefault(key, Setting(point.values, [])).points.append((point, result))
        return list(found.values())


def mean_half(values: np.ndarray) -> tuple[float | None, float | None]:
    """Return the mean, and half of its 95 % confidence interval by Student's t; None of too few."""
    if not len(values):
        return None, None
    mean = float(values.mean())
    if len(values) < 2:
        return mean, None
    from scipy import stats

    spread = float(values.std(ddof=1)) / np.sqrt(len(values))
    return mean, float(stats.t.ppf(0.5 + _LEVEL / 2, len(values) - 1) * spread)


def _cell(name: str, setting: Setting) -> str:
    mean, half = mean_half(np.array(list(setting.known(name).values())))
    unit = KPIS[name].unit
    return number(mean, unit) + ("" if half is None else f" ± {number(half, unit)}")


def write_summary(study: Study, folder: Path, results: Mapping[str, PointResult]) -> Outcome:
    """Write ``summary.parquet`` and ``summary.csv``; the same results give the same bytes."""
    pairs = tuple(
        (point, PointResult("refused", error=point.error) if point.error
         else results.get(point.run, _OPEN))
        for point in study.points
    )  # fmt: skip
    parameters = tuple(study.config.parameters)
    kpis = tuple(study.config.kpis or KPIS)
    columns: dict[str, pa.Array] = {
        "point": pa.array([point.number for point, _ in pairs], pa.int64()),
        "seed": pa.array([_seed(point) for point, _ in pairs], pa.int64()),
    }
    for path in parameters:
        columns[path] = _column([point.values[path] for point, _ in pairs])
    columns["status"] = pa.array([result.status for _, result in pairs], pa.string())
    columns["run"] = pa.array([point.run or None for point, _ in pairs], pa.string())
    columns["error"] = pa.array([result.error or None for _, result in pairs], pa.string())
    for name in kpis:
        values = [result.kpis.get(name) for _, result in pairs]
        columns[name] = pa.array(values, pa.float64())
    table = pa.table(columns)
    file = folder / "summary.parquet"
    _replace(file, lambda scratch: pq.write_table(table, scratch, compression="zstd"))
    text = table.to_pandas(integer_object_nulls=True).to_csv(index=False, lineterminator="\n")
    _replace(folder / "summary.csv", lambda scratch: scratch.write_text(text, "utf-8"))
    return Outcome(study.config.name, file, parameters, kpis, pairs)


def _seed(point: Point) -> int | None:
    return point.seed if point.seed >= 0 else None


def _column(values: Sequence[Any]) -> pa.Array:
    """Return a parameter's values: of their own type where they share one, else as JSON text."""
    kinds = {type(value) for value in values if value is not None}
    for kind, arrow in ((bool, pa.bool_()), (int, pa.int64()), (str, pa.string())):
        if kinds == {kind}:
            return pa.array(values, arrow)
    if kinds and kinds <= {int, float}:
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    return pa.array([None if v is None else _shown(v) for v in values], pa.string())


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _replace(path: Path, write: Any) -> None:
    """Write a file so that a reader never sees half of it."""
    scratch = path.with_name(f".{path.name}")
    write(scratch)
    os.replace(scratch, path)  # noqa: PTH105 - atomic on every system
