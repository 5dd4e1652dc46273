"""A customer's unit knows its devices, tells the substation a summary, and keeps to its limit."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.home.limit import shares
from controllers.unit import Loopback, UnitsCore
from controllers.unit.service import Result
from fernwatt.messages import Reading

SLOT_MS, H = 900_000, 3_600_000
LV, METER, CMU, EV, STORE = (
    "lvgmu/a", "meter/a/1", "cmu/a/1", "dmu/a/1/ev", "dmu/a/1/battery",
)  # fmt: skip
HOME = {"customer": "customer/1", "owner": "customer/1"}
PLATES = {EV: {"kind": "ev", "p_max_w": 11_000.0}, STORE: {"kind": "battery", "p_max_w": 4000.0}}
W = st.floats(0, 50_000)


@given(W, W, st.dictionaries(st.sampled_from("abcdef"), W, max_size=6))
@settings(max_examples=300, deadline=None)
def test_vehicles_share_what_is_left_and_waste_none_of_it(limit_w, others_w, ratings_w):
    given_w = shares(limit_w, others_w, ratings_w)
    left_w, wanted_w = max(limit_w - others_w, 0.0), sum(ratings_w.values())
    assert set(given_w) == set(ratings_w)
    assert all(-1e-9 <= given_w[unit] <= ratings_w[unit] + 0.05 for unit in ratings_w)
    assert abs(sum(given_w.values()) - min(left_w, wanted_w)) <= 0.05 * len(ratings_w) + 1e-6
    full = [unit for unit in ratings_w if given_w[unit] >= ratings_w[unit] - 0.05]
    short = [given_w[unit] for unit in ratings_w if unit not in full]
    assert max(short, default=0.0) - min(short, default=0.0) <= 0.1


class Hand:
    """Writes and asks what the test says."""

    name = "orders"

    def start(self, context):
        self.context, self.heard = context, []

    def notify(self, notification):
        self.heard.append(notification)

    def timer(self, name):
        del name


def world(obeys=True):
    home = {"meter": METER, "devices": PLATES, "obeys": obeys}
    units = [
        {"id": LV, "kind": "lvgmu", "owner": "operator", "children": [METER],
         "services": {"orders": {}, "concentrator": {"join_s": 1.0, "meters": [METER],
                                                     "houses": [CMU]}}},
        {"id": METER, "kind": "meter", "parent": LV, "children": [CMU], "instruments": ["i/m"],
         **HOME, "services": {"values": {}}},
        {"id": CMU, "kind": "cmu", "parent": METER, "children": [EV, STORE], **HOME,
         "services": {"home": home, "orders": {}}},
        {"id": EV, "kind": "dmu", "parent": CMU, "instruments": ["i/ev"], **HOME,
         "actuators": {"set_point": "actuator/ev"}},
        {"id": STORE, "kind": "dmu", "parent": CMU, "instruments": ["i/b"], **HOME},
    ]  # fmt: skip
    bus = Loopback(UnitsCore({"units": units}, 1, factories={"orders": lambda *_: Hand()}))
    bus.run(2000)
    return bus


def readings(first, last, house_w=3000.0, car_w=11_000.0):
    """Return a meter's, a car's and a battery's readings at the slots; the car is there from 0."""
    made = []
    for k in range(first, last + 1):
        t_ms, hours = max(k * SLOT_MS, 2001), k * 0.25
        items = [("i/m", "energy.import", (house_w + car_w) * hours),
                 ("i/m", "energy.export", 0.0), ("i/m", "voltage", 230.0),
                 ("i/ev", "device.energy", car_w * hours), ("i/b", "battery.soc", 3000.0),
                 ("i/b", "device.energy", -500.0 * hours)]  # fmt: skip
        if not k:
            items.append(("i/ev", "ev.session", {"session": "s", "energy_wh": 1e5}))
        made += [Reading(f"{i}#{k}.{v}", "", i, v, t_ms, k * SLOT_MS, value, "1")
                 for i, v, value in items]  # fmt: skip
    return made


def limit(bus, **value):
    bus.poke()
    record = {"import_max_w": 8000.0, "until_ms": 4 * H, **value}
    bus.core.unit(LV).context("orders").data.write("load.set_point", METER, record)
    bus.poke()
    bus.run(bus.now_ms + 1000)


def status(bus):
    owner = bus.core.directory.owner(CMU, "house.status")
    return [one.value for one in bus.core.unit(CMU).store.series("house.status", owner, CMU)]


def orders(bus):
    return [command.value["p_w"] for command in bus.commands if command.actuator == "actuator/ev"]


def test_a_summary_says_what_the_devices_draw_and_could_give():
    bus = world()
    bus.run(3 * SLOT_MS, readings(0, 2))
    limit(bus)
    bus.run(4 * SLOT_MS, readings(3, 3))
    told = status(bus)
    assert [one["t_ms"] for one in told] == [0, SLOT_MS, 2 * SLOT_MS]
    assert (told[1]["devices"], told[1]["heard"], told[1]["p_w"]) == (2, 2, 10_500.0)
    assert (told[1]["flexible_w"], told[1]["stored_wh"]) == (15_000.0, 3000.0)
    assert [one["limit_w"] for one in told] == [None, None, 8000.0]
    operator = bus.core.unit(LV).service("concentrator")
    assert operator._houses[CMU]["p_w"] == 10_500.0  # the summary, over the network


def test_the_car_gets_what_the_limit_leaves_beside_the_house():
    bus = world()
    bus.run(2 * SLOT_MS, readings(0, 1))
    limit(bus)
    assert orders(bus) == [5000.0]
    bus.run(2 * SLOT_MS + 10_000, readings(2, 2, house_w=3000.0, car_w=11_000.0))
    assert orders(bus)[-1] == 5000.0


def test_without_a_limit_in_force_nothing_is_ordered():
    bus = world()
    bus.run(2 * SLOT_MS, readings(0, 2))
    limit(bus, until_ms=1000)
    bus.run(3 * SLOT_MS, readings(3, 3))
    assert orders(bus) == []


def test_who_has_other_deciders_or_does_not_want_to_is_left_alone():
    for obeys, follow in ((False, "all"), (True, "none")):
        bus = world(obeys)
        bus.poke()
        port = bus.core.unit(CMU).context("orders")
        port.data.write("customer.strategy", CMU, {"follow": follow})
        bus.poke()
        bus.run(2 * SLOT_MS, readings(0, 1))
        limit(bus)
        assert orders(bus) == []


def test_the_operator_may_read_the_summary_and_no_device():
    bus = world()
    bus.run(2 * SLOT_MS, readings(0, 1))
    bus.poke()
    port, hand = bus.core.unit(LV).context("orders"), bus.core.unit(LV).service("orders")
    wanted = (("device.energy", EV), ("battery.soc", STORE), ("load.set_point", METER))
    asked = [port.data.query(name, where).id for name, where in wanted]
    bus.poke()
    bus.run(bus.now_ms + 1000)
    found = {one.request: one.result for one in hand.heard}
    assert [found[request] for request in asked] == [Result.DENIED, Result.DENIED, Result.NO_DATA]
