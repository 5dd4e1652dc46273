"""Whose devices have a unit that the operator sees, below the substation instead of the CMU."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fernwatt.streams import stream
from scenarios.assembly.fleet import Fleet
from scenarios.assembly.outfits import kind_of, unit_name
from scenarios.schema import ScenarioConfig

__all__ = ["der_name", "der_plate", "split_ders"]

Spec = dict[str, Any]
ByTerminal = dict[str, list[Spec]]
_LOW_V = 230.0
_STARTS_S = {"pv": (60, 30, 1), "battery": (2, 2, 1), "ev": (5, 5, 2), "wind": (120, 60, 20),
             "chp": (120, 60, 30)}  # fmt: skip
"""Times to start, to start again and to stop [s]: assumed, of the order of data sheets."""


def split_ders(config: ScenarioConfig, devices: ByTerminal) -> tuple[ByTerminal, ByTerminal]:
    """Return devices by terminal: those under customers' units, those with units of their own."""
    wanted = config.units.dermu
    if wanted is None:
        return devices, {}
    hidden: ByTerminal = {}
    seen: ByTerminal = {}
    for terminal, some in devices.items():
        leaves = stream(config.seed, "units", f"{terminal}\x1fdermu").random() < wanted.share
        for device in some:
            visible = leaves and kind_of(device) in wanted.kinds
            (seen if visible else hidden).setdefault(terminal, []).append(device)
    return hidden, seen


def der_name(device: Mapping[str, Any]) -> str:
    """Return the name of such a unit."""
    return "dermu" + unit_name(device).removeprefix("dmu")


def der_plate(device: Mapping[str, Any], fleet: Fleet, takes: list[str], vn_v: float) -> Spec:
    """Return what such a unit exposes of its device: nominal powers, times, ramp, what it takes.

    ``vn_v`` is the nominal voltage between phases where it is connected. ``p_max_w`` and
    ``q_max_var`` are magnitudes. Times and ramp are the device's where it has any; else the ramp
    is from nothing to the rating within the time to start.
    """
    kind = kind_of(device)
    panel = fleet.panels.get(device["id"])
    if panel is not None:
        p_max_w = float(panel.p_rated_w)
    else:
        p_max_w = float(device["p_max_w"] if "p_max_w" in device else device["p_rated_w"])
    smart = "reactive_set_point" in takes
    start_s, restart_s, stop_s = _STARTS_S[kind]
    start_s = device.get("start_s") or start_s
    ramp_per_min = device.get("ramp_per_min") or 60.0 / start_s
    return {
        "kind": kind,
        "p_max_w": p_max_w,
        "q_max_var": round(0.436 * p_max_w, 1) if smart else 0.0,
        "start_s": start_s,
        "restart_s": restart_s,
        "stop_s": stop_s,
        "ramp_w_per_s": round(p_max_w * ramp_per_min / 60.0, 3),
        "takes": takes,
        "v_nominal_v": _LOW_V if vn_v < 1000.0 else round(vn_v / math.sqrt(3.0), 1),
    }
