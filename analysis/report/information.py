"""Tables of a report about data: what passed by flow, and the groups of each kind of unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.text import number

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["FlowRow", "GroupRow", "KindGroups", "data_groups", "described", "flow_rows"]


@dataclass(frozen=True, slots=True)
class FlowRow:
    """What passed of one variable between two kinds of units."""

    cells: tuple[str, ...]
    rights: str


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One variable of a group; ``state``: there, or why it is not."""

    group: str
    cells: tuple[str, ...]
    there: bool


@dataclass(frozen=True, slots=True)
class KindGroups:
    """The groups of one kind of unit."""

    title: str
    rows: tuple[GroupRow, ...]


def described(run: Run) -> bool:
    """Tell whether the run's folder says what its variables are."""
    return bool(run.topology.get("data"))


def flow_rows(run: Run) -> list[FlowRow]:
    """Return the rows of items that passed, by flow and direction."""
    if not described(run):
        return []
    table = run.flows
    table = table[table["items"] > 0]
    return [
        FlowRow(
            (
                row["flow"], row["direction"], f"{row['source']} → {row['target']}",
                row["variable"] or "–", row["owner"] or "–", number(row["items"]),
                number(row["delivered"]), number(row["bytes"], "B"),
            ),
            row["rights"],
        )
        for row in table.to_dict("records")
    ]  # fmt: skip


def data_groups(run: Run) -> list[KindGroups]:
    """Return the groups of data of each kind of unit that the run has."""
    if not described(run):
        return []
    table = run.groups
    found = []
    for kind in dict.fromkeys(table["kind"]):
        rows, last = [], 0
        for item in table[table["kind"] == kind].to_dict("records"):
            title = f"{item['number']} {item['group']}" if item["number"] != last else ""
            last = item["number"]
            counts = [int(item[key]) for key in ("made", "came", "went")]
            cells = (item["variable"], item["way"], item["writer"], *map(number, counts))
            rows.append(GroupRow(title, cells, any(counts)))
        filled = {item["number"] for item in table[table["kind"] == kind].to_dict("records")
                  if item["made"] or item["came"] or item["went"]}  # fmt: skip
        groups = int(table[table["kind"] == kind]["number"].max())
        title = f"{kind}: {len(filled)} of {groups} groups with data"
        found.append(KindGroups(title, tuple(rows)))
    return found
