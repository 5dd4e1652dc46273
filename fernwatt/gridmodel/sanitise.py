"""The one step that every grid passes, whatever its source, before anybody computes with it.

- Taps become effective: SimBench leaves ``tap_changer_type`` empty, and pandapower from version 3
  on then ignores ``tap_pos`` without a word (e2nIEE/simbench#69), while power-grid-model does not.
- Vector groups are filled in from the phase shift; the upstream grid is made stiff (in ``build``).
- What is out of service is left out, and noted. Storages become devices that draw what they
  state; those with a series of SimBench's are left out, and noted.
- Elements that the solvers cannot represent are refused, and so are impossible numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel.checks import impossible, in_service, truths, unreadable, unsupported
from fernwatt.gridmodel.joints import no_supply, unconnected
from fernwatt.gridmodel.raw import NO_PROFILES, SOURCE_COLUMNS, SOURCE_REFERENCES, RawGrid

__all__ = ["sanitise"]

_DEFAULTS: dict[str, float] = {
    "g_us_per_km": 0.0, "c_nf_per_km": 0.0, "df": 1.0, "parallel": 1, "q_mvar": 0.0,
    "va_degree": 0.0, "shift_degree": 0.0, "pfe_kw": 0.0, "i0_percent": 0.0,
}  # fmt: skip


def sanitise(tables: Mapping[str, pd.DataFrame], f_hz: float, place: str) -> RawGrid:
    """Return the sanitised grid of pandapower tables; ScenarioError lists all that is wrong."""
    faults = unsupported(tables, place)
    unread = unreadable(tables, place)
    if unread:
        raise ScenarioError(faults + unread)
    notes: list[str] = []
    frames = {name: _frame(name, tables.get(name), notes) for name in SOURCE_COLUMNS}
    faults += [fault for name, frame in frames.items() for fault in impossible(name, frame, place)]
    faults += _tap_changers(tables.get("trafo"), place)
    if not faults:
        faults = unconnected(tables, frames, place)
    if not faults:
        frames = _without_dangling(frames, notes)
        faults = no_supply(frames, place)
    if faults:
        raise ScenarioError(faults)
    frames["trafo"] = _transformers(frames["trafo"], notes)
    _storages(frames, notes)
    _report(tables, frames, notes)
    return RawGrid(frames, f_hz, NO_PROFILES, tuple(notes))


def _frame(name: str, table: pd.DataFrame | None, notes: list[str]) -> pd.DataFrame:
    """Return the wanted columns of one table, typed; numbers that are none become NaN."""
    if table is None:
        table = pd.DataFrame(index=pd.Index([], dtype=int))
    active = in_service(table)
    if not active.all():
        notes.append(f"{int((~active).sum())} of table {name} are out of service and left out")
    table = table[active].copy()
    if name == "bus":
        table["x"], table["y"] = _coordinates(table)
    if name in ("load", "sgen", "storage"):
        factor = _numeric(table, "scaling").fillna(1.0)
        table["p_mw"] = _numeric(table, "p_mw") * factor
        table["q_mvar"] = _numeric(table, "q_mvar").fillna(0.0) * factor
    if name == "shunt":
        step = _numeric(table, "step").fillna(1.0)
        table["p_mw"] = _numeric(table, "p_mw").fillna(0.0) * step
        table["q_mvar"] = _numeric(table, "q_mvar") * step
    wanted = SOURCE_COLUMNS[name]
    columns = {column: _column(table, column, kind) for column, kind in wanted.items()}
    return pd.DataFrame(columns, index=table.index)


def _numeric(table: pd.DataFrame, column: str) -> pd.Series[float]:
    if column not in table:
        return pd.Series(np.nan, index=table.index, dtype=float)
    return pd.to_numeric(table[column], errors="coerce").astype(float)


def _column(table: pd.DataFrame, column: str, kind: str) -> pd.Series[Any]:
    if kind == "s":
        if column not in table:
            return pd.Series("", index=table.index, dtype=object)
        values = table[column].astype(object)
        return values.where(values.notna(), "").map(str).astype(object)
    if kind == "b":
        cells = table[column] if column in table else [True] * len(table)
        return pd.Series(truths(cells), index=table.index)
    values = _numeric(table, column)
    return values.fillna(_DEFAULTS[column]) if column in _DEFAULTS else values


def _coordinates(bus: pd.DataFrame) -> tuple[list[float], list[float]]:
    """Return x and y of GeoJSON points, NaN where there is none."""
    xs, ys = [], []
    for cell in bus["geo"] if "geo" in bus else [None] * len(bus):
        x, y = np.nan, np.nan
        if isinstance(cell, str):
            try:
                x, y = (float(part) for part in json.loads(cell)["coordinates"][:2])
            except (ValueError, TypeError, KeyError):
                x, y = np.nan, np.nan
        xs.append(x)
        ys.append(y)
    return xs, ys


def _without_dangling(
    frames: Mapping[str, pd.DataFrame], notes: list[str]
) -> dict[str, pd.DataFrame]:
    """Leave out what hangs on a bus, line or transformer that is not there (any more)."""
    kept = dict(frames)
    buses = kept["bus"].index
    for name, columns in SOURCE_REFERENCES.items():
        good = np.logical_and.reduce([kept[name][column].isin(buses) for column in columns])
        kept[name] = _keep(name, kept[name], good, notes)
    switch = kept["switch"]
    good = np.zeros(len(switch), dtype=bool)
    for et, name in (("b", "bus"), ("l", "line"), ("t", "trafo")):
        good |= (switch["et"] == et) & switch["element"].isin(kept[name].index)
    kept["switch"] = _keep("switch", switch, np.asarray(good), notes)
    for name, frame in kept.items():
        whole = [column for column, kind in SOURCE_COLUMNS[name].items() if kind == "i"]
        kept[name] = frame.astype(dict.fromkeys(whole, np.int64))
    return kept


def _keep(
    name: str, frame: pd.DataFrame, good: np.ndarray[tuple[int], np.dtype[np.bool_]],
    notes: list[str],
) -> pd.DataFrame:  # fmt: skip
    if not good.all():
        count = int((~good).sum())
        notes.append(f"{count} of table {name} hang on something out of service and are left out")
    return frame[good]


def _tap_changers(trafo: pd.DataFrame | None, place: str) -> list[Fault]:
    """Refuse tap changers that shift the phase; a ratio is what both solvers have."""
    if trafo is None or "tap_pos" not in trafo:
        return []
    kind = trafo.get("tap_changer_type", pd.Series(None, index=trafo.index, dtype=object))
    moved = _numeric(trafo, "tap_pos") != _numeric(trafo, "tap_neutral")
    other = kind.notna() & ~kind.isin(["Ratio", "", "None"])
    shifting = _numeric(trafo, "tap_step_degree").fillna(0.0) != 0
    wrong = moved & (other | shifting) & _numeric(trafo, "tap_pos").notna() & in_service(trafo)
    hint = "use a ratio tap changer, or put it on its neutral tap"
    return [
        Fault(f"{place}.trafo[{index}]", "a phase-shifting or tabular tap changer", hint)
        for index in trafo.index[wrong.to_numpy()]
    ]


def _transformers(trafo: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Make taps effective where they are complete, neutral where not; fill vector groups."""
    trafo = trafo.copy()
    least = trafo["pfe_kw"] / trafo["sn_mva"] / 10.0  # a current that carries the iron losses
    low = trafo["i0_percent"] < least
    if low.any():
        notes.append(f"no-load current of {int(low.sum())} transformers raised to its iron losses")
        trafo["i0_percent"] = np.maximum(trafo["i0_percent"], least)
    trafo["tap_pos"] = trafo["tap_pos"].fillna(trafo["tap_neutral"])
    complete = trafo[["tap_pos", "tap_neutral", "tap_step_percent"]].notna().all(axis=1)
    complete &= trafo["tap_side"].isin(["hv", "lv"])
    moved = trafo.index[~complete & (trafo["tap_pos"] != trafo["tap_neutral"].fillna(0.0))]
    if len(moved) and trafo["tap_pos"][moved].notna().any():
        first = f"the first is trafo[{moved[0]}]"
        notes.append(f"taps of {len(moved)} transformers lack side, step or neutral, {first}")
    trafo.loc[~complete, "tap_side"] = "hv"
    trafo.loc[~complete, ["tap_pos", "tap_neutral", "tap_step_percent"]] = 0.0
    trafo["tap_min"] = trafo["tap_min"].fillna(trafo["tap_pos"]).clip(upper=trafo["tap_pos"])
    trafo["tap_max"] = trafo["tap_max"].fillna(trafo["tap_pos"]).clip(lower=trafo["tap_pos"])
    clock = np.round(trafo["shift_degree"] / 30).astype(int) % 12
    stated = list(trafo["vector_group"])
    trafo["vector_group"] = [_vector_group(hour, row) for hour, row in zip(
        clock, trafo[["vn_hv_kv", "vn_lv_kv"]].to_numpy(), strict=True)]  # fmt: skip
    other = [
        f"{made} for {said}"
        for made, said in zip(trafo["vector_group"], stated, strict=True)
        if not _same_group(made, said)
    ]
    if other:
        notes.append(
            f"vector group of {len(other)} transformers made from their phase shift: {other[0]}"
        )
    return trafo


def _same_group(made: str, said: str) -> bool:
    """Tell whether a group that a source states, maybe without its hour, is the one made."""
    (own, hour), (plain, other) = (
        (group.rstrip("0123456789").lower().replace("n", ""), group.lstrip("DYZNdyzn"))
        for group in (made, said)
    )
    return not said or (own == plain and other in ("", hour))


def _vector_group(clock: int, voltages: np.ndarray[tuple[int], np.dtype[np.float64]]) -> str:
    """Return the usual group of a clock number: Dyn into low voltage, YNd above.

    The network's own text is not used: a group whose clock contradicts ``shift_degree`` would
    make the two solvers differ, and balanced voltages depend on the shift alone.
    """
    low_voltage = voltages[1] <= 1.0
    if clock % 2 == 0:
        return f"YNyn{clock}"
    return f"Dyn{clock}" if low_voltage else f"YNd{clock}"


def _storages(frames: dict[str, pd.DataFrame], notes: list[str]) -> None:
    """Let storages be generators that draw what they state; leave those out that state a series."""
    storage = frames.pop("storage")
    series = storage["profile"] != ""
    if series.any():
        notes.append(
            f"{int(series.sum())} storages of the record are left out: they state a series that "
            "only discharges; put batteries into the scenario"
        )
    held, sgen = storage[~series].copy(), frames["sgen"]
    if held.empty:
        return
    notes.append(
        f"{len(held)} storages of the record draw what they state all the time; put batteries "
        "into the scenario for ones that react"
    )
    held[["p_mw", "q_mvar"]] *= -1.0
    held["type"] = "storage"
    held.index = held.index + (int(sgen.index.max()) + 1 if len(sgen) else 0)
    frames["sgen"] = pd.concat([part for part in (sgen, held[sgen.columns]) if len(part)])


def _report(
    tables: Mapping[str, pd.DataFrame], frames: Mapping[str, pd.DataFrame], notes: list[str]
) -> None:
    """Note what a reader of results has to know of the grid's record."""
    load = tables.get("load")
    if load is not None and any(
        (_numeric(load, column).fillna(0) != 0).any()
        for column in load.columns
        if str(column).startswith(("const_z_", "const_i_"))
    ):
        notes.append("voltage-dependent loads of the record are taken as constant power")
    zs = tables.get("switch")
    if zs is not None and (_numeric(zs, "z_ohm").fillna(0) != 0).any():
        notes.append("impedances of switches are taken as zero")
    for name in ("line", "trafo"):
        missing = frames[name].index[frames[name]["std_type"] == ""]
        if len(missing):
            first = f"the first is {name}[{missing[0]}]"
            notes.append(f"{len(missing)} of table {name} name no standard type, {first}")
    for name in ("bus", "line", "trafo", "switch", "load", "sgen"):
        names = frames[name]["name"]
        same = names.index[names.duplicated(keep=False) & (names != "")]
        if len(same):
            first = f"the first is {name}[{same[0]}], {names[same[0]]}"
            notes.append(f"{len(same)} of table {name} share their names and are numbered, {first}")
