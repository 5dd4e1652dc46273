"""How good predictions were, beside what simple methods would have said, as texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis.kpis.predictions import METHODS

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["NAIVE", "skills"]

NAIVE = [name for name in METHODS.values() if name != "ours"]
_ROWS = {
    "load_prediction_nrmse": "a house",
    "feeder_prediction_nrmse": "an area's houses",
    "group_prediction_nrmse": "houses without a unit",
    "panel_prediction_nrmse": "panels",
    "load_prediction_pinball": "a house: quantiles 10 and 90 % (pinball)",
}


def skills(run: Run) -> list[tuple[str, list[str]]]:
    """Return what was predicted, and the texts of its errors and skills.

    The errors of ours and of each naive method, then how much smaller ours is than each [%];
    empty where a method had nothing to go by.
    """
    return [
        (title, _cells(run.kpis[name]["by"]))
        for name, title in _ROWS.items()
        if run.kpis.get(name, {}).get("value") is not None
    ]


def _cells(errors: dict[str, Any]) -> list[str]:
    ours = errors["ours"]
    told = [f"{errors[name]:.3f}" if name in errors else "" for name in NAIVE]
    better = [
        f"{100.0 * (1.0 - ours / errors[name]):+.1f}" if errors.get(name) else "" for name in NAIVE
    ]
    return [f"{ours:.3f}", *told, *better]
