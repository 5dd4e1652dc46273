"""Where grids come from: SimBench, pandapower's own networks, a file of the user's."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel.cache import GridCache
from fernwatt.gridmodel.folder import read_folder
from fernwatt.gridmodel.model import Profiles
from fernwatt.gridmodel.raw import RawGrid
from fernwatt.gridmodel.safejson import path_below, read_network
from fernwatt.gridmodel.sanitise import sanitise

__all__ = ["BUILT_IN", "read_source"]

BUILT_IN = (
    "case33bw",
    "create_cigre_network_lv",
    "create_cigre_network_mv",
    "create_kerber_landnetz_freileitung_1",
    "create_kerber_landnetz_freileitung_2",
    "create_synthetic_voltage_control_lv_network",
    "kb_extrem_landnetz_freileitung",
    "mv_oberrhein",
    "panda_four_load_branch",
    "simple_four_bus_system",
    "simple_mv_open_ring_net",
)
"""Networks of ``pandapower.networks`` that consist of what the solvers have.

Kerber's cable networks are not among them: they draw line lengths at random at each call.
"""

_YEAR = 2016
_SLOTS = 366 * 96


def read_source(source: Mapping[str, Any], place: str, base_dir: Path, cache: GridCache) -> RawGrid:
    """Return the sanitised grid of one source: ``simbench``, ``pandapower`` or ``file``.

    Raises ScenarioError where the source is unknown, unreadable, or not a grid that can be solved.
    """
    kinds = {"simbench": _simbench, "pandapower": _built_in, "file": _file}
    given = [kind for kind in kinds if source.get(kind)]
    if len(given) != 1:
        message = f"needs exactly one of {', '.join(kinds)}"
        raise ScenarioError([Fault(place, message, "for example simbench: 1-LV-semiurb4--0-sw")])
    kind = given[0]
    name, where = source[kind], f"{place}.{kind}"
    if not isinstance(name, str):
        raise ScenarioError([Fault(where, f"{name!r} is not a name")])
    if kind == "file":
        return _file(name, where, base_dir)
    return cache.get({kind: name}, lambda: kinds[kind](name, where, base_dir))


def _file(name: str, place: str, base_dir: Path) -> RawGrid:
    path = path_below(base_dir, name, place)
    tables, f_hz = (read_folder if path.is_dir() else read_network)(path, place)
    return sanitise(tables, f_hz, place)


def _built_in(name: str, place: str, _base_dir: Path) -> RawGrid:
    if name not in BUILT_IN:
        raise ScenarioError([_unknown(name, BUILT_IN, place, "network of pandapower")])
    import pandapower.networks

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = getattr(pandapower.networks, name)()
    return sanitise(_tables(net), float(net.f_hz), place)


def _simbench(code: str, place: str, _base_dir: Path) -> RawGrid:
    import simbench

    codes = [item for item in simbench.collect_all_simbench_codes() if isinstance(item, str)]
    if code not in codes:
        raise ScenarioError([_unknown(code, codes, place, "SimBench code")])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = simbench.get_simbench_net(code)
    raw = sanitise(_tables(net), float(net.f_hz), place)
    return RawGrid(raw.tables, raw.f_hz, _profiles(net.profiles, raw), raw.notes)


def _tables(net: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    return {key: value for key, value in net.items() if isinstance(value, pd.DataFrame)}


def _profiles(groups: Mapping[str, pd.DataFrame], raw: RawGrid) -> Profiles:
    """Return the relative profiles of the elements that were kept, one column each, sorted."""
    columns: dict[str, Any] = {}
    for group in ("load", "powerplants", "renewables"):
        table = groups.get(group)
        for name in () if table is None else table.columns:
            if name != "time":
                columns[str(name)] = table[name].to_numpy(float)  # type: ignore[index]
    wanted = {f"{name}_{part}load" for name in raw.tables["load"]["profile"] for part in "pq"}
    names = sorted((wanted | set(raw.tables["sgen"]["profile"])) & set(columns))
    values = np.column_stack([columns[name] for name in names]) if names else np.empty((_SLOTS, 0))
    if values.shape[0] != _SLOTS or not np.isfinite(values).all():
        raise ValueError(f"SimBench's profiles have {values.shape[0]} rows or gaps")
    return Profiles(_YEAR, tuple(names), values)


def _unknown(name: str, known: tuple[str, ...] | list[str], place: str, what: str) -> Fault:
    near = difflib.get_close_matches(name, known, 1, 0.4)
    hint = f"did you mean {near[0]}?" if near else f"for example {known[0]}"
    return Fault(place, f"{name!r} is no {what}", hint)
