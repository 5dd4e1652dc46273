"""A meter's tariff registers follow the calendar from above, and lose no energy."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.tariffs.service import active, switchings
from controllers.unit import Loopback, UnitsCore
from fernwatt.messages import Reading

H, SLOT_MS, METER = 3_600_000, 900_000, "meter/a/x"
ITEMS = {"price T1": 0.3, "price T2": 0.2, "at 06:00": "T1", "at 22:00": "T2"}


class Above:
    """Acts for the operator's registry on the meter."""

    name = "registry"

    def start(self, context):
        self.context = context

    def notify(self, notification):
        del notification

    def timer(self, name):
        del name


def world(day_ms=0):
    unit = {"id": METER, "kind": "meter", "owner": "customer/x", "customer": "customer/x",
            "instruments": ["i/x"], "stakeholders": {"registry": "operator"},
            "services": {"tariffs": {"day_ms": day_ms}, "registry": {}}}  # fmt: skip
    core = UnitsCore({"units": [unit]}, 1, factories={"registry": lambda *_: Above()})
    return Loopback(core)


def table(bus, version=1, items=None):
    bus.poke()
    record = {"version": version, "items": items or ITEMS}
    bus.core.unit(METER).context("registry").data.write("tariff.table", METER, record)
    bus.poke()


def register(k, wh):
    t_ms = k * SLOT_MS
    return Reading(f"i/x#{k}", "", "i/x", "energy.import", t_ms, t_ms, float(wh), "Wh")


def told(bus):
    owner = bus.core.directory.owner(METER, "tariff.active")
    series = bus.core.unit(METER).store.series("tariff.active", owner, METER)
    return [one.value for one in series]


@pytest.mark.parametrize(("hour", "register_", "left_h"), [
    (0, "T2", 6), (6, "T1", 16), (12, "T1", 10), (22, "T2", 8), (23, "T2", 7),
])  # fmt: skip
def test_the_calendar_says_who_counts_and_for_how_long(hour, register_, left_h):
    assert active(ITEMS, hour * H) == (register_, left_h * H)


@given(st.dictionaries(st.integers(0, 1439), st.sampled_from("ABC"), min_size=1),
       st.integers(0, 86_399_999))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_what_counts_is_the_last_switching_whatever_the_calendar(minutes, of_day_ms):
    items = {f"at {m // 60:02}:{m % 60:02}": name for m, name in minutes.items()}
    now, left_ms = active(items, of_day_ms)
    assert left_ms > 0
    times = dict(switchings(items))
    back = next(t for d in range(86_400_000 // 60_000 + 1)
                if (t := (of_day_ms // 60_000 - d) * 60_000 % 86_400_000) in times
                and (d or t <= of_day_ms))  # fmt: skip
    assert now == times[back]
    assert (of_day_ms + left_ms) % 86_400_000 in times


def test_energy_is_counted_in_the_register_that_was_active_and_none_is_lost():
    bus = world(day_ms=20 * H)  # begins at 20:00
    bus.run(0)
    table(bus)
    registers = [100 * k for k in range(49)]
    bus.run(12 * H, [register(k, wh) for k, wh in enumerate(registers)])
    last = told(bus)[-1]
    assert last["registers"] == {"T1": 1600.0, "T2": 3200.0}  # 20-22 and 6-8; 22-6
    assert sum(last["registers"].values()) == registers[-1]
    switched = [(one["since_ms"], one["register"], one["price_per_kwh"]) for one in told(bus)]
    assert [it for n, it in enumerate(switched) if not n or it != switched[n - 1]] == [
        (0, "T1", 0.3), (2 * H, "T2", 0.2), (10 * H, "T1", 0.3),
    ]  # fmt: skip


def test_a_new_version_holds_from_its_coming_on():
    bus = world(day_ms=12 * H)
    bus.run(0)
    table(bus)
    bus.run(H, [register(k, 100 * k) for k in range(5)])
    table(bus, 2, ITEMS | {"price T1": 0.5})
    assert (told(bus)[-1]["version"], told(bus)[-1]["price_per_kwh"]) == (2, 0.5)
    table(bus, 1)
    assert told(bus)[-1]["version"] == 2


def test_a_restart_keeps_what_was_counted():
    bus = world(day_ms=12 * H)
    bus.run(0)
    table(bus)
    bus.run(2 * H, [register(k, 100 * k) for k in range(9)])
    bus.core.kill(METER)
    bus.core.revive(METER)
    bus.run(4 * H, [register(k, 100 * k) for k in range(9, 17)])
    assert told(bus)[-1]["registers"]["T1"] == 1500.0  # not what flowed while it was down
