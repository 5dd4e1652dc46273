"""One house under whatever comes from above: what its customer wants holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from controllers.balancing import build
from controllers.balancing.sound import is_sound
from controllers.unit.service import Notification, Result

MINUTE, SLOT, H = 60_000, 900_000, 3_600_000
START = "2016-01-20T00:00:00Z"
CMU, METER, EV, BATTERY, ABOVE = "cmu/a/0", "meter/a/0", "dmu/a/0/ev", "dmu/a/0/battery", "lvgmu/a"
BASE_W, P_EV, P_BATTERY, CAPACITY = 600.0, 11_000.0, 5000.0, 10_000.0


class Home:
    """A house with a vehicle, a battery and a constant load, minute by minute."""

    def __init__(
        self,
        Bus,
        conftest,
        customer,
        content_wh=5000.0,
        arrival=2 * H,
        energy_wh=16_000,
        fates=None,
    ):
        self.bus = Bus(fates, 7)
        self.ev = conftest.Charger([(arrival, 14 * H, float(energy_wh))], P_EV)
        self.battery = conftest.Store(content_wh)
        devices = [
            {"kind": "ev", "id": "ev", "unit": EV, "p_max_w": P_EV},
            {"kind": "battery", "id": "battery", "unit": BATTERY, "p_max_w": P_BATTERY,
             "capacity_wh": CAPACITY, "efficiency": 0.95},
        ]  # fmt: skip
        params = {"role": "child", "parent": ABOVE, "meter": METER, "devices": devices,
                  "start": START, "customer": customer}  # fmt: skip
        self.child = self.bus.add(CMU, build("balancing", params, {"id": CMU}))
        if fates is None:
            self.bus.contexts[CMU].give_up = lambda *_: None  # nothing is lost here
        for unit, device in ((EV, self.ev), (BATTERY, self.battery)):
            self.bus.actuate[unit] = lambda order, device=device: setattr(device, "order", order)
        wh = [BASE_W / 4] * 96
        memory = {"start_ms": -96 * SLOT, "step_ms": SLOT, "import_wh": wh, "export_wh": [0.0] * 96}
        self.bus.at(0, self.bus.instance, METER, "load_profile", memory)
        self.net_wh, self.rows, self.charged = [0.0, 0.0], [], []
        self.bus.start()
        self.bus.at(0, self.minute)

    def minute(self):
        bus, t_ms = self.bus, self.bus.now_ms
        if t_ms % SLOT == 0:
            bus.instance(METER, "energy.import", self.net_wh[0])
            bus.instance(METER, "energy.export", self.net_wh[1])
        event = self.ev.advance(t_ms, MINUTE)
        self.battery.advance(t_ms, MINUTE, BASE_W + self.ev.p_w)
        if t_ms % SLOT == 0 or event is not False:
            bus.instance(EV, "device.energy", self.ev.energy_wh)
            bus.instance(BATTERY, "device.energy", self.battery.energy_wh)
            bus.instance(BATTERY, "battery.soc", self.battery.content_wh)
        if event is not False:
            bus.instance(EV, "ev.session", event)
        self.ev.close(MINUTE)
        self.battery.close(MINUTE)
        net_w = BASE_W + self.ev.p_w + self.battery.p_w
        self.net_wh[net_w < 0] += abs(net_w) / 60
        self.rows.append((t_ms, net_w, self.ev.p_w, self.battery.p_w, self.battery.content_wh))
        self.charged.append(self.ev.energy_wh)
        bus.at(t_ms + MINUTE, self.minute)

    def above(self, t_ms, variable, value, to=CMU):
        """Have somebody above write a value."""
        self.bus.at(t_ms, self.bus.instance, to, variable, value)

    def negotiate(self, t_ms, number, d, k=1, take=True, *, beyond=False):
        """Have a parent ask, signal ``d`` [units of 10 W], and accept, a second apart."""
        first = t_ms // SLOT + 1
        self.above(t_ms, "balancing.request",
                   {"negotiation": number, "slot": first, "slots": 96, "unit_w": 10})  # fmt: skip
        self.bus.at(t_ms + 1000, self._signal, number, d, k, beyond)
        self.above(t_ms + 2000, "balancing.accept",
                   {"negotiation": number, "round": 1, "take": take})  # fmt: skip

    def _signal(self, number, d, k, beyond):
        told = [m[4] for m in self.bus.sent if m[3] == "balancing.profile"]
        serial = told[-1]["profile"] if told else 0
        value = {"negotiation": number, "round": 1, "k": k, "profile": serial, "d": d}
        value |= {"beyond": True} if beyond else {}
        self.bus.instance(CMU, "balancing.signal", value)

    def run(self, hours):
        self.bus.run(int(hours * H) - 1)
        return np.array(self.rows)

    def orders(self, unit):
        return [(t, value) for t, _, to, variable, value, _ in self.bus.sent
                if (to, variable) == (unit, "set_point")]  # fmt: skip


@pytest.fixture(name="home")
def home_of(Bus):
    """Return the maker of houses."""
    from . import conftest

    return lambda customer, **more: Home(Bus, conftest, customer, **more)


LIMITS = {"import_max_w": 7000.0, "vehicle_max_w": 7400.0, "vehicle_first_percent": 20.0,
          "battery_min_percent": 30.0}  # fmt: skip
LATER = [1100] * 4 + [100] * 92  # the others leave less room at first
STEP = st.integers(-1500, 1500)
SIGNALS = st.one_of(
    st.lists(STEP, min_size=96, max_size=96),
    st.builds(lambda a, b, n: [a] * n + [b] * (96 - n), STEP, STEP, st.integers(0, 96)),
    st.just([100_000] * 96),
    st.just([-100_000] * 96),
)
TIMES = st.integers(0, 20 * 60).map(lambda minute: minute * MINUTE + 7000)
WATTS = st.integers(-12_000, 12_000)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
DEVICE = st.sampled_from(["ev", "battery", "", "other"])
REQUESTS = st.one_of(
    st.tuples(st.just("negotiate"), SIGNALS, st.integers(1, 4), st.booleans()),
    st.tuples(st.just("device.limit"), st.builds(
        lambda device, p_w, h: {"device": device, "p_w": p_w, "until": h}, DEVICE, WATTS,
        st.integers(1, 8))),
    st.tuples(st.just("load.set_point"), st.builds(
        lambda high, low, h: {"import_max_w": high, "export_max_w": low, "until": h},
        st.none() | WATTS, st.none() | WATTS, st.integers(1, 8))),
    st.tuples(st.sampled_from(["balancing.signal", "balancing.accept", "balancing.request",
                               "device.limit", "load.set_point", "signal.price"]), ANYTHING),
)  # fmt: skip


def play(home, script):
    for number, (t_ms, (what, value, *more)) in enumerate(sorted(script, key=lambda s: s[0]), 1):
        if what == "negotiate":
            home.negotiate(t_ms, number, value, *more)
            continue
        if isinstance(value, dict) and "until" in value:
            value = {**value, "until_ms": t_ms + value["until"] * H}  # noqa: PLW2901
        try:
            home.above(t_ms, what, value, METER if what == "load.set_point" else CMU)
        except ValueError:
            continue


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(
    script=st.lists(st.tuples(TIMES, REQUESTS), max_size=12),
    weights=st.sampled_from([{}, {"cost": 1}, {"self_consumption": 1}, {"comfort": 0.5},
                             {"requests": 0, "self_consumption": 1}]),
    content_wh=st.integers(3200, 10_000),
)  # fmt: skip
@pytest.mark.requirement("BA-04")
def test_no_hard_limit_of_the_customer_is_violated_under_any_request_from_above(
    home, script, weights, content_wh
):
    customer = {"strategy": {"weights": weights, "limits": LIMITS}, "prices": True,
                "load_limit": True}  # fmt: skip
    house = home(customer, content_wh=float(content_wh))
    play(house, script)
    rows = house.run(20)
    t_ms, net_w, ev_w, _, content = rows.T
    # the battery keeps its reserve, and nothing is asked of a device that it cannot do
    assert content.min() >= 3000.0 - 1e-6
    for unit, least, most in ((EV, 0.0, 7400.0), (BATTERY, -P_BATTERY, P_BATTERY)):
        for _, order in house.orders(unit):
            assert order.get("at") == "connection" or least <= order["p_w"] <= most
    for _, order in house.orders(BATTERY):
        assert order.get("at") != "connection" or order["p_w"] <= 7000.0
    # the vehicle: not faster than its customer wants, the first fifth at once, all of it in the end
    steered = (t_ms > 2 * H + MINUTE) & (t_ms < 14 * H)
    assert ev_w[steered].max() <= 7400.0 + 1e-6
    assert house.ev.done == [(16_000.0, pytest.approx(0.0, abs=1e-6))]
    at_once_min = 3200.0 / (7000.0 - BASE_W - 0.1) * 60 + 15 + 1
    assert house.charged[int(120 + at_once_min)] >= 3200.0 - 1e-6
    # the house stays within its limit from the first minute after the vehicle came
    assert net_w[steered | (t_ms < 2 * H)].max() <= 7000.0 + 1e-6


@pytest.mark.parametrize("lost", [0.2, 0.6])
def test_a_reserve_is_kept_when_messages_in_the_home_are_lost(home, lost):
    def fates(src, dst, random):
        return [] if random.random() < lost else [int(random.integers(20, 20_000))]

    house = home({"strategy": {"limits": LIMITS}}, content_wh=9000.0, fates=fates)
    for hour in range(1, 12):
        house.negotiate(hour * H + 7000, hour, [1500] * 96)  # the others would have it emptied
    rows = house.run(13)
    assert rows[:, 4].min() >= 3000.0 - 1e-6
    assert rows[:, 4].min() < 8500.0  # what is above it is used


def test_requests_that_fit_are_followed(home):
    customer = {"strategy": {"limits": LIMITS}}
    house = home(customer)
    for hour in range(2, 8):
        house.negotiate(hour * H + 20 * MINUTE, hour, LATER)
    t_ms, _, ev_w, _, _ = house.run(14).T
    offers = [m[4]["improvement_w"] for m in house.bus.sent if m[3] == "balancing.offer"]
    assert max(offers) > 1000
    late = (t_ms > 3 * H) & (t_ms < 4 * H)
    assert ev_w[late].max() < 2000.0  # else it would have charged until it was full


def test_a_person_starts_and_stops_the_charging_whatever_is_planned(home):
    house = home({"strategy": {}}, energy_wh=8000)
    house.negotiate(2 * H + 20_000, 1, LATER)
    house.above(3 * H + 1000, "device.override",
                {"device": "ev", "action": "stop", "until_ms": 5 * H})  # fmt: skip
    house.above(5 * H + 20 * MINUTE, "device.override",
                {"device": "ev", "action": "start", "until_ms": 8 * H})  # fmt: skip
    t_ms, _, ev_w, _, _ = house.run(15).T
    assert ev_w[(t_ms > 3 * H) & (t_ms < 5 * H)].max() == 0.0
    on = ev_w[(t_ms > 5 * H + 20 * MINUTE) & (t_ms < 8 * H)]
    assert on[0] == P_EV
    assert house.ev.done == [(8000.0, pytest.approx(0.0, abs=1e-6))]
    assert np.count_nonzero(on) * P_EV / 60 >= on.sum() / 60 > 2000.0
    # the parent is told what the house will do instead
    updates = [(m[0], m[4]) for m in house.bus.sent if m[3] == "balancing.update"]
    assert {3 * H + 1000, 5 * H + 20 * MINUTE} <= {t_ms for t_ms, value in updates if value["ask"]}


def test_what_a_person_does_ends_by_itself_and_can_be_taken_back(home):
    house = home({"strategy": {}}, energy_wh=8000)
    house.negotiate(2 * H + 20_000, 1, LATER)
    stop = {"device": "ev", "action": "stop", "until_ms": 9 * H}
    house.above(3 * H + 1000, "device.override", stop)
    house.above(4 * H + 1000, "device.override", {**stop, "action": "release"})
    t_ms, _, ev_w, _, _ = house.run(10).T
    assert ev_w[(t_ms > 3 * H) & (t_ms < 4 * H)].max() == 0.0
    assert ev_w[(t_ms > 4 * H) & (t_ms < 9 * H)].max() > 0.0


@pytest.mark.parametrize("planned", [True, False])
def test_a_set_point_of_the_grid_lowers_what_is_planned_and_what_is_not(home, planned):
    house = home({"strategy": {}})
    if planned:
        house.negotiate(2 * H + 20_000, 1, [-900] * 40 + [600] * 56)
    house.above(3 * H + 1000, "device.limit", {"device": "ev", "p_w": 1000.0, "until_ms": 4 * H})
    t_ms, _, ev_w, _, _ = house.run(14.1).T
    limited = (t_ms > 3 * H) & (t_ms < 4 * H)
    assert ev_w[(t_ms > 2 * H) & (t_ms < 3 * H)].max() > 1000.0
    assert ev_w[limited].max() <= 1000.0
    assert (ev_w[t_ms >= 4 * H].max() > 1000.0) is not planned
    assert house.ev.done[0][1] == pytest.approx(0.0, abs=1e-6)


def test_a_house_that_nobody_asks_follows_its_own_tariff(home):
    price = {"issued_ms": 0, "start_ms": 0, "step_ms": H, "feed_in_cent_per_mwh": [5000] * 36,
             "cent_per_mwh": [40_000] * 6 + [20_000] * 30}  # fmt: skip
    house = home({"strategy": {"weights": {"requests": 0, "cost": 1}}, "prices": True})
    house.above(1000, "signal.price", price)
    t_ms, _, ev_w, battery_w, _ = house.run(14.1).T
    assert ev_w[(t_ms > 2 * H) & (t_ms < 6 * H)].max() <= 50.0
    assert ev_w[(t_ms > 6 * H) & (t_ms < 14 * H)].sum() / 60 > 15_500
    assert house.ev.done[0][1] == pytest.approx(0.0, abs=1e-6)
    assert battery_w[(t_ms > H) & (t_ms < 6 * H)].min() < -300.0  # it gives while it is dear
    assert all(m[4]["flexible"] is False for m in house.bus.sent if m[3] == "balancing.profile")


def test_a_strategy_set_at_the_display_holds_from_then_on(home):
    house = home({"strategy": {}})
    house.negotiate(2 * H + 20_000, 1, LATER)
    house.above(4 * H, "customer.strategy", {"limits": {"vehicle_max_w": 500.0}})
    house.above(5 * H, "customer.strategy", {"limits": {"vehicle_max_w": "much"}})
    t_ms, _, ev_w, _, _ = house.run(9).T
    assert 0 < ev_w[(t_ms > 4 * H) & (t_ms < 9 * H)].max() <= 500.0
    kinds = [kind for _, _, kind, *_ in house.bus.decisions]
    assert kinds.count("strategy_refused") == 1


def test_values_of_any_form_are_survived():
    for variable in ("device.override", "device.limit", "customer.strategy"):
        note = Notification("n", "r", Result.OK, variable, CMU, "", {"device": 3}, 0)
        assert is_sound(note, 0)


@pytest.mark.parametrize("beyond", [True, False])
def test_comfort_is_given_up_only_where_the_customer_lets_it(home, beyond):
    house = home({"strategy": {"limits": {"beyond": beyond}}})
    house.negotiate(2 * H + 20_000, 1, [1100] * 96, beyond=True)
    house.run(3)
    signals = [kind for _, _, kind, *_ in house.bus.decisions if kind == "discomfort"]
    assert bool(signals) is beyond
