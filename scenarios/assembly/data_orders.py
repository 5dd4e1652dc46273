"""Who passes orders on to whom, and what the control centre orders."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import HOUR_MS
from scenarios.faults import nearest
from scenarios.schema import ScenarioConfig
from scenarios.schema.data import Data

__all__ = ["order_params"]

Spec = dict[str, Any]
_PASSING = ("lvgmu", "igmu", "mvgmu")


def order_params(
    config: ScenarioConfig,
    wanted: Data,
    unit: Spec,
    units: Mapping[str, Spec],
    plates: Mapping[str, Spec],
) -> Spec:
    """Return the parameters of a unit's service ``orders``; ScenarioError for unknown targets."""
    below = [units[child] for child in unit["children"]]
    params: Spec = {
        "units": {
            child["id"]: _behind(child, units, plates)
            for child in below
            if child["kind"] in _PASSING
        },
        "meters": [child["id"] for child in below if child["kind"] == "meter"],
        "ders": {c["id"]: plates[c["id"]]["p_max_w"] for c in below if c["kind"] == "dermu"},
    }
    if unit["kind"] == "tlgmu":
        params["orders"] = _orders(config, wanted, units)
    return params


def _behind(child: Spec, units: Mapping[str, Spec], plates: Mapping[str, Spec]) -> Spec:
    all_below = [child, *_descendants(child, units)]
    return {
        "customers": sum(1 for unit in all_below if unit["kind"] == "meter"),
        "p_max_w": sum(plates[u["id"]]["p_max_w"] for u in all_below if u["kind"] == "dermu"),
        "units": [unit["id"] for unit in all_below if unit["kind"] in _PASSING],
    }


def _descendants(unit: Spec, units: Mapping[str, Spec]) -> Iterator[Spec]:
    for child in unit["children"]:
        yield units[child]
        yield from _descendants(units[child], units)


def _orders(config: ScenarioConfig, wanted: Data, units: Mapping[str, Spec]) -> list[Spec]:
    known = [name for name, unit in units.items() if unit["kind"] in _PASSING]
    made: list[Spec] = []
    faults = []
    for number, order in enumerate(wanted.orders):
        if order.unit and order.unit not in known:
            path = f"units.data.orders[{number}].unit"
            text = f"{order.unit} is no unit of an area"
            faults.append(Fault(path, text, nearest(order.unit, known)))
        at_ms = round(order.at_h * HOUR_MS)
        made.append(
            {
                "at_ms": at_ms,
                "until_ms": at_ms + round(order.lasts_h * HOUR_MS),
                "target": order.unit,
                "import_max_w": order.import_max_w,
                "export_max_w": order.export_max_w,
                "run": order.run,
                "regulate_pu": order.regulate_pu,
            }
        )
    if faults:
        raise ScenarioError(faults)
    return [order for order in made if order["at_ms"] < config.time.end_ms]
