"""What cannot be true of a grid's tables, each with its table, row and column.

The tables are pandapower's, as a person may have written them: every check names the place in
the file, not what became of it later.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fernwatt.errors import Fault
from fernwatt.gridmodel.raw import SOURCE_COLUMNS, ZERO_SEQUENCE, rows

__all__ = [
    "UNSUPPORTED",
    "impossible",
    "in_service",
    "named",
    "truths",
    "unreadable",
    "unsupported",
]

Tables = Mapping[str, pd.DataFrame]
BoolArray = npt.NDArray[np.bool_]

UNSUPPORTED = (
    "gen", "trafo3w", "impedance", "ward", "xward", "dcline", "motor", "asymmetric_load",
    "asymmetric_sgen", "svc", "tcsc", "ssc", "vsc", "vsc_stacked", "vsc_bipolar", "bus_dc",
    "line_dc", "load_dc", "source_dc",
)  # fmt: skip
_FACTORS = {"load": ("scaling",), "sgen": ("scaling",), "storage": ("scaling",), "shunt": ("step",)}
"""Columns beside those of ``COLUMNS`` that multiply a power."""
_MAY_BE_NAN = frozenset(
    {"x", "y", "tap_neutral", "tap_min", "tap_max", "tap_step_percent", "tap_pos", *ZERO_SEQUENCE}
)
_POSITIVE = frozenset(
    {"vn_kv", "length_km", "max_i_ka", "df", "sn_mva", "vn_hv_kv", "vn_lv_kv", "vk_percent",
     "parallel", "vm_pu"}
)  # fmt: skip
_NOT_NEGATIVE = frozenset(
    {"r_ohm_per_km", "x_ohm_per_km", "c_nf_per_km", "g_us_per_km", "vkr_percent", "pfe_kw",
     "i0_percent", *ZERO_SEQUENCE}
)  # fmt: skip
_MOST = 1e9
"""No number of a grid is larger in the units of these tables, and none that is positive smaller."""
_VM_PU, _TAP_RATIO = (0.5, 1.5), (0.5, 2.0)
_TAPS = ("tap_pos", "tap_neutral", "tap_min", "tap_max")
_GROUP = re.compile(r"(D|YN?|ZN?)(d|yn?|zn?)(\d|1[01])?")
_NAMED = 5


def unsupported(tables: Tables, place: str) -> list[Fault]:
    """Return a fault for each kind of element in service that the solvers have not."""
    faults = []
    for name in UNSUPPORTED:
        table = tables.get(name)
        used = [] if table is None else list(table.index[in_service(table)])
        if used:
            hint = "the solvers have no such element; replace it, or set it out of service"
            message = f"{len(used)} elements of this kind, the first is {name}[{used[0]}]"
            faults.append(Fault(f"{place}.{name}", message, hint))
    return faults


def in_service(table: pd.DataFrame) -> BoolArray:
    """Tell for each row whether it is in service; where nothing is said, it is."""
    if "in_service" not in table:
        return np.ones(len(table), dtype=bool)
    return truths(table["in_service"])


def truths(cells: Iterable[Any]) -> BoolArray:
    """Return cells of true and false as such; an empty one is true."""
    return np.array([_truth(cell) is not False for cell in cells], dtype=bool)


def unreadable(tables: Tables, place: str) -> list[Fault]:
    """Return a fault for each cell that is no number, or neither true nor false, as it has to be.

    An empty cell is a number that is missing, which ``impossible`` looks at.
    """
    faults: list[Fault] = []
    for name, columns in SOURCE_COLUMNS.items():
        table = tables.get(name)
        if table is None:
            continue
        where = f"{place}.{name}"
        if not all(type(index) is int for index in table.index.tolist()):
            faults.append(Fault(where, "its rows are not numbered by whole numbers"))
        elif not table.index.is_unique:
            faults.append(Fault(where, "two rows have the same index"))
        numeric = [column for column, kind in columns.items() if kind in "fi"]
        whole = {column for column, kind in columns.items() if kind == "i"}
        for column in (*numeric, *_FACTORS.get(name, ())):
            if column in table:
                faults += _cells(table, where, column, _no_number(column in whole))
        for column in ("in_service", "closed"):
            if column in table:
                faults += _cells(table, where, column, _no_truth)
    return faults


def _cells(
    table: pd.DataFrame, where: str, column: str, trouble: Callable[[Any], str]
) -> list[Fault]:
    cells = table[column].astype(object).tolist()
    found = [
        (index, trouble(cell))
        for index, cell in zip(table.index, cells, strict=True)
        if not _empty(cell)
    ]
    return named((f"{where}[{index}].{column}", text, "") for index, text in found if text)


def _empty(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell)) or cell is pd.NA


def _no_number(whole: bool) -> Callable[[Any], str]:
    def trouble(cell: Any) -> str:
        try:
            value = math.nan if isinstance(cell, list | dict | bytes) else float(cell)
        except (TypeError, ValueError, OverflowError):
            value = math.nan
        if math.isnan(value):
            return f"{cell!r} is no number"
        return f"{cell!r} is no whole number" if whole and value % 1 else ""

    return trouble


def _truth(cell: Any) -> bool | None:
    """Return what a cell of truth says, None where it says neither."""
    if isinstance(cell, bool | np.bool_) or (isinstance(cell, int | float) and cell in (0, 1)):
        return bool(cell)
    return {"true": True, "false": False}.get(str(cell).lower())


def _no_truth(cell: Any) -> str:
    return "" if _truth(cell) is not None else f"{cell!r} is neither true nor false"


def named(found: Iterator[tuple[str, str, str]]) -> list[Fault]:
    """Return the first faults of one kind, and with the last of them how many more there are."""
    all_of_them = [Fault(*parts) for parts in found]
    first = all_of_them[:_NAMED]
    more = len(all_of_them) - len(first)
    if more:
        last = first[-1]
        first[-1] = Fault(last.path, f"{last.message}; and so in {more} more rows", last.hint)
    return first


# -- numbers ---------------------------------------------------------------------------------


def impossible(name: str, frame: pd.DataFrame, place: str) -> list[Fault]:
    """Return a fault for each number of a typed table that no element can have."""
    faults = []
    where = f"{place}.{name}"
    for column, kind in SOURCE_COLUMNS[name].items():
        if kind not in "fi":
            continue
        values = frame[column].to_numpy(float)
        wrong = ~(np.abs(values) <= _MOST)
        if column in _MAY_BE_NAN:
            wrong &= ~np.isnan(values)
        if column in _POSITIVE:
            wrong |= values < 1.0 / _MOST
        if column in _NOT_NEGATIVE:
            wrong |= values < 0
        faults += named(
            (f"{where}[{frame.index[row]}].{column}",
             f"{values[row]} is impossible", "give a possible number")
            for row in np.flatnonzero(wrong).tolist()
        )  # fmt: skip
    if not faults:
        special = {"line": _lines, "trafo": _transformers, "ext_grid": _sources}
        faults += special[name](frame, where) if name in special else []
    return faults


def _rows(frame: pd.DataFrame, wrong: Any) -> Iterator[Any]:
    return rows(frame[np.asarray(wrong, dtype=bool)])


def _lines(line: pd.DataFrame, where: str) -> list[Fault]:
    zero = (line["r_ohm_per_km"] == 0) & (line["x_ohm_per_km"] == 0)
    hint = "use a closed bus-bus switch for a connection without impedance"
    return named(
        (f"{where}[{row.Index}]", "has no impedance", hint) for row in _rows(line, zero)
    ) + named(
        (f"{where}[{row.Index}]", f"begins and ends at bus {row.from_bus}", "")
        for row in _rows(line, line["from_bus"] == line["to_bus"])
    )


def _transformers(trafo: pd.DataFrame, where: str) -> list[Fault]:
    faults = named(
        (f"{where}[{row.Index}].vkr_percent",
         f"{row.vkr_percent} is more than vk_percent, {row.vk_percent}", "")
        for row in _rows(trafo, trafo["vkr_percent"] > trafo["vk_percent"])
    )  # fmt: skip
    faults += named(
        (f"{where}[{row.Index}]", f"{row.vn_hv_kv:g} kV above {row.vn_lv_kv:g} kV",
         "exchange its sides")
        for row in _rows(trafo, trafo["vn_hv_kv"] < trafo["vn_lv_kv"])
    )  # fmt: skip
    hours = trafo["shift_degree"] / 30.0
    faults += named(
        (f"{where}[{row.Index}].shift_degree", f"{row.shift_degree:g} is no multiple of 30", "")
        for row in _rows(trafo, (hours - hours.round()).abs() > 1e-6)
    )
    known = [not group or _GROUP.fullmatch(group) is not None for group in trafo["vector_group"]]
    faults += named(
        (f"{where}[{row.Index}].vector_group", f"{row.vector_group!r} is no vector group",
         "such as Dyn5, YNd11, Yzn5")
        for row in _rows(trafo, ~np.array(known, dtype=bool))
    )  # fmt: skip
    return faults + _tap_positions(trafo, where)


def _tap_positions(trafo: pd.DataFrame, where: str) -> list[Fault]:
    faults = []
    for column in _TAPS:
        part = (trafo[column] % 1).fillna(0.0) != 0
        large = trafo[column].abs().fillna(0.0) > 127
        faults += named(
            (f"{where}[{row.Index}].{column}", f"{getattr(row, column):g} is no tap position",
             "a whole number, -127 to 127")
            for row in _rows(trafo, part | large)
        )  # fmt: skip
    outside = (trafo["tap_pos"] < trafo["tap_min"]) | (trafo["tap_pos"] > trafo["tap_max"])
    faults += named(
        (f"{where}[{row.Index}].tap_pos",
         f"{row.tap_pos:g} is outside of {row.tap_min:g} to {row.tap_max:g}", "")
        for row in _rows(trafo, outside)
    )  # fmt: skip
    steps = (trafo["tap_pos"] - trafo["tap_neutral"]).fillna(0.0)
    ratio = 1.0 + steps * trafo["tap_step_percent"].fillna(0.0) / 100.0
    return faults + named(
        (f"{where}[{row.Index}].tap_step_percent",
         f"{row.tap_step_percent:g} makes a ratio that no transformer has", "")
        for row in _rows(trafo, ~ratio.between(*_TAP_RATIO))
    )  # fmt: skip


def _sources(ext_grid: pd.DataFrame, where: str) -> list[Fault]:
    least, most = _VM_PU
    faults = named(
        (f"{where}[{row.Index}].vm_pu", f"{row.vm_pu:g} is not between {least} and {most}", "")
        for row in _rows(ext_grid, ~ext_grid["vm_pu"].between(least, most))
    )
    return faults + named(
        (f"{where}[{row.Index}].bus", f"a second grid connection at bus {row.bus}", "leave one")
        for row in _rows(ext_grid, ext_grid["bus"].duplicated())
    )
