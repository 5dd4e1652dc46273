"""Modulation by link: the mode follows the level, and frames cost and fail by it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from fernwatt.messages import Frame
from simulators.network import phy
from simulators.network.adaptation import Adaptation
from simulators.network.core import NetworkCore
from simulators.network.draws import Draws
from simulators.network.levels import Levels
from simulators.network.spread import Spread
from simulators.network.technologies import MediumTechnology, load

ADAPTIVE: dict[str, dict[str, Any]] = {
    "plc-g3": {"adaptive": 1, "mode": "robo", "mac": "g3"},
    "plc-prime": {"adaptive": 1, "mode": "dbpsk-r", "mac": "prime", "cca_us": 3000},
}


def schemes(name: str, level_db: float) -> tuple[Any, MediumTechnology]:
    technology = load({name: ADAPTIVE[name]})[name]
    assert isinstance(technology, MediumTechnology)
    levels = Levels(np.array([[-np.inf, level_db], [level_db, -np.inf]]), -20.0)
    air = Spread(levels, technology.cca_us, lambda _, __: 0.0, Draws(1, "x"))
    return Adaptation(technology, air).of(0, 1), technology


@pytest.mark.parametrize("name", sorted(ADAPTIVE))
def test_the_faster_mode_comes_with_the_level(name: str) -> None:
    seen = []
    for level_db in np.arange(-6.0, 40.0, 1.0).tolist():
        scheme, technology = schemes(name, level_db)
        if not seen or seen[-1] != scheme.mode:
            seen.append(scheme.mode)
        cost = scheme.costs[60]
        sizes = cost.sizes
        limit = phy.frame_limit_bytes(technology.phy, scheme.mode)
        assert limit is not None
        assert max(sizes) <= limit
    expected = {
        "plc-g3": ["robo", "dbpsk", "dqpsk", "d8psk"],
        "plc-prime": ["dbpsk-r", "dqpsk-r", "dbpsk-f", "dqpsk-f", "d8psk-f"],
    }[name]
    known = [mode for mode in seen if mode in expected]
    assert known == [mode for mode in expected if mode in known]
    assert known[0] == expected[0]
    assert len(known) >= 3


def test_no_mode_would_carry_more() -> None:
    for level_db in np.arange(-4.0, 30.0, 0.5).tolist():
        best, technology = schemes("plc-g3", level_db)
        times = {}
        for mode in phy.G3_MODES:
            error = phy.PacketErrors("g3", mode, 0.0)(level_db, 100 + 40)
            times[mode] = phy.g3_us(100 + 40, mode) / max(1e-9, 1 - error)
        if technology.bandwidth_hz or best.mode == "robo" or min(times.values()) > 1e9:
            continue  # ROBO needs two frames for that
        assert times[best.mode] <= 1.001 * min(times.values())


def spec(name: str, levels_db: list[list[float | None]], **changes: Any) -> dict[str, Any]:
    ids = [f"n{number}" for number in range(len(levels_db))]
    return {
        "nodes": [{"id": it} for it in ids],
        "media": [
            {
                "id": "m",
                "technology": name,
                "members": ids,
                "root": "n0",
                "air": {"kind": "levels", "snr_db": levels_db, "isolated": True},
            }
        ],
        "overrides": {name: {**ADAPTIVE[name], **changes}},
        "interval_ms": 10**7,
    }


def play(what: dict[str, Any], frames: list[Frame], end_ms: int, every_tick: bool = False) -> Any:
    core, out = NetworkCore(what, 1), []
    sends: dict[int, list[Frame]] = {}
    for it in frames:
        sends.setdefault(it.ready_us // 1000, []).append(it)
    outside, t_ms = sorted({*sends, end_ms}), -1
    while outside:
        due = t_ms + 1 if every_tick else core.next_ms()
        t_ms = outside[0] if due is None else min(outside[0], due)
        out += [(t_ms, it.id) for it in core.advance(t_ms)]
        if t_ms == outside[0]:
            core.inject(t_ms, sends.get(t_ms, []))
            outside.pop(0)
    core.close(end_ms)
    return out, core.rows()


def frame(number: int, src: str, dst: str, t_us: int, size: int = 60, level: int = 2) -> Frame:
    return Frame(f"{src}#{number}", "", src, dst, "f", level, t_us, -1, bytes(size))


def test_near_links_are_fast_and_far_ones_sure() -> None:
    near_db, far_db = 35.0, 2.0
    levels = [[None, near_db, far_db], [near_db, None, far_db], [far_db, far_db, None]]
    count = 200
    frames = [
        frame(number, f"n{1 + number % 2}", "n0", number * 2_000_000) for number in range(count)
    ]
    got = {}
    for adaptive in (1, 0):
        changes = {} if adaptive else {"adaptive": 0, "mode": "d8psk"}
        _, tables = play(spec("plc-g3", levels, **changes), frames, count * 2000 + 20_000)
        rows = dict(tables)["message"]
        for src in ("n1", "n2"):
            picked = [n for n, it in enumerate(rows["src"]) if it == src]
            through = [n for n in picked if rows["fate"][n] == "delivered"]
            air = {rows["air_us"][n] for n in through}
            got[adaptive, src] = (len(through) / len(picked), air)
    fastest_us = round(phy.g3_us(60 + 40, "d8psk"))
    assert got[1, "n1"] == got[0, "n1"] == (1.0, {fastest_us})
    share, air = got[1, "n2"]
    assert share > 0.97
    assert min(air) > 1.5 * fastest_us
    assert got[0, "n2"][0] < 0.5


@st.composite
def cases(draw: Any) -> tuple[dict[str, Any], list[Frame]]:
    count = draw(st.integers(2, 5))
    level = st.sampled_from([None, 0.0, 4.0, 8.0, 14.0, 30.0])
    row = st.lists(level, min_size=count, max_size=count)
    levels = draw(st.lists(row, min_size=count, max_size=count))
    name = draw(st.sampled_from(sorted(ADAPTIVE)))
    mac = draw(st.sampled_from(["csma", ADAPTIVE[name]["mac"]]))
    what = spec(name, levels, mac=mac, retries=draw(st.integers(0, 5)))
    nodes = st.sampled_from([node["id"] for node in what["nodes"]])
    frames = [
        frame(
            number, draw(nodes), draw(nodes), draw(st.integers(0, 1_500_000)),
            draw(st.integers(0, 500)), draw(st.integers(0, 3)),
        )
        for number in range(draw(st.integers(1, 15)))
    ]  # fmt: skip
    return what, frames


@settings(max_examples=50, deadline=None)
@given(cases())
def test_nothing_is_seen_between_the_ticks_that_are_due(case: Any) -> None:
    what, frames = case
    assert play(what, frames, 4000) == play(what, frames, 4000, every_tick=True)


def test_adaptive_is_yes_or_no() -> None:
    with pytest.raises(ScenarioError, match="is 0 or 1"):
        load({"plc-g3": {"adaptive": 2}})
