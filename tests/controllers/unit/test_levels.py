"""Requests that travel unit by unit: the way, what may fail on it, and who hears of that."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, pairwise
from typing import Any

import pytest

from controllers.unit import Loopback, Result, UnitsCore
from controllers.unit.catalogue import CATALOGUE
from controllers.unit.directory import Directory
from controllers.unit.routes import Routes
from fernwatt.errors import ScenarioError
from fernwatt.messages import Frame, Reading
from tests.controllers.unit.conftest import CUSTOMER, OPERATOR, Probe

TOP, MID, LOW, METER, CMU, DMU = (
    "tlgmu/top", "mvgmu/m", "lvgmu/a", "meter/a/x", "cmu/a/x", "dmu/a/x/ev",
)  # fmt: skip
LINE = (TOP, MID, LOW, METER, CMU, DMU)
OTHER = "meter/b/y"
SAFE = ["none", "integrity", "integrity+secrecy"]
CONTROL_MS = 5_000


def tree(**changes: Any) -> dict[str, Any]:
    """A line of six units, and a meter beside it below another LVGMU."""
    parents = dict(zip(LINE[1:], LINE, strict=False)) | {"lvgmu/b": MID, OTHER: "lvgmu/b"}
    units = []
    for name in (TOP, *parents):
        mine = name in (METER, CMU, DMU, OTHER)
        units.append(
            {"id": name, "kind": name.partition("/")[0], "parent": parents.get(name, ""),
             "children": [child for child, parent in parents.items() if parent == name],
             "customer": CUSTOMER if mine else "", "owner": CUSTOMER if mine else OPERATOR,
             "services": {"metering": {}, "probe": {}}, "host": "server",
             "instruments": ["i/x"] if name == DMU else [],
             "actuators": {"set_point": "actuator/x"} if name == DMU else {},
             "policies": {"device.energy": [[OPERATOR, "all", 1, 0]],
                          "set_point": [[OPERATOR, "all", 3, 0]]}}
            | changes.pop(name, {})
        )  # fmt: skip
    return {"units": units, "routing": "levels", **changes}


def begin(fates: Callable[[Frame, int], Any] | None = None, **changes: Any) -> Loopback:
    factories = {name: lambda _s, _p, _d, name=name: Probe(name) for name in ("metering", "probe")}
    bus = Loopback(UnitsCore(tree(**changes), 1, factories=factories), fates=fates)
    bus.run(0)
    return bus


def probe(bus: Loopback, unit: str = TOP, service: str = "metering") -> Any:
    return bus.core.service(unit, service)


def reading(number: int, value: float, t_ms: int) -> Reading:
    return Reading(f"i/x#{number}", "", "i/x", "device.energy", t_ms, t_ms, value, "Wh")


def settle(bus: Loopback, ms: int = 1000) -> None:
    bus.poke()
    bus.run(bus.now_ms + ms)


def ask(bus: Loopback, within_ms: int, location: str = DMU) -> tuple[Any, int]:
    """Have the top ask; return the one outcome and how long it took."""
    issued = probe(bus).context.data.query("device.energy", location)
    settle(bus, within_ms)
    [outcome] = probe(bus).outcomes(issued.id)
    [row] = [row for row in bus.table("request") if row["id"] == issued.id]
    return outcome, row["latency_ms"]


def test_the_way_goes_up_to_the_first_unit_above_both_and_down_again() -> None:
    routes = Routes(Directory([*tree()["units"], {"id": "provider/w"}], CATALOGUE), "levels")
    assert routes.way(TOP, DMU) == LINE[1:]
    assert routes.way(DMU, TOP) == tuple(reversed(LINE[:-1]))
    assert routes.way(CMU, OTHER) == (METER, LOW, MID, "lvgmu/b", OTHER)
    assert routes.way("provider/w", LOW) == (TOP, MID, LOW)
    assert routes.way(LOW, LOW) == ()
    assert (routes.next(LOW, DMU), routes.hops(LOW, DMU)) == (METER, 3)
    routes.move(METER, "lvgmu/b")
    assert routes.way(TOP, DMU) == (MID, "lvgmu/b", METER, CMU, DMU)
    direct = Routes(Directory(tree()["units"], CATALOGUE))
    assert (direct.next(TOP, DMU), direct.hops(TOP, DMU)) == (DMU, 1)


@pytest.mark.parametrize("level", SAFE)
def test_all_operations_work_over_five_hops_and_each_unit_on_the_way_has_its_hand_in_it(
    level: str,
) -> None:
    bus = begin(security=level)
    asker, data = probe(bus), probe(bus).context.data
    bus.run(1000, [reading(1, 10.0, 500), reading(2, 20.0, 900)])
    first = len(bus.frames)
    query = data.query("device.energy", DMU, function="sum")
    settle(bus)
    [answer] = asker.outcomes(query.id)
    assert (answer.result, answer.value, answer.location) == (Result.OK, 30.0, DMU)
    down = list(pairwise(LINE))
    hops = [(frame.src, frame.dst) for frame in bus.frames[first:]]
    assert hops == down + [(b, a) for a, b in reversed(down)]
    assert bus.frames[first].id == query.id
    event = data.event("device.energy", DMU, condition="value > 25")
    periodic = data.periodic("device.energy", DMU, 5000)
    settle(bus)
    bus.run(bus.now_ms + 6000, [reading(n, n * 10.0, bus.now_ms + n) for n in range(1, 5)])
    assert [one.value for one in asker.outcomes(event.id)] == [None, 30.0, 40.0]
    assert [one.value for one in asker.outcomes(periodic.id)][:2] == [None, 40.0]
    write = data.write("set_point", DMU, {"p_w": 1.0, "until_ms": 10}, cause="why#1")
    ends = [data.unsubscribe(one.id, DMU) for one in (event, periodic)]
    settle(bus)
    results = [asker.outcomes(one.id)[0].result for one in (write, *ends)]
    assert results == [Result.OK] * 3
    assert [(command.actuator, command.cause) for command in bus.commands] == [
        ("actuator/x", write.id)
    ]
    assert len(bus.core.unit(DMU).processor.subscriptions) == 0
    # every unit on the way counted what it let pass, and none answered for another
    passed = bus.core.unit(LOW).processor.audit
    assert sum(passed.values()) == 6
    assert {result for _, result in passed} == {Result.OK}
    assert not [event for event in bus.events if event.kind in ("refused", "request_failed")]


def test_neighbours_talk_as_they_do_without_levels() -> None:
    payloads = []
    for routing in ("direct", "levels"):
        bus = begin(routing=routing)
        probe(bus, CMU).context.data.query("device.energy", DMU)
        settle(bus)
        payloads.append([frame.payload for frame in bus.frames])
    assert payloads[0] == payloads[1]


def lost_at(unit: str) -> Callable[[Frame, int], Any]:
    return lambda frame, _t_ms: () if unit in (frame.dst, frame.src) else (20,)


@pytest.mark.requirement("DI-05")
@pytest.mark.parametrize("dead", LINE[2:])
@pytest.mark.parametrize("level", ["none", "integrity"])
def test_the_caller_is_told_which_unit_did_not_answer(dead: str, level: str) -> None:
    bus = begin(lost_at(dead), security=level)
    outcome, took_ms = ask(bus, 3_600_000)
    assert (outcome.result, outcome.hop, outcome.value) == (Result.UNREACHABLE, dead, None)
    assert (outcome.variable, outcome.location) == ("device.energy", DMU)
    # who is nearer to the failure gives up earlier, by one time-out a level
    assert took_ms < 210_000 + 4 * 30_000
    told = [e.value for e in bus.events if e.kind == "request_failed"]
    assert told == [{"hop": dead, "location": DMU, "result": "unreachable"}]
    by = [event.element for event in bus.events if event.kind == "not_forwarded"]
    assert by == [LINE[LINE.index(dead) - 1]]


def test_a_neighbour_that_does_not_answer_is_a_time_out() -> None:
    outcome, took_ms = ask(begin(lost_at(MID)), 3_600_000)
    assert (outcome.result, outcome.hop) == (Result.TIMEOUT, MID)
    assert took_ms == 210_000 + 4 * 30_000


def losing(pattern: Callable[[int, Frame], bool]) -> Callable[[Frame, int], Any]:
    numbers = count()
    return lambda frame, _: () if pattern(next(numbers), frame) else (20,)


def test_nothing_waits_for_ever_whatever_is_lost() -> None:
    """Every frame number n alone is lost, then every second, then all answers."""
    patterns: list[Callable[[int, Frame], bool]] = [lambda i, _, n=n: i == n for n in range(12)]  # type: ignore[misc]
    patterns += [lambda i, _: i % 2 == 0, lambda i, _: i % 3 != 0]
    patterns += [lambda _, frame: LINE.index(frame.src) > LINE.index(frame.dst)]
    for pattern in patterns:
        bus = begin(losing(pattern))
        bus.run(1000, [reading(1, 7.0, 500)])
        outcome, _ = ask(bus, 3_600_000)
        assert outcome.result in (Result.OK, Result.UNREACHABLE, Result.TIMEOUT)
        assert (outcome.result is Result.OK) == (outcome.value == 7.0)
        assert all(not len(bus.core.unit(unit)._forwarder) for unit in LINE)


@pytest.mark.parametrize("level", SAFE)
@pytest.mark.parametrize("lost", range(10))
def test_one_lost_frame_is_repeated_where_it_was_lost_and_nothing_done_twice(
    lost: int, level: str
) -> None:
    bus = begin(losing(lambda i, _: i == lost), security=level)
    issued = probe(bus).context.data.write("set_point", DMU, {"p_w": 1.0, "until_ms": 9})
    settle(bus, 100_000)
    [outcome] = probe(bus).outcomes(issued.id)
    assert outcome.result is Result.OK
    assert len(bus.commands) == 1
    assert not [event for event in bus.events if event.kind in ("refused", "not_forwarded")]
    [row] = bus.table("request")
    assert row["latency_ms"] <= CONTROL_MS + 200


@pytest.mark.parametrize("level", SAFE)
@pytest.mark.parametrize("victim", LINE[1:])
@pytest.mark.parametrize("at_ms", [30, 70, 110, 130, 170])
def test_a_unit_on_the_way_may_die_and_begin_anew(victim: str, at_ms: int, level: str) -> None:
    bus = begin(security=level)
    bus.run(1000)
    start = bus.now_ms
    issued = probe(bus).context.data.write("set_point", DMU, {"p_w": 1.0, "until_ms": 9})
    bus.poke()
    bus.run(start + at_ms)
    bus.core.kill(victim)
    bus.run(start + 2000)
    bus.core.revive(victim)
    settle(bus, 200_000)
    [outcome] = probe(bus).outcomes(issued.id)
    assert outcome.result is Result.OK
    assert len(bus.commands) == 1


def test_doubled_frames_change_nothing() -> None:
    bus = begin(lambda *_: (20, 25, 900), security="integrity")
    issued = probe(bus).context.data.write("set_point", DMU, {"p_w": 1.0, "until_ms": 9})
    event = probe(bus).context.data.event("device.energy", DMU)
    settle(bus, 20_000)
    bus.run(bus.now_ms + 20_000, [reading(n, n * 1.0, bus.now_ms + n) for n in range(1, 6)])
    assert [one.result for one in probe(bus).outcomes(issued.id)] == [Result.OK]
    assert len(bus.commands) == 1
    values = [one.value for one in probe(bus).outcomes(event.id)[1:]]
    assert values == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_who_may_not_pass_a_unit_is_told_and_so_is_who_passes_too_often() -> None:
    policy = [[OPERATOR, "metering", 1, 5000]]
    changes: dict[str, Any] = {METER: {"policies": {"transit": policy}}}
    bus = begin(**changes)
    bus.run(1000, [reading(1, 7.0, 500)])
    outcome, _ = ask(bus, 1000)
    assert outcome.result is Result.OK
    outcome, _ = ask(bus, 1000)
    assert (outcome.result, outcome.hop) == (Result.RATE, METER)
    write = probe(bus).context.data.write("set_point", DMU, {"p_w": 1.0, "until_ms": 9})
    other = probe(bus, TOP, "probe").context.data.query("device.energy", DMU)
    settle(bus)
    assert probe(bus).outcomes(write.id)[0].result is Result.DENIED
    assert probe(bus, TOP, "probe").outcomes(other.id)[0].hop == METER
    assert bus.commands == []


def test_what_does_not_come_along_the_tree_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit that hands on what its place in the tree does not let it."""
    bus = begin(security="integrity")
    outcome, _ = ask(bus, 1000)
    assert outcome.result is Result.NO_DATA
    frames = [frame for frame in bus.frames if (frame.src, frame.dst) == (LOW, METER)]
    from controllers.unit.transit import Kind, Transit

    forged = Transit(Kind.REQUEST, OTHER, DMU, f"{OTHER}#3", b"x")
    bus.core.unit(METER)._post.carry(forged, cause="", dst=LOW, flow="control")
    settle(bus)
    assert [event.value["why"] for event in bus.events if event.kind == "refused"] == ["way"]
    assert len([f for f in bus.frames if (f.src, f.dst) == (LOW, METER)]) == len(frames)


@pytest.mark.parametrize("change", ["content", "operation", "stakeholder", "request"])
def test_a_unit_on_the_way_cannot_change_what_it_carries(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from controllers.unit.forwarding import Forwarder
    from controllers.unit.wire import Operation

    take = Forwarder.take

    def meddle(self: Any, transit: Any, delivery: Any) -> None:
        if self._unit == LOW and transit.origin == TOP:
            wrong = {"content": transit.content[:-1] + bytes([transit.content[-1] ^ 1]),
                     "operation": Operation.QUERY, "stakeholder": CUSTOMER,
                     "request": f"{TOP}#{77}"}  # fmt: skip
            setattr(transit, change, wrong[change])
        take(self, transit, delivery)

    monkeypatch.setattr(Forwarder, "take", meddle)
    bus = begin(security="integrity")
    issued = probe(bus).context.data.write("set_point", DMU, {"p_w": 1.0, "until_ms": 9})
    settle(bus, 100_000)
    assert bus.commands == []
    refused = [event.element for event in bus.events if event.kind == "refused"]
    assert set(refused) == {DMU}
    assert probe(bus).outcomes(issued.id)[0].result in (Result.UNREACHABLE, Result.TIMEOUT)


def test_a_unit_on_the_way_can_only_say_that_it_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer in the holder's place, by a unit with a key of its own."""
    from controllers.unit.forwarding import Forwarder
    from controllers.unit.transit import Kind, Transit
    from controllers.unit.wire import Notify

    take = Forwarder.take

    def lie(self: Any, transit: Any, delivery: Any) -> None:
        if self._unit != LOW or transit.kind is not Kind.REQUEST:
            take(self, transit, delivery)
            return
        notify = Notify(transit.request, Result.OK, "device.energy", DMU, "", 1e6, 0)
        content = self._post.content(notify, TOP)
        answer = Transit(Kind.ANSWER, LOW, TOP, transit.request, content)
        self._pass(answer, cause="", flow="control")

    monkeypatch.setattr(Forwarder, "take", lie)
    bus = begin(security="integrity")
    outcome, _ = ask(bus, 3_600_000)
    assert outcome.result is not Result.OK
    assert outcome.value is None
    assert bus.core.counters["unexpected"] >= 1


def test_a_backup_is_a_neighbour_and_ways_lead_over_it_once_it_is_the_parent() -> None:
    routes = Routes(Directory(tree()["units"], CATALOGUE), "levels")
    routes.beside(METER, "lvgmu/b")
    assert routes.way(METER, "lvgmu/b") == ("lvgmu/b",)
    assert routes.way(TOP, METER) == (MID, LOW, METER)
    routes.move(METER, "lvgmu/b")
    assert routes.way(TOP, CMU) == (MID, "lvgmu/b", METER, CMU)
    assert routes.is_above("lvgmu/b", DMU)
    assert not routes.is_above(LOW, DMU)


def test_certificates_and_levels_do_not_go_together_yet() -> None:
    with pytest.raises(ScenarioError, match="certificates"):
        begin(security="integrity", group={"start": "2016-04-20T10:00:00Z"})
