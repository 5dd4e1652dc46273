"""Runs side by side: each KPI, and how far it is from that of the first run."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.kpis import KPIS, Up
from analysis.run import Run
from analysis.text import markdown_table, number, text_table
from fernwatt.errors import UsageError

__all__ = ["Comparison", "compare"]

_NOISE = 1e-9  # of rounding, in the balance gap


@dataclass(frozen=True, slots=True)
class Comparison:
    """KPIs (rows) of runs (columns); ``rows`` holds name, unit and the values."""

    runs: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[float | None, ...]], ...]

    def plain(self) -> dict[str, Any]:
        """Return the comparison as JSON values, with differences to the first run."""
        kpis = {
            name: {
                "unit": unit,
                "values": list(values),
                "changes": [_change(values[0], value) for value in values],
                "changes_percent": [_percent(values[0], value) for value in values],
            }
            for name, unit, values in self.rows
        }
        return {"runs": list(self.runs), "kpis": kpis}

    def json(self) -> str:
        """Return the comparison as JSON text."""
        return json.dumps(self.plain(), indent=1, sort_keys=True, allow_nan=False)

    def text(self) -> str:
        """Return the comparison as a table of aligned columns."""
        return text_table(*self._table())

    def markdown(self) -> str:
        """Return the comparison as a Markdown table."""
        return markdown_table(*self._table())

    def html(self) -> str:
        """Return the comparison as an HTML page of its own."""
        head, rows = self._table()
        cells = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in rows
        )
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>Comparison of runs'
            "</title><style>body{font:15px/1.5 system-ui,sans-serif;color:#1b1f24;margin:2rem}"
            "table{border-collapse:collapse}td,th{padding:.25rem .75rem;text-align:right;"
            "border-bottom:1px solid #d6dae0}td:first-child,th:first-child{text-align:left}"
            f"</style><h1>Comparison of runs</h1><table><tr>{cells}</tr>{body}</table></html>\n"
        )

    def _repr_html_(self) -> str:
        return self.html()

    def _table(self) -> tuple[list[str], list[list[str]]]:
        head = ["KPI", self.runs[0]]
        for name in self.runs[1:]:
            head += [name, "change"]
        rows = []
        for name, unit, values in self.rows:
            row = [name, number(values[0], unit)]
            for value in values[1:]:
                row += [number(value, unit), _change_text(name, unit, values[0], value)]
            rows.append(row)
        return head, rows


def compare(folders: Sequence[Path | str | Run]) -> Comparison:
    """Compare the KPIs of two or more runs; the first is what the others are held against."""
    if len(folders) < 2:
        raise UsageError("name at least two run folders to compare")
    runs = [item if isinstance(item, Run) else Run(item) for item in folders]
    tables = [run.kpis for run in runs]
    names = sorted({name for table in tables for name in table}, key=_order)
    rows = []
    for name in names:
        entries = [table.get(name, {}) for table in tables]
        unit = next(entry["unit"] for entry in entries if entry)
        rows.append((name, unit, tuple(entry.get("value") for entry in entries)))
    return Comparison(_labels(runs), tuple(rows))


def _labels(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return the folders' names, numbered where two are the same."""
    names = [run.folder.resolve().name for run in runs]
    return tuple(
        name if names.count(name) == 1 else f"{name} ({number + 1})"
        for number, name in enumerate(names)
    )


def _order(name: str) -> tuple[int, str]:
    known = list(KPIS)
    return (known.index(name) if name in KPIS else len(known), name)


def _change(old: float | None, new: float | None) -> float | None:
    return None if old is None or new is None else new - old


def _percent(old: float | None, new: float | None) -> float | None:
    return None if not old or new is None else 100.0 * (new - old) / abs(old)


def _change_text(name: str, unit: str, old: float | None, new: float | None) -> str:
    change = _change(old, new)
    if change is None:
        return "" if old == new else "–"
    if abs(change) <= _NOISE:
        return "="
    up = KPIS[name].up if name in KPIS else Up.NEITHER
    verdict = "" if up is Up.NEITHER else " better" if (change > 0) == (up is Up.GOOD) else " worse"
    percent = _percent(old, new)
    told_in_full = percent is None or abs(percent) > 1000
    size = f"{'+' * (change > 0)}{number(change, unit)}" if told_in_full else f"{percent:+.3g} %"
    return size + verdict
