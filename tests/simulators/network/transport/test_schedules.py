"""Whatever the network does: each message once and in order, or lost with a cause; all booked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.messages import Frame
from simulators.network.core import NetworkCore
from simulators.network.technologies import LinkTechnology, load

CAUSES = {
    "queue-full", "access", "retries", "noise", "no-route", "node-down",
    "timeout", "reset", "handshake", "tapped",
}  # fmt: skip

FANS = [
    {"technology": "plc-prime"},
    {"technology": "plc-g3"},
    {"technology": "zigbee-han"},
    {"technology": "rf-mesh-15.4", "routing": "mesh"},
    {"technology": "plc-prime", "routing": "mesh"},
]
WANS = ["core-4g", "core-4g", "lte", "nb-iot", "gprs"]


def load_links() -> set[str]:
    return {name for name, it in load().items() if isinstance(it, LinkTechnology)}


KINDS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["datagram", "reliable", "reliable", "request"]),
        "security": st.sampled_from(["none", "none", "psk", "certificate"]),
        "version": st.sampled_from(["1.2", "1.3"]),
        "protocol": st.sampled_from(["none", "coap", "mqtt"]),
        "session_s": st.sampled_from([0.0, 2.0]),
        "timeout_s": st.sampled_from([3.0, 20.0]),
        "waiting_messages": st.sampled_from([2, 100]),
        "mss_bytes": st.sampled_from([60, 200, 1220]),
        "window_bytes": st.sampled_from([100, 2000]),
        "min_rto_s": st.sampled_from([0.05, 1.0]),
        "ack_delay_ms": st.sampled_from([0.0, 0.0, 30.0, 400.0]),
        "block_bytes": st.sampled_from([64, 1024]),
        "ack_timeout_s": st.sampled_from([0.1, 2.0]),
        "max_retransmit": st.integers(0, 4),
        "outstanding": st.integers(1, 2),
    }
)


@st.composite
def cases(draw: Any) -> tuple[dict[str, Any], dict[int, list[Frame]], dict[int, Any]]:
    fan, wan = draw(st.sampled_from(FANS)), draw(st.sampled_from(WANS))
    spec: dict[str, Any] = {
        "nodes": [{"id": key} for key in ("a", "b", "c", "d", "e")],
        "media": [{"id": "fan", "members": ["a", "b", "c"], "root": "c", **fan}],
        "links": [{"id": "back", "technology": "ethernet", "a": "d", "b": "e"}],
        "overrides": {
            fan["technology"]: {
                "error": draw(st.sampled_from([0.0, 0.3])),
                "retries": draw(st.integers(0, 3)),
                "queue_frames": draw(st.sampled_from([2, 100])),
            },
        },
        "loss": draw(st.sampled_from([0.0, 0.2])),
        "groups": {"all": ["a", "b", "c", "d", "e"], "two": ["a", "e"]},
        "transport": {"default": draw(KINDS), "flows": {"f": draw(KINDS), "g": draw(KINDS)}},
        "interval_ms": 10_000,
    }
    if wan in load_links():
        spec["links"].append({"id": "wan", "technology": wan, "a": "c", "b": "d"})
        errors = {"error": draw(st.sampled_from([0.0, 0.5])), "core_sigma": 2.0}
        spec["overrides"][wan] = {**errors, "retries": draw(st.integers(0, 1))}
    else:
        spec["cells"] = [{"id": "wan", "technology": wan, "station": "d", "members": ["c"]}]
    if draw(st.booleans()):
        does = draw(st.sampled_from([{"does": "drop"}, {"does": "delay", "delay_ms": 40.5}]))
        element = draw(st.sampled_from(["a", "c", "d", "fan"]))
        spec["taps"] = [{"id": "x", "element": element, "share": 0.5, **does}]
    ids = ["a", "b", "c", "d", "e"]
    sends: dict[int, list[Frame]] = {}
    for number in range(draw(st.integers(1, 15))):
        t_ms = draw(st.integers(0, 1500))
        src = draw(st.sampled_from(ids))
        dst = draw(st.sampled_from([*ids, "nobody", "group/all", "group/two"]))
        sends.setdefault(t_ms, []).append(
            Frame(
                f"{src}#{number}", "", src, dst,
                draw(st.sampled_from(["f", "g", "h"])), draw(st.integers(0, 3)),
                t_ms * 1000 + draw(st.sampled_from([0, 0, 700, 4000])), -1,
                bytes(draw(st.sampled_from([0, 40, 300, 3000]))),
            )
        )  # fmt: skip
    acts: dict[int, Any] = {}
    for _ in range(draw(st.integers(0, 4))):
        what, on = draw(st.sampled_from([*ids, "fan", "wan"])), draw(st.booleans())
        acts[draw(st.integers(0, 2500))] = (what, on)
    return spec, sends, acts


def act(what: str, on: bool) -> Callable[[NetworkCore], None]:
    def does(core: NetworkCore) -> None:
        if what in ("fan", "wan"):
            core.set_carrier(what, on, "fault#1")
        else:
            core.set_node(what, on, "fault#1")

    return does


@pytest.mark.requirement("NW-02")
@settings(max_examples=100, deadline=None)
@given(case=cases(), end_ms=st.integers(2600, 30_000))
def test_each_message_arrives_once_or_is_lost_with_a_cause(
    play: Any, check: Any, case: Any, end_ms: int
) -> None:
    spec, sends, acts = case
    run = play(spec, sends, end_ms, {t_ms: act(*it) for t_ms, it in acts.items()})
    for row in run.rows:
        check(row, end_ms)
        assert row["loss"] in CAUSES or row["loss"] == "none"
    expected: Counter[tuple[str, str]] = Counter()
    for batch in sends.values():
        for it in batch:
            members = spec["groups"].get(it.dst.partition("group/")[2]) or [it.dst]
            expected.update((it.id, m) for m in members if m != it.src or m == it.dst)
    assert Counter((row["id"], row["dst"]) for row in run.rows) == expected
    delivered = Counter((row["id"], row["dst"]) for row in run.rows if row["fate"] == "delivered")
    assert Counter((it.id, it.dst) for _, it in run.out) == delivered
    _in_order(run, spec)


def _in_order(run: Any, spec: dict[str, Any]) -> None:
    """Hold reliable flows to the order in which their senders' hosts had them ready."""
    sent = {(row["id"], row["dst"]): row["t_send_us"] + row["processing_us"] for row in run.rows}
    flows = {**dict.fromkeys("h", spec["transport"]["default"]), **spec["transport"]["flows"]}
    last: dict[tuple[str, str, str], int] = {}
    for _, it in run.out:
        if flows[it.flow]["kind"] == "reliable" and it.src != it.dst:
            key = (it.src, it.dst, it.flow)
            assert sent[it.id, it.dst] >= last.get(key, 0)
            last[key] = sent[it.id, it.dst]


@settings(max_examples=40, deadline=None)
@given(case=cases())
def test_nothing_is_seen_between_the_ticks_that_are_due(play: Any, case: Any) -> None:
    spec, sends, acts = case
    seen = []
    for every_tick in (False, True):
        run = play(spec, sends, 6000, {t_ms: act(*it) for t_ms, it in acts.items()}, every_tick)
        seen.append(([(t_ms, it.id, it.dst) for t_ms, it in run.out], run.rows, run.media))
    assert seen[0] == seen[1]
