"""Media that route over several hops: who has joined, how far it is, what the routing costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from analysis.kpis.registry import Outcome, Up, kpi, nothing

if TYPE_CHECKING:
    from analysis.run import Run

_FAMILY = "communication"
_NO_MESH = "no medium routes over several hops"


def _mesh(run: Run, *columns: str) -> pd.DataFrame:
    """Return columns of the table of meshes with the technology of each medium."""
    frame = run.columns("mesh", "t_ms", "medium", *columns)
    medium = run.columns("medium", "medium", "technology").drop_duplicates("medium")
    of = dict(zip(medium["medium"].astype(str), medium["technology"].astype(str), strict=True))
    return frame.assign(technology=[of.get(str(name), "mesh") for name in frame["medium"]])


def _ratio(frame: pd.DataFrame, part: str, whole: str, factor: float = 1.0) -> Outcome:
    """Return sums of ``part`` by sums of ``whole``, by technology."""
    sums = frame.groupby("technology")[[part, whole]].sum()
    sums = sums[sums[whole] > 0]
    if sums.empty:
        return nothing(_NO_MESH)
    by = {str(name): float(factor * row[part] / row[whole]) for name, row in sums.iterrows()}
    return Outcome(float(factor * sums[part].sum() / sums[whole].sum()), by=by)


@kpi("%", _FAMILY, Up.GOOD)
def mesh_joined_percent(run: Run) -> Outcome:
    """Share of the nodes that are up which have a way to the root of their mesh, mean over the ends
    of the recording intervals, by technology.
    """
    return _ratio(_mesh(run, "nodes", "joined"), "joined", "nodes", 100.0)


@kpi("1", _FAMILY)
def mesh_hops(run: Run) -> Outcome:
    """Mean number of hops to the root of the nodes that have a way, mean over the ends of the
    recording intervals, by technology.
    """
    frame = _mesh(run, "joined", "hops_mean")
    frame = frame[frame["hops_mean"].notna().to_numpy()]
    return _ratio(frame.assign(hops=frame["hops_mean"] * frame["joined"]), "hops", "joined")


@kpi("1", _FAMILY, Up.BAD)
def mesh_parent_changes(run: Run) -> Outcome:
    """Number of times that nodes of a mesh took another parent, by technology."""
    frame = _mesh(run, "parent_changes")
    if frame.empty:
        return nothing(_NO_MESH)
    by = frame.groupby("technology")["parent_changes"].sum()
    return Outcome(int(by.sum()), by={str(name): int(count) for name, count in by.items()})


@kpi("%", _FAMILY, Up.BAD)
def mesh_control_percent(run: Run) -> Outcome:
    """Share of the transmissions on media with routing which are the routing protocol's own, by
    technology.
    """
    frame = _mesh(run, "control_transmissions")
    sent = run.columns("medium", "t_ms", "medium", "transmissions")
    keys = ["t_ms", "medium"]
    both = frame.astype({"medium": str}).merge(sent.astype({"medium": str}), on=keys)
    return _ratio(both, "control_transmissions", "transmissions", 100.0)
