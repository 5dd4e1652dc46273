"""What feeds what, against graphs of networkx."""

from __future__ import annotations

import copy

import networkx as nx
import numpy as np
import pandapower.topology as top
import pytest

from fernwatt.gridmodel import GridModel, load_grid
from fernwatt.gridmodel.feeding import feeding

CODES = ["1-LV-semiurb4--0-sw", "1-MV-semiurb--0-sw", "1-MV-comm--0-sw"]


def graph_of(model: GridModel, closed: np.ndarray) -> nx.MultiGraph:
    net = copy.deepcopy(model.net)
    net.switch["closed"] = closed
    return top.create_nxgraph(net, respect_switches=True)


@pytest.mark.parametrize("code", CODES)
def test_the_live_buses_are_those_that_a_graph_reaches_at_its_distances(code: str) -> None:
    model = load_grid({"simbench": code})
    rng = np.random.default_rng(5)
    record = np.array([switch.closed for switch in model.switches])
    for closed in (record, record & (rng.random(len(record)) > 0.05)):
        graph = graph_of(model, closed)
        fed = feeding(model, closed.tolist())
        for bus in graph.nodes:
            graph.nodes[bus]["id"] = model.buses[bus].id
        sources = set(model.net.ext_grid["bus"])
        distance = nx.multi_source_dijkstra_path_length(graph, sources, weight=lambda *_: 1)
        assert {model.buses[row].id for row in distance} == set(fed.live)
        assert all(len(fed.path(model.buses[row].id)) == d for row, d in distance.items())


def test_a_line_that_is_open_at_its_far_end_is_fed_and_feeds_nothing() -> None:
    model = load_grid({"simbench": "1-MV-semiurb--0-sw"})
    fed = feeding(model)
    half_open = {s.element: s.bus for s in model.switches if s.kind == "line" and not s.closed}
    for line in model.lines:
        if line.id in half_open:
            other = line.to_bus if half_open[line.id] == line.from_bus else line.from_bus
            assert fed.head[line.id] == other
            assert line.id not in fed.source.values()
    assert half_open


def test_with_all_open_only_the_sources_live() -> None:
    model = load_grid({"simbench": "1-LV-semiurb4--0-sw"})
    fed = feeding(model, [False] * len(model.switches))
    assert fed.live == (model.buses[int(model.net.ext_grid["bus"].iloc[0])].id,)
    assert not fed.head
