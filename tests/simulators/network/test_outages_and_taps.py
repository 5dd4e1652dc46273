"""Outages and adversaries: what fails takes its messages along, what is tapped is accounted for."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from fernwatt.messages import Frame, Supply
from fernwatt.tables import TABLES
from simulators.network.core import NetworkCore

PARTS = ("processing", "queue", "access", "air", "retry", "core", "tick")
Spec = dict[str, Any]


def chain(**changes: Any) -> Spec:
    """a and b on a medium with gateway g; g – fibre – h – fibre – top, and a slow way around."""
    return {
        "nodes": [{"id": node, "terminal": "t"} for node in ("a", "b")]
        + [{"id": node} for node in ("g", "h", "top")],
        "media": [{"id": "fan", "technology": "plc-g3", "members": ["a", "b", "g"]}],
        "links": [
            {"id": "wan", "technology": "fibre", "a": "g", "b": "h"},
            {"id": "y-spare", "technology": "core-2g", "a": "g", "b": "h"},
            {"id": "backbone", "technology": "fibre", "a": "h", "b": "top"},
        ],
        **changes,
    }


def frame(number: int, src: str = "a", dst: str = "top", **changes: Any) -> Frame:
    values = {"flow": "f", "priority": 2, "payload": bytes(40), "ready_us": 0, **changes}
    return Frame(f"{src}#{number}", "c", src, dst, deadline_us=-1, **values)


def table(core: NetworkCore, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for found, columns in core.rows():
        assert list(columns) == [column.name for column in TABLES[found].columns]
        if found == name:
            rows += [
                dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
            ]
    return rows


def play(
    spec: Spec,
    sends: dict[int, list[Frame]],
    end_ms: int = 60_000,
    *,
    supply: dict[int, list[Supply]] | None = None,
    every_tick: bool = False,
    hooks: Any = None,
) -> tuple[NetworkCore, list[tuple[int, str, Any]]]:
    """Run to the end; return what was seen from outside: deliveries and nodes' changes."""
    core, out, t_ms = NetworkCore(spec, 1, hooks), [], -1
    supply = supply or {}
    outside = sorted({0, *sends, *supply, end_ms})
    while t_ms < end_ms:
        due_ms = t_ms + 1 if every_tick else core.next_ms()
        coming_ms = next(tick for tick in outside if tick > t_ms)
        t_ms = coming_ms if due_ms is None else min(coming_ms, due_ms)
        out += [(t_ms, it.id, it.payload) for it in core.advance(t_ms)]
        core.supply(t_ms, supply.get(t_ms, []))
        core.inject(t_ms, sends.get(t_ms, []))
        out += [(t_ms, change.unit, change.up) for change in core.node_up()]
    core.close(end_ms)
    return core, out


def test_a_node_is_out_from_an_instant_to_another_and_takes_along_what_it_holds() -> None:
    spec = chain(outages=[{"id": "o", "element": "g", "at_ms": 100.25, "until_ms": 900}])
    core, out = play(spec, {50: [frame(1)], 500: [frame(2)], 901: [frame(3)]}, 5000)
    assert out[:2] == [(101, "g", False), (900, "g", True)]
    assert [name for _, name, _ in out[2:]] == ["a#3"]
    fates = {}
    events = []
    for name, columns in core.rows():
        if name == "message":
            fates = dict(zip(columns["id"], columns["loss"], strict=True))
        if name == "event":
            events = list(
                zip(columns["t_us"], columns["cause"], columns["kind"], columns["element"],
                    strict=True)
            )  # fmt: skip
    assert events == [(100_250, "o", "node_down", "g"), (900_000, "o", "node_up", "g")]
    assert fates == {"a#1": "node-down", "a#2": "no-route", "a#3": "none"}


def test_a_link_that_fails_is_gone_around_and_comes_back() -> None:
    spec = chain(outages=[{"id": "o", "element": "wan", "at_ms": 0, "until_ms": 20_000}])
    core, out = play(spec, {100: [frame(1)], 20_001: [frame(2)]})
    slow, fast = table(core, "message")
    assert [name for _, name, _ in out] == ["a#1", "a#2"]
    assert slow["core_us"] > 50_000 > fast["core_us"]
    _, without = play({**spec, "outages": []}, {100: [frame(1)]})
    assert without[0][0] < out[0][0]


def test_outages_of_the_same_element_may_overlap() -> None:
    outages = [
        {"id": "o1", "element": "h", "at_ms": 10, "until_ms": 30},
        {"id": "o2", "element": "h", "at_ms": 20, "until_ms": 50},
        {"id": "o3", "element": "h", "at_ms": 70, "until_ms": None},
    ]
    _, out = play(chain(outages=outages), {})
    assert out == [(10, "h", False), (50, "h", True), (70, "h", False)]


def test_what_is_mended_without_supply_stays_down() -> None:
    off, on = (Supply(f"grid#{n}", "", "t", n > 1, True) for n in (1, 2))
    spec = chain(outages=[{"id": "o", "element": "a", "at_ms": 10, "until_ms": 30}])
    _, out = play(spec, {}, supply={20: [off], 40: [on]})
    assert out == [(10, "a", False), (20, "b", False), (40, "a", True), (40, "b", True)]


@pytest.mark.parametrize(
    ("outage", "text"),
    [
        ({"element": "wam", "at_ms": 1}, "did you mean wan"),
        ({"element": "wan", "at_ms": -1}, "must be a time"),
        ({"element": "wan", "at_ms": 5, "until_ms": 5}, "must be after at_ms"),
    ],
)
def test_impossible_outages_are_refused(outage: Spec, text: str) -> None:
    with pytest.raises(ScenarioError, match=text):
        NetworkCore(chain(outages=[outage]), 1)


def truth(core: NetworkCore) -> list[dict[str, Any]]:
    return [row | json.loads(row["value"]) for row in table(core, "truth")]


def test_what_is_dropped_is_lost_by_being_tapped_and_only_what_is_meant() -> None:
    tap = {"id": "x", "element": "g", "does": "drop", "flows": ["f"], "from_ms": 500}
    sends = {
        0: [frame(1)],
        1000: [frame(2), frame(3, flow="other"), frame(4, src="b", dst="a")],
    }
    core, out = play(chain(taps=[tap]), sends)
    rows = table(core, "message")
    assert {row["id"]: row["loss"] for row in rows} == {
        "a#1": "none", "a#2": "tapped", "a#3": "none", "b#4": "none",
    }  # fmt: skip
    assert len(out) == 3


def test_a_share_of_frames_is_drawn() -> None:
    tap = {"id": "x", "element": "backbone", "does": "drop", "share": 0.25}
    sends = {1000 * n: [frame(n)] for n in range(400)}
    core, out = play(chain(taps=[tap]), sends, 500_000)
    assert 270 <= len(out) <= 330  # 300, standard deviation 8.7
    assert sum(row["loss"] == "tapped" for row in table(core, "message")) == 400 - len(out)


def test_a_delay_is_booked_and_moves_the_arrival_by_as_much() -> None:
    sends = {10: [frame(1)]}
    core, plain = play(chain(), sends)
    (before,) = table(core, "message")
    tap = {"id": "x", "element": "wan", "does": "delay", "delay_ms": 1234.5}
    core, out = play(chain(taps=[tap]), sends)
    (row,) = table(core, "message")
    assert row["t_arrival_us"] == before["t_arrival_us"] + 1_234_500
    assert row["processing_us"] == before["processing_us"] + 1_234_500
    assert row["delay_us"] == sum(row[f"{part}_us"] for part in PARTS)
    assert out[0][0] - plain[0][0] in (1234, 1235)


def test_bytes_are_really_altered_and_the_original_is_kept_as_truth() -> None:
    taps = [
        {"id": "set", "element": "g", "does": "alter", "offset": 2, "value": "c0de"},
        {"id": "xor", "element": "h", "does": "alter", "offset": -1, "value": "ff", "mode": "xor"},
    ]
    payload = bytes(range(8))
    core, out = play(chain(taps=taps), {0: [frame(1, payload=payload)]})
    assert out[0][2].hex() == "0001c0de040506f8"
    first, second = truth(core)
    assert (first["tap"], first["element"], first["cause"]) == ("set", "a#1", "set")
    assert base64.b64decode(first["payload"]) == payload
    assert base64.b64decode(second["payload"]).hex() == "0001c0de04050607"


def test_copies_are_frames_of_their_own_with_the_same_bytes() -> None:
    tap = {"id": "x", "element": "g", "does": "copy", "copies": 2, "delay_ms": 5000}
    core, out = play(chain(taps=[tap]), {0: [frame(1, payload=b"pay 10 kWh")]})
    assert [payload for _, _, payload in out] == [b"pay 10 kWh"] * 3
    rows = {row["id"]: row for row in table(core, "message")}
    copies = [row for row in rows.values() if row["cause"] == "a#1"]
    assert len(rows) == 3
    assert len(copies) == 2
    assert all(row["delay_us"] == sum(row[f"{p}_us"] for p in PARTS) for row in rows.values())
    assert [row["processing_us"] for row in copies] == [5_000_000, 10_000_000]
    assert [row["hops"] for row in copies] == [3, 3]


def test_copies_may_bear_another_address() -> None:
    tap = {"id": "x", "element": "g", "does": "copy", "delay_ms": 5000, "under": "b"}
    core, out = play(chain(taps=[tap]), {0: [frame(1, payload=b"pay 10 kWh")]})
    assert [payload for _, _, payload in out] == [b"pay 10 kWh"] * 2
    assert sorted((row["src"], row["cause"]) for row in table(core, "message")) == [
        ("a", "c"), ("b", "a#1"),
    ]  # fmt: skip


def test_drawn_bits_are_turned_over_the_same_in_every_run() -> None:
    tap = {"id": "x", "element": "g", "does": "alter", "bits": 1}
    sends = {10 * n: [frame(n, payload=bytes(40))] for n in range(1, 30)}
    core, out = play(chain(taps=[tap]), sends)
    turned = [int.from_bytes(payload, "big").bit_count() for _, _, payload in out]
    assert turned == [1] * 29
    assert len({payload for _, _, payload in out}) > 20
    rows = truth(core)
    assert len(rows) == 29
    again, _ = play(chain(taps=[tap]), sends)
    assert truth(again) == rows


def test_injected_frames_bear_a_forged_sender() -> None:
    tap = {
        "id": "x", "element": "g", "does": "inject", "src": "b", "dst": "top", "flow": "f",
        "payload": "beef", "from_ms": 100.5, "count": 3, "every_ms": 1000,
    }  # fmt: skip
    core, out = play(chain(taps=[tap]), {})
    rows = table(core, "message")
    assert [payload for _, _, payload in out] == [b"\xbe\xef"] * 3
    assert [(row["src"], row["cause"], row["hops"]) for row in rows] == [("b", "x", 2)] * 3
    assert [row["t_send_us"] for row in rows] == [100_500, 1_100_500, 2_100_500]
    assert all(row["delay_us"] == sum(row[f"{p}_us"] for p in PARTS) for row in rows)


def test_who_records_changes_nothing_but_the_truth() -> None:
    tap = {"id": "x", "element": "fan", "does": "record"}
    plain, recorded = (play(chain(taps=taps), {0: [frame(1)]}) for taps in ([], [tap]))
    assert plain[1] == recorded[1]
    (row,) = truth(recorded[0])
    assert (row["kind"], row["element"]) == ("tapped", "a#1")
    assert base64.b64decode(row["payload"]) == bytes(40)


def test_a_hook_may_be_given_in_code() -> None:
    def third_only(frame: Frame, t_us: int) -> list[tuple[Frame, int]]:
        return [(frame, 0)] if frame.id.endswith("3") else []

    sends = {0: [frame(n) for n in range(1, 5)]}
    _, out = play(chain(), sends, hooks={"g": third_only})
    assert [name for _, name, _ in out] == ["a#3"]


@pytest.mark.parametrize(
    ("tap", "text"),
    [
        ({"element": "g", "does": "stop"}, "unknown action"),
        ({"element": "gg", "does": "drop"}, "no node or carrier gg"),
        ({"element": "wan", "does": "inject", "src": "a", "dst": "b"}, "no node wan"),
        ({"element": "g", "does": "inject", "src": "q", "dst": "b"}, "no node q"),
        ({"element": "g", "does": "alter", "value": "xyz"}, "hexadecimal"),
        ({"element": "g", "does": "alter"}, "alter needs it"),
        ({"element": "g", "does": "drop", "share": 2}, "0 to 1"),
    ],
)
def test_impossible_taps_are_refused(tap: Spec, text: str) -> None:
    with pytest.raises(ScenarioError, match=text):
        NetworkCore(chain(taps=[tap]), 1)


POINTS = ("a", "b", "g", "h", "fan", "wan", "y-spare", "backbone")


@st.composite
def interferences(draw: Any) -> tuple[Spec, dict[int, list[Frame]]]:
    times = st.integers(0, 3000)
    outages = [
        {
            "id": f"o{number}", "element": draw(st.sampled_from(POINTS)), "at_ms": at + 0.125,
            "until_ms": draw(st.sampled_from([None, at + 1, at + 300.5])),
        }
        for number, at in enumerate(draw(st.lists(times, max_size=4)))
    ]  # fmt: skip
    does = st.sampled_from(["delay", "drop", "copy", "alter", "inject", "record"])
    taps = []
    for number in range(draw(st.integers(0, 4))):
        what = draw(does)
        tap = {
            "id": f"x{number}", "does": what,
            "element": draw(st.sampled_from(POINTS[:4] if what == "inject" else POINTS)),
            "share": draw(st.sampled_from([1.0, 0.5])), "from_ms": draw(times),
            "delay_ms": draw(st.sampled_from([0.25, 40, 700])), "value": "0102",
            "count": 3, "every_ms": 333.3,
        }  # fmt: skip
        if what == "inject":
            tap |= {"src": "a", "dst": draw(st.sampled_from(["top", "b"])), "payload": "00" * 30}
        taps.append(tap)
    sends: dict[int, list[Frame]] = {}
    for number in range(draw(st.integers(1, 15))):
        src, dst = draw(st.permutations(["a", "b", "g", "h", "top"]))[:2]
        sends.setdefault(draw(times), []).append(frame(number, src, dst))
    return chain(outages=outages, taps=taps), sends


@settings(max_examples=60, deadline=None)
@given(interferences())
def test_nothing_is_missed_and_nothing_lost_whatever_interferes(case: Any) -> None:
    """Who goes through every tick sees what who goes by due ticks does; all adds up."""
    spec, sends = case
    first, second = (play(spec, sends, 4500, every_tick=every) for every in (False, True))
    assert first[1] == second[1]
    rows = [core.rows() for core, _ in (first, second)]
    assert rows[0] == rows[1]
    for name, columns in rows[0]:
        if name == "message":
            for row in zip(*columns.values(), strict=True):
                found = dict(zip(columns, row, strict=True))
                parts = [found[f"{part}_us"] for part in PARTS]
                assert min(parts) >= 0
                assert found["delay_us"] in (None, sum(parts))


def test_a_compromised_node_of_a_mesh_alters_and_drops_what_it_forwards() -> None:
    off = -30.0
    spec = {
        "nodes": [{"id": node} for node in ("a", "r", "top")],
        "media": [
            {
                "id": "fan", "technology": "rf-mesh-15.4", "members": ["a", "r", "top"],
                "root": "top", "routing": "mesh",
                "air": {"kind": "levels", "nodes": ["a", "r", "top"],
                        "snr_db": [[None, 30.0, off], [30.0, None, 30.0], [off, 30.0, None]]},
            }
        ],
    }  # fmt: skip
    taps = [
        {"id": "x", "element": "r", "does": "alter", "offset": 0, "value": "ff"},
        {"id": "y", "element": "r", "does": "drop", "from_ms": 5000},
    ]
    sends = {1000: [frame(1, payload=bytes(4)), frame(2, "r")], 6000: [frame(3)]}
    core, out = play({**spec, "taps": taps}, sends)
    rows = table(core, "message")
    assert {name: payload[:1].hex() for _, name, payload in out} == {"a#1": "ff", "r#2": "ff"}
    assert {row["id"]: row["loss"] for row in rows} == {
        "a#1": "none", "r#2": "none", "a#3": "tapped",
    }  # fmt: skip
    assert next(row["hops"] for row in rows if row["id"] == "a#1") == 2
