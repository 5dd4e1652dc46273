"""What passed between units: each frame by variable, flow of information, owner and direction.

A frame's variable follows from what it is about: the request that it is or answers, or the reading
or write whose instance it tells of. So the table is of what went over the network, not of what a
service says it does. Frames of foreign protocols, whose request nobody noted, are ``other``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["FLOWS", "flow_table", "group_table", "levels", "passed"]

FLOWS = ("energy", "status", "control", "information", "balancing", "platform", "other")
_ORDER = ("provider", "ugmu", "tlgmu", "mvgmu", "igmu", "lvgmu", "sensor", "dermu", "meter", "cmu",
          "gui", "dmu")  # fmt: skip
_CARRIES, _ASKS, _CONFIRMS = "item", "request", "answer"
_MOST_HOPS = 12
_COLUMNS = ["flow", "direction", "source", "target", "variable", "owner"]


def levels(run: Run) -> list[str]:
    """Return the kinds of units that a run has, from the top down."""
    kinds = {str(unit["kind"]) for unit in run.topology.get("units") or ()}
    known = [kind for kind in _ORDER if kind in kinds]
    return known + sorted(kinds - set(known))


def passed(run: Run) -> pd.DataFrame:
    """Return a row for each frame between two units.

    Columns: ``src``, ``dst``, ``bytes``, ``fate``, ``variable`` (empty: not known), ``role``: item
    (it carries a value), request, answer (without a value).
    """
    frame = run.columns("message", "id", "cause", "src", "dst", "bytes", "fate")
    for name in ("src", "dst", "fate"):
        frame[name] = frame[name].astype(str)
    found = _Frames(run, frame)
    kinds = [found.of(ident) for ident in frame["id"]]
    frame["variable"] = [variable for variable, _ in kinds]
    frame["role"] = [role for _, role in kinds]
    return frame.drop(columns=["id", "cause"])


def flow_table(run: Run) -> pd.DataFrame:
    """Return what passed by flow, direction, kinds of units, variable and owner.

    Columns besides: ``rights`` by default, ``items`` (frames that carried a value), ``delivered``
    of them, ``requests`` and ``answers`` (frames without), ``bytes`` of all. Directions are those
    of the tree: ``up``, ``down``, ``across``.
    """
    frame = passed(run)
    units = {str(unit["id"]): unit for unit in run.topology.get("units") or ()}
    variables = (run.topology.get("data") or {}).get("variables") or {}
    if frame.empty:
        return pd.DataFrame(columns=[*_COLUMNS, "rights", *_COUNTS])
    depth = _depths(units)
    kind = {name: str(unit["kind"]) for name, unit in units.items()}
    frame["source"] = frame["src"].map(kind).fillna("other")
    frame["target"] = frame["dst"].map(kind).fillna("other")
    step = frame["dst"].map(depth).fillna(0) - frame["src"].map(depth).fillna(0)
    frame["direction"] = np.select([step < 0, step > 0], ["up", "down"], "across")
    flow = {name: str(told["flow"]) for name, told in variables.items()}
    frame["flow"] = frame["variable"].map(flow).fillna("other")
    held = np.where(frame["direction"] == "down", frame["dst"], frame["src"])
    frame["owner"] = _owners(frame["variable"], held, variables, units)
    for role, name in ((_CARRIES, "items"), (_ASKS, "requests"), (_CONFIRMS, "answers")):
        frame[name] = (frame["role"] == role).astype(int)
    frame["delivered"] = frame["items"] * (frame["fate"] == "delivered")
    sums = frame.groupby(_COLUMNS, as_index=False)[list(_COUNTS)].sum()
    rights = {name: "; ".join(told["rights"]) for name, told in variables.items()}
    sums.insert(len(_COLUMNS), "rights", sums["variable"].map(rights).fillna(""))
    sums["flow"] = pd.Categorical(sums["flow"], FLOWS, ordered=True)
    order = ["flow", "direction", "bytes"]
    sums = sums.sort_values(order, ascending=[True, True, False], kind="stable")
    sums["flow"] = sums["flow"].astype(str)
    return sums.reset_index(drop=True)


_COUNTS = ("items", "delivered", "requests", "answers", "bytes")


def group_table(run: Run) -> pd.DataFrame:
    """Return each group of data of each kind of unit, and how often its variables were there.

    Columns: ``kind``, ``number``, ``group``, ``way``, ``variable``, ``writer``, ``made`` (readings
    and local writes at units of the kind), ``came`` (items that reached them), ``went`` (items that
    they sent).
    """
    units = {str(unit["id"]): str(unit["kind"]) for unit in run.topology.get("units") or ()}
    made = _made(run, units)
    table = run.flows
    came = table.groupby(["target", "variable"])["delivered"].sum().to_dict()
    went = table.groupby(["source", "variable"])["items"].sum().to_dict()
    groups = (run.topology.get("data") or {}).get("groups") or {}
    rows = [
        {
            "kind": kind,
            "number": group["number"],
            "group": group["title"],
            **{key: item[key] for key in ("way", "variable", "writer")},
            "made": made.get((kind, item["variable"]), 0),
            "came": int(came.get((kind, item["variable"]), 0)),
            "went": int(went.get((kind, item["variable"]), 0)),
        }
        for kind in levels(run)
        for group in groups.get(kind, ())
        for item in group["items"]
    ]
    names = ["kind", "number", "group", "way", "variable", "writer", "made", "came", "went"]
    return pd.DataFrame(rows, columns=names)


# -- frames ----------------------------------------------------------------------------------


def _requests(run: Run) -> dict[str, tuple[str, str, str, str, bool]]:
    """Return each request's unit, location, operation, variable, and whether it brought a value."""
    frame = run.columns("request", "id", "unit", "location", "operation", "variable", "result")
    parts = [frame[name].astype(str) for name in ("unit", "location", "operation", "variable")]
    good = (frame["result"] == "ok").to_numpy()
    rows = zip(frame["id"], *parts, good.tolist(), strict=True)
    return {ident: (unit, at, kind, name, ok) for ident, unit, at, kind, name, ok in rows}


class _Frames:
    """Frames by identifier, and what each is about."""

    def __init__(self, run: Run, frame: pd.DataFrame) -> None:
        self._asked = _requests(run)
        readings = run.columns("reading", "id", "variable")
        self._told = dict(zip(readings["id"], readings["variable"].astype(str), strict=True))
        ends = zip(frame["cause"], frame["src"], frame["dst"], strict=True)
        self._frames = dict(zip(frame["id"], ends, strict=True))
        self._known: dict[str, tuple[str, str]] = {}

    def of(self, ident: str) -> tuple[str, str]:
        """Return variable and role of a frame."""
        way = [ident]  # back to the frame that the others carry on
        while len(way) < _MOST_HOPS and self._carries_on(way[-1]):
            way.append(self._frames[way[-1]][0])
        for name in reversed(way):
            if name not in self._known:
                carried = self._frames[name][0]
                on = self._carries_on(name) and carried in self._known
                self._known[name] = self._known[carried] if on else self._first(name)
        return self._known[ident]

    def _carries_on(self, ident: str) -> bool:
        """Tell whether a frame passes on what another one brought."""
        cause = self._frames[ident][0]
        return ident not in self._asked and cause not in self._asked and cause in self._frames

    def _first(self, ident: str) -> tuple[str, str]:
        own = self._asked.get(ident)
        if own is not None:
            return own[3], _CARRIES if own[2] == "write" else _ASKS
        about, src, dst = self._frames[ident]
        request = self._asked.get(about)
        if request is None:
            return (self._told[about], _CARRIES) if about in self._told else ("", _ASKS)
        unit, location, operation, variable, good = request
        if unit == location:  # an instance that was written there
            role = _CARRIES
        elif operation == "query" and src == location:
            role = _CARRIES if good else _CONFIRMS
        elif dst == unit:
            role = _CONFIRMS
        else:  # it was sent again, or handed on, or its instance told to somebody else
            role = _CARRIES if operation == "write" else _ASKS
        return variable, role


def _depths(units: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Return how many levels each unit is below the top; what stands beside the top is above it."""
    depths: dict[str, int] = {}
    for name, unit in units.items():
        chain, at = [name], unit
        while at.get("parent") in units and at["parent"] not in chain:
            chain.append(str(at["parent"]))
            at = units[chain[-1]]
        beside = -1 if at["kind"] == "provider" else 0
        depths[name] = len(chain) - 1 + beside
    return depths


def _owners(
    variable: pd.Series,
    held: Any,
    variables: Mapping[str, Mapping[str, Any]],
    units: Mapping[str, Mapping[str, Any]],
) -> list[str]:
    """Return the class of owner of each item: customer, or the stakeholder's name."""
    owners = []
    for name, unit in zip(variable, held, strict=True):
        declared = str((variables.get(name) or {}).get("owner", ""))
        if declared in {"customer", "unit"}:
            holder = units.get(unit) or {}
            customer = holder.get("customer") or ""
            own = str((customer if declared == "customer" else "") or holder.get("owner", ""))
            declared = "customer" if own.startswith("customer/") else own
        owners.append(declared)
    return owners


def _made(run: Run, units: Mapping[str, str]) -> dict[tuple[str, str], int]:
    """Count instances that units of each kind made themselves: readings, and local writes."""
    counts: dict[tuple[str, str], int] = {}
    home = {
        str(name): units[str(unit["id"])]
        for unit in run.topology.get("units") or ()
        for name in unit.get("instruments") or ()
    }
    readings = run.columns("reading", "instrument", "variable")
    own = readings["instrument"].astype(str).map(home).fillna("")
    frame = run.columns("request", "unit", "location", "operation", "variable", "result")
    local = frame["unit"].astype(str) == frame["location"].astype(str)
    wrote = frame[local & (frame["operation"] == "write") & (frame["result"] == "ok")]
    by = wrote["unit"].astype(str).map(units).fillna("")
    for kinds, variables in ((own, readings["variable"]), (by, wrote["variable"])):
        for key in zip(kinds, variables.astype(str), strict=True):
            counts[key] = counts.get(key, 0) + 1
    return counts
