"""How many hops the meters of real grids need: the tables of the documentation, made again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from fernwatt.gridmodel import GridModel, load_grid
from scenarios.assembly.places import make_places
from scenarios.assembly.reach import conductors
from simulators.network.airs import Airs
from simulators.network.spread import Spread
from simulators.network.topology import Topology

DOCS = Path(__file__).parents[2] / "docs" / "models"
GRIDS = ("semiurb4", "semiurb5", "urban6", "rural1", "rural2", "rural3")
RADIO: tuple[tuple[str, dict[str, Any]], ...] = (
    ("rf-mesh-15.4", {"path_loss": "log-distance", "path_exponent": 3.5}),
    ("rf-mesh-15.4", {"path_loss": "log-distance", "path_exponent": 4.0}),
    ("rf-mesh-wisun", {"path_loss": "log-distance", "path_exponent": 4.0}),
    ("rf-mesh-wisun", {"path_loss": "hata"}),
)


def nodes_of(model: GridModel) -> list[dict[str, Any]]:
    places = make_places(model, 1)
    busbar = next(area.bus for area in model.areas if area.kind == "lv")
    root = {"id": "root", "terminal": None, "bus": busbar, "place_m": places.at(busbar, 2.5)}
    return [root] + [
        {"id": it.id, "terminal": None, "bus": it.bus, "place_m": places.house(it.id, it.bus)}
        for it in model.terminals
        if it.customer
    ]


def hops(model: GridModel, technology: str, kind: str, **changes: Any) -> str:
    """Return how many meters are one hop, two, … from the substation, as the tables print it."""
    nodes = nodes_of(model)
    medium = {
        "id": "m",
        "technology": technology,
        "members": [node["id"] for node in nodes],
        "root": "root",
        "routing": "mesh",
        "air": {"kind": kind},
    }
    topology = Topology.from_spec(
        {
            "nodes": nodes,
            "media": [medium],
            "links": [],
            "conductors": conductors(model),
            "overrides": {technology: changes},
        }
    )
    air = Airs(topology, 1).of(topology.media[0])
    assert isinstance(air, Spread)
    levels = air.levels
    count = len(nodes)
    both = [(i, j) for i in range(count) for j in levels.hearers[i] if levels.hears(i, j)]
    root = topology.media[0].members.index("root")
    far = nx.single_source_shortest_path_length(nx.Graph(both), root)
    assert len(far) == count
    steps = list(far.values())
    return ", ".join(str(steps.count(step)) for step in range(1, max(steps) + 1))


@pytest.mark.slow
@pytest.mark.parametrize("grid", GRIDS)
def test_the_documentation_has_the_hops_of_the_grids(grid: str) -> None:
    model = load_grid({"simbench": f"1-LV-{grid}--0-sw"})
    meters = sum(bool(it.customer) for it in model.terminals)
    cells = [hops(model, name, "radio", **changes) for name, changes in RADIO]
    row = f"| 1-LV-{grid} | {meters} | " + " | ".join(cells) + " |"
    assert row in (DOCS / "radio.md").read_text(encoding="utf-8")
    lines = [hops(model, name, "conductors") for name in ("plc-prime", "plc-g3")]
    text = " ".join((DOCS / "powerline.md").read_text(encoding="utf-8").split())
    assert f"{grid} {lines[0]} / {lines[1]}" in text
