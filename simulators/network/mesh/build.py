"""The mesh of a specification: ``routing: mesh``, ``mesh: {start: formed | cold}``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from simulators.network.carrier import Carrier, Fabric
from simulators.network.mesh.carrier import Access, Mesh
from simulators.network.message import Node
from simulators.network.technologies import MediumTechnology, nearest

__all__ = ["START", "build_mesh", "mesh_faults"]

START = ("formed", "cold")


def build_mesh(
    fabric: Fabric, root: Node, settings: Mapping[str, Any], access: Callable[[Fabric], Carrier]
) -> Mesh:
    """Return the mesh over what ``access`` makes on the fabric that it is given."""
    inner = cast("Callable[[Fabric], Access]", access)
    return Mesh(fabric, root, inner, settings.get("start", START[0]))


def mesh_faults(
    settings: Mapping[str, Any], technology: MediumTechnology, path: str
) -> list[tuple[str, str, str]]:
    """Return what is wrong with a mesh of a specification: (path, message, hint)."""
    faults = [(f"{path}.mesh.{key}", "unknown key", "start") for key in settings if key != "start"]
    if min(technology.mesh_settle_ms, technology.mesh_solicit_ms, technology.mesh_probe_ms) < 1:
        message = f"{technology.name} has no mesh"
        faults.append((f"{path}.routing", message, "set its parameters mesh_*"))
    start = settings.get("start", START[0])
    if start not in START:
        hint = nearest(str(start), list(START))
        faults.append((f"{path}.mesh.start", f"unknown start {start!r}", hint))
    return faults
