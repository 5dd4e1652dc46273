"""From sanitised tables to the model: identifiers, order, and the pandapower network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from fernwatt.gridmodel.connect import connect
from fernwatt.gridmodel.model import (
    Area,
    Bus,
    GridModel,
    Line,
    Profiles,
    RecordDevice,
    Switch,
    Terminal,
    Transformer,
)  # fmt: skip
from fernwatt.gridmodel.naming import area_kind, bus_areas, identifiers
from fernwatt.gridmodel.raw import ZERO_SEQUENCE, RawGrid, rows

__all__ = ["build"]

_STIFF_MVA = 1e9
_SWITCH_KINDS = {"l": "line", "t": "transformer", "b": "bus"}


def build(raw: RawGrid) -> GridModel:
    """Return the model of a sanitised grid, everything in the order of its identifiers."""
    areas = bus_areas(raw.tables)
    terminals, devices, terminal_buses = connect(raw.tables, areas, raw.profiles)
    tables, ids, maps = _ordered(raw.tables, areas)
    order = sorted(range(len(terminals)), key=lambda n: terminals[n].id)
    at_rows = [maps["bus"][terminal_buses[n]] for n in order]
    placed = tuple(
        _at_bus(terminals[n], ids["bus"][row]) for n, row in zip(order, at_rows, strict=True)
    )
    net = _network(tables, ids, placed, at_rows, raw.f_hz)
    area_of = dict(zip(ids["bus"], (areas[i] for i in _inverse(maps["bus"])), strict=True))
    lines = _lines(tables, ids, area_of)
    transformers = _transformers(tables, ids, area_of)
    devices_in_order = tuple(sorted(devices, key=lambda device: device.id))
    return GridModel(
        net=net,
        buses=_buses(tables, ids, area_of),
        lines=lines,
        transformers=transformers,
        switches=_switches(tables, ids, area_of),
        terminals=placed,
        areas=_areas(tables, ids, area_of),
        record_devices=devices_in_order,
        profiles=raw.profiles,
        source_hash=_content_hash(tables, placed, devices_in_order, raw.profiles),
        notes=raw.notes + _islands(tables, ids),
    )


def _at_bus(terminal: Terminal, bus: str) -> Terminal:
    from dataclasses import replace

    return replace(terminal, bus=bus)


def _inverse(mapping: Mapping[int, int]) -> list[int]:
    out = [0] * len(mapping)
    for old, new in mapping.items():
        out[new] = old
    return out


def _ordered(
    tables: Mapping[str, pd.DataFrame], areas: Mapping[int, str]
) -> tuple[dict[str, pd.DataFrame], dict[str, list[str]], dict[str, dict[int, int]]]:
    """Return the tables sorted by identifier and numbered from 0, ids, and old -> new index."""
    side = {"bus": None, "line": "from_bus", "trafo": "lv_bus", "switch": "bus"}
    kinds = {"trafo": "transformer"}
    out: dict[str, pd.DataFrame] = {}
    ids: dict[str, list[str]] = {}
    maps: dict[str, dict[int, int]] = {}
    for name, column in side.items():
        frame = tables[name]
        at = frame.index if column is None else frame[column]
        names = identifiers(kinds.get(name, name), list(frame["name"]), [areas[i] for i in at])
        order = sorted(range(len(names)), key=names.__getitem__)
        ids[name] = [names[n] for n in order]
        maps[name] = {int(frame.index[n]): new for new, n in enumerate(order)}
        out[name] = frame.iloc[order].reset_index(drop=True)
    for name in ("ext_grid", "shunt"):
        out[name] = tables[name].reset_index(drop=True)
    _renumber(out, maps)
    return out, ids, maps


def _renumber(tables: dict[str, pd.DataFrame], maps: Mapping[str, Mapping[int, int]]) -> None:
    for name, columns in (
        ("line", ("from_bus", "to_bus")), ("trafo", ("hv_bus", "lv_bus")), ("switch", ("bus",)),
        ("ext_grid", ("bus",)), ("shunt", ("bus",)),
    ):  # fmt: skip
        for column in columns:
            new = [maps["bus"][int(old)] for old in tables[name][column]]
            tables[name][column] = np.array(new, dtype=np.int64)
    targets = {"l": maps["line"], "t": maps["trafo"], "b": maps["bus"]}
    switch = tables["switch"]
    switch["element"] = np.array(
        [targets[et][int(e)] for et, e in zip(switch["et"], switch["element"], strict=True)],
        dtype=np.int64,
    )


def _network(
    tables: Mapping[str, pd.DataFrame], ids: Mapping[str, list[str]],
    terminals: Sequence[Terminal], terminal_rows: Sequence[int], f_hz: float,
) -> Any:  # fmt: skip
    """Return a pandapower network of what the solvers know, in the model's order."""
    import pandapower as pp

    net = pp.create_empty_network(name="fernwatt", f_hz=f_hz, add_stdtypes=False)
    bus, line, trafo = tables["bus"], tables["line"], tables["trafo"]
    pp.create_buses(net, len(bus), bus["vn_kv"].to_numpy(), name=ids["bus"])
    if len(line):
        columns = ("r_ohm_per_km", "x_ohm_per_km", "c_nf_per_km", "g_us_per_km", "max_i_ka", "df")
        pp.create_lines_from_parameters(
            net, line["from_bus"].to_numpy(), line["to_bus"].to_numpy(),
            line["length_km"].to_numpy(), name=ids["line"], parallel=line["parallel"].to_numpy(),
            **{column: line[column].to_numpy() for column in columns},
        )  # fmt: skip
        for column in ZERO_SEQUENCE:
            if line[column].notna().any():
                net.line[column] = line[column].to_numpy()
    if len(trafo):
        parts = (
            "sn_mva", "vn_hv_kv", "vn_lv_kv", "vkr_percent", "vk_percent", "pfe_kw", "i0_percent",
            "shift_degree", "tap_side", "tap_neutral", "tap_max", "tap_min", "tap_step_percent",
            "tap_pos", "vector_group", "parallel", "df",
        )  # fmt: skip
        pp.create_transformers_from_parameters(
            net, trafo["hv_bus"].to_numpy(), trafo["lv_bus"].to_numpy(), name=ids["trafo"],
            tap_changer_type="Ratio", tap_step_degree=0.0,
            **{column: trafo[column].to_numpy() for column in parts},
        )  # fmt: skip
    _sources_and_loads(net, tables, ids, terminals, terminal_rows)
    return net


def _sources_and_loads(
    net: Any, tables: Mapping[str, pd.DataFrame], ids: Mapping[str, list[str]],
    terminals: Sequence[Terminal], terminal_rows: Sequence[int],
) -> None:  # fmt: skip
    import pandapower as pp

    switch, shunt = tables["switch"], tables["shunt"]
    if len(switch):
        pp.create_switches(
            net, switch["bus"].to_numpy(), switch["element"].to_numpy(), list(switch["et"]),
            closed=switch["closed"].to_numpy(), name=ids["switch"],
        )  # fmt: skip
    if len(shunt):
        pp.create_shunts(
            net, shunt["bus"].to_numpy(), shunt["q_mvar"].to_numpy(), shunt["p_mw"].to_numpy(),
            vn_kv=shunt["vn_kv"].to_numpy(),
        )  # fmt: skip
    if terminals:
        pp.create_loads(
            net, list(terminal_rows), np.array([t.p_w for t in terminals]) * 1e-6,
            np.array([t.q_var for t in terminals]) * 1e-6, name=[t.id for t in terminals],
        )  # fmt: skip
    for row in rows(tables["ext_grid"]):
        # runpp knows no impedance of the upstream grid, power-grid-model does: make it vanish
        pp.create_ext_grid(
            net, int(row.bus), float(row.vm_pu), float(row.va_degree), name=str(row.name),
            s_sc_max_mva=_STIFF_MVA, rx_max=0.1,
        )  # fmt: skip


def _buses(
    tables: Mapping[str, pd.DataFrame], ids: Mapping[str, list[str]], area_of: Mapping[str, str]
) -> tuple[Bus, ...]:
    return tuple(
        Bus(
            id=ident, area=area_of[ident], name=str(row.name), vn_v=float(row.vn_kv) * 1e3,
            x=None if np.isnan(row.x) else float(row.x),
            y=None if np.isnan(row.y) else float(row.y),
        )
        for ident, row in zip(ids["bus"], rows(tables["bus"]), strict=True)
    )  # fmt: skip


def _lines(
    tables: Mapping[str, pd.DataFrame], ids: Mapping[str, list[str]], area_of: Mapping[str, str]
) -> tuple[Line, ...]:
    bus = ids["bus"]
    return tuple(
        Line(
            id=ident, area=area_of[bus[row.from_bus]], name=str(row.name),
            from_bus=bus[row.from_bus], to_bus=bus[row.to_bus],
            length_m=float(row.length_km) * 1e3,
            max_i_a=float(row.max_i_ka * row.df * row.parallel) * 1e3, std_type=str(row.std_type),
        )
        for ident, row in zip(ids["line"], rows(tables["line"]), strict=True)
    )  # fmt: skip


def _transformers(
    tables: Mapping[str, pd.DataFrame], ids: Mapping[str, list[str]], area_of: Mapping[str, str]
) -> tuple[Transformer, ...]:
    bus = ids["bus"]
    return tuple(
        Transformer(
            id=ident, area=area_of[bus[row.lv_bus]], name=str(row.name), hv_bus=bus[row.hv_bus],
            lv_bus=bus[row.lv_bus], sn_va=float(row.sn_mva * row.parallel) * 1e6,
            std_type=str(row.std_type),
        )
        for ident, row in zip(ids["trafo"], rows(tables["trafo"]), strict=True)
    )  # fmt: skip


def _switches(
    tables: Mapping[str, pd.DataFrame], ids: Mapping[str, list[str]], area_of: Mapping[str, str]
) -> tuple[Switch, ...]:
    targets = {"l": ids["line"], "t": ids["trafo"], "b": ids["bus"]}
    bus = ids["bus"]
    return tuple(
        Switch(
            id=ident, area=area_of[bus[row.bus]], name=str(row.name), bus=bus[row.bus],
            element=targets[row.et][row.element], kind=_SWITCH_KINDS[row.et], type=str(row.type),
            closed=bool(row.closed),
        )
        for ident, row in zip(ids["switch"], rows(tables["switch"]), strict=True)
    )  # fmt: skip


def _areas(
    tables: Mapping[str, pd.DataFrame], ids: Mapping[str, list[str]], area_of: Mapping[str, str]
) -> tuple[Area, ...]:
    """Return the areas with what feeds them: transformers, else the upstream grid."""
    bus, trafo = ids["bus"], tables["trafo"]
    feeders: dict[str, list[int]] = {}
    for number, lv_bus in enumerate(trafo["lv_bus"]):
        feeders.setdefault(area_of[bus[lv_bus]], []).append(number)
    upstream = {area_of[bus[row]]: bus[row] for row in reversed(list(tables["ext_grid"]["bus"]))}
    first = {area_of[ident]: row for row, ident in reversed(list(enumerate(bus)))}
    out = []
    for area in sorted(first):
        own = feeders.get(area, [])
        parent = area_of[bus[int(trafo["hv_bus"].iloc[own[0]])]] if own else ""
        feeding = bus[int(trafo["lv_bus"].iloc[own[0]])] if own else ""
        out.append(
            Area(
                id=area, kind=area_kind(float(tables["bus"]["vn_kv"].iloc[first[area]])),
                transformers=tuple(ids["trafo"][n] for n in own),
                bus=feeding or upstream.get(area, bus[first[area]]),
                parent="" if parent == area else parent,
            )
        )  # fmt: skip
    return tuple(out)


def _islands(tables: Mapping[str, pd.DataFrame], ids: Mapping[str, list[str]]) -> tuple[str, ...]:
    """Note buses that no grid connection feeds as the switches stand, or can ever feed."""
    sources = [int(row) for row in tables["ext_grid"]["bus"]]
    notes = []
    for usable, what in (
        (lambda closed: closed, "are not supplied as the switches stand"),
        (lambda _: True, "cannot be supplied whatever the switches do"),
    ):
        graph = _graph(tables, usable)
        reached: set[int] = set()
        for source in sources:
            reached |= nx.node_connected_component(graph, source)
        dead = sorted(set(range(len(ids["bus"]))) - reached)
        if dead:
            notes.append(f"{len(dead)} buses {what}, the first is {ids['bus'][dead[0]]}")
    return tuple(notes)


def _graph(tables: Mapping[str, pd.DataFrame], usable: Callable[[bool], bool]) -> nx.Graph[int]:
    switch = tables["switch"]
    blocked = {
        (et, int(element))
        for et, element, closed in zip(
            switch["et"], switch["element"], switch["closed"], strict=True
        )
        if et != "b" and not usable(bool(closed))
    }
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(len(tables["bus"])))
    for et, name, a, b in (("l", "line", "from_bus", "to_bus"), ("t", "trafo", "hv_bus", "lv_bus")):
        frame = tables[name]
        for index, one, other in zip(frame.index, frame[a], frame[b], strict=True):
            if (et, int(index)) not in blocked:
                graph.add_edge(int(one), int(other))
    ties = switch[switch["et"] == "b"]
    for one, other, closed in zip(ties["bus"], ties["element"], ties["closed"], strict=True):
        if usable(bool(closed)):
            graph.add_edge(int(one), int(other))
    return graph


def _content_hash(
    tables: Mapping[str, pd.DataFrame], terminals: Sequence[Terminal],
    devices: Sequence[RecordDevice], profiles: Profiles,
) -> str:  # fmt: skip
    """Return a hash of all that a result can depend on."""
    digest = hashlib.sha256()
    for name in sorted(tables):
        frame = tables[name]
        for column in frame.columns:
            values = frame[column].to_numpy()
            if column in ZERO_SEQUENCE and np.isnan(values).all():
                continue  # a source without them is the same grid as ever
            digest.update(f"{name}.{column}".encode())
            if values.dtype == object:
                digest.update("\x1f".join(map(str, values)).encode())
            else:
                digest.update(np.ascontiguousarray(values, dtype=float).tobytes())
    digest.update(repr((terminals, devices, profiles.names)).encode())
    digest.update(np.ascontiguousarray(profiles.values).tobytes())
    return digest.hexdigest()
