"""What devices bid: within their limits, enough to be done in time, more where it is cheap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.auction.bids import HIGH, LOW, MIDDLE, Store, Vehicle, store_bid, vehicle_bid
from controllers.auction.ladder import STEPS, UNIT_W

SLOT_MS, HOUR_MS = 900_000, 3_600_000
P_MAX_W = 7360.0


@given(
    st.floats(0, 40_000), st.integers(1_000, 20 * HOUR_MS), st.integers(1_000, SLOT_MS),
    st.sampled_from([0.0, 1380.0]),
)  # fmt: skip
def test_a_vehicle_bids_what_it_can_take_and_what_it_must(missing_wh, left_ms, slot_ms, p_min_w):
    bid = vehicle_bid(missing_wh, left_ms, P_MAX_W, p_min_w, slot_ms)
    assert bid.shape == (STEPS + 1,)
    assert (np.diff(bid) <= 0).all()
    assert bid.min() >= 0
    assert bid.max() * UNIT_W <= P_MAX_W
    there_h = min(left_ms, slot_ms) / HOUR_MS
    if not p_min_w:
        assert bid.max() * UNIT_W * there_h <= missing_wh + 1e-6
        # whoever gets the least there is can still be charged in the rest of the stay
        after_wh = P_MAX_W * max(left_ms - slot_ms, 0) / HOUR_MS
        if missing_wh <= after_wh + P_MAX_W * there_h:
            left_wh = missing_wh - (bid[STEPS] + 1) * UNIT_W * there_h
            assert left_wh <= after_wh + 1e-6
    assert set(bid[(bid > 0) & (bid * UNIT_W < p_min_w)].tolist()) == set()


def test_in_the_middle_of_the_ladder_it_is_done_when_it_leaves():
    bid = vehicle_bid(12_000, 12 * HOUR_MS, P_MAX_W)
    assert bid[int(MIDDLE)] * UNIT_W == 1000
    assert bid[int(LOW)] * UNIT_W == P_MAX_W
    assert bid[int(HIGH)] == 0


def test_must_charge_has_no_price():
    bid = vehicle_bid(P_MAX_W * 2, 2 * HOUR_MS, P_MAX_W)
    assert (bid * UNIT_W == P_MAX_W).all()


@given(st.floats(0, 8000), st.floats(0.7, 1))
def test_a_battery_bids_what_its_content_allows(content_wh, efficiency):
    bid = store_bid(content_wh, 8000, 4000, efficiency)
    assert (np.diff(bid) <= 0).all()
    most_w, least_w = bid[0] * UNIT_W, bid[STEPS] * UNIT_W
    assert content_wh + most_w / 4 * efficiency <= 8000 + 1e-6
    assert content_wh + least_w / 4 / efficiency >= -1e-6


def test_the_emptier_battery_pays_more():
    empty, full = store_bid(1000, 8000, 4000), store_bid(7000, 8000, 4000)
    assert (empty >= full).all()
    assert empty[int(MIDDLE)] > 0 > full[int(MIDDLE)]
    assert store_bid(4000, 8000, 4000)[int(MIDDLE)] == 0


def test_a_vehicle_counts_what_its_register_and_its_orders_say():
    car = Vehicle({"id": "ev/a", "unit": "dmu/a", "kind": "ev", "p_max_w": P_MAX_W})
    assert car.make(0, 0) is None
    car.take("device.energy", 5000.0, 0)
    session = {"session": "s", "energy_wh": 10_000.0, "departure_ms": 10 * HOUR_MS}
    assert car.take("ev.session", session, 60_000)
    assert not car.take("ev.session", session, 70_000)  # the same one again
    car.take("device.energy", 6000.0, SLOT_MS)
    car.order(SLOT_MS, 2000.0)
    bid = car.make(2 * SLOT_MS, 2)  # 1 kWh by the register, half a one by the order
    even_w = 8500 / 9.5
    assert bid[int(MIDDLE)] * UNIT_W == pytest.approx(even_w, abs=UNIT_W)
    car.take("ev.session", None, 3 * SLOT_MS)
    assert car.make(3 * SLOT_MS, 3) is None


def test_a_battery_counts_what_it_was_ordered_since_its_reading():
    plate = {"id": "b", "unit": "d", "kind": "battery", "p_max_w": 4000, "capacity_wh": 8000}
    store = Store(plate)
    assert store.make(0, 0) is None
    store.take("battery.soc", 7000.0, 0)
    store.order(0, 4000.0)
    assert store.make(SLOT_MS, 1)[0] == 0  # full by now
