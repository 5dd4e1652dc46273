"""Reliable subscriptions: each instance reaches the subscriber once, in order, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.storage import DiskMemory
from controllers.unit import Loopback, Result, UnitsCore
from controllers.unit.notes import MemoryNotebook
from controllers.unit.ordered import Ordered
from controllers.unit.wire import Notify
from fernwatt.errors import ScenarioError
from fernwatt.messages import Frame, Reading
from tests.controllers.unit.conftest import CUSTOMER, OPERATOR, Probe

AREA, METER = "lvgmu/a", "meter/a/x"
HOUR_MS = 3_600_000


class Follower(Probe):
    """Subscribes whenever it begins; what it heard outlives it, as a database would."""

    kept: list[Any]

    def start(self, context: Any) -> None:
        super().start(context)
        if context.unit == AREA:
            self.kept = _HEARD
            context.data.event("voltage", METER, reliable=True)

    def notify(self, notification: Any) -> None:
        super().notify(notification)
        if notification.t_ms != -1:
            _HEARD.append(notification.value)


_HEARD: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_heard() -> None:
    _HEARD.clear()


def begin(
    fates: Callable[[Frame, int], Any] | None = None, memory: Any = None, **more: Any
) -> Loopback:
    services: dict[str, Any] = {"metering": {"spread_s": more.pop("spread_s", 0)}}
    above: dict[str, Any] = more.pop("above", {"parent": "", "id": AREA})
    spec = {
        "units": [
            {"id": "mvgmu/m", "children": [AREA], "owner": OPERATOR},
            {"id": AREA, "parent": "mvgmu/m", "children": [METER], "owner": OPERATOR,
             "services": services} | {k: v for k, v in above.items() if k != "parent"},
            {"id": METER, "parent": AREA, "customer": CUSTOMER, "owner": CUSTOMER,
             "instruments": ["i/x"], "services": services},
        ],
        **more,
    }  # fmt: skip
    factories = {"metering": lambda *_: Follower("metering")}
    bus = Loopback(UnitsCore(spec, 1, factories=factories, memory=memory), fates=fates)
    bus.run(1000)
    return bus


def readings(count: int, start_ms: int, step_ms: int = 1000) -> list[Reading]:
    return [
        Reading(f"i/x#{start_ms}-{n}", "", "i/x", "voltage", start_ms + n * step_ms,
                start_ms + n * step_ms, float(start_ms + n), "V")
        for n in range(count)
    ]  # fmt: skip


def values(batch: list[Reading]) -> list[float]:
    return [one.value for one in batch]


def outage(since_ms: int, until_ms: int) -> Callable[[Frame, int], Any]:
    return lambda _frame, t_ms: () if since_ms <= t_ms < until_ms else (20,)


@pytest.mark.parametrize("level", ["none", "integrity", "integrity+secrecy"])
def test_what_was_written_during_an_outage_comes_after_it_once_and_in_order(level: str) -> None:
    bus = begin(outage(10_000, HOUR_MS), security=level)
    batch = readings(50, 5000, 60_000)
    bus.run(2 * HOUR_MS, batch)
    assert values(batch) == _HEARD
    assert bus.core.unit(METER)._backlog.waiting(next(iter(bus.core.unit(AREA).caller.held))) == 0
    assert bus.core._memory.of(METER)[1].items("backlog") == {}


def test_the_meter_says_that_it_reaches_nobody_and_that_it_does_again() -> None:
    bus = begin(outage(10_000, HOUR_MS))
    bus.run(2 * HOUR_MS, readings(10, 20_000, 60_000))
    told = [(event.kind, event.element, event.value["unit"]) for event in bus.events
            if event.kind.startswith("parent_")]  # fmt: skip
    assert told == [("parent_unreachable", METER, AREA), ("parent_back", METER, AREA)]
    lost, back = (e.t_us // 1000 for e in bus.events if e.kind.startswith("parent_"))
    assert 20_000 < lost < 20_000 + 10 * 60_000
    assert HOUR_MS <= back < HOUR_MS + 310_000


def test_who_asks_in_vain_says_so_too() -> None:
    bus = begin(outage(1500, HOUR_MS))
    probe: Any = bus.core.service(METER, "metering")
    bus.run(2000)
    bus.poke()
    probe.context.data.query("area.energy", AREA)
    bus.poke()
    bus.run(HOUR_MS)
    assert [event.kind for event in bus.events] == ["parent_unreachable"]
    probe.context.data.query("area.energy", AREA)
    bus.poke()
    bus.run(HOUR_MS + 1000)
    assert [event.kind for event in bus.events] == [
        "parent_unreachable", "access_denied", "parent_back",
    ]  # fmt: skip


def test_everything_else_goes_on_meanwhile() -> None:
    bus = begin(outage(10_000, HOUR_MS))
    bus.run(HOUR_MS // 2, readings(20, 20_000, 60_000))
    store = bus.core.unit(METER).store
    kept = [one.value for one in store.series("voltage", CUSTOMER, METER)]
    assert kept == values(readings(20, 20_000, 60_000))


@pytest.mark.parametrize("kind", ["volatile", "disk"])
@pytest.mark.parametrize("victim", [AREA, METER])
@pytest.mark.parametrize("spread_s", [0, 60])
def test_either_unit_may_die(victim: str, kind: str, spread_s: int, tmp_path: Path) -> None:
    memory = DiskMemory(tmp_path / "u.db", lambda unit: unit.encode().ljust(32))
    bus = begin(outage(300_000, 900_000), memory if kind == "disk" else None, spread_s=spread_s)
    batch = readings(20, 30_000, 60_000)
    told = list(batch)
    for at_ms in (100_020, 400_000, 700_000, 1_000_000):
        bus.run(at_ms, [one for one in told if one.t_sample_ms <= at_ms])
        told = [one for one in told if one.t_sample_ms > at_ms]
        bus.core.kill(victim)
        bus.core.revive(victim)
        bus.poke()
    bus.run(2 * HOUR_MS, told)
    assert values(batch) == _HEARD


def test_a_parent_that_is_dead_for_hours_gets_all_when_it_is_back() -> None:
    bus = begin()
    bus.core.kill(AREA)
    batch = readings(200, 5000, 30_000)
    bus.run(2 * HOUR_MS, batch)
    assert _HEARD == []
    bus.core.revive(AREA)
    bus.poke()
    bus.run(2 * HOUR_MS + 120_000)
    assert values(batch) == _HEARD


def test_over_several_levels_it_is_the_same() -> None:
    """The follower is two hops away, and the unit between dies too."""
    services: dict[str, Any] = {"metering": {}}
    spec: dict[str, Any] = {
        "routing": "levels",
        "units": [
            {"id": AREA, "owner": OPERATOR, "services": services},
            {"id": "lvgmu/b", "parent": AREA, "owner": OPERATOR},
            {"id": METER, "parent": "lvgmu/b", "customer": CUSTOMER, "owner": CUSTOMER,
             "instruments": ["i/x"]},
        ],
    }  # fmt: skip
    factories = {"metering": lambda *_: Follower("metering")}
    bus = Loopback(UnitsCore(spec, 1, factories=factories), fates=outage(100_000, 300_000))
    bus.run(1000)
    batch = readings(20, 30_000, 60_000)
    bus.run(600_000, batch[:10])
    bus.core.kill("lvgmu/b")
    bus.run(900_000, batch[10:15])
    bus.core.revive("lvgmu/b")
    bus.poke()
    bus.run(2 * HOUR_MS, batch[15:])
    assert values(batch) == _HEARD
    assert {(frame.src, frame.dst) for frame in bus.frames if METER in (frame.src, frame.dst)} == {
        (METER, "lvgmu/b"), ("lvgmu/b", METER),
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_losses_delays_and_deaths(data: st.DataObject) -> None:
    _HEARD.clear()
    chance = st.sampled_from([(20,), (20,), (20,), (), (20, 900), (3000,), (45_000,)])

    def fate(_frame: Frame, t_ms: int) -> Any:
        return data.draw(chance) if t_ms < HOUR_MS else (20,)

    bus = begin(fate)
    batch = readings(data.draw(st.integers(0, 30)), 2000, data.draw(st.sampled_from([10, 20_000])))
    told = list(batch)
    for at_ms in sorted(data.draw(st.lists(st.integers(2000, HOUR_MS), max_size=4))):
        bus.run(at_ms, [one for one in told if one.t_sample_ms <= at_ms])
        told = [one for one in told if one.t_sample_ms > at_ms]
        victim = data.draw(st.sampled_from([AREA, METER]))
        bus.core.kill(victim)
        bus.core.revive(victim)
        bus.poke()
    bus.run(3 * HOUR_MS, told)
    # a subscription that never came about in all that time is asked for by nobody again here
    [row] = [row for row in bus.table("request") if row["operation"] == "event"][-1:]
    if row["result"] in ("ok", "replaced"):
        assert [value for value in _HEARD if value in values(batch)] == _HEARD
        assert all(a < b for a, b in pairwise(_HEARD))
        first = values(batch).index(_HEARD[0]) if _HEARD else len(batch)
        assert values(batch)[first:] == _HEARD


def test_an_endless_outage_costs_the_oldest_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("controllers.unit.backlog._MOST", 20)
    bus = begin(outage(2000, HOUR_MS))
    batch = readings(50, 5000, 60_000)
    bus.run(2 * HOUR_MS, batch)
    assert values(batch)[30:] == _HEARD
    assert bus.core.counters["backlog-dropped"] == 30
    assert [event.kind for event in bus.events].count("backlog_overflow") == 1


def test_a_subscription_that_ends_owes_nothing() -> None:
    bus = begin(outage(2000, HOUR_MS))
    bus.run(100_000, readings(5, 5000))
    bus.core.unit(METER).processor.subscriptions.end(AREA)
    bus.run(2 * HOUR_MS)
    assert _HEARD == []
    assert bus.core._memory.of(METER)[1].items("backlog") == {}


def test_a_policy_of_the_run_makes_a_variable_reliable() -> None:
    bus = begin(reliable=["voltage", "energy.import"])
    probe: Any = bus.core.service(AREA, "metering")
    periodic = probe.context.data.periodic("energy.import", METER, 1000)
    probe.context.data.event("voltage", METER, condition="value > 5")
    bus.poke()
    bus.run(5000)
    kept = list(bus.core.unit(METER).processor.subscriptions)
    assert [one.reliable for one in kept] == [True, True, True]
    assert [one.result for one in probe.outcomes(periodic.id)[:2]] == [Result.OK, Result.NO_DATA]
    with pytest.raises(ScenarioError, match="there is no variable 'voltag'"):
        begin(reliable=["voltag"])


def test_nobody_acknowledges_for_another() -> None:
    bus = begin(outage(2000, HOUR_MS))
    bus.run(100_000, readings(5, 5000))
    from controllers.unit.wire import Operation, Request

    [subscription] = bus.core.unit(METER).processor.subscriptions
    lie = Request(Operation.ACKNOWLEDGE, "mvgmu/m#1", "mvgmu/m", "metering", OPERATOR, "", METER,
                  subscription=subscription.id, number=1 << 40)  # fmt: skip
    bus.core.unit(METER)._server.serve(lie, "metering")
    assert bus.core.unit(METER)._backlog.waiting(subscription.id) == 5


numbered = st.lists(st.integers(1, 30), max_size=80)


@given(numbered, st.integers(1, 10))
def test_a_series_is_taken_once_and_in_order_however_it_arrives(
    arrivals: list[int], step: int
) -> None:
    notes = MemoryNotebook()
    ordered, got = Ordered(("s", "event"), notes), []
    for number in arrivals:
        after = (number - 1) * step if number > 1 else 0
        notify = Notify("r#1", Result.OK, "voltage", METER, "", number, 0, number * step, "", None)
        notify.after = after
        got += [one.value for one, _ in ordered.take(notify, "f")]
    assert got == list(range(1, len(got) + 1))
    assert Ordered(("s", "event"), notes).taken == len(got) * step


def test_a_late_request_does_not_take_the_place_of_a_newer_one() -> None:
    """The first request is lost and its repetition slow; by then the subscriber began anew."""
    count = iter(range(10**6))

    def fate(frame: Frame, _t_ms: int) -> Any:
        number = next(count) if frame.dst == METER else -1
        return {0: (), 1: (45_000,)}.get(number, (20,))

    bus = begin(fate)
    bus.run(41_000)
    bus.core.kill(AREA)
    bus.core.revive(AREA)
    bus.poke()
    batch = readings(10, 50_000, 10_000)
    bus.run(HOUR_MS, batch)
    assert values(batch) == _HEARD
    assert len(bus.core.unit(METER).processor.subscriptions) == 1
