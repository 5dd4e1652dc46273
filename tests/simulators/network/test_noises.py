"""Jammers and noise bursts: who is struck, who finds the channel busy, what the books say."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from simulators.network.air import BURST, JAMMING
from simulators.network.core import NetworkCore
from simulators.network.draws import Draws
from simulators.network.levels import Levels
from simulators.network.noises import NoiseSpec, Sources, parse_noises
from simulators.network.phy import PacketErrors
from simulators.network.spread import Spread
from tests.simulators.network.test_core import frame, play, street, table

ALWAYS = NoiseSpec("n", "jammer", 0, None, ("m",))


@given(st.integers(0, 40), st.integers(1, 30), st.integers(0, 60), st.integers(0, 25))
def test_a_source_is_on_for_its_part_of_each_period(
    at_ms: int, until_ms: int, since_ms: int, for_ms: int
) -> None:
    source = NoiseSpec("n", "noise", at_ms, at_ms + until_ms, ("m",), duty=0.3, period_us=10)
    instants = [
        t + 0.5
        for t in range(since_ms, since_ms + for_ms)
        if at_ms <= t < at_ms + until_ms and (t - at_ms) % 10 < 3
    ]
    assert source.on(since_ms, since_ms + for_ms) == bool(instants)


def home(**noise: Any) -> dict[str, Any]:
    """Two nodes 10 m apart, and a source 30 m off."""
    nodes = [
        {"id": key, "terminal": None, "battery_ms": 0, "place_m": [x, 0.0, 1.0], "bus": bus}
        for key, x, bus in (("a", 0.0, "b0"), ("b", 10.0, "b1"))
    ]
    source = {"id": "noise/1", "kind": "jammer", "at_ms": 1000, "until_ms": 2000, "media": ["m"],
              "place_m": [30.0, 0.0, 1.0], "power_dbm": 10.0}  # fmt: skip
    return {
        "nodes": nodes,
        "media": [
            {"id": "m", "technology": "zigbee-han", "members": ["a", "b"], "air": {"kind": "radio"}}
        ],
        "links": [],
        "overrides": {"zigbee-han": {"shadowing_db": 0.0}},
        "noises": [source | noise],
    }


def losses(spec: dict[str, Any], **changes: Any) -> dict[int, str]:
    """Return the loss of a frame sent at each tenth of a second, and of what it died."""
    sends = {t_ms: [frame(t_ms, "a", "b", 1000 * t_ms)] for t_ms in range(0, 3000, 100)}
    core, _ = play(spec | changes, sends, 4000)
    return {row["t_send_us"] // 1000: row["loss"] for row in table(core, "message")}


@pytest.mark.parametrize(("kind", "cause"), [("jammer", "jamming"), ("noise", "noise")])
def test_a_loud_source_keeps_the_channel_busy_while_it_lasts(kind: str, cause: str) -> None:
    for t_ms, loss in losses(home(kind=kind)).items():
        assert loss == (cause if 1000 <= t_ms < 2000 else "none"), t_ms


def test_a_source_that_is_not_sensed_destroys_what_it_meets() -> None:
    """Sensing is deaf here: all attempts go on the air, and die of the jammer."""
    spec = home(power_dbm=20.0)
    spec["media"][0]["air"]["sense_db"] = 100.0
    found = losses(spec)
    assert {found[t_ms] for t_ms in range(1000, 2000, 100)} == {"jamming"}
    assert {found[t_ms] for t_ms in (*range(0, 1000, 100), *range(2000, 3000, 100))} == {"none"}


def test_a_weak_or_distant_source_does_nothing() -> None:
    assert set(losses(home(power_dbm=-90.0)).values()) == {"none"}
    assert set(losses(home(place_m=[90_000.0, 0.0, 1.0])).values()) == {"none"}


@pytest.mark.parametrize("kind", ["jammer", "noise"])
def test_losses_are_those_at_what_the_source_leaves_of_the_signal(kind: str) -> None:
    """SNR 20 dB, source 20 dB over noise at the receiver: the errors at 20 - 20.04 dB."""
    errors, count = PacketErrors("oqpsk", ""), 20_000
    source = replace(ALWAYS, kind=kind)
    sources = Sources([source], Draws(1, "x"), lambda _: [20.0, 20.0])
    jam, other = sources.rise(0, 0, 1000)
    assert (jam, other) == ((100.0, 0.0) if kind == "jammer" else (0.0, 100.0))
    levels = Levels(np.array([[0.0, 20.0], [20.0, 0.0]]), 0.0)
    air = Spread(levels, 128, errors, Draws(1, "air"), 0.0, 10.0, sources)
    fates = [air.fate(air.begin(0, 10_000 * number, 1000, 60), 1) for number in range(count)]
    lost = errors(20 - 10 * np.log10(101), 60)
    assert 0.05 < lost < 0.95
    mean = np.mean([bool(fate) for fate in fates])
    assert mean == pytest.approx(lost, abs=3.5 * sqrt(lost * (1 - lost) / count))
    assert set(fates) == {"", JAMMING if kind == "jammer" else BURST}


def test_where_all_hear_all_a_source_has_an_error() -> None:
    """One hop in three is struck; without repetition so are the messages."""
    count = 3000
    spec = street(1)
    spec["overrides"] = {"zigbee-han": {"error": 0.0, "retries": 0}}
    spec["noises"] = [
        {
            "id": "n",
            "kind": "jammer",
            "at_ms": 0,
            "until_ms": None,
            "media": ["han/h0"],
            "error": 0.3,
        }
    ]
    sends = {100 * n: [frame(n, "cmu/h0", "meter/h0", 100_000 * n)] for n in range(count)}
    core, _ = play(spec, sends, 100 * count + 1000)
    rows = table(core, "message")
    lost = np.mean([row["loss"] == "jamming" for row in rows])
    assert lost == pytest.approx(0.3, abs=3.3 * sqrt(0.21 / count))
    assert {row["loss"] for row in rows} == {"none", "jamming"}


def test_pulses_strike_as_often_as_they_meet_a_frame() -> None:
    """On for 2 of every 20 ms; a frame of a ms or two meets them so much more often."""
    duty, period_ms, count = 0.1, 20.0, 3000
    spec = street(1)
    spec["overrides"] = {"zigbee-han": {"error": 0.0, "retries": 0}}
    spec["noises"] = [
        {"id": "n", "kind": "noise", "at_ms": 0, "media": ["han/h0"], "error": 1.0,
         "duty": duty, "period_ms": period_ms}
    ]  # fmt: skip
    rng = np.random.default_rng(2)
    sends: dict[int, list[Any]] = {}
    for n in range(count):
        at_us = 100_000 * n + int(rng.integers(0, 20_000))
        sends.setdefault(100 * n, []).append(frame(n, "cmu/h0", "meter/h0", at_us))
    core, _ = play(spec, sends, 100 * count + 1000)
    rows = table(core, "message")
    air_ms = (6 + 37 + 8 + 40) * 0.032
    expected = duty + air_ms / period_ms
    lost = np.mean([row["loss"] == "noise" for row in rows])
    assert lost == pytest.approx(expected, abs=3.3 * sqrt(expected * (1 - expected) / count))


def test_on_a_power_line_a_source_has_a_busbar() -> None:
    """It silences the house where it is, not the one behind a hundred taps."""
    nodes = [{"id": key, "terminal": None, "battery_ms": 0, "bus": bus}
             for key, bus in (("a", "b0"), ("b", "b1"), ("far", "b2"), ("off", "b3"))]  # fmt: skip
    lines = [
        {"id": f"l{n}", "a": f"b{n}", "b": f"b{n + 1}", "length_m": length, "cable": "NAYY 4x150"}
        for n, length in enumerate((30.0, 3000.0, 30.0))
    ]
    spec = {
        "nodes": nodes,
        "media": [{"id": "m", "technology": "plc-prime", "members": ["a", "b", "far", "off"],
                   "air": {"kind": "conductors", "sense_db": 100.0}}],
        "links": [],
        "conductors": {"lines": lines},
        "overrides": {"plc-prime": {"burst_every_ms": 0.0, "mac": "csma"}},
        "noises": [{"id": "n", "kind": "jammer", "at_ms": 0, "media": ["m"], "bus": "b1",
                    "power_dbm": 30.0}],
    }  # fmt: skip
    sends = {0: [frame(1, "a", "b")], 10_000: [frame(2, "far", "off")]}
    core, _ = play(spec, sends, 60_000)
    assert [row["loss"] for row in table(core, "message")] == ["jamming", "none"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"kind": "storm"}, "unknown kind 'storm'"),
        ({"until_ms": 500}, "must be later than at_ms"),
        ({"duty": 0.0}, "is a share above 0"),
        ({"error": 1.5}, "is a probability"),
        ({"power_dbm": None}, "m needs it, and power_dbm"),
        ({"place_m": None}, "place_m: m needs it"),
        ({"media": ["x"]}, "no medium x"),
        ({"period_ms": 0}, "must be above 0"),
    ],
)
def test_sources_that_cannot_be_are_refused(change: dict[str, Any], text: str) -> None:
    with pytest.raises(ScenarioError, match=text):
        NetworkCore(home(**change), 1)


def test_a_medium_without_places_asks_for_an_error() -> None:
    source = {"id": "n", "kind": "noise", "at_ms": 0, "media": ["m"]}
    _, faults = parse_noises({"noises": [source]}, {"m": ""})
    assert [fault.path for fault in faults] == ["network.noises[0].error"]


def test_what_comes_and_goes_is_noted() -> None:
    core, _ = play(home(), {0: [frame(1, "a", "b")]}, 3000)
    events = [(row["t_us"], row["kind"], row["element"]) for row in table(core, "event")]
    assert events == [(1_000_000, "noise_on", "noise/1"), (2_000_000, "noise_off", "noise/1")]
