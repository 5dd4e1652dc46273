"""What the top follows for each of the control centre's tools."""

from __future__ import annotations

from typing import Any

from scenarios.assembly.hierarchy import Hierarchy
from scenarios.schema import ScenarioConfig

__all__ = ["export_params"]

Spec = dict[str, Any]
_TOP = "tlgmu/top"
Followed = list[tuple[str, str, bool]]


def export_params(config: ScenarioConfig, hierarchy: Hierarchy) -> Spec:
    """Return the parameters of the service ``exports``: what is followed where, by interface."""
    units = hierarchy.units
    kinds: dict[str, list[str]] = {}
    for unit in units:
        kinds.setdefault(unit["kind"], []).append(unit["id"])
    summing = [*kinds.get("lvgmu", ()), *kinds.get("igmu", ()), *kinds.get("mvgmu", ())]
    sensed = [u["id"] for u in units if any(i.startswith("sensor/") for i in u["instruments"])]
    told = [u["id"] for u in units if any(i.startswith("indicator/") for i in u["instruments"])]
    driven = [u["id"] for u in units if any(i.endswith("/drives") for i in u["instruments"])]
    followed: dict[str, Followed] = {
        "scada": [
            *(("area.values", unit, False) for unit in summing),
            *(("area.der", unit, False) for unit in summing if _has_ders(unit, units)),
            *(("regulation.summary", unit, False) for unit in summing),
            *(("line.phases", unit, False) for unit in sensed),
        ],
        "dms": [
            (variable, unit, True)
            for unit in driven
            for variable in ("switch.position", "tap.position", "light.position")
        ],
        "oms": [
            *(("quality.summary", unit, False) for unit in summing),
            *(("fault.report", unit, False) for unit in summing),
            *(("fault.passage", unit, False) for unit in told),
        ],
        "mdm": [("meter.values", unit, False) for unit in kinds.get("meter", ())],
        "market": [
            ("tariff.table", _TOP, True),
            *(("load.diagram", unit, False) for unit in kinds.get("lvgmu", ())),
            *(("area.energy", unit, False) for unit in summing),
        ],
        "tso": [("area.energy", _TOP, False), ("area.values", _TOP, False)],
    }
    interfaces = {name: [list(item) for item in followed[name]] for name in config.exports}
    return {"interfaces": interfaces, "join_s": 300}


def _has_ders(name: str, units: list[Spec]) -> bool:
    return any(unit["kind"] == "dermu" and unit["parent"] == name for unit in units)
