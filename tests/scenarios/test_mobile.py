"""Who subscribes where, and what lies between a subscriber and those above it."""

from scenarios.assembly.mobile import CORE, Mobile, by_radio
from simulators.network.core import NetworkCore
from simulators.network.technologies import load


def network():
    mobile = Mobile(load())
    for meter in ("meter/lv1/a", "meter/lv1/b"):
        mobile.subscribe("lv1", "gprs", meter, "mvgmu/mv1")
    mobile.subscribe("lv1", "lte", "lvgmu/lv1", "mvgmu/mv1")
    mobile.subscribe("lv2", "lte", "lvgmu/lv2", "mvgmu/mv1")
    units = ["meter/lv1/a", "meter/lv1/b", "lvgmu/lv1", "lvgmu/lv2", "mvgmu/mv1"]
    nodes = [{"id": unit} for unit in units] + mobile.nodes({"lv1": "bus/lv1/0"}, 5000)
    return {"nodes": nodes, "cells": mobile.cells(), "links": mobile.links()}


def test_subscribers_of_a_technology_share_a_cell_and_generations_have_cores_of_their_own():
    spec = network()
    cells = {cell["id"]: cell["members"] for cell in spec["cells"]}
    assert cells == {
        "cell/lv1/gprs": ["meter/lv1/a", "meter/lv1/b"],
        "cell/lv1/lte": ["lvgmu/lv1"],
        "cell/lv2/lte": ["lvgmu/lv2"],
    }
    behind = {link["a"]: link["technology"] for link in spec["links"] if link["b"] == CORE}
    assert behind == {
        "base-station/lv1/gprs": "core-2g",
        "base-station/lv1/lte": "core-4g",
        "base-station/lv2/lte": "core-4g",
        "mvgmu/mv1": "fibre",
    }
    station = next(node for node in spec["nodes"] if node["id"] == "base-station/lv1/lte")
    assert (station["terminal"], station["battery_ms"]) == ("bus/lv1/0", 5000)


def test_a_meter_reaches_its_substation_over_both_generations():
    routes = NetworkCore(network(), 1)._routes
    path = routes.path("meter/lv1/a", "lvgmu/lv1")
    names = ["base-station/lv1/gprs", CORE, "base-station/lv1/lte", "lvgmu/lv1"]
    assert [node.id for _, node in path] == names


def test_reception_follows_from_places_where_all_are_known():
    spec = network()
    assert by_radio(spec["cells"], spec["nodes"]) == spec["cells"]
    placed = [node | {"place_m": [0, 0, 2]} for node in spec["nodes"] if "lv2" not in node["id"]]
    airs = {cell["id"]: cell.get("air") for cell in by_radio(spec["cells"], placed)}
    radio = {"kind": "radio"}
    assert airs == {"cell/lv1/gprs": radio, "cell/lv1/lte": radio, "cell/lv2/lte": None}
