"""Pages of ``docs/reference`` that are made of the code, so that they cannot fall behind.

``python -m analysis.reference`` writes them.
"""

from __future__ import annotations

from pathlib import Path

from analysis.kpis import KPIS
from analysis.report.page import FAMILIES
from analysis.text import markdown_table
from fernwatt.tables import TABLES

__all__ = ["PAGES", "kpis_page", "run_folder_page", "write"]

_KINDS = {"i": "int64", "f": "float64", "s": "text", "b": "bool"}
_UP = {"good": "more is better", "bad": "less is better", "neither": ""}
_NOTE = "<!-- made by `python -m analysis.reference`; do not edit -->\n"

_FILES = (
    ("scenario.yaml", "the effective scenario, complete"),
    ("manifest.json", "name, seed, start, length, status, error, versions, hashes"),
    ("grid.json", "buses, lines, transformers, switches, terminals, areas"),
    ("topology.json", "management units and communication network, devices, terminals"),
    ("inputs/", "copies of the files the scenario names"),
    ("series/*.parquet", "tables over time, see below"),
    ("events.parquet", "what happened, in order of time"),
    ("messages.parquet", "each frame handed to the network"),
    ("exports/", "files for the control centre's tools, where the scenario asks for them"),
    ("kpis.json", "all KPIs: value, unit, breakdown, or why there is none"),
    ("report.html", "the report, one file that needs nothing else"),
    ("run.log", "what mosaik said, and the error of a run that failed"),
    ("logs/", "what simulators in processes of their own said"),
    ("performance.json", "wall time and memory; they are nowhere else"),
    (".parts/", "rows of a run that goes on or was killed; gone at the end"),
)
_INTRO = """
# Run folder

Everything a run leaves is in one folder; every table is an Apache Parquet file that any tool
reads. `from analysis import Run; Run(folder).series("bus")` gives a table with a column `time`.

Times are simulated, from the start in the manifest: `t_ms` milliseconds, `t_us` microseconds.
Interval tables carry the start of the interval; means are weighted by time. Power is positive
where it is drawn from the grid. A null says that there is no value; NaN does not occur.

The same scenario and seed give the same bytes in every table. While a run goes on its rows are
in `.parts/<table>/00000.parquet`, …, each file whole; a run that was stopped or killed is read
from there, and its status is `interrupted`.
"""


def run_folder_page() -> str:
    """Return the page on the run folder: its files, its tables, their columns."""
    files = markdown_table(["file", "content"], [[f"`{name}`", text] for name, text in _FILES])
    parts = [_NOTE + _INTRO, "## Files\n\n" + files + "\n", "## Tables\n"]
    for table in TABLES.values():
        order = (
            f" Ordered by {', '.join(f'`{name}`' for name in table.sort)}." if table.sort else ""
        )
        rows = [
            [f"`{column.name}`", _KINDS[column.kind] + (" or null" if column.nullable else ""),
             column.meaning]
            for column in table.columns
        ]  # fmt: skip
        head = f"### {table.name}\n\n`{table.path}`: {table.meaning}.{order}\n\n"
        parts.append(head + markdown_table(["column", "type", "meaning"], rows) + "\n")
    return "\n".join(parts)


def kpis_page() -> str:
    """Return the page on the KPIs: unit, definition, source, direction."""
    parts = [
        _NOTE + "\n# KPIs\n\n`kpis.json` holds for each `value` and `unit`; `by` where it is "
        "broken down, `t_ms` and `element` where it is an extreme, `reason` where it has no "
        "value.\n"
    ]
    for family, title in FAMILIES.items():
        rows = [
            [f"`{kpi.name}`", kpi.unit, kpi.definition, _UP[kpi.up], kpi.source]
            for kpi in KPIS.values()
            if kpi.family == family
        ]
        head = ["KPI", "unit", "definition", "direction", "source"]
        parts.append(f"## {title}\n\n{markdown_table(head, rows)}\n")
    return "\n".join(parts)


PAGES = {"run-folder.md": run_folder_page, "kpis.md": kpis_page}


def write(folder: Path) -> None:
    """Write all pages into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (folder / name).write_text(page(), "utf-8", newline="\n")


if __name__ == "__main__":
    write(Path(__file__).parents[1] / "docs/reference")
