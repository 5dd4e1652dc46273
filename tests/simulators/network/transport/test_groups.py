"""Frames to groups: one transmission for all who hear it, copies over links, a row for each."""

from __future__ import annotations

from typing import Any

import pytest

from simulators.network.core import NetworkCore


def street(members: int, **changes: Any) -> dict[str, Any]:
    """top - fibre - head - a shared medium with m0, m1, …; two more behind m0 and m1."""
    names = [f"m{number}" for number in range(members)]
    return {
        "nodes": [{"id": key} for key in ["top", "head", "x0", "x1", *names]],
        "media": [{"id": "fan", "technology": "rf-mesh-15.4", "members": ["head", *names]}],
        "links": [
            {"id": "wan", "technology": "fibre", "a": "head", "b": "top"},
            {"id": "x0", "technology": "ethernet", "a": "m0", "b": "x0"},
            {"id": "x1", "technology": "ethernet", "a": "m1", "b": "x1"},
        ],
        "overrides": {"rf-mesh-15.4": {"error": 0.0}},
        "groups": {"all": ["top", "head", "x0", "x1", *names], "self": ["top"]},
        "interval_ms": 10_000_000,
        **changes,
    }


def test_one_transmission_serves_all_who_hear_it(play: Any, frame: Any, check: Any) -> None:
    run = play(street(5), {0: [frame(1, "top", "group/all")]}, 5000)
    assert sorted(row["dst"] for row in run.rows) == sorted(
        ["head", "x0", "x1", *(f"m{n}" for n in range(5))]
    )
    assert {row["fate"] for row in run.rows} == {"delivered"}
    assert {(it.dst, it.id) for _, it in run.out} == {(row["dst"], "top#1") for row in run.rows}
    sent = {row["medium"]: row["transmissions"] for row in run.media}
    assert sent == {"wan": 1, "fan": 1, "x0": 1, "x1": 1}
    for row in run.rows:
        check(row, 5000)
    hops = {row["dst"]: row["hops"] for row in run.rows}
    assert (hops["head"], hops["m3"], hops["x1"]) == (1, 2, 3)
    arrivals = {row["t_arrival_us"] for row in run.rows if row["dst"].startswith("m")}
    assert len(arrivals) == 1


def test_a_message_of_many_fragments_needs_them_all(play: Any, frame: Any) -> None:
    count, p = 400, 0.02
    spec = street(5, overrides={"rf-mesh-15.4": {"error": p}})
    sends = {t: [frame(t, "head", "group/all", 1000 * t, payload=bytes(400))]
             for t in range(0, 1000 * count, 1000)}  # fmt: skip
    run = play(spec, sends, 1000 * count + 5000)
    meters = [row for row in run.rows if row["dst"] in ("m2", "m3", "m4")]
    fragments = run.media[0]["transmissions"] // count
    assert fragments == 5
    share = sum(row["fate"] == "delivered" for row in meters) / len(meters)
    through = (1 - p) ** fragments
    assert share == pytest.approx(through, abs=3.5 * (through * (1 - through) / count) ** 0.5)
    assert {row["loss"] for row in meters} == {"noise", "none"}


def test_a_reliable_flow_to_a_group_goes_to_each_alone(play: Any, frame: Any) -> None:
    spec = street(3, transport={"default": "reliable"})
    run = play(spec, {0: [frame(1, "head", "group/all")]}, 5000)
    assert {row["fate"] for row in run.rows} == {"delivered"}
    fan = next(row for row in run.media if row["medium"] == "fan")
    assert fan["transmissions"] > 3 * 4


def test_who_is_down_or_out_of_reach_has_a_row_too(play: Any, frame: Any) -> None:
    acts = {
        0: lambda core: (
            core.set_node("m2", False, "fault#1"), core.set_carrier("x1", False, "fault#1"),
        )
    }  # fmt: skip
    run = play(street(4), {0: [frame(1, "top", "group/all")]}, 5000, acts)
    losses = {row["dst"]: row["loss"] for row in run.rows}
    assert losses.pop("m2") == "node-down"
    assert losses.pop("x1") == "no-route"
    assert set(losses.values()) == {"none"}


def test_a_sender_alone_in_its_group_sends_nothing(play: Any, frame: Any) -> None:
    run = play(street(2), {0: [frame(1, "top", "group/self")]}, 1000)
    assert run.rows == []


def test_an_unknown_group_is_nowhere(play: Any, frame: Any) -> None:
    run = play(street(2), {0: [frame(1, "top", "group/none")]}, 1000)
    assert [(row["dst"], row["loss"]) for row in run.rows] == [("group/none", "no-route")]


def test_without_transport_and_groups_all_is_as_before(play: Any, frame: Any) -> None:
    """Every row and delivery to the byte: a plain datagram never comes near the transports."""
    plain = street(4)
    del plain["groups"]
    with_groups = street(4, transport={"default": "datagram", "flows": {"other": "reliable"}})
    sends = {
        t: [
            frame(2 * t, "top", f"m{t % 4}", 1000 * t + t % 7, payload=bytes(t % 300)),
            frame(2 * t + 1, f"m{t % 3}", "top", 1000 * t, payload=bytes(t % 200)),
        ]
        for t in range(0, 3000, 17)
    }
    runs = [play(spec, sends, 6000) for spec in (plain, with_groups)]
    assert runs[0].rows == runs[1].rows
    assert runs[0].out == runs[1].out
    assert NetworkCore(plain, 1)._transports is None
