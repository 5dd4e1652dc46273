"""Signed packages of modules and parameters on their way from the operator to the units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.unit.directory import Directory
from controllers.update.manifest import Check, Kind, Manifest, Publisher, make_body
from controllers.update.service import Settings, Update

__all__ = ["Check", "Kind", "Manifest", "Publisher", "Settings", "Update", "make_body"]


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: Directory
) -> Update:
    """Return the service of a unit, as the units' hub asks for it.

    ``params``: ``run``, ``keys`` (public, by role), and as they are needed ``parallel``,
    ``boot_ms``, ``packages``.
    """
    unit = unit_spec["id"]
    below = {
        child: (child, *(entry.id for entry in directory.below(child)))
        for child in directory[unit].children
        if Update.name in directory[child].services
    }
    return Update(
        Settings(
            run=params["run"],
            keys=params["keys"],
            parent=directory[unit].parent,
            below=below,
            parallel=params.get("parallel", 1),
            boot_ms=params.get("boot_ms", 30_000),
            packages=tuple(params.get("packages", ())),
        )
    )
