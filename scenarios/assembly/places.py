"""Where things stand: buses, houses, substations, in metres from the uppermost busbar.

A grid's record has coordinates of its buses, in degrees or in a drawing's units. Cables are
never shorter than the straight line between their ends, but drawings often are larger than
their cables: SimBench's low-voltage grids span three to four times the length of theirs. So the
drawing of each area is shrunk, about its busbar, until its straight lines add up to no more than
its cables; units of a drawing are fitted the same way in both directions. The drawing of an area
is hung up at the bus that feeds it, so that areas of one kind do not lie on top of each other.

What has no coordinates is laid out: every bus at the length of its line from the one that feeds
it, in a direction drawn by its own stream, away from the busbar.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import atan2, cos, hypot, pi, radians, sin

from fernwatt.gridmodel import GridModel
from fernwatt.gridmodel.model import Area, Bus, Line
from fernwatt.streams import stream

__all__ = ["Places", "make_places"]

Point = tuple[float, float]
_M_PER_DEGREE = 111_194.9
"""Of a great circle, mean radius 6371 km."""
_STRAIGHT = 0.8
"""Straight line of a cable whose course nobody knows, as part of its length."""
_HOUSE_FROM_JOINT_M = (3.0, 12.0)
_HOUSE_HEIGHT_M = (1.5, 6.0)
_SPREAD = 0.45
"""Standard deviation of the direction of a line to its predecessor's [rad]."""


class Places:
    """Places of buses [m east, m north], and of what stands at them [m east, north, above ground].

    All is rounded to centimetres.
    """

    def __init__(self, buses: Mapping[str, Point], seed: int) -> None:
        self.buses, self._seed = buses, seed

    def house(self, terminal: str, bus: str) -> list[float]:
        """Return where a customer's nodes stand: beside the joint, at some height."""
        rng = stream(self._seed, "network/places", terminal)
        distance, angle, height = rng.random(3)
        near, far = _HOUSE_FROM_JOINT_M
        distance_m, angle = near + (far - near) * distance, 2 * pi * angle
        low, high = _HOUSE_HEIGHT_M
        x, y = self.buses[bus]
        return _rounded(
            x + distance_m * cos(angle), y + distance_m * sin(angle), low + (high - low) * height
        )

    def at(self, bus: str, height_m: float) -> list[float]:
        """Return the place at a bus, at a height."""
        return _rounded(*self.buses[bus], height_m)


def make_places(model: GridModel, seed: int) -> Places:
    """Return the places of all buses of a grid."""
    placed: dict[str, Point] = {}
    drawn = _Drawing(model)
    for area in _downwards(model.areas):
        anchor = next(
            (placed[t.hv_bus] for t in model.transformers if t.id in area.transformers
             and t.hv_bus in placed), (0.0, 0.0),
        )  # fmt: skip
        placed |= drawn.area(area, anchor)
    _lay_out(model, placed, seed)
    return Places({bus: placed[bus] for bus in sorted(placed, key=str.encode)}, seed)


def _downwards(areas: Iterable[Area]) -> list[Area]:
    """Return areas with every one after that above it."""
    left, ordered = {area.id: area for area in areas}, list[Area]()
    while left:
        ready = [area for area in left.values() if area.parent not in left]
        ordered += ready or list(left.values())
        for area in ready or list(left.values()):
            del left[area.id]
    return ordered


class _Drawing:
    """The record's coordinates, by area."""

    def __init__(self, model: GridModel) -> None:
        self._buses: dict[str, list[Bus]] = {}
        self._lines: dict[str, list[Line]] = {}
        for bus in model.buses:
            if bus.x is not None and bus.y is not None:
                self._buses.setdefault(bus.area, []).append(bus)
        for line in model.lines:
            self._lines.setdefault(line.area, []).append(line)
        known = [bus for buses in self._buses.values() for bus in buses]
        self._degrees = all(abs(b.x or 0) <= 180 and abs(b.y or 0) <= 90 for b in known)

    def area(self, area: Area, anchor: Point) -> dict[str, Point]:
        """Return the buses of an area that have coordinates, its busbar at ``anchor``."""
        buses = self._buses.get(area.id, [])
        raw = {bus.id: (bus.x or 0.0, bus.y or 0.0) for bus in buses}
        if area.bus not in raw:
            return {}
        x0, y0 = raw[area.bus]
        north = _M_PER_DEGREE if self._degrees else 1.0
        east = north * cos(radians(y0)) if self._degrees else 1.0
        points = {bus: ((x - x0) * east, (y - y0) * north) for bus, (x, y) in raw.items()}
        scale = self._scale(area.id, points)
        return {
            bus: (anchor[0] + x * scale, anchor[1] + y * scale) for bus, (x, y) in points.items()
        }

    def _scale(self, area: str, points: Mapping[str, Point]) -> float:
        straight_m = length_m = 0.0
        for line in self._lines.get(area, ()):
            if line.from_bus in points and line.to_bus in points:
                (x, y), (u, v) = points[line.from_bus], points[line.to_bus]
                straight_m += hypot(x - u, y - v)
                length_m += line.length_m
        if straight_m <= 0:
            return 1.0
        return min(1.0, length_m / straight_m) if self._degrees else length_m / straight_m


def _lay_out(model: GridModel, placed: dict[str, Point], seed: int) -> None:
    """Place all buses that have no place yet, from those that have one outwards."""
    beside: dict[str, list[tuple[str, float]]] = {bus.id: [] for bus in model.buses}
    for line in model.lines:
        beside[line.from_bus].append((line.to_bus, line.length_m * _STRAIGHT))
        beside[line.to_bus].append((line.from_bus, line.length_m * _STRAIGHT))
    for switch in model.switches:
        if switch.kind == "bus":
            beside[switch.bus].append((switch.element, 1.0))
            beside[switch.element].append((switch.bus, 1.0))
    for transformer in model.transformers:
        beside[transformer.hv_bus].append((transformer.lv_bus, 5.0))
        beside[transformer.lv_bus].append((transformer.hv_bus, 5.0))
    heading: dict[str, float] = {}
    roots = [area.bus for area in _downwards(model.areas)] + [bus.id for bus in model.buses]
    for root in roots:
        if root not in placed and root in beside:
            placed[root] = (0.0, 0.0)
        if not heading:
            heading.update(_headings(placed, beside))
        _grow(sorted(placed, key=str.encode), beside, placed, heading, seed)


def _headings(
    placed: Mapping[str, Point], beside: Mapping[str, list[tuple[str, float]]]
) -> dict[str, float]:
    """Return the direction in which each placed bus looks: away from its placed neighbours."""
    found = {}
    for bus in sorted(placed, key=str.encode):
        x, y = placed[bus]
        around = [placed[other] for other, _ in beside.get(bus, ()) if other in placed]
        if around:
            found[bus] = atan2(y - sum(p[1] for p in around) / len(around),
                               x - sum(p[0] for p in around) / len(around))  # fmt: skip
    return found


def _grow(
    front: list[str],
    beside: Mapping[str, list[tuple[str, float]]],
    placed: dict[str, Point],
    heading: dict[str, float],
    seed: int,
) -> None:
    """Place the neighbours of placed buses, and theirs, breadth first."""
    while front:
        following = []
        for bus in front:
            new = [(other, m) for other, m in sorted(beside[bus]) if other not in placed]
            for number, (other, length_m) in enumerate(new):
                rng = stream(seed, "network/places", other)
                if bus in heading:
                    fan = (number - (len(new) - 1) / 2) * pi / 3
                    angle = heading[bus] + fan + _SPREAD * rng.standard_normal()
                else:  # from a busbar into all directions
                    angle = 2 * pi * (number + rng.random()) / len(new)
                x, y = placed[bus]
                placed[other] = (x + length_m * cos(angle), y + length_m * sin(angle))
                heading[other] = angle
                following.append(other)
        front = following


def _rounded(*values: float) -> list[float]:
    return [round(float(value), 2) for value in values]
