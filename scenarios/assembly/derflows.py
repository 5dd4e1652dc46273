"""Which units sum up flows and problems of generators and stores."""

from __future__ import annotations

from fernwatt.errors import Fault, ScenarioError
from fernwatt.gridmodel import GridModel
from scenarios.assembly.hierarchy import Hierarchy
from scenarios.schema import ScenarioConfig

__all__ = ["with_der_flows"]

_KINDS = ("lvgmu", "igmu", "mvgmu", "tlgmu")


def with_der_flows(config: ScenarioConfig, model: GridModel, hierarchy: Hierarchy) -> Hierarchy:
    """Give grid units the service ``derflows``, where a scenario wants it.

    Raises ScenarioError where units gather nothing that it could be made of.
    """
    data = config.units.data
    wanted = data.der_flows if data is not None else None
    if wanted is None:
        return hierarchy
    if config.units.dermu is None:
        text = "there is no unit that would tell of its device"
        raise ScenarioError([Fault("units.data.der_flows", text, "set units.dermu: {}")])
    rated_w: dict[str, float] = {}
    for one in model.transformers:
        rated_w[one.area] = rated_w.get(one.area, 0.0) + one.sn_va
    units = {unit["id"]: unit for unit in hierarchy.units if unit["kind"] in _KINDS}
    for unit in units.values():
        unit["services"]["derflows"] = {
            "areas": [child for child in unit["children"] if child in units],
            "limits": {
                "rated_w": rated_w.get(unit["area"], 0.0),
                "reverse": wanted.reverse_percent / 100.0,
                "rise": wanted.rise_percent / 100.0,
                "lost": wanted.lost_percent / 100.0,
            },
        }
    return hierarchy
