"""Connection points: which load and which generator sits at which terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from fernwatt.gridmodel.model import Profiles, RecordDevice, Terminal
from fernwatt.gridmodel.naming import area_kind, identifiers
from fernwatt.gridmodel.raw import rows

__all__ = ["connect"]

_HEAT_PUMP = ("Air_", "Soil_")
_EV_CHARGER = ("HLS_", "APLS_")
_GENERATORS = {"pv": "pv", "wind": "wind", "wp": "wind", "hydro": "hydro", "biomass": "biomass",
               "storage": "storage"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Element:
    kind: str
    area: str
    name: str
    bus: int
    p_w: float
    q_var: float
    p_profile: str
    q_profile: str
    aggregate: bool


def connect(
    tables: Mapping[str, pd.DataFrame], areas: Mapping[int, str], profiles: Profiles
) -> tuple[list[Terminal], list[RecordDevice], list[int]]:
    """Return terminals, devices of the record, and each terminal's bus (index of the source).

    Each load is a terminal, but a heat pump's or a charging point's belongs to a household of
    its bus where there is one, and so does a generator: the first of them to the first
    household, and so on. What finds no load at its bus has a terminal of its own.
    """
    known = set(profiles.names)
    elements = _loads(tables["load"], areas, known) + _generators(tables["sgen"], areas, known)
    primary = [element for element in elements if element.kind == "load"]
    hosts: dict[int, list[int]] = {}
    for number, element in enumerate(primary):
        hosts.setdefault(element.bus, []).append(number)
    at: list[int] = list(range(len(primary)))
    guests: dict[tuple[int, str], int] = {}
    for element in (item for item in elements if item.kind != "load"):
        here = hosts.get(element.bus)
        if here is None:
            primary.append(element)
            at.append(len(primary) - 1)
            hosts[element.bus] = [len(primary) - 1]
            continue
        turn = guests.get((element.bus, element.kind), 0)
        guests[element.bus, element.kind] = turn + 1
        at.append(here[turn % len(here)])
    ordered = [e for e in elements if e.kind == "load"] + [e for e in elements if e.kind != "load"]
    return _described(tables["bus"], primary, ordered, at)


def _described(
    bus: pd.DataFrame, primary: list[_Element], elements: list[_Element], at: list[int]
) -> tuple[list[Terminal], list[RecordDevice], list[int]]:
    ids = identifiers("terminal", [e.name for e in primary], [e.area for e in primary])
    p_w, q_var = [0.0] * len(primary), [0.0] * len(primary)
    for element, number in zip(elements, at, strict=True):
        p_w[number] += element.p_w
        q_var[number] += element.q_var
    devices: list[RecordDevice] = []
    for kind in sorted({element.kind for element in elements}):
        chosen = [(e, n) for e, n in zip(elements, at, strict=True) if e.kind == kind]
        names = identifiers(kind, [e.name for e, _ in chosen], [e.area for e, _ in chosen])
        devices += [
            RecordDevice(name, kind, ids[n], e.p_w, e.q_var, e.p_profile, e.q_profile)
            for name, (e, n) in zip(names, chosen, strict=True)
        ]
    vn_kv = dict(zip(bus.index, bus["vn_kv"], strict=True))
    levels = [area_kind(vn_kv[element.bus]) for element in primary]
    terminals = [
        Terminal(
            id=ids[n], area=e.area, name=e.name, bus="", phases=(1, 2, 3),
            customer=_customer(e, ids[n]), voltage_level=levels[n], p_w=p_w[n], q_var=q_var[n],
            profile=e.p_profile if e.kind == "load" else "",
        )
        for n, e in enumerate(primary)
    ]  # fmt: skip
    return terminals, devices, [element.bus for element in primary]


def _customer(element: _Element, terminal: str) -> str:
    if element.aggregate or element.kind in _GENERATORS.values() or element.kind == "generator":
        return ""
    return "customer/" + terminal.split("/", 1)[1]


def _loads(load: pd.DataFrame, areas: Mapping[int, str], known: set[str]) -> list[_Element]:
    out = []
    for row in rows(load):
        profile = str(row.profile)
        kind = "load"
        if profile.startswith(_HEAT_PUMP):
            kind = "heat-pump"
        elif profile.startswith(_EV_CHARGER):
            kind = "ev-charger"
        p_profile, q_profile = (
            name if name in known else "" for name in (f"{profile}_pload", f"{profile}_qload")
        )
        out.append(
            _Element(
                kind, areas[int(row.bus)], str(row.name), int(row.bus), float(row.p_mw) * 1e6,
                float(row.q_mvar) * 1e6, p_profile, q_profile, _aggregate(row.subnet, profile),
            )
        )  # fmt: skip
    return out


def _generators(sgen: pd.DataFrame, areas: Mapping[int, str], known: set[str]) -> list[_Element]:
    """Return the generators; SimBench has no reactive profile: the stated value is constant."""
    out = []
    for row in rows(sgen):
        kind = next((k for stem, k in _GENERATORS.items() if stem in str(row.type).lower()), "")
        profile = str(row.profile) if row.profile in known else ""
        out.append(
            _Element(
                kind or "generator", areas[int(row.bus)], str(row.name), int(row.bus),
                0.0 - float(row.p_mw) * 1e6, 0.0 - float(row.q_mvar) * 1e6, profile, "",
                _aggregate(row.subnet, profile),
            )
        )  # fmt: skip
    return out


def _aggregate(subnet: object, profile: str) -> bool:
    """Tell whether an element stands for a whole grid below."""
    return str(subnet).endswith("_eq") or profile.startswith(("lv_", "mv_"))
