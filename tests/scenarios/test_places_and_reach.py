"""Where the network's nodes stand, and who shares a medium: by the grid, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import dist
from typing import Any

import networkx as nx
import pytest

from fernwatt.errors import ScenarioError
from fernwatt.gridmodel import GridModel, load_grid
from scenarios import load
from scenarios.assembly import assemble
from scenarios.assembly.places import make_places

LOCAL = ["services.balancing.mode=local", "units.history_days=0"]
DISTRICT = [
    {"simbench": "1-LV-semiurb4--0-sw", "at": f"MV2.101 Load {number}"} for number in (5, 6)
]


@pytest.fixture(scope="module")
def district() -> GridModel:
    return load_grid({"simbench": "1-MV-semiurb--0-sw"}, lv=DISTRICT)


def without_coordinates(model: GridModel) -> GridModel:
    return replace(model, buses=tuple(replace(bus, x=None, y=None) for bus in model.buses))


def straight_m(model: GridModel, buses: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    return {line.id: dist(buses[line.from_bus], buses[line.to_bus]) for line in model.lines}


def spec(*changes: str) -> dict[str, Any]:
    found: dict[str, Any] = assemble(load("street", [*LOCAL, *changes])).params["network"]["spec"]
    return found


def test_drawings_are_shrunk_to_their_cables_and_hung_at_what_feeds_them(
    district: GridModel,
) -> None:
    places = make_places(district, 1)
    straight = straight_m(district, places.buses)
    for area in district.areas:
        lines = [line for line in district.lines if line.area == area.id]
        cable_m = sum(line.length_m for line in lines)
        assert sum(straight[line.id] for line in lines) <= cable_m * 1.0001 + 1
        for transformer in district.transformers:
            if transformer.id in area.transformers:
                apart = dist(places.buses[transformer.hv_bus], places.buses[area.bus])
                assert apart < 0.01
    low = [area for area in district.areas if area.kind == "lv"]
    assert len(low) == 2
    assert dist(*(places.buses[area.bus] for area in low)) > 50  # though of one kind


def test_what_has_no_coordinates_is_laid_out_by_the_lengths_of_its_lines() -> None:
    model = without_coordinates(load_grid({"simbench": "1-LV-rural2--0-sw"}))
    places = make_places(model, 1)
    assert places.buses.keys() == {bus.id for bus in model.buses}
    straight = straight_m(model, places.buses)
    for line in model.lines:  # the grid is a tree
        assert straight[line.id] == pytest.approx(0.8 * line.length_m, rel=1e-6)
    assert make_places(model, 1).buses == places.buses
    assert make_places(model, 2).buses != places.buses


def test_one_more_customer_moves_nobody(district: GridModel) -> None:
    fewer = replace(district, terminals=district.terminals[::2])
    before, after = make_places(district, 7), make_places(fewer, 7)
    for terminal in fewer.terminals:
        assert before.house(terminal.id, terminal.bus) == after.house(terminal.id, terminal.bus)


def test_houses_stand_beside_their_joint_and_substations_on_their_busbar() -> None:
    nodes = {node["id"]: node for node in spec("network.lv_fan=rf-mesh-wisun")["nodes"]}
    bus_of = {node["bus"]: node["place_m"] for name, node in nodes.items() if "lvgmu" in name}
    assert len(bus_of) == 1
    heights = [node["place_m"][2] for name, node in nodes.items() if name.startswith("meter/")]
    assert len(heights) == 41
    assert min(heights) >= 1.5
    assert max(heights) <= 6
    assert nodes["base-station/lv4.101/lte"]["place_m"][2] == 30
    assert nodes["core/mobile"].get("place_m") is None


def test_a_large_area_gets_several_concentrators_by_feeder() -> None:
    media = [m for m in spec("network.meters_per_medium=12")["media"] if m["id"][:6] == "lv-fan"]
    meters = [member for medium in media for member in medium["members"] if "meter" in member]
    assert len(meters) == len(set(meters)) == 41
    assert all(len(medium["members"]) <= 13 for medium in media)
    assert {medium["root"] for medium in media} == {"lvgmu/lv4.101"}
    assert len(media) <= 6  # 41 by 12 are four at least
    model = load_grid({"simbench": "1-LV-semiurb4--0-sw"})
    area = next(area for area in model.areas if area.kind == "lv")
    graph = nx.Graph([(line.from_bus, line.to_bus) for line in model.lines])
    graph.remove_node(area.bus)
    feeder = {bus: n for n, part in enumerate(nx.connected_components(graph)) for bus in part}
    at = {t.id.replace("terminal", "meter"): feeder.get(t.bus, -1) for t in model.terminals}
    sizes = {number: list(at.values()).count(number) for number in set(at.values())}
    split = {
        number
        for number, size in sizes.items()
        if size <= 12
        and len({m["id"] for m in media for x in m["members"] if at.get(x) == number}) > 1
    }
    assert split == set()  # feeders that fit are whole


@pytest.mark.parametrize("change", ["reach=domain", "fidelity={plc-g3: analytic}"])
def test_a_medium_of_all_has_neither_air_nor_routing(change: str) -> None:
    media = spec("network.lv_fan=plc-g3", f"network.{change}")["media"]
    (medium,) = [m for m in media if m["id"][:6] == "lv-fan"]
    assert medium.keys() == {"id", "technology", "members", "root"}


def test_meters_out_of_reach_are_named_unless_they_are_allowed() -> None:
    deaf = ["network.lv_fan=rf-mesh-15.4"]
    deaf.append("network.technologies={rf-mesh-15.4: {noise_figure_db: 90}}")
    with pytest.raises(ScenarioError, match=r"out of reach of lvgmu/lv4\.101") as caught:
        spec(*deaf)
    named = {fault.path.removeprefix("network.nodes.") for fault in caught.value.faults}
    assert len(named) == 41
    assert all(name.startswith("meter/") for name in named)
    assert spec(*deaf, "network.isolated=true")["media"]


def test_base_stations_may_be_shared() -> None:
    own, shared = (
        spec("network.lv_fan=gprs", "network.wan=gprs", f"network.base_stations.shared={value}")
        for value in ("false", "true")
    )
    assert [cell["station"] for cell in own["cells"]] == ["base-station/lv4.101/gprs"]
    assert [cell["station"] for cell in shared["cells"]] == ["base-station/all/gprs"]
    (station,) = [node for node in shared["nodes"] if node["id"] == "base-station/all/gprs"]
    assert station["terminal"] == station["bus"] == "bus/mv1.101/bus-52"
