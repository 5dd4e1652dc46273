"""Adversaries on the way of segments."""

from __future__ import annotations

from typing import Any

import pytest


def tapped(kind: str, **tap: Any) -> dict[str, Any]:
    """Three nodes in a line; a tap at the middle one."""
    return {
        "nodes": [{"id": f"n{number}"} for number in range(3)],
        "links": [
            {"id": f"l{n}", "technology": "ethernet", "a": f"n{n}", "b": f"n{n + 1}"}
            for n in range(2)
        ],
        "taps": [{"id": "x", "element": "n1", **tap}],
        "transport": {"default": {"kind": kind, "timeout_s": 20.0}},
        "interval_ms": 10_000_000,
    }


@pytest.mark.parametrize(
    ("kind", "loss"), [("datagram", "tapped"), ("reliable", "timeout"), ("request", "timeout")]
)
def test_who_drops_segments_starves_a_flow(
    play: Any, frame: Any, check: Any, kind: str, loss: str
) -> None:
    run = play(tapped(kind, does="drop"), {0: [frame(1, "n0", "n2")]}, 100_000)
    assert [row["loss"] for row in run.rows] == [loss]
    check(run.rows[0], 100_000)


def test_who_drops_some_slows_it_down(play: Any, frame: Any, check: Any) -> None:
    spec = tapped("reliable", does="drop", share=0.2)
    sends = {1000 * n: [frame(n, "n0", "n2", 1_000_000 * n)] for n in range(60)}
    run = play(spec, sends, 600_000)
    assert {row["fate"] for row in run.rows} == {"delivered"}
    assert sum(row["retry_us"] > 900_000 for row in run.rows) > 4
    for row in run.rows:
        check(row, 600_000)


@pytest.mark.parametrize("kind", ["reliable", "request"])
def test_who_holds_segments_up_delays_them(play: Any, frame: Any, check: Any, kind: str) -> None:
    sends = {0: [frame(1, "n0", "n2")]}
    before = play({**tapped(kind, does="delay", delay_ms=1), "taps": []}, sends, 9000).rows[0]
    after = play(tapped(kind, does="delay", delay_ms=321.5), sends, 9000).rows[0]
    assert after["t_arrival_us"] == before["t_arrival_us"] + 321_500
    check(after, 9000)


def test_what_is_held_at_the_end_is_found(play: Any, frame: Any) -> None:
    for element in ("n0", "n1"):
        spec = tapped("reliable", does="delay", delay_ms=5000)
        spec["taps"][0]["element"] = element
        run = play(spec, {0: [frame(1, "n0", "n2")]}, 3000)
        assert [row["fate"] for row in run.rows] == ["in-flight"]
