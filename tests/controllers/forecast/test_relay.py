"""Forecasts go down the hierarchy from unit to unit, whatever gets lost on the way."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from controllers.forecast import copy_policies
from controllers.unit import CATALOGUE, Loopback, UnitsCore
from controllers.unit.codec import CborCodec
from controllers.unit.policy import Policy
from controllers.unit.service import Result
from controllers.unit.wire import Notify
from fernwatt.errors import ScenarioError
from fernwatt.messages import Reading

H = 3_600_000
CHAIN = ("provider/weather", "tlgmu/top", "mvgmu/mv", "lvgmu/lv", "cmu/lv/a")


def record(issued_ms, **changes):
    made = {
        "issued_ms": issued_ms,
        "start_ms": issued_ms,
        "step_ms": H,
        "ghi_w_per_m2": [(issued_ms // H + k) % 24 * 30 for k in range(48)],
        "temperature_c": [((issued_ms // H + 7 * k) % 400 - 100) / 16 for k in range(48)],
    }
    return made | changes


def reading(k, value):
    t_ms = value["issued_ms"] if isinstance(value, dict) else k
    return Reading(f"feed#{k}", "", "feed", "weather.forecast", t_ms, t_ms, value, "1")


def world(every_h=6, **options):
    units = [{"id": CHAIN[0], "kind": "provider", "owner": "weather-provider", "host": "cloud",
              "instruments": ["feed"], "services": {}}]  # fmt: skip
    for level, (source, unit) in enumerate(pairwise(CHAIN), 1):
        service = {"source": source, "every_s": every_h * 3600.0, "patience_s": 60.0 * level}
        owner = "customer/a" if unit[:3] == "cmu" else "operator"
        customer = owner.removeprefix("operator")
        policies = copy_policies(owner)
        units.append({"id": unit, "kind": unit.split("/")[0], "owner": owner, "customer": customer,
                      "services": {"forecast": service}, "policies": policies})  # fmt: skip
    return Loopback(UnitsCore({"units": units}, 1), **options)


def kept(bus, unit):
    owner = bus.core.directory.owner(unit, "weather.forecast")
    series = bus.core.unit(unit).store.series("weather.forecast", owner, unit)
    return [one.value for one in series]


def test_every_unit_has_each_forecast_as_it_was_published() -> None:
    bus, issued = world(), [record(k * 6 * H) for k in range(4)]
    bus.run(20 * H, [reading(k, value) for k, value in enumerate(issued)])
    for unit in CHAIN:
        assert kept(bus, unit) == issued
    assert bus.core.counters == {}


def test_it_comes_level_by_level_and_names_what_brought_it() -> None:
    bus = world(latency_ms=500)
    bus.run(7 * H, [reading(k, record(k * 6 * H)) for k in range(2)])
    way = [f for f in bus.frames if f.ready_us >= 6 * H * 1000]
    hops = [(f.src, f.dst) for f in way]
    assert hops == list(pairwise(CHAIN))
    assert way[0].cause == "feed#1"
    assert {f.flow for f in way} == {"management"}
    times = [f.ready_us // 1000 - 6 * H for f in way]
    assert times[0] < 500 <= times[1] < 1000 <= times[2] < 1500 <= times[3]


@pytest.mark.parametrize("lost", range(1, 5))
def test_a_lost_notification_is_made_good_by_a_question(lost) -> None:
    def fate(frame, t_ms):
        gone = t_ms >= 6 * H and t_ms < 6 * H + 5_000 and frame.dst == CHAIN[lost]
        return () if gone else (20,)

    bus = world(fates=fate)
    bus.run(12 * H - 1, [reading(k, record(k * 6 * H)) for k in range(2)])
    assert [value["issued_ms"] for value in kept(bus, CHAIN[-1])] == [0, 6 * H]
    queries = [row for row in bus.table("request") if row["operation"] == "query"]
    assert any(row["unit"] == CHAIN[lost] and row["t_ms"] > 6 * H for row in queries)


def test_who_could_not_subscribe_tries_again() -> None:
    bus = world(fates=lambda frame, t_ms: () if t_ms < H / 2 else (20,))
    bus.run(13 * H, [reading(k, record(k * 6 * H)) for k in range(3)])
    assert [value["issued_ms"] for value in kept(bus, CHAIN[-1])][-2:] == [6 * H, 12 * H]


def test_twice_told_is_kept_once_and_nonsense_not_at_all() -> None:
    bus = world(fates=lambda frame, t_ms: (20, 700))
    wrong = [
        record(0),
        record(6 * H, ghi_w_per_m2=[1, 2]),
        record(12 * H, step_ms=0),
        record(18 * H, temperature_c="warm"),
        {"issued_ms": 24 * H},
        record(30 * H),
    ]
    bus.run(31 * H, [reading(k, value) for k, value in enumerate(wrong)])
    assert [value["issued_ms"] for value in kept(bus, CHAIN[1])] == [0, 30 * H]
    assert kept(bus, CHAIN[-1]) == kept(bus, CHAIN[1])
    refused = [event for event in bus.events if event.kind == "forecast_refused"]
    assert {event.element for event in refused} == {CHAIN[0]}


def test_it_is_the_providers_and_open_for_forecasts_and_balancing_alone() -> None:
    variable = CATALOGUE.get("weather.forecast")
    bus = world()
    assert bus.core.directory.owner(CHAIN[0], variable.name) == "weather-provider"
    assert {bus.core.directory.owner(unit, variable.name) for unit in CHAIN} == {"weather-provider"}
    rights = [variable.policy.allows(1, "anyone", name) for name in
              ("forecast", "balancing", "metering", "aggregation")]  # fmt: skip
    assert rights == [True, True, False, False]
    assert not variable.policy.allows(2, "anyone", "forecast")
    here = Policy.from_plain(copy_policies("operator")[variable.name])
    assert here.allows(2, "operator", "forecast")
    assert not here.allows(2, "customer/a", "forecast")
    assert here.allows(1, "customer/a", "forecast")


def test_a_forged_forecast_from_below_is_refused() -> None:
    bus = world()
    bus.run(H, [reading(0, record(0))])
    forger = bus.core.unit(CHAIN[-1]).context("forecast").data
    for unit in CHAIN[:-1]:
        forger.write("weather.forecast", unit, record(H, ghi_w_per_m2=[1000] * 48))
    bus.poke()
    bus.run(2 * H)
    assert [kept(bus, unit) for unit in CHAIN] == [[record(0)]] * len(CHAIN)
    refused = [e for e in bus.events if e.kind == "access_denied"]
    assert {(e.element, e.value["stakeholder"]) for e in refused} == {
        (unit, "customer/a") for unit in CHAIN[:-1]
    }


def test_two_days_by_the_hour_take_less_than_three_hundred_bytes() -> None:
    codec, value = CborCodec(CATALOGUE), record(6 * H)
    said = Notify("tlgmu/top#7", Result.OK, "weather.forecast", CHAIN[0], "", value, 6 * H, 3)
    payload = codec.encode(said, CHAIN[0], CHAIN[1])
    assert codec.decode(payload, CHAIN[0], CHAIN[1]) == said
    assert len(payload) < 300 < len(json.dumps(value))


def test_parameters_are_checked() -> None:
    from controllers.forecast import make_service

    with pytest.raises(ScenarioError, match="2 faults"):
        make_service({"id": "cmu/a"}, {"source": "lvgmu/a", "every_s": 60, "each": 1})
    with pytest.raises(ScenarioError, match="more than 0"):
        make_service({"id": "cmu/a"}, {"source": "lvgmu/a", "every_s": 0, "patience_s": 5})
