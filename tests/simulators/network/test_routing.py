"""Paths: the fewest carriers over what works, found or missed like by a plain search."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import networkx as nx
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.network.core import NetworkCore


@st.composite
def networks(draw: Any) -> tuple[dict[str, Any], list[tuple[str, bool]]]:
    """Media with members at random: trees, loops, houses behind gates, parts that break."""
    count = draw(st.integers(2, 9))
    names = [f"n{number}" for number in range(count)]
    media = [
        {
            "id": f"m{number}",
            "technology": "zigbee-han",
            "members": sorted(draw(st.sets(st.sampled_from(names), min_size=2, max_size=4))),
        }
        for number in range(draw(st.integers(1, 7)))
    ]
    linked = [{"id": "all", "technology": "zigbee-han", "members": names}]  # else: unreachable
    broken = draw(st.lists(st.sampled_from([*names, *(it["id"] for it in media)]), max_size=3))
    spec = {"nodes": [{"id": name} for name in names], "media": media + linked}
    return spec, [("all", False), *((name, False) for name in broken)]


@settings(max_examples=150, deadline=None)
@given(networks())
def test_paths_have_the_fewest_carriers(case: Any) -> None:
    spec, broken = case
    core = NetworkCore(spec, 1)
    for name, works in broken:
        (core.set_carrier if name in core._by_id else core.set_node)(name, works, "fault")
    down = {name for name, _ in broken}
    graph: Any = nx.Graph()
    for node in spec["nodes"]:
        graph.add_node(node["id"])
    for medium in spec["media"]:
        if medium["id"] not in down:
            graph.add_edges_from((medium["id"], name) for name in medium["members"])
    for source in (node["id"] for node in spec["nodes"]):
        alive = graph.subgraph(set(graph) - (down - {source}))
        lengths = nx.single_source_shortest_path_length(alive, source)
        for target in (node["id"] for node in spec["nodes"]):
            path = core._routes.path(source, target)
            expected = lengths.get(target) if target not in down or target == source else None
            assert (None if path is None else 2 * len(path)) == expected


def test_a_thousand_houses_behind_one_cell_are_found_in_no_time() -> None:
    count = 1000
    ids = ["bs", "host", *(f"{kind}{n}" for kind in ("meter", "cmu") for n in range(count))]
    spec = {
        "nodes": [{"id": name} for name in ids],
        "cells": [
            {"id": "cell", "technology": "lte", "station": "bs",
             "members": [f"meter{n}" for n in range(count)]}
        ],
        "links": [{"id": "core", "technology": "core-4g", "a": "bs", "b": "host"}],
        "media": [
            {"id": f"han{n}", "technology": "zigbee-han", "members": [f"meter{n}", f"cmu{n}"]}
            for n in range(count)
        ],
    }  # fmt: skip
    routes = NetworkCore(spec, 1)._routes
    begin = perf_counter()
    for number in range(count):
        up, down = routes.path(f"cmu{number}", "host"), routes.path("host", f"cmu{number}")
        assert up is not None
        assert down is not None
        assert len(up) == len(down) == 3
    assert perf_counter() - begin < 5  # 0.1 s; 18 s where every house is looked into
