"""The six operations between two units, and what may go wrong on the way."""

from __future__ import annotations

import pytest

from controllers.unit import NONE, READ, Grant, Policy, Result
from fernwatt.errors import SimulationError
from fernwatt.messages import Delivery, Reading

METER, AREA = "meter/a/x", "lvgmu/a"
SLOT = 900_000


def reading(number, value, t_ms, variable="voltage", skew_ms=7):
    measure = "V"
    return Reading(f"field#{number}", "", "i/x", variable, t_ms, t_ms + skew_ms, value, measure)


def probe(bus, unit=AREA, name="metering"):
    return bus.core.service(unit, name)


def settle(bus, ms=1000):
    bus.poke()
    bus.run(bus.now_ms + ms)


@pytest.mark.requirement("DI-02")
def test_all_operations_work_over_the_network_and_are_answered_later(pair) -> None:
    bus = pair()
    asker, holder = probe(bus), probe(bus, METER)
    data = asker.context.data
    bus.run(1000, [reading(1, 230.0, 0), reading(2, 231.0, 500)])

    def done(issued):
        assert issued.result is Result.ISSUED
        assert asker.outcomes(issued.id) == []
        settle(bus)
        return asker.outcomes(issued.id)

    [answer] = done(data.query("voltage", METER))
    assert (answer.result, answer.value, answer.t_ms) == (Result.OK, 231.0, 507)
    assert (answer.owner, answer.location) == ("customer/a", METER)
    event, periodic = data.event("voltage", METER), data.periodic("voltage", METER, 5000)
    settle(bus, 100)
    for issued in (event, periodic):
        [confirmed] = asker.outcomes(issued.id)
        assert (confirmed.result, confirmed.value, confirmed.t_ms) == (Result.OK, None, -1)
    bus.run(bus.now_ms + 10_100, [reading(3, 229.0, bus.now_ms + 100)])
    assert [one.value for one in asker.outcomes(event.id)[1:]] == [229.0]
    assert [one.value for one in asker.outcomes(periodic.id)[1:]] == [229.0, 229.0]
    for issued in (event, periodic):
        [ended] = done(data.unsubscribe(issued.id, METER))
        assert ended.result is Result.OK
    count = len(asker.heard)
    bus.run(bus.now_ms + 20_000, [reading(4, 228.0, bus.now_ms + 100)])
    assert len(asker.heard) == count
    writer = holder.context.data
    written = writer.write("voltage", METER, 225.5)
    settle(bus)
    [outcome] = holder.outcomes(written.id)
    assert (outcome.result, outcome.value, outcome.id) == (Result.OK, None, written.id)
    operations = {row["operation"] for row in bus.table("request")}
    assert operations == {"write", "query", "event", "periodic", "unsubscribe"}
    assert all(row["latency_ms"] >= 40 for row in bus.table("request") if row["unit"] == AREA)


@pytest.mark.requirement("DI-03")
def test_a_query_selects_by_condition_and_reduces_by_function(pair) -> None:
    bus = pair()
    asker, data = probe(bus), probe(bus).context.data
    voltages = [230.0, 240.0, 220.0, 225.0]
    bus.run(5000, [reading(i, v, 1000 * i, skew_ms=0) for i, v in enumerate(voltages)])
    cases = {
        ("", "mean"): (228.75, 3000),
        ("t >= 1000", "min"): (220.0, 2000),
        ("value > 224 and t < 3000", "count"): (2, 1000),
        ("value < 100", "count"): (0, -1),
        ("", "percentile:50"): (227.5, 3000),
        ("location == 'meter/a/x' and owner == 'customer/a'", "max"): (240.0, 1000),
        ("", "first"): (230.0, 0),
    }
    for (condition, function), expected in cases.items():
        issued = data.query("voltage", METER, condition=condition, function=function)
        settle(bus)
        [answer] = asker.outcomes(issued.id)
        assert (answer.value, answer.t_ms) == expected, (condition, function)
    issued = data.query("voltage", METER, condition="value < 100")
    settle(bus)
    assert asker.outcomes(issued.id)[0].result is Result.NO_DATA


@pytest.mark.requirement("DI-04")
def test_events_fire_on_each_instance_that_satisfies_them_and_periodic_is_one(pair) -> None:
    bus = pair()
    asker, data = probe(bus), probe(bus).context.data
    low = data.event("voltage", METER, condition="value < 207")
    any_ = data.event("voltage", METER)
    first, second = (data.periodic("voltage", METER, ms) for ms in (1000, 4000))
    settle(bus, 100)
    assert [one.result for one in asker.outcomes(first.id)] == [Result.OK]
    assert [one.result for one in asker.outcomes(second.id)] == [Result.REPLACED]
    values = [230.0, 200.0, 206.9, 207.0, 190.0]
    start = bus.now_ms
    bus.run(start + 8000, [reading(i, v, start + 10 * i) for i, v in enumerate(values)])
    assert [one.value for one in asker.outcomes(low.id)[1:]] == [200.0, 206.9, 190.0]
    assert [one.value for one in asker.outcomes(any_.id)[1:]] == values
    assert len(asker.outcomes(first.id)) == 1
    assert len(asker.outcomes(second.id)) == 3
    other = probe(bus, AREA, "probe")
    assert other.heard == []
    assert list(bus.core.unit(AREA).caller.held) == [low.id, any_.id, second.id]


def test_the_same_holds_for_two_services_of_one_unit(pair) -> None:
    """A periodic is one per subscribing service: another service has its own."""
    bus = pair(("metering", "aggregation"))
    mine, theirs = probe(bus), probe(bus, AREA, "aggregation")
    a = mine.context.data.periodic("voltage", METER, 1000)
    b = theirs.context.data.periodic("voltage", METER, 1000)
    settle(bus, 100)
    assert mine.outcomes(a.id)[0].result is Result.OK
    assert theirs.outcomes(b.id)[0].result is Result.OK


@pytest.mark.requirement("DI-05")
@pytest.mark.parametrize("operation", ["query", "event", "periodic", "write", "unsubscribe"])
def test_a_lost_request_ends_as_a_time_out_and_is_repeated_before(pair, operation) -> None:
    bus = pair(fates=lambda frame, t_ms: ())
    asker, data = probe(bus), probe(bus).context.data
    args = {"periodic": ("voltage", METER, 1000), "write": ("voltage", METER, 1.0),
            "unsubscribe": ("lvgmu/a#77", METER)}.get(operation, ("voltage", METER))  # fmt: skip
    issued = getattr(data, operation)(*args, cause="why#1")
    bus.poke()
    bus.run(3_600_000)
    [outcome] = asker.outcomes(issued.id)
    assert outcome.result is Result.TIMEOUT
    assert [frame.cause for frame in bus.frames] == ["why#1", issued.id, issued.id]
    assert bus.frames[0].id == issued.id
    assert len({frame.id for frame in bus.frames}) == 3
    assert len({frame.payload for frame in bus.frames}) == 1
    [row] = bus.table("request")
    assert (row["result"], row["latency_ms"]) == ("timeout", 210_000)


def test_a_lost_answer_is_given_again_and_nothing_is_executed_twice(pair) -> None:
    lost = []

    def lose_two_answers(frame, t_ms):
        if frame.src == METER and len(lost) < 2:
            lost.append(frame)
            return ()
        return (20,)

    grant = [["operator", "metering", 3, 0]]
    bus = pair(fates=lose_two_answers, meter={"policies": {"set_point": grant}})
    asker, data = probe(bus), probe(bus).context.data
    issued = data.write("set_point", METER, {"p_w": 1000.0, "until_ms": SLOT}, cause="d#1")
    bus.poke()
    bus.run(3_600_000)
    [outcome] = asker.outcomes(issued.id)
    assert outcome.result is Result.OK
    [command] = bus.commands
    assert (command.cause, command.action, command.actuator) == (
        issued.id,
        "set_power",
        "actuator/x",
    )
    assert bus.core.counters["repeated-request"] == 2
    assert bus.frames[0].flow == "control"


def test_doubled_and_late_frames_change_nothing(pair) -> None:
    bus = pair(fates=lambda frame, t_ms: (20, 25, 4000))
    asker, data = probe(bus), probe(bus).context.data
    event = data.event("voltage", METER)
    settle(bus, 6000)
    start = bus.now_ms
    bus.run(start + 9000, [reading(i, 230.0 + i, start + 100 * i) for i in range(5)])
    assert [one.value for one in asker.outcomes(event.id)[1:]] == [230.0 + i for i in range(5)]
    assert bus.core.counters["duplicate"] == 10


@pytest.mark.requirement("DI-06")
def test_unknown_variables_and_missing_rights_are_refused_and_the_caller_told(pair) -> None:
    bus = pair()
    asker, other = probe(bus), probe(bus, AREA, "probe")
    bus.run(10, [reading(1, 230.0, 0)])
    cases = [
        (asker, "write", ("weather.wind", METER, 3.0), Result.UNKNOWN_VARIABLE),
        (asker, "write", ("voltage", METER, 3.0), Result.DENIED),
        (other, "query", ("voltage", METER), Result.DENIED),
        (other, "event", ("voltage", METER), Result.DENIED),
        (other, "periodic", ("voltage", METER, 1000), Result.DENIED),
        (asker, "query", ("battery.soc", METER), Result.DENIED),
        (asker, "unsubscribe", ("lvgmu/a#99", METER), Result.UNKNOWN_SUBSCRIPTION),
        (asker, "write", ("weather.wind", AREA, 3.0), Result.UNKNOWN_VARIABLE),
        (asker, "query", ("energy.import", METER), Result.NO_DATA),
    ]
    for service, operation, args, expected in cases:
        issued = getattr(service.context.data, operation)(*args)
        assert issued.result is Result.ISSUED
        settle(bus)
        [outcome] = service.outcomes(issued.id)
        assert (outcome.result, outcome.value) == (expected, None), (operation, args)
    assert bus.commands == []
    denied = [event for event in bus.events if event.kind == "access_denied"]
    assert len(denied) == 5
    assert denied[0].value["stakeholder"] == "operator"


@pytest.mark.parametrize(
    ("operation", "args", "kwargs", "expected"),
    [
        ("query", ("voltage", METER), {"condition": "value >"}, Result.MALFORMED),
        ("query", ("voltage", METER), {"function": "median"}, Result.MALFORMED),
        ("periodic", ("voltage", METER, 0), {}, Result.MALFORMED),
        ("write", ("voltage", METER, float("nan")), {}, Result.MALFORMED),
        ("write", ("voltage", METER, 1.0), {"policy": [["x"]]}, Result.MALFORMED),
        ("query", ("voltage", "meter/nowhere"), {}, Result.UNKNOWN_LOCATION),
    ],
)
def test_what_nobody_could_execute_is_refused_at_once_and_in_the_common_way(
    pair, operation, args, kwargs, expected
) -> None:
    bus = pair()
    issued = getattr(probe(bus).context.data, operation)(*args, **kwargs)
    assert issued.result is expected
    assert probe(bus).heard == []
    settle(bus)
    assert [one.result for one in probe(bus).outcomes(issued.id)] == [expected]
    assert bus.frames == []


def test_a_policy_travels_with_new_instances_and_old_ones_keep_theirs(pair) -> None:
    bus = pair()
    asker, owner = probe(bus), probe(bus, METER)
    write = owner.context.data.write
    write("voltage", METER, 1.0)
    write("voltage", METER, 2.0, policy=Policy.of([Grant("operator", "metering", NONE)]))
    settle(bus)
    ask = asker.context.data.query
    first = ask("voltage", METER, condition="value == 1")
    latest, total = ask("voltage", METER), ask("voltage", METER, function="sum")
    settle(bus)
    assert asker.outcomes(first.id)[0].value == 1.0
    assert asker.outcomes(latest.id)[0].result is Result.DENIED
    assert asker.outcomes(total.id)[0].result is Result.DENIED  # a sum is no way round


def test_a_subscription_ends_with_the_right(pair) -> None:
    bus = pair()
    asker, owner = probe(bus), probe(bus, METER)
    event = asker.context.data.event("voltage", METER)
    settle(bus)
    write = owner.context.data.write
    write("voltage", METER, 1.0)
    write("voltage", METER, 2.0, policy=[["operator", "metering", NONE, 0]])
    write("voltage", METER, 3.0, policy=[["operator", "metering", READ, 0]])
    settle(bus)
    heard = [(one.result, one.value) for one in asker.outcomes(event.id)[1:]]
    assert heard == [(Result.OK, 1.0), (Result.DENIED, None)]
    assert len(bus.core.unit(METER).processor.subscriptions) == 0
    assert bus.core.counters["unexpected"] == 0  # nothing was sent any more


def test_a_minimum_delay_holds_over_queries_events_and_periodics(pair) -> None:
    bus = pair(meter={"policies": {"voltage": [["operator", "metering", READ, 5000]]}})
    asker, data = probe(bus), probe(bus).context.data
    data.event("voltage", METER)
    data.periodic("voltage", METER, 700)
    settle(bus, 100)
    start = bus.now_ms
    bus.run(start + 3000, [reading(i, 230.0, start + 300 * i) for i in range(10)])
    issued = data.query("voltage", METER)
    settle(bus, 100)
    assert asker.outcomes(issued.id)[0].result is Result.RATE
    assert len([one for one in asker.heard if one.value is not None]) == 1
    assert bus.core.counters["withheld"] > 10


def test_local_requests_are_answered_at_the_same_instant_but_not_at_once(pair) -> None:
    bus = pair()
    service = probe(bus)
    service.calling = True
    event = service.context.data.event("area.energy", AREA)
    issued = service.context.data.write("area.energy", AREA, {"t_ms": 0})
    assert service.heard == []
    service.calling = False
    bus.poke()
    assert [one.request for one in service.heard] == [event.id, event.id, issued.id]
    assert service.heard[1].id == issued.id  # the instance is what brought the notification
    assert bus.frames == []


def test_a_service_that_answers_itself_without_end_is_an_error(pair) -> None:
    bus = pair()
    service = probe(bus)
    service.notify = lambda one: service.context.data.query("area.energy", AREA)
    service.context.data.query("area.energy", AREA)
    with pytest.raises(SimulationError, match=r"metering of lvgmu/a answers itself"):
        bus.poke()


@pytest.mark.parametrize("way", ["notify", "timer"])
def test_a_failing_service_is_named(pair, way) -> None:
    bus = pair()
    service = probe(bus)
    setattr(service, way, lambda one: 1 / 0)
    service.context.data.query("area.energy", AREA)
    service.context.set_timer("x", 10)
    with pytest.raises(SimulationError, match=r"metering of lvgmu/a failed: ZeroDivision"):
        settle(bus)


def test_foreign_bytes_are_counted_and_dropped(pair) -> None:
    bus = pair()
    for i, payload in enumerate((b"", b"\xff" * 30, b"\xa1\x00\x09", b"hello")):
        bus.core.step(1, (), [Delivery(f"z#{i}", "", AREA, METER, "metering", 1000, payload)])
    assert bus.core.counters["malformed"] == 4


def test_nobody_but_the_unit_that_was_asked_can_answer(pair) -> None:
    """An answer that fits a request's number, from another address, is dropped."""
    bus = pair(fates=lambda frame, t_ms: ())
    asker = probe(bus)
    issued = asker.context.data.query("voltage", METER)
    bus.poke()
    forged = bytes.fromhex("a4000001") + bytes([int(issued.id.split("#")[1])])
    forged += bytes.fromhex("0603") + bytes.fromhex("0e40")
    bus.core.step(1, (), [Delivery("z#1", "", "lvgmu/z", AREA, "metering", 1000, forged)])
    assert asker.heard == []
    assert bus.core.counters["unexpected"] == 1
    bus.core.step(2, (), [Delivery("z#1", "", METER, AREA, "metering", 1000, forged)])
    assert [one.value for one in asker.heard] == [3]


def test_timers_come_once_move_and_can_be_cancelled(pair) -> None:
    bus = pair()
    service = probe(bus)
    service.context.set_timer("a", 100)
    service.context.set_timer("a", 300)
    service.context.set_timer("b", 200)
    service.context.set_timer("c", 150)
    service.context.cancel_timer("c")
    service.context.cancel_timer("never")
    bus.run(1000)
    assert service.timers == [("b", 200), ("a", 300)]


def test_decisions_keep_all_their_causes(pair) -> None:
    bus = pair()
    context = probe(bus).context
    one = context.decide("x", "e/1", {"b": 1, "a": [2.5]}, ("c#1",))
    many = context.decide("y", "e/2", None, ("c#1", "c#2"))
    none = context.decide("z", "e/3", 1, ())
    bus.poke()
    rows = {row["id"]: row for row in bus.table("event")}
    assert rows[one]["value"] == '{"a":[2.5],"b":1}'
    assert [rows[i]["cause"] for i in (one, many, none)] == ["c#1", "c#1", ""]
    assert [row["cause"] for row in bus.table("cause")] == ["c#1", "c#2"]
    assert {row["id"] for row in bus.table("cause")} == {many}


def test_what_is_open_at_the_end_is_recorded_as_such(pair) -> None:
    bus = pair(fates=lambda frame, t_ms: ())
    issued = probe(bus).context.data.query("voltage", METER)
    bus.poke()
    bus.run(5000)
    bus.close()
    assert [(row["id"], row["result"]) for row in bus.table("request")] == [(issued.id, "issued")]


def test_a_node_that_goes_down_is_told(pair) -> None:
    bus = pair()
    bus.node(METER, up=False, cause="fault#1")
    bus.node("repeater/a", up=False)
    assert not bus.core.unit(METER).node_up
    assert [(event.kind, event.element) for event in bus.events] == [("node_down", METER)]


@pytest.mark.requirement("DI-01")
@pytest.mark.parametrize("kind", ["volatile", "disk"])
def test_each_write_makes_a_new_instance_that_says_all_of_itself(pair, kind) -> None:
    """Of the owner, of another stakeholder far off, and of the unit's own instrument."""
    open_to_all = [["all", "all", 3, 0]]
    bus = pair(meter={"policies": {"voltage": open_to_all}}, spec={"memory": kind})
    asker, owner = probe(bus), probe(bus, METER)
    bus.run(100, [reading(1, 230.0, 50)])
    bus.poke()
    mine = owner.context.data.write("voltage", METER, 231.0, policy=[["operator", "all", 3, 0]])
    bus.poke()
    theirs = asker.context.data.write("voltage", METER, 232.0)
    settle(bus)
    series = list(bus.core.unit(METER).store.series("voltage", "customer/a", METER))
    assert [(one.id, one.value, one.t_ms) for one in series] == [
        ("field#1", 230.0, 57),
        (mine.id, 231.0, 100),
        (theirs.id, 232.0, 120),
    ]
    assert {(one.variable, one.location, one.owner) for one in series} == {
        ("voltage", METER, "customer/a")
    }
    assert [one.policy.plain() for one in series] == [
        open_to_all, [["operator", "all", 3, 0]], [["operator", "all", 3, 0]],
    ]  # fmt: skip
