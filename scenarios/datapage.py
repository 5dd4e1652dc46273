"""The page on data groups, flows and export files, made of their tables.

``python -m scenarios.datapage`` writes it.
"""

from __future__ import annotations

from pathlib import Path

from analysis.exports import FILES
from analysis.exports.files import COMMON
from analysis.text import markdown_table
from controllers.unit.catalogue import CATALOGUE
from controllers.unit.groups import FLOWS, GROUPS, KINDS, LATER, described

__all__ = ["data_page", "write"]

_INTRO = """<!-- made by `python -m scenarios.datapage`; do not edit -->

# Data groups, flows, exports

What each kind of unit gathers, makes and passes on with `units.data: {}`
([model](../models/data.md)). *gathers*: its own instruments; *makes*: a service of the unit;
*hears*: read at the unit that has it; *told*: written to it from above or by the customer;
*orders*: written to units below, or to its own actuators. Owner and rights are the defaults; a
customer's policy may differ. Rights are the named service's of the named stakeholder; the owner
may always read and write.
"""
_EXPORTS = """`exports: [scada, dms, oms, mdm, market, tso]` in a scenario; files in `exports/`
of the run folder. `mdm` also gets `mdm_meter_readings.xml`, the registers as CIM
`MeterReadings` (IEC 61968-9).
"""
_OWNERS = {"customer": "customer behind the unit, else the unit's", "unit": "the unit's own"}


def data_page() -> str:
    """Return the page."""
    variables = described(CATALOGUE)["variables"]
    parts = [_INTRO, "## Flows\n"]
    rows = [
        [flow, meaning, ", ".join(f"`{n}`" for n, it in variables.items() if it["flow"] == flow)]
        for flow, meaning in FLOWS.items()
    ]
    parts.append(markdown_table(["flow", "what", "variables"], rows) + "\n")
    for kind, meaning in KINDS.items():
        parts.append(f"## {kind}\n\n{meaning[0].upper()}{meaning[1:]}.\n")
        rows = []
        for group in GROUPS[kind]:
            for place, item in enumerate(group.items):
                told = variables[item.variable]
                later = item.variable in LATER
                title = f"{group.number} {group.title}" if not place else ""
                writer = f"{item.writer} (comes later: absent)" if later else item.writer
                owner = _OWNERS.get(told["owner"], told["owner"])
                rows.append([title, item.way, f"`{item.variable}`", told["flow"], writer, owner])
        parts.append(
            markdown_table(["group", "way", "variable", "flow", "written by", "owner"], rows) + "\n"
        )
    parts.append("## Variables of the groups\n")
    named = {
        item.variable for groups in GROUPS.values() for group in groups for item in group.items
    }
    rows = [
        [
            f"`{name}`", told["measure"] if told["measure"] != "1" else "",
            ", ".join(f"`{field}`" for field in told["fields"]), told["standard"],
            "; ".join(told["rights"]), "yes" if told["critical"] else "",
        ]
        for name, told in variables.items()
        if name in named
    ]  # fmt: skip
    head = ["variable", "unit", "fields", "in standards", "rights besides the owner's", "critical"]
    parts += [markdown_table(head, rows) + "\n", _exports()]
    return "\n".join(parts)


def _exports() -> str:
    parts = [
        "## Exports\n",
        _EXPORTS,
    ]
    for file in FILES:
        rows = [[f"`{name}`", text] for name, text in {**COMMON, **file.columns}.items()]
        parts.append(f"### {file.name}\n\nFor {file.interface}: {file.meaning}.\n")
        parts.append(markdown_table(["column", "meaning"], rows) + "\n")
    return "\n".join(parts)


def write(root: Path) -> None:
    """Write the page into the repository at ``root``."""
    (root / "docs/reference/data.md").write_text(data_page(), "utf-8", newline="\n")


if __name__ == "__main__":
    write(Path(__file__).parents[1])
