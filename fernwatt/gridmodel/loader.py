"""``load_grid``: from what a scenario says of its grid to the model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel.build import build
from fernwatt.gridmodel.cache import GridCache
from fernwatt.gridmodel.compose import Attachment, compose
from fernwatt.gridmodel.model import GridModel
from fernwatt.gridmodel.raw import RawGrid
from fernwatt.gridmodel.sources import read_source

__all__ = ["load_grid"]


def load_grid(
    source: Mapping[str, Any],
    *,
    lv: Sequence[Mapping[str, Any]] = (),
    base_dir: str | Path = ".",
    cache: bool = True,
) -> GridModel:
    """Return the sanitised grid that ``source`` names, with the grids ``lv`` attached.

    ``source`` is ``{"simbench": code}``, ``{"pandapower": name}`` (see ``sources.BUILT_IN``) or
    ``{"file": path}`` (pandapower JSON below ``base_dir``, or a folder of its tables). Each of
    ``lv`` is a source with ``"at"``: name or index of the load of ``source`` that it replaces.
    ``cache`` keeps SimBench's and pandapower's own grids in the user's cache folder.

    Raises ScenarioError with the path in the scenario, such as ``grid.lv[0].at``.
    """
    store, folder = GridCache(enabled=cache), Path(base_dir)
    read: dict[str, RawGrid] = {}
    attachments = []
    raw = read_source(source, "grid.source", folder, store)
    for number, item in enumerate(lv):
        place = f"grid.lv[{number}]"
        if "at" not in item:
            raise ScenarioError([Fault(f"{place}.at", "names no load of the grid above")])
        below = {key: value for key, value in item.items() if key != "at"}
        key = json.dumps(below, sort_keys=True, default=str)
        if key not in read:
            read[key] = read_source(below, place, folder, store)
        attachments.append(Attachment(read[key], item["at"], place))
    return build(compose(raw, attachments) if attachments else raw)
