"""Power lines: attenuation along the conductors, what hangs behind a cut, bursts."""

from __future__ import annotations

from math import inf, log10
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from fernwatt.messages import Supply
from simulators.network.airs import Airs
from simulators.network.core import NetworkCore
from simulators.network.powerline import (
    Conductors,
    DailyBursts,
    Line,
    Net,
    Switch,
    attenuation_db_per_km,
    dbuv,
    noise_dbuv,
    parse_conductors,
)
from simulators.network.spread import Spread
from simulators.network.technologies import MediumTechnology, load
from simulators.network.topology import Topology
from tests.simulators.network.test_core import frame, play, table

PRIME = load()["plc-prime"]
assert isinstance(PRIME, MediumTechnology)


def supply(element: str, continuous: bool, number: int = 1) -> Supply:
    return Supply(f"grid#{number}", "", element, True, continuous)


def feeder() -> Conductors:
    """A busbar with three feeders; on the first, two houses in a row and a branch::

    bar ──100 m── a ──100 m── b ──/ switch /── tail
     ├── 50 m ─── other       └──200 m── c
     └── 80 m ─── third
    """
    lines = [("l1", "bar", "a", 100), ("l2", "a", "b", 100), ("l3", "b", "c", 200),
             ("l4", "bar", "other", 50), ("l5", "bar", "third", 80)]  # fmt: skip
    return Conductors(
        tuple(Line(name, a, b, float(length), 20.0) for name, a, b, length in lines),
        (Switch("s1", "b", "tail", True),),
    )


def db(net: Net, source: str, sink: str, tap_db: float = 0.0, **houses: int) -> float:
    parts = net.parts([source, sink])
    return float(net.attenuation_db(parts, [source], [sink], tap_db, houses)[0, 0])


def test_a_way_costs_its_cables_and_what_it_passes() -> None:
    net = Net(feeder())
    assert db(net, "bar", "a") == pytest.approx(2.0)
    assert db(net, "bar", "b") == pytest.approx(4.0)  # a has two lines: nothing is split off
    assert db(net, "bar", "b", 1.5, a=2, b=9) == pytest.approx(4.0 + 2 * 1.5)  # those passed
    split = 20 * log10(3 / 2)  # three equal lines meet at the busbar
    assert db(net, "a", "other") == pytest.approx(2.0 + 1.0 + split)
    assert db(net, "b", "tail") == db(net, "tail", "b") == 0.0  # one junction
    assert db(net, "a", "a") == 0.0


@pytest.mark.parametrize(
    ("cut", "behind"),
    [
        ("l1", {"a", "b", "c", "tail"}),
        ("l2", {"b", "c", "tail"}),
        ("s1", {"tail"}),
        ("l5", {"third"}),
    ],
)
def test_a_cut_takes_off_what_hangs_behind(cut: str, behind: set[str]) -> None:
    net = Net(feeder())
    buses = ["bar", "a", "b", "c", "tail", "other", "third"]
    assert net.take([supply(cut, False)])
    found = {bus for bus in buses if db(net, "bar", bus) == inf}
    assert found == behind
    assert not net.take([supply(cut, False)])  # nothing new
    net.take([supply(cut, True)])
    assert all(db(net, "bar", bus) < inf for bus in buses)


def test_changes_elsewhere_touch_nothing() -> None:
    lines = (Line("l1", "a", "b", 10.0, 20.0), Line("l2", "x", "y", 10.0, 20.0))
    net = Net(Conductors(lines))
    assert net.take([supply("l2", False)]) == set(net.parts(["x"]))
    assert net.parts(["x"]) != net.parts(["a"])
    assert not net.take([supply("transformer/1", False)])


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_ways_are_the_cheapest_as_another_library_finds_them(data: Any) -> None:
    count = data.draw(st.integers(2, 12))
    buses = [f"b{number}" for number in range(count)]
    ends = st.tuples(st.sampled_from(buses), st.sampled_from(buses)).filter(
        lambda it: it[0] != it[1]
    )
    lines = [
        Line(f"l{number}", *data.draw(ends), data.draw(st.integers(1, 500)), 20.0)
        for number in range(data.draw(st.integers(1, 18)))
    ]
    houses = {bus: data.draw(st.integers(0, 3)) for bus in buses}
    cut = {line.id for line in lines if data.draw(st.booleans())}
    net = Net(Conductors(tuple(lines)))
    net.take([supply(name, False) for name in sorted(cut)])
    graph, whole = nx.DiGraph(), [line for line in lines if line.id not in cut]
    graph.add_nodes_from(buses)
    meeting = {bus: sum((line.a == bus) + (line.b == bus) for line in whole) for bus in buses}
    passing = {bus: 20 * log10(max(meeting[bus], 2) / 2) + 1.5 * houses[bus] for bus in buses}
    for line in whole:
        for a, b in ((line.a, line.b), (line.b, line.a)):
            cost = line.length_m * 0.02 + passing[b]
            graph.add_edge(a, b, weight=min(cost, graph.get_edge_data(a, b, {}).get("weight", inf)))
    found = net.attenuation_db(net.parts(buses), buses, buses, 1.5, houses)
    ways = dict(nx.all_pairs_dijkstra_path_length(graph))
    for i, a in enumerate(buses):
        for j, b in enumerate(buses):
            expected = 0.0 if a == b else ways[a].get(b, inf) - passing[b]
            assert found[i, j] == pytest.approx(expected, abs=1e-6)
    assert np.allclose(found, found.T, atol=1e-6)


def test_a_loaded_street_has_the_attenuation_that_is_measured_in_streets() -> None:
    """40 to 100 dB/km between 40 and 90 kHz (Hooijen): cable, and houses every 25 to 50 m."""
    for every_m in (25, 50):
        count = 1000 // every_m
        lines = tuple(
            Line(f"l{n}", f"b{n}", f"b{n + 1}", every_m, attenuation_db_per_km("NAYY 4x150 SE"))
            for n in range(count)
        )
        houses = {f"b{n}": 1 for n in range(1, count)}
        total = db(Net(Conductors(lines)), "b0", f"b{count}", PRIME.tap_db, **houses)
        assert 40 < total < 100


def test_cables_go_by_the_beginning_of_their_names() -> None:
    assert attenuation_db_per_km("NAYY 4x150 SE") == 15.0
    assert attenuation_db_per_km("nekeba 4x120") == 30.0
    assert attenuation_db_per_km("something else") == 20.0
    conductors, faults = parse_conductors(
        {"conductors": {"lines": [
            {"id": "l", "a": "a", "b": "b", "length_m": 3, "cable": "NAYY", "db_per_km": 7},
            {"id": "l", "a": "a", "b": "b", "length_m": 0, "cable": None},
        ]}}
    )  # fmt: skip
    assert conductors.lines[0].db_per_km == 7.0
    assert [fault.path.rpartition(".")[2] for fault in faults] == ["length_m", "conductors"]


def test_noise_in_the_band_is_the_sum_of_its_parts() -> None:
    level = noise_dbuv(PRIME)
    flat = PRIME.noise_floor_dbuv + 10 * log10((89e3 - 42e3) / 200)
    assert level > flat
    at = np.linspace(42e3, 89e3, 100_001)
    density = 10 ** ((30 + 40 * np.exp(-at / 1e5)) / 10)
    assert level == pytest.approx(10 * log10(np.trapezoid(density, at) / 200), abs=0.01)
    assert dbuv(23.0103) == pytest.approx(120.0, abs=1e-3)  # 0.2 W at 5 ohms: one volt


def street(houses: int = 6, **changes: Any) -> dict[str, Any]:
    """A busbar with one feeder, a house every 30 m, and a switch to a second busbar."""
    nodes = [{"id": "root", "terminal": None, "battery_ms": 0, "bus": "bar"}]
    nodes += [
        {"id": f"m{n}", "terminal": None, "battery_ms": 0, "bus": f"b{n}"} for n in range(houses)
    ]
    ends = ["bar", *(f"b{n}" for n in range(houses))]
    lines = [
        {"id": f"l{n}", "a": ends[n], "b": ends[n + 1], "length_m": 30.0, "cable": "NAYY 4x150 SE"}
        for n in range(houses)
    ]
    medium = {
        "id": "plc",
        "technology": "plc-prime",
        "members": [node["id"] for node in nodes],
        "root": "root",
        "air": {"kind": "conductors"},
    }
    return {
        "nodes": nodes,
        "media": [medium],
        "links": [],
        "conductors": {"lines": lines},
    } | changes


def test_a_broken_cable_silences_what_hangs_behind_and_no_more() -> None:
    sends = {
        t_ms + 5_000 * n: [frame(t_ms + n, f"m{n}", "root")]
        for t_ms in (0, 60_000, 120_000)
        for n in range(6)
    }
    changes = {50_000: [supply("l3", False)], 110_000: [supply("l3", True, 2)]}
    core, _ = play(street(), sends, 200_000, changes)
    rows = table(core, "message")
    fates = {(row["t_send_us"] // 60_000_000, row["src"]): row["loss"] for row in rows}
    assert all(fates[0, f"m{n}"] == "none" for n in range(6))
    assert [fates[1, f"m{n}"] for n in range(6)] == ["none"] * 3 + ["no-route"] * 3
    assert all(fates[2, f"m{n}"] == "none" for n in range(6))


def test_a_frame_on_the_line_does_not_pass_the_cut() -> None:
    sends = {0: [frame(0, "m5", "root", payload=bytes(200))]}
    core, _ = play(street(), sends, 100_000, {60: [supply("l0", False)]})
    assert [row["loss"] for row in table(core, "message")] == ["retries"]


def test_levels_fall_along_the_feeder() -> None:
    spec = street()
    spec["overrides"] = {"plc-prime": {"noise_sigma_db": 0.0}}
    topology = Topology.from_spec(spec)
    air = Airs(topology, 1).of(topology.media[0])
    assert isinstance(air, Spread)
    rows = air.levels.rows
    root = topology.media[0].members.index("root")
    levels = [rows[root][n] for n in range(6)]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] == pytest.approx(120 - 0.45 - noise_dbuv(PRIME))
    assert levels[5] == pytest.approx(levels[0] - 5 * (0.45 + 1.5))


def test_noise_differs_from_place_to_place_as_stated() -> None:
    spec = street(houses=200, overrides={"plc-prime": {"tap_db": 0.0}})
    spec["media"][0]["air"]["isolated"] = True
    topology = Topology.from_spec(spec)
    air = Airs(topology, 4).of(topology.media[0])
    assert isinstance(air, Spread)
    members = topology.media[0].members
    at = [120 - 0.45 * (int(key[1:]) + 1) for key in members if key != "root"]
    heard = [air.levels.rows[members.index("root")][n] for n in range(200)]
    noise = np.array(at) - np.array(heard)
    assert np.std(noise) == pytest.approx(5.0, rel=0.2)
    assert np.mean(noise) == pytest.approx(noise_dbuv(PRIME), abs=3.3 * 5 / np.sqrt(200))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"nodes": [{"id": "root", "terminal": None}, {"id": "m0", "terminal": None, "bus": "b0"}]},
         "nodes.root.bus: is needed by plc"),
        ({"nodes": [{"id": "root", "bus": "bar"}, {"id": "m0", "bus": "elsewhere"}]},
         "no conductor ends at elsewhere"),
        ({"technology": "zigbee-han"}, "it does not use conductors"),
        ({"length_m": 900.0}, "m0: is out of reach of root"),
    ],
)  # fmt: skip
def test_what_cannot_be_reached_is_refused(change: dict[str, Any], text: str) -> None:
    spec = street(houses=1)
    spec["nodes"] = change.get("nodes", spec["nodes"])
    spec["media"][0]["technology"] = change.get("technology", "plc-prime")
    if "length_m" in change:
        spec["conductors"]["lines"][0] |= {"length_m": change["length_m"], "cable": "NEKEBA"}
        spec["conductors"]["lines"][0]["length_m"] = 3000.0
    with pytest.raises(ScenarioError, match=text):
        NetworkCore(spec, 1)


def bursts(**changes: Any) -> DailyBursts:
    overrides = {"plc-prime": {"burst_every_ms": 900.0, "burst_ms": 100.0, **changes}}
    technology = load(overrides)["plc-prime"]
    assert isinstance(technology, MediumTechnology)
    return DailyBursts(technology, 1, ["a", "b"], 0)


def test_bursts_have_their_share_and_their_length() -> None:
    """Asked for an instant every 10 ms: a tenth of the time bad, 100 ms in a row in the mean."""
    spells = bursts(day_swing=0.0)
    count = 200_000
    bad = np.array([spells.rise(0, t * 10_000, t * 10_000) > 0 for t in range(count)])
    runs = np.count_nonzero(bad[1:] & ~bad[:-1])
    share = bad.mean()
    assert share == pytest.approx(0.1, abs=3.3 * np.sqrt(0.1 * 0.9 / count * 18))  # correlated
    kept = np.exp(-10 / 100 - 10 / 900)
    leave = 0.9 * (1 - kept)  # from bad to good within 10 ms, returns included
    assert bad.sum() / runs == pytest.approx(1 / leave, rel=0.04)


def test_a_long_frame_meets_a_burst_more_often() -> None:
    spells, count = bursts(day_swing=0.0), 20_000
    hits = [spells.rise(1, t * 10**7, t * 10**7 + 200_000) > 0 for t in range(count)]
    expected = 1 - 0.9 * np.exp(-200 / 900)
    assert np.mean(hits) == pytest.approx(expected, abs=3.3 * np.sqrt(0.25 / count))


def test_bursts_follow_the_time_of_day() -> None:
    spells = bursts(day_swing=0.5, day_peak_h=20.0)
    share = {}
    for hour in (8, 14, 20):
        at_us = hour * 3_600_000_000
        hits = [spells.rise(0, at_us + n * 10**6, at_us + n * 10**6) > 0 for n in range(3500)]
        share[hour] = np.mean(hits)
    for hour, factor in ((8, 0.5), (14, 1.0), (20, 1.5)):
        rate = factor / 900
        expected = rate / (rate + 1 / 100)
        assert share[hour] == pytest.approx(expected, abs=0.02)


def test_places_have_bursts_of_their_own() -> None:
    spells = bursts(day_swing=0.0)
    both = [(spells.rise(0, t * 10**6, t * 10**6) > 0, spells.rise(1, t * 10**6, t * 10**6) > 0)
            for t in range(20_000)]  # fmt: skip
    together = np.mean([a and b for a, b in both])
    assert together == pytest.approx(0.01, abs=0.004)


def test_a_cut_makes_the_levels_of_its_own_medium_anew_and_no_others() -> None:
    spec, other = street(houses=3), street(houses=3)
    for kind in ("nodes", "lines"):
        items = other["nodes"] if kind == "nodes" else other["conductors"]["lines"]
        for item in items:
            item |= {key: f"x/{item[key]}" for key in ("id", "bus", "a", "b") if key in item}
    other["media"][0] |= {"id": "x", "root": "x/root", "members": [n["id"] for n in other["nodes"]]}
    joint = {"id": "wan", "technology": "ethernet", "a": "root", "b": "x/root"}
    topology = Topology.from_spec(
        {
            "nodes": spec["nodes"] + other["nodes"],
            "media": spec["media"] + other["media"],
            "links": [joint],
            "conductors": {"lines": spec["conductors"]["lines"] + other["conductors"]["lines"]},
        }
    )
    airs = Airs(topology, 1)
    made = {medium.id: airs.of(medium) for medium in topology.media}
    levels = {name: air.levels for name, air in made.items() if isinstance(air, Spread)}
    before = {name: it.rows for name, it in levels.items()}
    assert airs.take([supply("x/l1", False), supply("terminal/1", False)]) == ["x"]
    assert levels["plc"].rows is before["plc"]
    assert levels["x"].rows is not before["x"]
    members = topology.media[1].members
    root, behind = members.index("x/root"), members.index("x/m1")
    assert levels["x"].rows[root][behind] == -inf
    assert levels["x"].rows[root][members.index("x/m0")] > 30
