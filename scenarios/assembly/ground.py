"""Where the elements of a grid are on the ground, in metres, for those who drive there."""

from __future__ import annotations

import math

import numpy as np

from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.feeding import feeding

__all__ = ["ground"]

Point = tuple[float, float]
_M_PER_DEG = 6_371_008.8 * math.pi / 180.0  # mean radius of the earth
_LIKE = (0.02, 20.0)
"""Straight lines by lines' lengths, in all: within it coordinates are degrees. SimBench's are from
0.15 (medium voltage) to 3.7 (low voltage, drawn wide apart), drawings' above 100."""


def ground(model: GridModel) -> dict[str, Point]:
    """Return the place [m] of each bus, line (its middle), switch and transformer.

    Coordinates in degrees are projected about their middle. A grid without, or with those of a
    drawing, is laid out as a tree around its source: each bus as far from it as the lines are
    long, feeders side by side.
    """
    at_bus = _projected(model)
    if at_bus is None:
        at_bus = _laid_out(model)
    places = dict(at_bus)
    for line in model.lines:
        (x, y), (other_x, other_y) = at_bus[line.from_bus], at_bus[line.to_bus]
        places[line.id] = ((x + other_x) / 2, (y + other_y) / 2)
    places |= {switch.id: at_bus[switch.bus] for switch in model.switches}
    places |= {transformer.id: at_bus[transformer.lv_bus] for transformer in model.transformers}
    return {name: (round(x, 1), round(y, 1)) for name, (x, y) in places.items()}


def _projected(model: GridModel) -> dict[str, Point] | None:
    """Return the buses' places from coordinates in degrees, None where they are none."""
    if any(bus.x is None or bus.y is None for bus in model.buses):
        return None
    x, y = (np.array([getattr(bus, axis) for bus in model.buses], dtype=float) for axis in "xy")
    if np.abs(x).max() > 180.0 or np.abs(y).max() > 85.0:
        return None
    east = (x - x.mean()) * _M_PER_DEG * math.cos(math.radians(float(y.mean())))
    north = (y - y.mean()) * _M_PER_DEG
    places = dict(zip((b.id for b in model.buses), zip(east, north, strict=True), strict=True))
    straight_m = sum(math.dist(places[a.from_bus], places[a.to_bus]) for a in model.lines)
    length_m = sum(line.length_m for line in model.lines)
    if length_m > 0 and not _LIKE[0] < straight_m / length_m < _LIKE[1]:
        return None  # a drawing's units
    return {name: (float(a), float(b)) for name, (a, b) in places.items()}


def _laid_out(model: GridModel) -> dict[str, Point]:
    """Return places around the source, with all switches closed: the angle by leaves, in turn."""
    tree = feeding(model, [True] * len(model.switches))
    length_m = {line.id: line.length_m for line in model.lines}
    far_m: dict[str, float] = {}
    below: dict[str, list[str]] = {}
    for bus in tree.live:
        above = tree.parent[bus]
        far_m[bus] = far_m[above] + length_m.get(tree.source[bus], 0.0) if above else 0.0
        below.setdefault(above, []).append(bus)
    leaves = [bus for bus in _in_depth(below) if bus not in below]
    angle = {bus: 2 * math.pi * n / max(len(leaves), 1) for n, bus in enumerate(leaves)}
    for bus in reversed(tree.live):
        if bus in below:
            angle[bus] = sum(angle[child] for child in below[bus]) / len(below[bus])
    dead = {bus.id: (0.0, 0.0) for bus in model.buses}
    return dead | {
        bus: (far_m[bus] * math.cos(angle[bus]), far_m[bus] * math.sin(angle[bus]))
        for bus in tree.live
    }


def _in_depth(below: dict[str, list[str]]) -> list[str]:
    """Return all buses, each followed by what is below it."""
    order, todo = [], list(reversed(below.get("", [])))
    while todo:
        bus = todo.pop()
        order.append(bus)
        todo += reversed(below.get(bus, []))
    return order
