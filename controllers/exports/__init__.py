"""Service ``exports`` of the top unit: what it hears for the tools of the control centre."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.exports.service import Exports
from controllers.unit.follow import Wanted

__all__ = ["Exports", "make_service"]


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> Exports:
    """Return the service.

    ``params``: ``interfaces`` (name → ``[[variable, unit, ask], …]``), ``join_s``.
    """
    del unit_spec, directory
    wanted: dict[Wanted, list[str]] = {}
    for interface, items in sorted(params.get("interfaces", {}).items()):
        for variable, unit, ask in items:
            wanted.setdefault(Wanted(variable, unit, bool(ask)), []).append(interface)
    return Exports(wanted, round(params.get("join_s", 300) * 1000))
