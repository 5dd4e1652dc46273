"""Any schedule of deaths, cuts, leaves and revocations: in the end all is as it should be.

Whatever happened, an hour after the last of it a group has exactly those who are alive, reachable,
willing and certified; both sides agree; all who are in it have its newest key, and nobody else.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controllers.unit import Loopback, UnitsCore
from tests.controllers.group.conftest import START, Air, group, tree

HOUR = 3_600_000
SUB, OTHER, TOP = "lvgmu/lv1", "lvgmu/lv2", "tlgmu/top"
METERS = [f"meter/lv1/load-{number}" for number in range(3)]
_AT = st.integers(1, 3600).map(lambda second: second * 1000)
_ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("kill"), st.sampled_from([*METERS, SUB]), _AT, st.integers(1, 1200)),
        st.tuples(st.just("cut"), st.sampled_from(METERS), _AT, st.integers(1, 1200)),
        st.tuples(st.just("leave"), st.sampled_from(METERS), _AT, st.integers(0, 1200)),
        st.tuples(st.just("revoke"), st.sampled_from(METERS[:1]), _AT, st.just(0)),
        st.tuples(st.just("lossy"), st.just(""), _AT, st.integers(1, 1200)),
    ),
    max_size=5,
)
Act = tuple[str, str, int, int]


def build(acts: list[Act], security: str) -> tuple[Loopback, Air]:
    """Return a world in which kills, leaves and revocations are planned."""
    services: dict[str, dict[str, Any]] = {TOP: {"office": True, "revoke": []}}
    failures: list[dict[str, Any]] = []
    for what, unit, at_ms, lasts_s in acts:
        if what == "kill" and all(one["unit"] != unit for one in failures):
            until_ms = at_ms + lasts_s * 1000
            failures.append({"unit": unit, "at_ms": at_ms, "until_ms": until_ms})
        elif what == "leave":
            back = {"return_ms": at_ms + lasts_s * 1000} if lasts_s else {"return_ms": None}
            services[unit] = {"leave_ms": at_ms, **back}
        elif what == "revoke":
            services[TOP]["revoke"].append({"unit": unit, "at_ms": at_ms})
    spec = {
        "units": tree(services), "security": security, "failures": failures,
        "group": {"start": START},
    }  # fmt: skip
    air = Air()
    return Loopback(UnitsCore(spec, 1), fates=air), air


def play(bus: Loopback, air: Air, acts: list[Act], until_ms: int = 6 * HOUR) -> None:
    """Run through all cuts and disturbances, and some hours beyond."""
    marks: list[tuple[int, str, str, bool]] = []
    for what, unit, at_ms, lasts_s in acts:
        if what in {"cut", "lossy"}:
            marks += [(at_ms, what, unit, True), (at_ms + lasts_s * 1000, what, unit, False)]
    lossy = 0
    cuts: dict[str, int] = {}
    counter = iter(range(1 << 60))
    for at_ms, what, unit, begins in sorted(marks):
        bus.run(at_ms)
        if what == "lossy":
            lossy += 1 if begins else -1
            air.lost = (lambda _frame: next(counter) % 3 == 0) if lossy else (lambda _frame: False)
        else:
            cuts[unit] = cuts.get(unit, 0) + (1 if begins else -1)
            air.cut = {frozenset({SUB, one}) for one, count in cuts.items() if count}
    bus.run(until_ms)


def gone(acts: list[Act]) -> set[str]:
    """Return who is not to be a member in the end."""
    last = {unit: lasts_s for what, unit, _, lasts_s in acts if what == "leave"}
    revoked = {unit for what, unit, _, _ in acts if what == "revoke"}
    return revoked | {unit for unit, lasts_s in last.items() if not lasts_s}


@pytest.mark.slow
@pytest.mark.parametrize("security", ["none", "integrity", "integrity+secrecy"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(acts=_ACTS)
def test_in_the_end_the_group_is_who_ought_to_be_in_it(security: str, acts: list[Act]) -> None:
    if security == "none":
        acts = [act for act in acts if act[0] != "revoke"]
    bus, air = build(acts, security)
    play(bus, air, acts)
    core = bus.core
    head = group(core, SUB)
    expected = [meter for meter in METERS if meter not in gone(acts)]
    assert head.members == expected
    assert group(core, TOP).members == [SUB, OTHER]
    ring = head._head._ring
    for meter in METERS:
        service = group(core, meter)
        if meter in expected:
            assert service.parent == SUB
            assert head._head._silence.state(meter) == "present"
            if security != "none":
                own = service._follower._ring
                assert own.generation == ring.generation
                assert own.key(ring.step) == ring.key(ring.step)
        elif security != "none":
            own = service._follower._ring
            assert own is None or own.generation < ring.generation


def test_a_schedule_comes_out_the_same_each_time() -> None:
    acts: list[Act] = [
        ("kill", SUB, 600_000, 700), ("cut", METERS[1], 1_200_000, 900),
        ("leave", METERS[2], 1_500_000, 300), ("revoke", METERS[0], 2_000_000, 0),
    ]  # fmt: skip
    frames = []
    for _ in range(2):
        bus, air = build(acts, "integrity")
        play(bus, air, acts, HOUR)
        frames.append([(frame.id, frame.ready_us, frame.payload) for frame in bus.frames])
    assert frames[0] == frames[1]
