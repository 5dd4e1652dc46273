"""What cannot be joined in a grid's tables, and what nothing can supply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import networkx as nx
import pandas as pd

from fernwatt.errors import Fault
from fernwatt.gridmodel.checks import named
from fernwatt.gridmodel.raw import SOURCE_COLUMNS, SOURCE_REFERENCES, rows

__all__ = ["no_supply", "unconnected"]

Tables = Mapping[str, pd.DataFrame]

_TARGETS = {"b": "bus", "l": "line", "t": "trafo"}
_ENDS = {"l": ("from_bus", "to_bus"), "t": ("hv_bus", "lv_bus")}
_RATED_BY_BUS = (0.8, 1.25)


def unconnected(tables: Tables, frames: Tables, place: str) -> list[Fault]:
    """Return a fault for each reference to what is not there, or to what cannot be joined.

    ``tables`` are the source's, with what is out of service, ``frames`` what is in service, typed.
    """
    known = {name: set(tables[name].index) if name in tables else set() for name in SOURCE_COLUMNS}
    faults = []
    for name, columns in SOURCE_REFERENCES.items():
        frame = frames[name]
        for column in columns:
            faults += named(
                (f"{place}.{name}[{index}].{column}", f"there is no bus {int(value)}", "")
                for index, value in frame[column].items()
                if int(value) not in known["bus"]
            )
    if not faults:
        faults += _switches(tables, frames["switch"], known, f"{place}.switch")
    if not faults:
        faults += _voltages(tables, frames, place)
    return faults


def _switches(
    tables: Tables, switch: pd.DataFrame, known: Mapping[str, set[Any]], where: str
) -> list[Fault]:
    ends = {}
    for et, columns in _ENDS.items():
        table = tables.get(_TARGETS[et], pd.DataFrame(columns=list(columns)))
        both = (pd.to_numeric(table[column], errors="coerce") for column in columns)
        ends[et] = dict(zip(table.index, zip(*both, strict=True), strict=True))
    return named(
        (f"{where}[{row.Index}].{column}", text, "")
        for row in rows(switch)
        for column, text in _switch_trouble(row, known, ends)
    )


def _switch_trouble(
    row: Any, known: Mapping[str, set[Any]], ends: Mapping[str, Mapping[Any, Any]]
) -> Iterator[tuple[str, str]]:
    bus, element = int(row.bus), int(row.element)
    if row.et not in _TARGETS:
        yield "et", f"{row.et!r} is not one of b, l, t"
        return
    target = _TARGETS[row.et]
    if element not in known[target]:
        yield "element", f"there is no {target} {element}"
    elif row.et == "b":
        if bus == element:
            yield "element", f"joins bus {bus} with itself"
    elif bus not in ends[row.et][element]:
        yield "bus", f"{target} {element} does not end at bus {bus}"


def _voltages(tables: Tables, frames: Tables, place: str) -> list[Fault]:
    numbers = pd.to_numeric(tables["bus"]["vn_kv"], errors="coerce")
    vn_kv = dict(zip(tables["bus"].index, numbers, strict=True))
    ties = frames["switch"][frames["switch"]["et"] == "b"]
    faults = []
    for name, table, ends in (
        ("line", frames["line"], ("from_bus", "to_bus")), ("switch", ties, ("bus", "element"))
    ):  # fmt: skip
        pairs = zip(table.index, *(table[end] for end in ends), strict=True)
        faults += named(
            (f"{place}.{name}[{index}]", f"joins {vn_kv[one]:g} kV and {vn_kv[other]:g} kV", "")
            for index, one, other in pairs
            if not 0.99 < vn_kv[one] / vn_kv[other] < 1.01
        )
    trafo = frames["trafo"]
    least, most = _RATED_BY_BUS
    for side in ("hv", "lv"):
        rated = zip(trafo.index, trafo[f"vn_{side}_kv"], trafo[f"{side}_bus"], strict=True)
        faults += named(
            (
                f"{place}.trafo[{index}].vn_{side}_kv",
                f"{own:g} kV at a bus of {vn_kv[bus]:g} kV",
                "",
            )
            for index, own, bus in rated
            if not least < own / vn_kv[bus] < most
        )
    return faults


def no_supply(frames: Tables, place: str) -> list[Fault]:
    """Return faults of a grid that nothing can supply, whatever its switches do."""
    sources = frames["ext_grid"]
    if sources.empty:
        return [Fault(place, "no grid connection (ext_grid) is in service")]
    graph: nx.Graph[Any] = nx.Graph()
    graph.add_nodes_from(frames["bus"].index.tolist())
    for name, (one, other) in (("line", _ENDS["l"]), ("trafo", _ENDS["t"])):
        graph.add_edges_from(zip(frames[name][one], frames[name][other], strict=True))
    ties = frames["switch"][frames["switch"]["et"] == "b"]
    graph.add_edges_from(zip(ties["bus"], ties["element"], strict=True))
    wanted = {*frames["load"]["bus"], *frames["sgen"]["bus"]}
    for bus in sources["bus"]:
        if not wanted or wanted & nx.node_connected_component(graph, bus):
            return []
    row = sources.index[0]
    message = "feeds nothing: no line, transformer or switch leads from its bus to a load"
    return [Fault(f"{place}.ext_grid[{row}]", message)]
