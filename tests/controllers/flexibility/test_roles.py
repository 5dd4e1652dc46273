"""Customer, aggregator and operator on one bus: what they say to each other, and what they bear."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.flexibility import make_service
from controllers.flexibility.offers import FlexOffer, Profile
from controllers.flexibility.records import (
    Assigned,
    Bid,
    Order,
    Prognosis,
    Request,
    Settled,
    Told,
)
from controllers.flexibility.settlement import Sold, Terms, delivered_wh, settle
from controllers.unit import Loopback, UnitsCore
from controllers.unit.policy import READ, WRITE
from fernwatt.errors import ScenarioError
from fernwatt.messages import Reading

H, SLOT = 3_600_000, 900_000
AGR, LV, START = "aggregator/flexibility", "lvgmu/lv", "2016-01-20T15:00:00Z"
HOUSES = ("a", "b", "c")


def unit(name, kind, owner, service, **more):
    return {"id": name, "kind": kind, "owner": owner, "services": {"flexibility": service},
            "children": [], **more}  # fmt: skip


class Teller:
    """Writes to its own unit whatever it is given, on behalf of the unit's owner."""

    name = "teller"

    def start(self, context):
        self.context = context

    def timer(self, name):
        pass

    def notify(self, notification):
        pass


def world(fates=None, *, tellers=None, limit_w=15_000.0, most=50_000, contract=True):
    """Three houses with a vehicle each, behind one transformer."""
    units = [
        unit(AGR, "provider", "aggregator", {"role": "aggregator", "areas": {
            "lv": {"operator": LV, "customers": [f"cmu/lv/{h}" for h in HOUSES]}}}),
        unit(LV, "lvgmu", "operator", {
            "role": "operator", "start": START, "area": "lv", "aggregator": AGR,
            "limit_w": limit_w, "meters": [f"meter/lv/{h}" for h in HOUSES],
            "most_cent_per_mwh": most}, instruments=["i/trafo"]),
    ]  # fmt: skip
    units[1]["children"] = [f"meter/lv/{h}" for h in HOUSES]
    grant = {"flex.assignment": [["aggregator", "flexibility", WRITE, 0]],
             "flex.statement": [["aggregator", "flexibility", WRITE, 0]]}  # fmt: skip
    for h in HOUSES:
        owner = f"customer/{h}"
        tail = f"lv/{h}"
        units += [
            {"id": f"meter/{tail}", "kind": "meter", "parent": LV, "children": [f"cmu/{tail}"],
             "customer": owner, "owner": owner, "services": {}, "instruments": [f"i/{h}/meter"],
             "policies": {name: [["operator", "flexibility", READ, 0]]
                          for name in ("energy.import", "energy.export")}},
            unit(f"cmu/{tail}", "cmu", owner, {
                "role": "customer", "start": START, "aggregator": AGR, "meter": f"meter/{tail}",
                "cent_per_mwh": {"ev": 4000}, "spread_s": 5.0,
                "devices": [{"kind": "ev", "id": f"ev/{tail}", "unit": f"dmu/{tail}/ev",
                             "p_max_w": 11_000.0, "p_min_w": 0.0}]},
                parent=f"meter/{tail}", customer=owner, policies=grant if contract else {}),
            {"id": f"dmu/{tail}/ev", "kind": "dmu", "parent": f"cmu/{tail}", "customer": owner,
             "owner": owner, "services": {}, "children": [], "instruments": [f"i/{h}/ev"],
             "actuators": {"set_point": f"actuator/{h}"}},
        ]  # fmt: skip
    factories = {}
    if tellers is not None:
        for one in units:
            if "flexibility" in one["services"]:
                one["services"]["teller"] = {}

        def factory(spec, _params, _directory):
            return tellers.setdefault(spec["id"], Teller())

        factories = {"teller": factory}
    core = UnitsCore({"units": units}, 1, factories=factories)
    return Loopback(core, fates=fates)


def plug(bus, at_ms, *houses, energy_wh=11_000.0, departure_ms=12 * H):
    session = {"session": "s", "energy_wh": energy_wh, "departure_ms": departure_ms,
               "p_max_w": 11_000.0, "p_min_w": 0.0}  # fmt: skip
    bus.run(at_ms, [reading(f"i/{h}/ev", "ev.session", at_ms, session) for h in houses])


def reading(instrument, variable, at_ms, value, measure="1"):
    number = f"{instrument}/{variable}#{at_ms}"
    return Reading(number, "", instrument, variable, at_ms, at_ms, value, measure)


def decided(bus, kind):
    return [(event.element, event.value) for event in bus.events if event.kind == kind]


def orders(bus):
    return {(c.actuator, c.at_ms // SLOT): c.value["p_w"] for c in bus.commands}


def test_three_vehicles_are_kept_below_the_limit_and_get_what_they_asked_for():
    bus = world()
    bus.run(600_000)
    plug(bus, 610_000, *HOUSES)  # 33 kW, where 15 kW are allowed
    bus.run(6 * H)
    assert decided(bus, "flex_order")
    assert set(dict(decided(bus, "flex_assigned"))) == {f"ev/lv/{h}" for h in HOUSES}
    load = np.zeros(24)
    for (_, slot), p_w in orders(bus).items():
        load[slot] += p_w
    assert load.max() <= 0.95 * 15_000 - 3 * 400  # less what houses draw that nobody knows
    before_wh = 11_000 * (SLOT - 610_000) / H  # charged until the next quarter-hour began
    assert load.sum() / 4 == pytest.approx(3 * (11_000 - before_wh), abs=30)


def test_without_congestion_nobody_is_asked():
    bus = world(limit_w=50_000.0)
    plug(bus, 610_000, *HOUSES)
    bus.run(3 * H)
    assert not decided(bus, "flex_request")
    assert not bus.commands


def test_what_costs_too_much_is_declined():
    bus = world(most=1)
    plug(bus, 610_000, *HOUSES)
    bus.run(2 * H)
    assert decided(bus, "flex_request")
    assert decided(bus, "flex_declined")
    assert not decided(bus, "flex_order")
    assert not bus.commands


def test_a_customer_without_a_contract_cannot_be_moved():
    bus = world(contract=False)
    plug(bus, 610_000, *HOUSES)
    bus.run(2 * H)
    assert decided(bus, "flex_unassigned")
    assert {value["result"] for _, value in decided(bus, "flex_unassigned")} == {"denied"}
    assert not bus.commands


@pytest.mark.parametrize(("role", "missing"), [("customer", "meter"), ("operator", "limit_w"),
                                               ("aggregator", "areas")])  # fmt: skip
def test_what_is_missing_is_said(role, missing):
    with pytest.raises(ScenarioError, match=missing):
        make_service({"id": "x"}, {"role": role})
    with pytest.raises(ScenarioError, match="is no role"):
        make_service({"id": "x"}, {"role": "king"})


OFFER = FlexOffer("0", 4, 8, (0, 0), (500, 500), 600, 800, Profile(4, (500, 300)), 40)
RECORDS = [
    Told("cmu/lv/a", 7, Profile(4, (1, 2, 3)), (OFFER,)),
    Assigned("o", 7, {"0": Profile(5, (300, 400))}),
    Prognosis("lv", 3, Profile(4, (1, 2)), 5),
    Request("r", "lv", 3, Profile(4, (-1, 2)), 900),
    Bid("b", "r", "lv", Profile(4, (-1, 1)), 4.5, 900),
    Order("o", "b", "lv"),
    Settled("s", "lv", (("o", 100, 80, 3.2),), 0),
]
VARIABLES = ("flex.offer", "flex.assignment", "flex.prognosis", "flex.request", "flex.bid",
             "flex.order", "flex.settlement")  # fmt: skip
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=2), some),
    max_leaves=4,
)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_records_are_read_back_and_of_others_none_fails(record, data):
    plain = record.plain()
    assert type(record).of(json.loads(json.dumps(plain))) == record
    plain[data.draw(st.sampled_from(sorted(plain)))] = data.draw(JUNK)
    found = type(record).of(plain)
    assert found is None or isinstance(found, type(record))
    assert type(record).of(data.draw(JUNK)) is None


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_whatever_is_written_to_the_roles_they_live(data):
    tellers = {}
    bus = world(tellers=tellers)
    bus.run(300_000)
    plain = [record.plain() for record in RECORDS]
    for number in range(8):
        variable = data.draw(st.sampled_from(VARIABLES))
        value = dict(data.draw(st.sampled_from(plain)))
        if data.draw(st.booleans()):
            value[data.draw(st.sampled_from(sorted(value)))] = data.draw(JUNK)
        place = data.draw(st.sampled_from([AGR, LV, "cmu/lv/a"]))
        if _plain(value):
            tellers[place].context.data.write(variable, place, value)
            bus.poke()
        bus.run(310_000 + number * 20_000)
    plug(bus, 610_000, *HOUSES)
    bus.run(2 * H)
    assert decided(bus, "flex_request")  # all of them still work
    assert decided(bus, "flex_bid")


def _plain(value):
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True


# -- settlement ------------------------------------------------------------------------------


def test_what_is_not_drawn_counts_up_to_what_was_ordered():
    assert delivered_wh(1000, 500, 1000) == 500  # as by prognosis, which has the order in it
    assert delivered_wh(1000, 500, 1200) == 300
    assert delivered_wh(1000, 500, 700) == 500
    assert delivered_wh(1000, 500, 1600) == 0


def test_of_two_orders_of_one_slot_each_delivers_in_proportion():
    sold = [Sold("a", Profile(4, (-300, 300)), 3.0), Sold("b", Profile(4, (-100, 0)), 2.0)]
    rows = settle(sold, sold, {4: 1000}, {4: 1200.0}, Terms(1_000_000))
    assert rows == [("a", 300, 150, pytest.approx(1.5 - 150.0)),
                    ("b", 100, 50, pytest.approx(1.0 - 50.0))]  # fmt: skip
    assert settle(sold[:1], sold, {4: 1000}, {4: 1200.0}, Terms())[0][2] == 150
    assert settle(sold, sold, {}, {}, Terms()) == [("a", 300, 300, 3.0), ("b", 100, 100, 2.0)]


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_never_more_is_delivered_than_ordered(data):
    sold = [
        Sold(
            str(n),
            Profile(
                data.draw(st.integers(0, 3)),
                tuple(data.draw(st.lists(st.integers(-500, 500), min_size=1, max_size=5))),
            ),
            1.0,
        )
        for n in range(3)
    ]
    measured = {slot: float(data.draw(st.integers(-900, 2000))) for slot in range(8)}
    stated = {slot: data.draw(st.integers(-900, 2000)) for slot in range(8)}
    for one, row in zip(sold, settle(sold, sold, stated, measured, Terms(0)), strict=True):
        assert 0 <= row[2] <= row[1] == sum(one.reduced_wh(slot) for slot in one.slots)
        assert 0.0 <= row[3] <= 1.0
