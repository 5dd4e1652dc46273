"""Where crews drive: coordinates in metres, and a layout for grids that have none."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.feeding import feeding
from scenarios.assembly.ground import ground

STREET = load_grid({"simbench": "1-LV-semiurb4--0-sw"})
DISTRICT = load_grid({"simbench": "1-MV-semiurb--0-sw"})
DRAWN = load_grid({"pandapower": "create_cigre_network_mv"})


@pytest.mark.parametrize("model", [STREET, DISTRICT])
def test_coordinates_in_degrees_become_metres(model) -> None:
    places = ground(model)
    # against the great circle between two far ends
    ends = sorted(model.buses, key=lambda bus: (bus.x, bus.id))
    one, other = ends[0], ends[-1]
    a, b, c, d = (math.radians(v) for v in (one.y, one.x, other.y, other.x))
    angle = math.acos(math.sin(a) * math.sin(c) + math.cos(a) * math.cos(c) * math.cos(d - b))
    far_m = math.dist(places[one.id], places[other.id])
    assert far_m == pytest.approx(6_371_008.8 * angle, rel=1e-3)


def without_coordinates(model):
    return replace(model, buses=tuple(replace(bus, x=None, y=None) for bus in model.buses))


@pytest.mark.parametrize("model", [DRAWN, without_coordinates(STREET)])
def test_a_grid_without_coordinates_is_laid_out_by_the_length_of_its_lines(model) -> None:
    places = ground(model)
    tree = feeding(model, [True] * len(model.switches))
    length_m = {line.id: line.length_m for line in model.lines}
    for bus in tree.live:
        along_m = sum(length_m.get(element, 0.0) for element in tree.path(bus))
        assert math.hypot(*places[bus]) == pytest.approx(along_m, abs=0.2)
    spots = {tuple(np.round(places[bus], 1)) for bus in tree.live}
    assert len(spots) > 0.8 * len(tree.live)


def test_every_element_that_crews_work_at_has_a_place() -> None:
    places = ground(STREET)
    for group in (STREET.buses, STREET.lines, STREET.switches, STREET.transformers):
        assert all(item.id in places for item in group)
    line = STREET.lines[0]
    middle = np.mean([places[line.from_bus], places[line.to_bus]], axis=0)
    assert places[line.id] == pytest.approx(middle, abs=0.11)
    switch = STREET.switches[0]
    assert places[switch.id] == places[switch.bus]
