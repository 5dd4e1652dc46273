"""Bids up, prices down, orders at the end: what units say to each other."""

import pytest

from controllers.auction import cleared, make_service
from controllers.auction.ladder import STEPS, UNIT_W, Supply, flat
from fernwatt.errors import ScenarioError

SLOT_MS, HOUR_MS = 900_000, 3_600_000
EV = {"kind": "ev", "p_max_w": 7000.0}


def bidder(wire, name, market, *devices):
    plates = [
        {"id": f"{d['kind']}/{name}", "unit": f"dmu/{name}/{d['kind']}", **d} for d in devices
    ]
    params = {"role": "bidder", "market": market, "meter": f"meter/{name}", "devices": plates}
    return wire.add(f"cmu/{name}", make_service({"id": f"cmu/{name}"}, params))


def market(wire, name, bidders, **params):
    params = {"role": "market", "bidders": bidders, **params}
    return wire.add(name, make_service({"id": name}, params))


def street(wire, houses=4, supply_w=(0.0, 10_000.0), levels=1):
    """Houses with a vehicle each, 500 W of other load, below one market or a tree of them."""
    names = [f"h{number}" for number in range(houses)]
    if levels == 1:
        market(wire, "low/0", [f"cmu/{name}" for name in names], supply_w=supply_w)
    else:
        market(wire, "top", ["low/0", "low/1"], supply_w=supply_w, deadline_s=45.0)
        for half in range(2):
            below = [f"cmu/{name}" for name in names[half::2]]
            market(wire, f"low/{half}", below, above="top")
    for number, name in enumerate(names):
        bidder(wire, name, "low/0" if levels == 1 else f"low/{number % 2}", EV)
    return names


def readings(wire, names, t_ms, wh):
    for name in names:
        wire.news(f"meter/{name}", "energy.import", wh, t_ms)
        wire.news(f"meter/{name}", "energy.export", 0.0, t_ms)


def arrive(wire, name, energy_wh=14_000.0, hours=10):
    session = {"session": f"s{wire.now_ms}", "energy_wh": energy_wh,
               "departure_ms": wire.now_ms + hours * HOUR_MS}  # fmt: skip
    wire.news(f"dmu/{name}/ev", "ev.session", session)


def said(wire, variable, since=0):
    return [entry for entry in wire.sent if entry[3] == variable and entry[0] >= since]


def orders(wire, since=0):
    return {entry[2]: entry[4]["p_w"] for entry in said(wire, "set_point", since)}


@pytest.mark.parametrize("levels", [1, 2])
def test_what_is_ordered_is_what_supply_gives_at_the_price(wire, levels):
    names = street(wire, levels=levels)
    wire.run(SLOT_MS - 1)
    readings(wire, names, 0, 0.0)
    readings(wire, names, SLOT_MS, 125.0)
    for name in names:
        arrive(wire, name)
    wire.run(SLOT_MS + 100_000)
    root = "low/0" if levels == 1 else "top"
    slot, price = (said(wire, "auction.price")[-1][4][key] for key in ("slot", "price"))
    assert slot == 1
    assert 0 < price < STEPS
    given = orders(wire, SLOT_MS)
    assert set(given) == {f"dmu/{name}/ev" for name in names}
    drawn_w = sum(given.values()) + 4 * 500
    supply = Supply(0.0, 10_000.0).curve() * UNIT_W
    assert supply[price - 1] * 0.8 < drawn_w <= supply[price]
    cleared_rows = [row for table, row in wire.rows if table == "auction" and row["unit"] == root]
    assert cleared_rows[-1]["price"] == price
    assert cleared_rows[-1]["demand_w"] == drawn_w


def test_a_tree_of_markets_finds_the_price_of_one(wire):
    other = type(wire)()
    for one, levels in ((wire, 1), (other, 2)):
        names = street(one, levels=levels)
        one.run(SLOT_MS - 1)
        for name, energy in zip(names, (3000.0, 9000.0, 20_000.0, 40_000.0), strict=True):
            arrive(one, name, energy)
        one.run(SLOT_MS + 100_000)
    assert orders(wire, SLOT_MS) == orders(other, SLOT_MS)
    assert len(set(orders(wire, SLOT_MS).values())) == 4


def test_a_vehicle_that_comes_is_ordered_at_once_and_cleared_soon(wire):
    names = street(wire)
    wire.run(SLOT_MS + 100_000)
    assert said(wire, "set_point") == []
    wire.now_ms = SLOT_MS + 200_000
    arrive(wire, names[0], 40_000.0, 6)
    assert said(wire, "set_point")[0][0] == wire.now_ms  # at the price that is known
    wire.run(SLOT_MS + 210_000)
    again = [row for table, row in wire.rows if table == "auction" and row["again"]]
    assert len(again) == 1
    assert orders(wire)[f"dmu/{names[0]}/ev"] <= 10_000 * again[0]["price"] / STEPS


def test_a_bid_that_is_lost_counts_as_it_was_and_then_no_more(wire):
    names = street(wire, supply_w=(0.0, 100_000.0))
    wire.run(SLOT_MS - 1)
    for number in range(2):
        readings(wire, names, number * SLOT_MS, number * 250.0)
    wire.run(2 * SLOT_MS - 1)
    wire.lost.add(("cmu/h0", "low/0"))
    wire.run(12 * SLOT_MS)
    rows = [row for table, row in wire.rows if table == "auction"]
    assert [row["bids"] for row in rows[-8:]] == [3] * 8
    assert rows[2]["most_w"] > rows[-1]["most_w"]


def test_without_a_price_orders_run_out(wire):
    names = street(wire)
    wire.run(SLOT_MS - 1)
    arrive(wire, names[0])
    wire.run(SLOT_MS + 100_000)
    wire.lost.add(("low/0", f"cmu/{names[0]}"))
    wire.run(8 * SLOT_MS)
    last = said(wire, "set_point")[-1]
    assert last[0] < SLOT_MS + 100_000
    assert last[4]["until_ms"] == 3 * SLOT_MS + 60_000


@pytest.mark.parametrize(
    "value",
    [
        None, 5, "bid", {}, {"bidder": "cmu/h0"}, {"bidder": "x", "slot": 1, "unit_w": 10,
        "demand": [0] * 101}, {"bidder": "cmu/h0", "slot": 1, "unit_w": 10, "demand": [1, 2]},
        {"bidder": "cmu/h0", "slot": 1, "unit_w": 10, "demand": list(range(101))},
        {"bidder": "cmu/h0", "slot": 1, "unit_w": 10, "demand": [float("nan")] * 101},
        {"bidder": "cmu/h0", "slot": 1 << 60, "unit_w": 10, "demand": [0] * 101},
    ],
)  # fmt: skip
def test_no_market_fails_of_what_is_no_bid(wire, value):
    street(wire)
    wire.run(SLOT_MS + 100_000)
    before = len(wire.rows)
    wire.news("low/0", "auction.bid", value)
    assert wire.decisions[-1][2] == "value_refused"
    wire.run(2 * SLOT_MS + 100_000)
    assert len(wire.rows) == before + 1


@pytest.mark.parametrize("value", [None, 7, {"slot": 1, "price": 101}, {"slot": 1, "price": 0.5},
                                   {"slot": "1", "price": 1}, {"price": 3}])  # fmt: skip
def test_no_bidder_fails_of_what_is_no_price(wire, value):
    names = street(wire)
    wire.run(SLOT_MS - 1)
    arrive(wire, names[0])
    wire.lost.add(("low/0", f"cmu/{names[0]}"))
    wire.run(SLOT_MS + 100_000)
    wire.lost.clear()
    before = said(wire, "set_point")
    wire.news("low/0", "auction.price", value)
    assert said(wire, "set_point") == before
    wire.news("low/0", "auction.price", {"slot": 1, "price": 50})
    assert len(said(wire, "set_point")) == len(before) + 1


def test_settings_that_make_no_sense_are_told():
    unit = {"id": "lvgmu/a"}
    for params, path in (
        ({"role": "market", "bidders": []}, "supply_w"),
        ({"role": "market", "bidders": [], "supply_w": [1.0, 0.0]}, "supply_w"),
        ({"role": "market", "bidders": [], "supply_w": [0, 1], "above": "x"}, "supply_w"),
        ({"role": "bidder", "market": "m"}, "meter"),
        ({"role": "bidder", "market": "m", "meter": "n", "x": 1}, "x"),
        ({"role": "bidder", "market": "m", "meter": "n", "devices": [{"kind": "tv"}]}, "devices"),
        ({"role": "seller"}, "role"),
    ):
        with pytest.raises(ScenarioError) as caught:
            make_service(unit, params)
        assert any(f"auction.{path}" in fault.path for fault in caught.value.faults)


def test_the_price_of_the_published_street_moves_vehicles_to_their_last_hour(wire):
    """Supply of nothing, as there: the price is at the top, and all wait until they must."""
    demand = flat(3000.0)
    assert cleared(demand, Supply(0.0, 0.0).curve()) == STEPS
    names = street(wire, supply_w=(0.0, 0.0))
    wire.run(SLOT_MS - 1)
    readings(wire, names, 0, 0.0)
    readings(wire, names, SLOT_MS, 125.0)
    arrive(wire, names[0], 7000.0, 10)
    arrive(wire, names[1], 7000.0, 1)
    wire.run(SLOT_MS + 100_000)
    given = orders(wire, SLOT_MS)
    assert given["dmu/h0/ev"] == 0.0
    assert given["dmu/h1/ev"] == pytest.approx(7000.0, abs=UNIT_W)
