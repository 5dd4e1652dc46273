"""Meshes as part of a network: accounts, delays, horizon, throughput."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from math import inf
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from fernwatt.messages import Frame
from fernwatt.tables import TABLES
from simulators.network.core import NetworkCore

PARTS = ("processing", "queue", "access", "air", "retry", "core", "tick")
CAUSES = {"queue-full", "access", "retries", "noise", "no-route", "node-down", "ttl"}


def street(snr_db: Any, technology: str = "rf-mesh-15.4", **changes: Any) -> dict[str, Any]:
    """Return meters m000 (the root), m001, … in a mesh, and a centre behind the root."""
    names = [f"m{number:03d}" for number in range(len(snr_db))]
    rows = [[None if value == -inf else float(value) for value in row] for row in snr_db]
    mesh = {
        "id": "mesh",
        "technology": technology,
        "members": names,
        "root": names[0],
        "routing": "mesh",
        "mesh": {"start": changes.pop("start", "formed")},
        "air": {"kind": "levels", "nodes": names, "snr_db": rows, "isolated": True},
    }
    return {
        "nodes": [{"id": name} for name in [*names, "centre"]],
        "media": [mesh],
        "links": [{"id": "wan", "technology": "fibre", "a": names[0], "b": "centre"}],
        "overrides": {},
        "interval_ms": 60_000,
        **changes,
    }


def chain(hops: int, snr_db: float = 30.0, farther_db: float = -inf) -> list[list[float]]:
    """Return levels of a line where neighbours hear each other, and those two apart a little."""
    by_distance = {1: snr_db, 2: farther_db}
    return [[by_distance.get(abs(a - b), -inf) for b in range(hops + 1)] for a in range(hops + 1)]


def frame(number: int, src: str, dst: str, t_ms: int, size: int = 60, priority: int = 2) -> Frame:
    return Frame(f"{src}#{number}", "", src, dst, "f", priority, t_ms * 1000, -1, bytes(size))


def play(
    core: NetworkCore,
    sends: dict[int, list[Frame]],
    end_ms: int,
    switches: dict[int, list[tuple[str, bool]]] | None = None,
    every_tick: bool = False,
) -> list[tuple[Any, ...]]:
    """Run a core through sends and switchings of nodes; return what is seen from outside."""
    switches = switches or {}
    seen: list[tuple[Any, ...]] = []
    outside = sorted({*sends, *switches, end_ms}, reverse=True)
    t_ms = -1
    while t_ms < end_ms:
        due_ms = t_ms + 1 if every_tick else core.next_ms()
        while outside[-1] <= t_ms:
            outside.pop()
        coming_ms = outside[-1]
        t_ms = coming_ms if due_ms is None else min(coming_ms, due_ms)
        seen += [(t_ms, delivery.id) for delivery in core.advance(t_ms)]
        for node, works in switches.get(t_ms, ()):
            core.set_node(node, works, "fault")
        core.inject(t_ms, sends.get(t_ms, []))
        seen += [(t_ms, change.unit, change.up) for change in core.node_up()]
    core.close(end_ms)
    return seen


def table(rows: Any, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for key, columns in rows:
        assert list(columns) == [column.name for column in TABLES[key].columns]
        if key == name:
            found += [
                dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
            ]
    return found


def test_a_message_goes_up_down_and_across_with_the_hops_of_the_tree() -> None:
    core = NetworkCore(street(chain(5)), 1)
    ways = [
        ("m005", "m000"),
        ("m000", "m005"),
        ("m002", "m004"),
        ("m004", "centre"),
        ("centre", "m003"),
    ]
    sends = {1000 * n: [frame(n, src, dst, 1000 * n)] for n, (src, dst) in enumerate(ways)}
    seen = play(core, sends, 20_000)
    rows = {(row["src"], row["dst"]): row for row in table(core.rows(), "message")}
    assert len(seen) == len(ways)
    assert [rows[way]["hops"] for way in ways] == [5, 5, 6, 5, 4]
    for row in rows.values():
        assert row["delay_us"] == sum(row[f"{part}_us"] for part in PARTS)
        assert row["bytes"] == 60


def test_the_root_s_route_is_charged_on_the_wire() -> None:
    """One more hop costs one more address, on all of the hops; upwards nothing is added."""
    spec = street(chain(5), overrides={"rf-mesh-15.4": {"error": 0.0}})
    core = NetworkCore(spec, 1)
    sends = {}
    for hops in range(1, 6):
        sends[2000 * hops] = [frame(hops, "m000", f"m{hops:03d}", 2000 * hops, 20)]
        sends[2000 * hops + 1000] = [frame(hops, f"m{hops:03d}", "m000", 2000 * hops + 1000, 20)]
    play(core, sends, 20_000)
    rows = table(core.rows(), "message")
    bare = 20 + 16 + 21
    for row in rows:
        hops = row["hops"]
        if row["attempts"] == hops:  # nothing was repeated
            route = 8 + 8 * (hops - 1) if row["src"] == "m000" and hops > 1 else 0
            assert row["wire_bytes"] == hops * (bare + route)
    assert sum(row["attempts"] == row["hops"] for row in rows) >= 8


@st.composite
def cases(draw: Any) -> Any:
    count = draw(st.integers(2, 9))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    places = rng.uniform(-150, 150, (count, 2))
    apart_m = np.hypot(*(places[:, None, axis] - places[None, :, axis] for axis in (0, 1)))
    snr_db = 12.0 - 35.0 * np.log10(np.maximum(apart_m, 1.0) / 100.0)
    spec = street(
        snr_db,
        draw(st.sampled_from(["rf-mesh-15.4", "plc-g3", "rf-mesh-wisun", "plc-prime"])),
        start=draw(st.sampled_from(["formed", "cold"])),
        loss=draw(st.sampled_from([0.0, 0.1])),
        overrides={"plc-prime": {"mac": draw(st.sampled_from(["csma", "prime"]))}},
    )
    ids = [node["id"] for node in spec["nodes"]]
    spec["groups"] = {"all": ids}
    sends: dict[int, list[Frame]] = {}
    for number in range(draw(st.integers(1, 30))):
        t_ms, size = draw(st.integers(0, 30_000)), draw(st.integers(0, 300))
        src, dst = draw(st.sampled_from(ids)), draw(st.sampled_from([*ids, "group/all"]))
        item = frame(number, src, dst, t_ms, size, draw(st.integers(0, 3)))
        sends.setdefault(t_ms, []).append(item)
    switches: dict[int, list[tuple[str, bool]]] = {}
    for _ in range(draw(st.integers(0, 5))):
        change = (draw(st.sampled_from(ids)), draw(st.booleans()))
        switches.setdefault(draw(st.integers(0, 30_000)), []).append(change)
    return spec, sends, switches


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases(), st.integers(30_001, 60_000))
def test_all_is_accounted_for_and_nothing_is_seen_between_the_ticks_that_are_due(
    case: Any, end_ms: int
) -> None:
    spec, sends, switches = case
    cores = [NetworkCore(spec, 1) for _ in range(3)]
    seen = [play(core, sends, end_ms, switches, core is cores[2]) for core in cores]
    rows = [core.rows() for core in cores]
    assert seen[0] == seen[1] == seen[2]
    assert rows[0] == rows[1] == rows[2]
    messages = table(rows[0], "message")
    ids = {item.id: item for batch in sends.values() for item in batch}
    others = len(spec["nodes"]) - 1
    copies = {key: others if item.dst == "group/all" else 1 for key, item in ids.items()}
    assert Counter(row["id"] for row in messages) == copies
    for row in messages:
        parts = [row[f"{part}_us"] for part in PARTS]
        assert min(parts) >= 0
        assert (row["loss"] in CAUSES) == (row["fate"] == "lost")
        assert row["attempts"] >= row["hops"]
        assert row["bytes"] == len(ids[row["id"]].payload)
        if row["fate"] == "delivered":
            assert row["delay_us"] == sum(parts)
        else:
            assert row["t_send_us"] + sum(parts) <= end_ms * 1000


@pytest.mark.parametrize("hops", [2, 3, 5])
def test_throughput_on_one_channel_falls_with_the_hops_that_cannot_speak_at_once(hops: int) -> None:
    """Whoever is two hops away cannot speak either: one hop of three at a time.

    Carrier sense knows no schedule: it loses some of what a schedule would reach.
    """
    one, many = _saturated(1), _saturated(hops)
    assert 0.75 / min(hops, 3) <= many / one <= 1.1 / min(hops, 3)


@lru_cache
def _saturated(hops: int) -> float:
    """Return the messages a second that reach the root from the end of a chain, at its best."""
    spec = street(
        chain(hops, 5.0, -4.0),  # who is two hops away is felt, not understood
        overrides={"rf-mesh-15.4": {"retries": 7, "max_backoffs": 20}},
    )
    spec["media"][0]["air"]["sense_db"] = -6.0
    best = 0.0
    for factor in (1.0, 1.15, 1.3, 1.5, 1.8):
        gap_us = int(5500 * min(hops, 3) * factor)
        sends: dict[int, list[Frame]] = {}
        for number, t_us in enumerate(range(0, 8_000_000, gap_us)):
            item = frame(number, f"m{hops:03d}", "m000", t_us // 1000)
            sends.setdefault(t_us // 1000, []).append(item)
        seen = play(NetworkCore(spec, 1), sends, 8000)
        best = max(best, sum(it[0] > 2000 for it in seen) / 6)
    return best


def test_the_table_tells_what_the_mesh_did() -> None:
    core = NetworkCore(street(chain(4), start="cold"), 1)
    play(core, {}, 240_000)
    rows = table(core.rows(), "mesh")
    assert [row["t_ms"] for row in rows] == [0, 60_000, 120_000, 180_000]
    assert [(row["nodes"], row["joined"]) for row in rows][1:] == [(5, 5)] * 3
    assert sum(row["parent_changes"] for row in rows) == 4
    assert rows[-1]["hops_mean"] == 2.5
    assert rows[0]["control_transmissions"] > 20
    assert rows[0]["control_bytes"] > 40 * rows[0]["control_transmissions"]


def test_a_formed_mesh_of_reporting_meters_has_a_few_messages_of_its_own_an_hour() -> None:
    rng = np.random.default_rng(2)
    places = rng.uniform(-250, 250, (60, 2))
    apart_m = np.hypot(*(places[:, None, axis] - places[None, :, axis] for axis in (0, 1)))
    core = NetworkCore(street(20.0 - 35.0 * np.log10(np.maximum(apart_m, 1.0) / 100.0)), 1)
    hours = 12
    sends: dict[int, list[Frame]] = {}
    for number in range(1, 60):
        for t_ms in range(number * 1000, hours * 3_600_000, 900_000):
            sends.setdefault(t_ms, []).append(frame(t_ms, f"m{number:03d}", "m000", t_ms))
    seen = play(core, sends, hours * 3_600_000)
    rows = core.rows()
    control = sum(row["control_transmissions"] for row in table(rows, "mesh"))
    assert len(seen) > 0.99 * sum(map(len, sends.values()))
    assert control / 60 / hours < 6


def test_what_is_wrong_with_a_mesh_is_said() -> None:
    spec = street(chain(2), "wifi-han")
    spec["media"][0]["mesh"] = {"start": "warm", "stat": 1}
    with pytest.raises(ScenarioError) as error:
        NetworkCore(spec, 1)
    said = [str(fault) for fault in error.value.faults]
    assert len(said) == 3
    assert any("wifi-han has no mesh" in it for it in said)
