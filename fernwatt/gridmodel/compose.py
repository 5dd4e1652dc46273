"""Put low-voltage grids under a medium-voltage grid, in place of its aggregated loads."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel.model import Profiles
from fernwatt.gridmodel.raw import COLUMNS, REFERENCES, RawGrid

__all__ = ["Attachment", "compose"]

_COORDINATE_DIGITS = 7  # a centimetre, in degrees


@dataclass(frozen=True, slots=True)
class Attachment:
    """One grid to attach at the load ``at`` (its name, or its index in the source)."""

    grid: RawGrid
    at: str | int
    place: str


def compose(base: RawGrid, attachments: Sequence[Attachment]) -> RawGrid:
    """Return ``base`` with every attachment under it.

    The load named by ``at`` goes, and with it every generator of its bus that stands for the
    same aggregated grid (the same ``subnet``; all of the bus where the source has no subnets).
    The attached grid's connection to upstream goes too: its bus becomes the bus of that load.
    Raises ScenarioError for an unknown or doubled place, another voltage, another frequency.
    """
    tables = {name: frame.copy() for name, frame in base.tables.items()}
    profiles, notes, taken = base.profiles, list(base.notes), _tokens(base)
    for item in attachments:
        bus, gone = _remove_aggregate(tables, item)
        _check_fits(tables, base, item, bus)
        renamed = _with_free_name(item.grid.tables, taken)
        _append(tables, _fused(renamed, tables, bus))
        profiles = _united(profiles, item.grid.profiles, item.place)
        notes += [f"{item.place}: {note}" for note in (gone, *item.grid.notes)]
    return RawGrid(tables, base.f_hz, profiles, tuple(notes))


def _remove_aggregate(tables: dict[str, pd.DataFrame], item: Attachment) -> tuple[int, str]:
    """Take the aggregated load away; return its bus, and what was taken in words."""
    load = tables["load"]
    index = _find(load, item)
    row = load.index.get_loc(index)
    bus, subnet = int(load["bus"].to_numpy()[row]), load["subnet"].to_numpy()[row]
    tables["load"] = load.drop(index=index)
    sgen = tables["sgen"]
    aggregated = (sgen["bus"] == bus) & (sgen["subnet"] == subnet)
    tables["sgen"] = sgen[~aggregated]
    p_mw = float(load["p_mw"].to_numpy()[row])
    gone = f"in place of load {load['name'].to_numpy()[row]} ({p_mw:.3f} MW)"
    return bus, f"{gone} and {int(aggregated.sum())} generators of its bus"


def _find(load: pd.DataFrame, item: Attachment) -> int:
    at = item.at
    if isinstance(at, int) and at in load.index:
        return at
    matches = load.index[load["name"] == at]
    if len(matches) == 1:
        return int(matches[0])
    near = difflib.get_close_matches(str(at), [str(name) for name in load["name"]], 1, 0.3)
    hint = f"did you mean {near[0]!r}?" if near else "give the name or index of a load"
    message = f"{at!r} names {len(matches)} loads of the grid above, or one that is replaced"
    raise ScenarioError([Fault(f"{item.place}.at", message, hint)])


def _check_fits(tables: dict[str, pd.DataFrame], base: RawGrid, item: Attachment, bus: int) -> None:
    grid = item.grid.tables
    faults = []
    if len(grid["ext_grid"]) != 1:
        faults.append(Fault(item.place, "has not exactly one connection to the grid above"))
    else:
        upper = _vn_kv(tables["bus"], bus)
        lower = _vn_kv(grid["bus"], int(grid["ext_grid"]["bus"].iloc[0]))
        if not np.isclose(upper, lower):
            message = f"needs {lower:g} kV above its transformer, the bus there has {upper:g} kV"
            hint = "SimBench's 1-MV-rural, -semiurb and -comm have 20 kV, 1-MV-urban 10 kV"
            faults.append(Fault(item.place, message, hint))
    if item.grid.f_hz != base.f_hz:
        faults.append(Fault(item.place, f"has {item.grid.f_hz:g} Hz, not {base.f_hz:g} Hz"))
    if faults:
        raise ScenarioError(faults)


def _vn_kv(bus: pd.DataFrame, index: int) -> float:
    return float(bus["vn_kv"].to_dict()[index])


def _tokens(raw: RawGrid) -> set[str]:
    return {subnet.split("_")[0] for subnet in raw.tables["bus"]["subnet"]}


def _with_free_name(tables: dict[str, pd.DataFrame], taken: set[str]) -> dict[str, pd.DataFrame]:
    """Rename the parts of a grid that the composed grid has already: LV4.101 to LV4.101-2."""
    tables = {name: frame.copy() for name, frame in tables.items()}
    top = set(tables["ext_grid"]["bus"])
    below = tables["bus"].loc[~tables["bus"].index.isin(top), "subnet"]
    for token in sorted({subnet.split("_")[0] for subnet in below} - {""}):
        fresh, number = token, 2
        while fresh in taken:
            fresh, number = f"{token}-{number}", number + 1
        taken.add(fresh)
        if fresh == token:
            continue
        pattern = re.compile(rf"{re.escape(token)}(?![0-9])")
        for frame in tables.values():
            for column in {"name", "subnet"} & set(frame.columns):
                frame[column] = [pattern.sub(fresh, text) for text in frame[column]]
    return tables


def _fused(
    tables: dict[str, pd.DataFrame], upper: dict[str, pd.DataFrame], bus: int
) -> dict[str, pd.DataFrame]:
    """Number a grid after the one above, let its upstream bus be ``bus``, and lie where that is."""
    shift = {name: _next_index(upper[name]) for name in tables}
    own = int(tables["ext_grid"]["bus"].iloc[0])
    out = {}
    for name, frame in tables.items():
        moved = frame.copy()
        moved.index = moved.index + shift[name]
        for column in REFERENCES.get(name, ()):
            values = frame[column].to_numpy()
            moved[column] = np.where(values == own, bus, values + shift["bus"])
        out[name] = moved
    switch = tables["switch"]
    element = switch["element"].to_numpy()
    for et, name in (("l", "line"), ("t", "trafo"), ("b", "bus")):
        mine = (switch["et"] == et).to_numpy()
        target = element + shift[name]
        if et == "b":
            target = np.where(element == own, bus, target)
        out["switch"].loc[mine, "element"] = target[mine]
    for axis in ("x", "y"):
        away = upper["bus"][axis].to_dict()[bus] - tables["bus"][axis].to_dict()[own]
        if np.isfinite(away):
            out["bus"][axis] = (out["bus"][axis] + away).round(_COORDINATE_DIGITS)
    out["bus"] = out["bus"].drop(index=own + shift["bus"])
    out["ext_grid"] = out["ext_grid"].iloc[:0]
    return out


def _next_index(frame: pd.DataFrame) -> int:
    return int(frame.index.max()) + 1 if len(frame) else 0


def _append(tables: dict[str, pd.DataFrame], more: dict[str, pd.DataFrame]) -> None:
    for name in COLUMNS:
        parts = [frame for frame in (tables[name], more[name]) if len(frame)]
        tables[name] = pd.concat(parts) if parts else tables[name]


def _united(first: Profiles, second: Profiles, place: str) -> Profiles:
    """Return the profiles of both; the same name has to mean the same series."""
    if not second.names:
        return first
    if not first.names:
        return second
    known = {name: column for column, name in enumerate(first.names)}
    for column, name in enumerate(second.names):
        if name in known and not np.array_equal(
            first.values[:, known[name]], second.values[:, column]
        ):
            message = f"profile {name} differs from that of the grid above"
            raise ScenarioError([Fault(place, message, "use one SimBench scenario (0, 1 or 2)")])
    fresh = [column for column, name in enumerate(second.names) if name not in known]
    names = first.names + tuple(second.names[column] for column in fresh)
    values = np.column_stack([first.values, second.values[:, fresh]])
    order = sorted(range(len(names)), key=names.__getitem__)
    return Profiles(first.year, tuple(names[i] for i in order), values[:, order])
