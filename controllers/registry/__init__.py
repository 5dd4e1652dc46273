"""Descriptions that travel down as versions: grid, phases, losses, tariffs, generators' limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.registry.book import Book, Key
from controllers.registry.service import Registry, Source

__all__ = ["Book", "Registry", "make_service"]


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> Registry:
    """Return the service ``registry`` of a unit.

    ``params``: ``parent`` (empty at the top), ``below`` (child → units behind it, itself
    included), ``check_s``, and at the top ``sources``: ``[{data, target, at_ms, set, drop}]``.
    """
    del directory
    sources = [
        Source(int(item["at_ms"]), Key(item["data"], item["target"]), dict(item.get("set", {})),
               tuple(item.get("drop", ())))
        for item in params.get("sources", ())
    ]  # fmt: skip
    below = {child: frozenset(units) for child, units in params.get("below", {}).items()}
    check_ms = round(params.get("check_s", 21_600) * 1000)
    return Registry(unit_spec["id"], params.get("parent", ""), below, sources, check_ms)
