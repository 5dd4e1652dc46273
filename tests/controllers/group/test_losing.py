"""Silence, loss, other parents and return; leaving, revocation and the key of those who remain."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.unit import Loopback
from fernwatt.messages import Reading
from tests.controllers.group.conftest import BEAT_S, World, group, parents, states

TOP, SUB, OTHER, METER = "tlgmu/top", "lvgmu/lv1", "lvgmu/lv2", "meter/lv1/load-0"
HOUR, BEAT = 3_600_000, round(BEAT_S * 1000)
LEVELS = ["none", "integrity", "integrity+secrecy"]


def events(bus: Loopback, kind: str) -> list[Any]:
    return [event for event in bus.events if event.kind == kind]


def told(bus: Loopback, member: str, state: str) -> int:
    """Return when something was told of a member for the first time [ms]."""
    rows = bus.table("membership")
    return next(
        int(row["t_ms"]) for row in rows if (row["member"], row["state"]) == (member, state)
    )


@pytest.mark.requirement("CP-02")
@pytest.mark.parametrize("level", LEVELS)
def test_a_unit_that_dies_is_suspected_then_lost_and_returns(world: World, level: str) -> None:
    death = {"unit": METER, "at_ms": HOUR, "until_ms": 2 * HOUR}
    bus = world(security=level, failures=[death])
    bus.run(3 * HOUR)
    assert states(bus, METER) == ["joined", "suspected", "lost", "returned"]
    # the last sign is at most one and a half periods old, and it is looked every quarter
    assert 0.5 * BEAT < told(bus, METER, "suspected") - HOUR <= 2.25 * BEAT + 1
    assert 2.5 * BEAT < told(bus, METER, "lost") - HOUR <= 4.25 * BEAT + 1
    assert told(bus, METER, "returned") - 2 * HOUR <= 0.25 * BEAT + 1000
    assert parents(bus, METER) == [("joined", SUB)]  # it remembered whose it was
    others = {row["member"] for row in bus.table("membership") if row["state"] != "joined"}
    assert others == {METER}


@pytest.mark.parametrize("level", LEVELS)
def test_a_lost_parent_is_lost_to_its_children_too(world: World, level: str) -> None:
    bus = world(security=level, failures=[{"unit": SUB, "at_ms": HOUR, "until_ms": 2 * HOUR}])
    bus.run(HOUR)
    bus.air.cut.add(frozenset({SUB, METER}))  # type: ignore[attr-defined]
    bus.run(4 * HOUR)
    assert [state for state, _ in parents(bus, METER)] == ["joined", "suspected", "lost"]
    meters = [f"meter/lv1/load-{number}" for number in (1, 2)]
    for meter in meters:
        assert [state for state, _ in parents(bus, meter)] == [
            "joined", "suspected", "lost", "joined",
        ]  # fmt: skip
        assert group(bus.core, meter).parent == SUB
    assert states(bus, SUB) == ["joined", "suspected", "lost", "returned"]
    assert states(bus, METER)[-2:] == ["suspected", "lost"]


@pytest.mark.requirement("CP-02")
@pytest.mark.parametrize("level", LEVELS)
def test_children_go_to_a_backup_and_come_back(world: World, level: str) -> None:
    meters = [f"meter/lv1/load-{number}" for number in range(3)]
    services: dict[str, dict[str, Any]] = {
        meter: {"backups": [OTHER], "return_s": 300.0} for meter in meters
    }
    services[OTHER] = {"accepts": meters}
    bus = world(
        services, security=level, failures=[{"unit": SUB, "at_ms": HOUR, "until_ms": 2 * HOUR}]
    )
    bus.run(2 * HOUR - 1)
    assert len(group(bus.core, OTHER).members) == 6
    assert all(group(bus.core, meter).parent == OTHER for meter in meters)
    assert states(bus, METER, by=OTHER) == ["joined"]
    bus.run(3 * HOUR)
    assert all(group(bus.core, meter).parent == SUB for meter in meters)
    assert len(group(bus.core, OTHER).members) == 3
    assert states(bus, METER, by=OTHER) == ["joined", "left"]
    assert parents(bus, METER) == [
        ("joined", SUB), ("suspected", SUB), ("lost", SUB), ("joined", OTHER), ("joined", SUB),
    ]  # fmt: skip
    # who left the backup has not the key of those who remain there
    rekeyed = {event.element for event in events(bus, "group_rekeyed")}
    assert rekeyed == (set() if level == "none" else {OTHER})


def test_a_link_that_fails_for_less_than_a_period_is_not_noticed(world: World) -> None:
    bus = world()
    bus.run(HOUR)
    bus.air.cut.add(frozenset({SUB, METER}))  # type: ignore[attr-defined]
    bus.run(HOUR + BEAT // 2)
    bus.air.cut.clear()  # type: ignore[attr-defined]
    bus.run(2 * HOUR)
    assert {row["state"] for row in bus.table("membership")} == {"joined"}


def test_other_messages_stand_in_for_beats(world: World) -> None:
    quiet, busy = (world(meters=1, areas=1) for _ in range(2))
    quiet.run(HOUR)
    busy.run(600_000)
    context = busy.core.unit(SUB).context("group")
    for minute in range(10, 60):
        context.query("group.parent", METER)
        busy.poke()
        busy.run(minute * 60_000 + 59_000)

    def beats(bus: Loopback) -> int:
        rows = bus.table("request")
        return sum(row["unit"] == METER and row["variable"] == "group.beat" for row in rows)

    assert beats(quiet) >= 58
    assert beats(busy) <= 14


def test_an_instrument_that_is_read_no_more_is_lost_and_found(world: World) -> None:
    sensor = f"{METER}/register"
    bus = world({METER: {"sensors": {sensor: 90_000}}})
    times = [90_000 * n for n in range(1, 25) if not 9 <= n < 16]
    readings = [
        Reading(f"{sensor}#{n}", "", sensor, "energy.import", t_ms, t_ms, 1.0 * n, "Wh")
        for n, t_ms in enumerate(times)
    ]
    bus.run(times[-1], readings)
    assert states(bus, sensor, by=METER) == ["suspected", "lost", "returned"]
    assert told(bus, sensor, "suspected") == pytest.approx(8 * 90_000 + 180_000, abs=BEAT // 4)
    assert told(bus, sensor, "lost") == pytest.approx(8 * 90_000 + 360_000, abs=BEAT // 4)
    assert {event.kind for event in bus.events if event.element == sensor} == {
        "sensor_suspected", "sensor_lost", "sensor_returned",
    }  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
def test_who_leaves_is_not_missed_and_may_come_back(world: World, level: str) -> None:
    bus = world({METER: {"leave_ms": HOUR, "return_ms": 2 * HOUR}}, security=level)
    bus.run(2 * HOUR - 1)
    assert states(bus, METER) == ["joined", "left"]
    assert METER not in group(bus.core, SUB).members
    bus.run(3 * HOUR)
    assert states(bus, METER) == ["joined", "left", "joined"]


def ring(bus: Loopback, unit: str) -> Any:
    return group(bus.core, unit)._follower._ring


def head(bus: Loopback, unit: str) -> Any:
    return group(bus.core, unit)._head._ring


def test_the_key_changes_with_every_join_and_leave(world: World) -> None:
    bus = world({METER: {"leave_ms": HOUR, "return_ms": 2 * HOUR}})
    bus.run(HOUR - 1)
    gone, stays = ring(bus, METER), ring(bus, "meter/lv1/load-1")
    assert head(bus, SUB).step == 3  # three have joined
    assert stays.key(3) == gone.key(3) == head(bus, SUB).key(3)
    bus.run(2 * HOUR - 1)
    assert head(bus, SUB).generation == 1
    assert ring(bus, METER) is None
    after = ring(bus, "meter/lv1/load-1")
    assert (after.generation, after.key(0)) == (1, head(bus, SUB).key(0))
    assert gone.key(3) != after.key(0)
    bus.run(3 * HOUR)
    again = ring(bus, METER)
    assert (again.generation, again.step) == (1, 1)
    assert again.key(0) is None  # nothing of before


def test_several_who_leave_cost_one_new_key(world: World) -> None:
    leave = {f"meter/lv1/load-{n}": {"leave_ms": HOUR + 1000 * n} for n in range(2)}
    bus = world(leave)
    bus.run(2 * HOUR)
    (rekeyed,) = events(bus, "group_rekeyed")
    assert rekeyed.value == {"generation": 1, "members": 1}


def test_a_lost_new_key_is_given_again_with_the_next_beat(world: World) -> None:
    bus = world({METER: {"leave_ms": HOUR}})
    bus.run(HOUR)
    one = "meter/lv1/load-1"
    bus.air.lost = lambda frame: frame.dst == one and bus.now_ms < HOUR + 30_000  # type: ignore[attr-defined]
    bus.run(HOUR + 25_000)
    assert ring(bus, one).generation == 0
    bus.run(HOUR + 300_000)
    assert ring(bus, one).generation == 1


def test_a_head_that_restarts_remembers_its_members_and_their_key(world: World) -> None:
    bus = world(failures=[{"unit": SUB, "at_ms": HOUR, "until_ms": HOUR + 30_000}])
    bus.run(HOUR - 1)
    before = head(bus, SUB)
    bus.run(2 * HOUR)
    assert len(group(bus.core, SUB).members) == 3
    assert head(bus, SUB).key(head(bus, SUB).step) == before.key(before.step)
    assert {row["state"] for row in bus.table("membership")} == {"joined"}
    assert events(bus, "beat_refused") == []


@pytest.mark.requirement("SP-03")
@pytest.mark.parametrize("level", LEVELS[1:])
def test_a_revoked_unit_is_put_out_everywhere_and_its_subscriptions_end(
    world: World, level: str
) -> None:
    from tests.controllers.unit.conftest import Probe

    revoke = [{"unit": METER, "at_ms": HOUR}]
    bus = world(
        {TOP: {"office": True, "revoke": revoke}},
        security=level,
        extra={METER: {"probe": {}}, SUB: {"probe": {}}, OTHER: {}},
        factories={"probe": lambda _s, _p, _d: Probe("probe")},
    )
    bus.run(600_000)
    spy, owner = (bus.core.unit(unit).context("probe") for unit in (METER, SUB))
    policy = [["all", "all", 3, 0]]
    owner.write("area.energy", SUB, {"t_ms": 0}, policy=policy)
    bus.poke()
    asked = spy.event("area.energy", SUB)
    bus.poke()
    bus.run(700_000)
    owner.write("area.energy", SUB, {"t_ms": 1})
    bus.poke()
    bus.run(HOUR + BEAT)
    subscribed = {one.unit for one in bus.core.unit(SUB).processor.subscriptions}
    assert subscribed == {SUB, TOP} - {TOP} | {SUB}  # the spy's has ended
    owner.write("area.energy", SUB, {"t_ms": 2})
    bus.poke()
    bus.run(2 * HOUR)
    heard = [one.value for one in bus.core.service(METER, "probe").outcomes(asked.id)]  # type: ignore[attr-defined]
    assert {"t_ms": 1} in heard
    assert {"t_ms": 2} not in heard
    assert states(bus, METER)[:2] == ["joined", "expelled"]
    assert set(states(bus, METER)[2:]) == {"refused"}  # it tries on
    ended = events(bus, "trust_ended")
    assert [(one.element, one.value["by"], one.value["why"]) for one in ended] == [
        (METER, SUB, "revoked")
    ]
    assert ended[0].value["subscriptions"] == 1
    for unit in (TOP, SUB, OTHER, "meter/lv1/load-1"):
        trust = bus.core.unit(unit).membership.trust  # type: ignore[union-attr]
        scope = {"lv1"} if unit != OTHER else {"lv2"}
        assert trust.up_to(scope) == (4 if scope == {"lv1"} else 3)  # type: ignore[union-attr]
    assert len(events(bus, "group_rekeyed")) == 1


def test_a_revoked_parent_is_left(world: World) -> None:
    revoke = [{"unit": SUB, "at_ms": HOUR}]
    meters = {f"meter/lv1/load-{number}": {"backups": [OTHER]} for number in range(3)}
    services = {TOP: {"office": True, "revoke": revoke}, OTHER: {"accepts": list(meters)}} | meters
    bus = world(services)
    bus.run(3 * HOUR)
    assert states(bus, SUB)[:2] == ["joined", "expelled"]
    assert group(bus.core, TOP).members == [OTHER]
    for meter in meters:  # told past the unit that was put out
        assert group(bus.core, meter).parent == OTHER
        assert parents(bus, meter) == [("joined", SUB), ("lost", SUB), ("joined", OTHER)]
    assert {event.value["by"] for event in events(bus, "trust_ended")} == {TOP, *meters}


def test_membership_ends_with_the_certificate(world: World) -> None:
    bus = world(group={"certificate_ms": HOUR})
    bus.run(HOUR)
    assert len(group(bus.core, SUB).members) == 3
    bus.run(HOUR + 10_000)
    assert group(bus.core, SUB).members == []
    whys = {(event.value["why"]) for event in events(bus, "trust_ended")}
    assert whys == {"expired"}
    bus.run(2 * HOUR)
    refused = events(bus, "join_refused")
    assert {event.value["why"] for event in refused} == {"expired"}


def test_lists_are_renewed_before_they_are_too_old(world: World) -> None:
    list_ms = HOUR // 2
    late = {"meter/lv1/load-2": {"join_s": 0.0}}
    bus = world(
        {TOP: {"office": True, "lists_s": 900.0}} | late,
        group={"list_ms": list_ms},
        failures=[{"unit": "meter/lv1/load-2", "at_ms": 0, "until_ms": HOUR}],
    )
    bus.run(2 * HOUR)
    # an hour on, its lists are too old; it is shown newer ones
    assert group(bus.core, "meter/lv1/load-2").parent == SUB
    assert events(bus, "join_refused") == []


def test_a_list_that_comes_with_an_introduction_counts_at_once(world: World) -> None:
    """Two of another area meet: the one has the newer list, the other trusts who is in it."""
    revoke = [{"unit": METER, "at_ms": HOUR}]
    one = "meter/lv1/load-1"
    bus = world({TOP: {"office": True, "revoke": revoke}})
    bus.run(600_000)
    context = bus.core.unit(OTHER).context("group")
    context.query("group.parent", METER)  # gets to know it, and has no use for its area's lists
    bus.poke()
    bus.run(2 * HOUR)
    trust = bus.core.unit(OTHER).membership.trust  # type: ignore[union-attr]
    assert trust.knows(METER)  # type: ignore[union-attr]
    context.query("group.parent", one)
    bus.poke()
    bus.run(2 * HOUR + BEAT)
    assert not trust.knows(METER)  # type: ignore[union-attr]
    assert [event.value["by"] for event in events(bus, "trust_ended")] == [SUB, OTHER]
