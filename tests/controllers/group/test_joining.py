"""Joining: who is who he says he is, and has his place here, is admitted and given the key."""

from __future__ import annotations

import pytest

from controllers.group.keyring import Keyring, tag_of
from controllers.security.pki import FAULTS
from tests.controllers.group.conftest import World, group, parents, states

TOP, SUB, METER = "tlgmu/top", "lvgmu/lv1", "meter/lv1/load-0"
HOUR = 3_600_000
LEVELS = ["none", "integrity", "integrity+secrecy", "with-privacy"]


@pytest.mark.parametrize("level", LEVELS)
def test_all_join_at_every_level_and_nobody_is_missed(world: World, level: str) -> None:
    bus = world(security=level)
    bus.run(HOUR)
    assert group(bus.core, TOP).members == ["lvgmu/lv1", "lvgmu/lv2"]
    assert len(group(bus.core, SUB).members) == 3
    assert {row["state"] for row in bus.table("membership")} == {"joined"}
    assert not bus.core.counters


@pytest.mark.parametrize("level", LEVELS[1:])
def test_a_join_has_its_real_size_and_a_beat_is_small(world: World, level: str) -> None:
    bus = world(security=level)
    bus.run(HOUR)
    first = next(frame for frame in bus.frames if frame.src == METER)
    assert 1_600 < len(first.payload) < 2_100  # certificates, list, keys
    beats = [len(frame.payload) for frame in bus.frames if frame.src == METER][-5:]
    assert all(size < 260 for size in beats)


@pytest.mark.requirement("SP-03")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("level", LEVELS[1:3])
def test_bad_certificates_are_refused_seen_and_change_nothing(
    world: World, fault: str, level: str
) -> None:
    bus = world(group={"certificates": {METER: fault}}, security=level)
    bus.run(HOUR)
    assert METER not in group(bus.core, SUB).members
    assert len(group(bus.core, SUB).members) == 2
    refused = [event for event in bus.events if event.kind == "join_refused"]
    assert {(event.element, event.value["why"]) for event in refused} == {(METER, fault)}
    assert bus.core.counters[f"refused-{fault}"] >= len(refused) > 1  # it tries again
    assert not bus.core.unit(SUB).membership.trust.knows(METER)  # type: ignore[union-attr]
    assert parents(bus, METER) == []
    rekeyed = [event for event in bus.events if event.kind == "group_rekeyed"]
    assert rekeyed == []


def test_who_belongs_elsewhere_is_refused_by_the_head(world: World) -> None:
    bus = world({METER: {"parent": "lvgmu/lv2"}})
    bus.run(HOUR)
    assert states(bus, METER) == ["refused"] * len(states(bus, METER))
    assert ("refused", "lvgmu/lv2") in parents(bus, METER)
    whys = {row["why"] for row in bus.table("membership") if row["state"] == "refused"}
    assert whys == {"place"}


def test_a_refused_unit_that_is_put_right_gets_in(world: World) -> None:
    """A backup that is its true parent: refused at the first, admitted at the second."""
    bus = world({METER: {"parent": "lvgmu/lv2", "backups": [SUB]}})
    bus.run(HOUR)
    assert group(bus.core, METER).parent == SUB
    assert states(bus, METER, by=SUB) == ["joined"]


def test_membership_is_an_instance_that_others_can_follow_and_ask_for(world: World) -> None:
    from tests.controllers.unit.conftest import Probe

    bus = world(
        extra={TOP: {"probe": {}}},
        factories={"probe": lambda _s, _p, _d: Probe("probe")},
    )
    bus.run(0)
    context = bus.core.unit(TOP).context("probe")
    context.event("group.member", SUB)
    bus.poke()
    bus.run(HOUR)
    probe = bus.core.service(TOP, "probe")
    told = [one.value["unit"] for one in probe.heard if one.value]  # type: ignore[attr-defined]
    assert sorted(told) == [f"meter/lv1/load-{number}" for number in range(3)]
    asked = context.query("group.member", SUB, condition=f"value.unit == '{METER}'")
    counted = context.query("group.members", SUB)
    bus.poke()
    bus.run(2 * HOUR)
    (state,) = probe.outcomes(asked.id)  # type: ignore[attr-defined]
    (count,) = probe.outcomes(counted.id)  # type: ignore[attr-defined]
    assert state.value["state"] == "joined"
    assert (count.value["members"], count.value["lost"]) == (3, 0)


def test_nobody_is_trusted_from_the_start(world: World) -> None:
    bus = world(meters=2)
    bus.run(0)
    for unit in (TOP, SUB, METER):
        trust = bus.core.unit(unit).membership.trust  # type: ignore[union-attr]
        others = {TOP, SUB, METER} - {unit}
        assert not any(trust.knows(other) for other in others)  # type: ignore[union-attr]


def test_only_the_own_service_writes_membership(world: World) -> None:
    from tests.controllers.unit.conftest import Probe

    bus = world(
        extra={TOP: {"probe": {}}, SUB: {"probe": {}}},
        factories={"probe": lambda _s, _p, _d: Probe("probe")},
    )
    bus.run(HOUR)
    value = {"unit": METER, "kind": "unit", "state": "lost", "why": "", "silent_ms": 0}
    for unit in (TOP, SUB):
        for variable in ("group.member", "group.refused", "group.members", "group.parent"):
            issued = bus.core.unit(unit).context("probe").write(variable, SUB, value)
            bus.poke()
            bus.run(bus.now_ms + 60_000)
            (outcome,) = bus.core.service(unit, "probe").outcomes(issued.id)  # type: ignore[attr-defined]
            assert outcome.result.label == "denied"


def test_a_key_is_hashed_on_for_who_joins_and_cannot_be_turned_back() -> None:
    head = Keyring(0, 0, b"k" * 32)
    first = Keyring(0, head.step, head.key(head.step))  # type: ignore[arg-type]
    head.advance()
    second = Keyring(0, head.step, head.key(head.step))  # type: ignore[arg-type]
    assert first.key(1) == second.key(1) == head.key(1)
    assert second.key(0) is None
    assert tag_of(head.key(1), "a", "b") != tag_of(head.key(0), "a", "b")  # type: ignore[arg-type]
    assert 0 <= tag_of(b"x", "a", "b") < 1 << 63
