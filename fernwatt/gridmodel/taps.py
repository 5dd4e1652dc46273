"""Tap changers of transformers: which positions there are, and what ratio they give."""

from __future__ import annotations

from fernwatt.gridmodel.model import FloatArray, GridModel

__all__ = ["check_tap", "tap_ratios", "tap_steps"]


def tap_steps(model: GridModel, index: int) -> tuple[int, int, int]:
    """Return of transformer ``index`` the lowest and highest position, and that of the record."""
    trafo = model.net.trafo
    low, high, now = (
        round(float(trafo[name].iat[index])) for name in ("tap_min", "tap_max", "tap_pos")
    )
    return low, high, now


def check_tap(model: GridModel, index: int, position: int) -> None:
    """Raise ValueError where transformer ``index`` has no such position."""
    low, high, _ = tap_steps(model, index)
    if not low <= position <= high:
        ident = model.transformers[index].id
        raise ValueError(f"{ident} has taps from {low} to {high}, not {position}")


def tap_ratios(model: GridModel, positions: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return by what ``positions[k]`` multiply the rated voltages of high- and low-voltage side."""
    trafo = model.net.trafo
    neutral, step = (trafo[name].to_numpy(float) for name in ("tap_neutral", "tap_step_percent"))
    ratio = 1.0 + (positions - neutral) * step / 100.0
    at_hv = (trafo["tap_side"] == "hv").to_numpy(bool)
    one = ratio * 0.0 + 1.0
    return (ratio * at_hv + one * ~at_hv, ratio * ~at_hv + one * at_hv)
