"""The outcome of a study: one row per point, as Parquet and CSV, and a table for the screen."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.kpis import KPIS
from analysis.report.page import HEADLINES
from analysis.text import number, text_table
from scenarios.study.differences import Difference, difference, reference_of
from scenarios.study.intervals import mean_half
from scenarios.study.plan import Point, Study
from scenarios.study.worker import PointResult

__all__ = ["Outcome", "Setting", "write_summary"]

_OPEN = PointResult("open")


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

    def known_by(self, name: str) -> dict[str, list[float]]:
        """Return the values of a KPI's parts, of the runs that have one, in order of the seeds."""
        found: dict[str, list[float]] = {}
        for _, result in sorted(self.points, key=lambda pair: pair[0].seed):
            for key, value in result.by.get(name, {}).items():
                found.setdefault(key, []).append(float(value))
        return found


@dataclass(frozen=True, slots=True)
class Outcome:
    """All points of a study with their results; ``summary`` is the table's file."""

    name: str
    summary: Path
    parameters: tuple[str, ...]
    kpis: tuple[str, ...]
    points: tuple[tuple[Point, PointResult], ...]
    reference: Mapping[str, Any] = field(default_factory=dict)
    compares: bool = True  # whether settings are held against one another: not where drawn

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
            "differences": [
                {
                    "parameters": dict(setting.values), "reference": dict(reference.values),
                    "kpis": {
                        name: {"mean": found.mean, "half": found.half, "pairs": found.pairs}
                        for name in self.kpis
                        for found in [difference(setting, reference, name)]
                    },
                }
                for setting, reference in self.pairs()
            ],
        }  # fmt: skip

    def pairs(self) -> list[tuple[Setting, Setting]]:
        """Return the settings that are held against another one, with it."""
        settings = self.settings() if self.compares else []
        found = [(one, reference_of(one, settings, self.reference)) for one in settings]
        return [(one, other) for one, other in found if other is not None]

    def differences(self) -> pd.DataFrame:
        """Return the differences to the reference, between runs of the same seed.

        One row per setting and KPI: the parameters, ``kpi``, ``mean``, ``half`` of the 95 %
        confidence interval (Student's t; null for fewer than two pairs), ``pairs``, and whether
        the interval is free of zero (``sure``).
        """
        rows = []
        for setting, reference in self.pairs():
            for name in self.kpis:
                found = difference(setting, reference, name)
                rows.append({
                    **setting.values, "kpi": name, "mean": found.mean, "half": found.half,
                    "pairs": found.pairs, "sure": found.sure,
                })  # fmt: skip
        columns = [*self.parameters, "kpi", "mean", "half", "pairs", "sure"]
        return pd.DataFrame(rows, columns=columns)

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
        """Return the main KPIs by setting: means over the seeds, differences, with intervals."""
        shown = [name for name in HEADLINES if name in self.kpis] or list(self.kpis)
        if len(self.kpis) < len(KPIS):
            shown = list(self.kpis)
        rows = []
        for setting in self.settings():
            cells = [_cell(name, setting) for name in shown]
            rows.append([*(_shown(setting.values[p]) for p in self.parameters), setting.done,
                         *cells])  # fmt: skip
        head = [*self.parameters, "runs", *shown]
        parts = [text_table(head, rows)]
        changes = [
            [*(_shown(setting.values[p]) for p in self.parameters),
             *(_change(difference(setting, reference, name), name) for name in shown)]
            for setting, reference in self.pairs()
        ]  # fmt: skip
        if changes:
            parts.append(f"\ndifferences from {self.told_reference()} (*: sure at 95 %)")
            parts.append(text_table([*self.parameters, *shown], changes))
        return "\n".join([*parts, f"summary: {self.summary}"])

    def told_reference(self) -> str:
        """Return what the settings are held against, in words."""
        if self.reference:
            return ", ".join(_shown(value) for value in self.reference.values())
        (_, first), *_ = self.pairs()
        return ", ".join(_shown(value) for value in first.values.values()) or "as it is"

    def settings(self) -> list[Setting]:
        """Return the settings in the order of their first points."""
        found: dict[str, Setting] = {}
        for point, result in self.points:
            key = json.dumps(point.values)
            found.setdefault(key, Setting(point.values, [])).points.append((point, result))
        return list(found.values())


def _cell(name: str, setting: Setting) -> str:
    mean, half = mean_half(np.array(list(setting.known(name).values())))
    unit = KPIS[name].unit
    return number(mean, unit) + ("" if half is None else f" ± {number(half, unit)}")


def _change(found: Difference, name: str) -> str:
    return found.text(KPIS[name].unit) + "*" * found.sure


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
    compares = study.config.sampling != "random"
    reference = study.config.reference
    return Outcome(study.config.name, file, parameters, kpis, pairs, reference, compares)


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
