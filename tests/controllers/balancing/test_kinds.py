"""Each kind of device, planned every hour for a target that pulls it about, on its own plant.

The plant is the devices' simulator; the planner hears of it what instruments would tell and its
orders reach the device at the begin of each slot.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.balancing.devices import Span
from controllers.balancing.house import House
from controllers.balancing.kinds import KINDS
from controllers.unit.catalogue import CATALOGUE
from fernwatt.messages import Actuation
from fernwatt.timebase import SLOT_MS, Clock
from scenarios.assembly.plates import known_device
from simulators.devices import DevicesCore, HeatPumpPlan, appliances, boilers, heat_pumps

TERMINAL, UNIT, H = "terminal/a/0", "dmu/a/0/device", 0.25
CLOCK = Clock.from_iso("2016-01-20T00:00:00Z")
HORIZON = 96


class Plant:
    """One device, planned for ``target(first_slot)`` [96] every ``every`` slots; None: by itself.

    ``planned_w`` and ``drawn_w`` are the mean powers of each slot, as last planned and as it was.
    """

    def __init__(
        self, spec, slots, *, climate=None, target=None, told=None, every=4, off_c=0.0, beyond=False
    ):
        self.spec, self.slots, self.target, self.every = spec, slots, target, every
        self.core = DevicesCore([TERMINAL], [spec], slots * SLOT_MS, SLOT_MS, climate=climate)
        self.kind = spec["id"].split("/")[0]
        self.known = KINDS[self.kind].make(known_device(None, spec, UNIT))
        self.off_c, self.beyond = off_c, beyond
        if told is not None:
            self.known.take_forecast(told)
        self.power, self.rows, self.events, self.planned_w = [], [], [], np.zeros(slots)
        self.orders, self.problem, self.profile_w, self.drawn_w = [], None, None, np.zeros(slots)
        self.lost, self._given, self._count = [], None, 0
        self.run()

    def run(self):
        due, energy_wh = 0, 0.0
        while due is not None:
            t_ms, orders = due, []
            if t_ms % SLOT_MS == 0:
                slot = t_ms // SLOT_MS
                self.core.step(t_ms)  # readings are of what is there before new orders
                if slot:
                    now_wh = float(self.core.energy_wh[0])
                    self.drawn_w[slot - 1] = (now_wh - energy_wh) / H
                    energy_wh = now_wh
                self.hear(t_ms)
                if self.target is not None and slot < self.slots:
                    orders = self.decide(slot, t_ms)
            due = self.core.step(t_ms, orders)
            self.events += self.core.take_events()
            self.rows += [columns for table, columns in self.core.take_rows() if table == "thermal"]

    def hear(self, t_ms):
        self.known.energy.add(t_ms, float(self.core.energy_wh[0]))
        seen = self.core.device().get("thermal") or {}
        if seen and seen["ids"]:
            air_c = float(seen["temperature_c"][0]) + self.off_c
            self.known.take("thermal.temperature", round(air_c, 1), t_ms)
            if len(seen["tank_c"]):
                self.known.take("tank.temperature", round(float(seen["tank_c"][0]), 1), t_ms)
        for event in self.events:
            if event.kind in ("job_requested", "job_started"):
                asks = event.value if event.kind == "job_requested" else None
                self.known.take("appliance.request", asks, event.t_us // 1000)
            if event.kind in ("session_started", "session_ended"):
                session = event.value if event.kind == "session_started" else None
                self.known.take("ev.session", session, event.t_us // 1000)
                self.problem = None
        self.events = []

    def decide(self, slot, t_ms):
        if not self.known.present(t_ms):
            return []
        if slot % self.every == 0 or self.problem is None:
            span = Span(t_ms, slot, HORIZON, 10)
            self.problem = self.known.problem(span, list(self.power))
            if self.beyond:
                self.problem = self.problem.beyond() or self.problem
            self.begin, self.profile_w = slot, self.problem.plan(self.target(slot))
            lost = self.problem.given_up(self.profile_w)
            self.lost += [] if lost is None else [lost]
            others = self.problem.orders(self.profile_w)
            points = self.problem.set_points(self.profile_w)
            until = [(slot + k + 2) * SLOT_MS + 60_000 for k in range(len(points))]
            self.orders = others
            if others is None:
                self.set_points = [
                    {"p_w": p_w, "until_ms": end} for p_w, end in zip(points, until, strict=True)
                ]
        place = slot - self.begin
        self.planned_w[slot] = self.profile_w[place]
        self.power.append((t_ms, float(self.problem.set_points(self.profile_w)[place])))
        if self.orders is None:
            said = {"beyond": True} if self.problem.exceeds else {}
            return [self.actuation("set_point", self.set_points[place] | said)]
        due = [order for order in self.orders if order.slot <= slot]
        if not due or due[-1] == self._given:
            return []
        self._given = due[-1]
        return [self.actuation(due[-1].variable, dict(due[-1].value))]

    def actuation(self, variable, value):
        self._count += 1
        action = CATALOGUE.get(variable).action
        return Actuation(f"x#{self._count}", "c#1", self.spec["id"], action, value)

    def discomfort_kh(self):
        return sum(float(np.sum(row["discomfort_kh"])) for row in self.rows)

    def end_c(self):
        return float(np.ravel(self.rows[-1]["temperature_c"])[0])


def evening(first):
    """A target that wants power in the afternoon, and none in the early evening."""
    hours = (np.arange(first, first + HORIZON) % 96) / 4
    afternoon = np.where((hours >= 13) & (hours < 17), 2000.0, 0.0)
    return np.where((hours >= 17) & (hours < 19), -3000.0, afternoon)


def noisy(first):
    return np.random.default_rng(first).normal(0, 3000, HORIZON)


def winter(slots, mean_c=1.0):
    outdoor_c = mean_c + 4 * np.sin((np.arange(slots) % 96 - 36) * 2 * np.pi / 96)
    sun = np.maximum(np.sin((np.arange(slots) % 96 - 32) * np.pi / 32), 0.0) * 150
    sun[(np.arange(slots) % 96 < 32) | (np.arange(slots) % 96 > 64)] = 0.0
    return {"temperature_c": outdoor_c, "ghi_w_m2": sun}


def heat_pump(slots, seed=1, **plan):
    owners = {"heat_pump/a/0": TERMINAL}
    end_ms = slots * SLOT_MS
    return heat_pumps(owners, HeatPumpPlan(**plan), clock=CLOCK, end_ms=end_ms, seed=seed)[0]


def forecast(climate, slots):
    """What a provider would say of a climate."""
    hourly = np.asarray(climate["temperature_c"])[: slots // 4 * 4].reshape(-1, 4).mean(axis=1)
    return {
        "issued_ms": 0, "start_ms": 0, "step_ms": 4 * SLOT_MS, "temperature_c": hourly.tolist(),
        "ghi_w_per_m2": [0.0] * hourly.size,
    }  # fmt: skip


@pytest.mark.parametrize(("nodes", "seed", "most"), [(1, 1, 0.4), (2, 2, 0.8)])
def test_a_heat_pump_is_shifted_and_its_room_stays_comfortable(nodes, seed, most):
    slots = 3 * 96
    weather, spec = winter(slots, 2.0 * seed - 4.0), heat_pump(slots, seed, nodes=nodes)
    alone = Plant(spec, slots, climate=weather)
    moved = Plant(spec, slots, climate=weather, target=evening, told=forecast(weather, slots))
    assert moved.discomfort_kh() == 0.0
    late = slice(96, None)  # after a day of getting to know the building
    hours = (np.arange(slots) % 96 / 4)[late]
    dear = (hours >= 17) & (hours < 19)
    assert moved.drawn_w[late][dear].mean() < most * alone.drawn_w[late][dear].mean()
    # heat is shifted, neither saved nor spent
    assert moved.drawn_w.sum() == pytest.approx(alone.drawn_w.sum(), rel=0.06)
    # it does what was planned, and knows what it could not: sun and people
    off_w = np.abs(moved.drawn_w - moved.planned_w)[late].mean()
    assert off_w < 0.15 * moved.drawn_w[late].mean()
    true_w = spec["building"]["gains_w"]
    assert abs(moved.known.building.gains_w - true_w) < 0.8 * true_w


def test_a_heat_pump_serves_the_tank_in_summer():
    slots = 2 * 96
    weather, spec = winter(slots, 22.0), heat_pump(slots, 3)
    moved = Plant(spec, slots, climate=weather, target=evening, told=forecast(weather, slots))
    least_c = spec["tank"].get("useful_c", 42.0)
    assert min(float(np.ravel(row["tank_c"])[0]) for row in moved.rows) > least_c - 3.0
    alone = Plant(spec, slots, climate=weather)
    assert 0.6 < moved.drawn_w.sum() / alone.drawn_w.sum() < 1.4


def test_a_boiler_is_shifted_and_its_water_stays_hot():
    slots = 4 * 96
    owners = {"boiler/a/0": TERMINAL}
    spec = boilers(owners, clock=CLOCK, end_ms=slots * SLOT_MS, seed=2)[0]
    alone, moved = Plant(spec, slots), Plant(spec, slots, target=evening)
    # one draw of 3.6 kWh at once is more than any plan can make good
    assert moved.discomfort_kh() <= alone.discomfort_kh()
    late = slice(96, None)
    hours = (np.arange(slots) % 96 / 4)[late]
    dear = (hours >= 17) & (hours < 19)
    assert alone.drawn_w[late][dear].mean() > 0.0
    assert moved.drawn_w[late][dear].mean() < 0.5 * alone.drawn_w[late][dear].mean()
    stored_wh = spec["c_wh_per_k"] * (moved.end_c() - alone.end_c())
    drawn_wh = (moved.drawn_w.sum() - alone.drawn_w.sum()) * H
    assert drawn_wh == pytest.approx(stored_wh, abs=0.05 * alone.drawn_w.sum() * H)
    # the draws themselves are learnt: per day, and when
    true_w = np.asarray(spec["hot_water_w"]).reshape(-1, 96).mean()
    assert moved.known.drawn_w.mean() == pytest.approx(true_w, rel=0.25)
    off_w = np.abs(moved.drawn_w - moved.planned_w)[late].mean()
    assert off_w < 0.2 * moved.drawn_w[late].mean()


def job(earliest_ms, deadline_ms):
    return {"earliest_ms": earliest_ms, "deadline_ms": deadline_ms}


def test_an_appliance_begins_where_it_fits_best_and_keeps_its_deadline():
    slots, hour = 192, 4 * SLOT_MS
    owners = {"appliance/a/0": TERMINAL}
    (spec,) = appliances(owners, clock=CLOCK, end_ms=slots * SLOT_MS, seed=1, cycles_per_week=0)
    length = 14 * 300_000
    spec["jobs"] = [
        job(9 * hour, 9 * hour + length + 6 * hour),  # into the afternoon's power
        job(26 * hour + 60_000, 26 * hour + 60_000 + length),  # no choice, within a slot
        job(36 * hour + 120_000, 43 * hour),
    ]
    spec["notice_s"] = 3600.0
    moved = Plant(spec, slots, target=evening)
    alone = Plant(spec, slots)
    began = np.flatnonzero((moved.drawn_w > 0) & (np.roll(moved.drawn_w, 1) == 0)) / 4
    assert 13.0 <= began[0] <= 15.0
    assert began[1] == 26.0
    assert 37.0 <= began[2] <= 39.0
    assert moved.drawn_w.sum() == pytest.approx(alone.drawn_w.sum())
    assert np.abs(moved.drawn_w - moved.planned_w).max() <= 10.0


@given(st.integers(0, 10_000), st.integers(0, 30), st.integers(0, 40), st.integers(1, 899))
def test_the_best_start_is_the_best_of_all(seed, first, room, odd_s):
    rng = np.random.default_rng(seed)
    cycle = rng.integers(0, 2000, 14).tolist()
    earliest = first * SLOT_MS + odd_s * 1000
    value = {
        "id": "j", "earliest_ms": earliest, "duration_ms": 14 * 300_000, "step_ms": 300_000,
        "deadline_ms": earliest + 14 * 300_000 + room * 300_000, "p_w": cycle, "energy_wh": 1.0,
    }  # fmt: skip
    known = KINDS["appliance"].make({"id": "a", "unit": UNIT, "p_max_w": 2000})
    assert known.take("appliance.request", value, 0)
    problem = known.problem(Span(0, 0, HORIZON, 1), [])
    target = rng.normal(0, 2000, HORIZON)
    found = problem.plan(target)
    start_ms = problem.orders(found)[0].value["at_ms"]
    assert earliest <= start_ms <= earliest + room * 300_000
    fine = np.zeros(HORIZON * 900)
    choices = [earliest, *range((first + 1) * SLOT_MS, earliest + room * 300_000 + 1, SLOT_MS)]
    far = {}
    for at_ms in choices:
        fine[:] = 0.0
        fine[at_ms // 1000 : at_ms // 1000 + 14 * 300] = np.repeat(cycle, 300)
        far[at_ms] = float(((fine.reshape(-1, 900).mean(axis=1) - target) ** 2).sum())
    assert far[start_ms] == pytest.approx(min(far.values()), rel=1e-9)


def nothing(first):
    """A target that wants nothing drawn, ever."""
    return np.full(HORIZON, -20_000.0)


def test_a_room_is_colder_only_where_comfort_may_be_given_up():
    slots = 96
    weather, spec = winter(slots, -2.0), heat_pump(slots, 1, nodes=1)
    told = forecast(weather, slots)
    within = Plant(spec, slots, climate=weather, target=nothing, told=told)
    below = Plant(spec, slots, climate=weather, target=nothing, told=told, beyond=True)
    assert within.discomfort_kh() == 0.0
    assert not within.lost
    assert below.drawn_w.sum() < 0.9 * within.drawn_w.sum()
    lowest = min(float(np.ravel(row["low_c"])[0]) for row in below.rows)
    assert 18.0 <= lowest < 19.0  # as far as the hard limit
    assert {(lost.what, lost.unit) for lost in below.lost} == {("warmth", "Kh")}
    # what is said to be given up is what is given up
    said_kh = below.lost[0].amount
    assert below.discomfort_kh() == pytest.approx(said_kh, rel=0.5)


def charging_point(*visits):
    return {
        "id": "ev/a/0", "kind": "ev", "terminal": TERMINAL, "p_max_w": 11_000.0, "p_min_w": 0.0,
        "sessions": [
            {"id": f"s{n}", "arrival_ms": a * SLOT_MS, "departure_ms": d * SLOT_MS, "energy_wh": e}
            for n, (a, d, e) in enumerate(visits)
        ],
    }  # fmt: skip


def test_a_vehicle_leaves_with_less_only_where_comfort_may_be_given_up():
    spec = charging_point((8, 48, 20_000.0))
    within = Plant(spec, 96, target=nothing)
    below = Plant(spec, 96, target=nothing, beyond=True)
    assert within.drawn_w.sum() * H == pytest.approx(20_000.0)
    assert not within.lost
    got_wh = below.drawn_w.sum() * H
    assert 9_900.0 <= got_wh < 20_000.0
    assert sum(lost.unit == "Wh" for lost in below.lost) == len(below.lost) > 0
    before_wh = below.drawn_w[8] * H  # nobody had planned it yet
    assert below.lost[0].amount == pytest.approx((20_000.0 - before_wh) / 2, abs=20.0)


@pytest.mark.parametrize("seed", range(20))
def test_beyond_comfort_a_plan_is_never_farther_from_its_target(seed):
    rng = np.random.default_rng(seed)
    known = KINDS["ev"].make({"id": "e", "unit": UNIT, "p_max_w": 11_000, "p_min_w": 0})
    energy = float(rng.uniform(1000, 40_000))
    session = {"session": "s", "energy_wh": energy, "departure_ms": 60 * SLOT_MS, "p_max_w": 11e3}
    known.take("ev.session", session, 0)
    problem = known.problem(Span(0, 0, HORIZON, 10), [])
    further = problem.beyond()
    target = rng.normal(0, 4000, HORIZON)
    near, nearer = problem.plan(target), further.plan(target)
    far, less = (float(((p - target) ** 2).sum()) for p in (near, nearer))
    assert less <= far * (1 + 1e-6) + 1e4
    assert nearer.sum() * H >= energy / 2 - 10.0
    lost = further.given_up(nearer)
    missing = near.sum() * H - nearer.sum() * H
    assert (0.0 if lost is None else lost.amount) == pytest.approx(missing, abs=12.0)


def test_panels_feed_in_all_they_can_within_comfort_and_no_more_than_asked_beyond():
    params = {"latitude_deg": 52.0, "longitude_deg": 8.0}
    config = {
        "kind": "pv", "id": "pv/a/0", "unit": UNIT, "p_rated_w": 5000.0, "tilt_deg": 30.0,
        "azimuth_deg": 180.0, "curtail": True,
    }  # fmt: skip
    house = House(params | {"devices": [config]}, Clock.from_iso("2016-06-20T00:00:00Z"))
    known = house.flexible["pv/a/0"]
    problem = known.problem(Span(0, 0, HORIZON, 10), [])
    target = np.random.default_rng(2).normal(500, 1500, HORIZON)
    assert not problem.plan(target).any()
    assert problem.orders(problem.plan(target)) == []
    further = problem.beyond()
    plan = further.plan(target)
    yield_w = -house.pv["pv/a/0"].predict(0, HORIZON)
    assert yield_w.max() > 2000.0
    assert plan == pytest.approx(np.clip(target, 0.0, yield_w), abs=10.0)
    points = np.array(further.set_points(plan))
    assert points[plan > 0] == pytest.approx((plan - yield_w)[plan > 0], abs=10.0)
    assert (points[plan == 0] == -5000.0).all()
    lost = further.given_up(plan)
    assert (lost.what, lost.unit) == ("sun", "Wh")
    assert lost.amount == pytest.approx(plan.sum() * H, abs=0.1)
    known.followed(0, plan)  # what is curtailed tells the predictor nothing
    assert {slot for slot in range(HORIZON) if not known.tells(slot)} == set(
        np.flatnonzero(plan).tolist()
    )


def test_a_chp_plant_feeds_in_when_it_is_wanted_and_keeps_its_store_warm():
    slots = 3 * 96
    heat_w = 30_000 + 12_000 * np.sin((np.arange(slots) % 96 - 10) * 2 * np.pi / 96)
    spec = {
        "id": "chp/a/0", "kind": "chp", "terminal": TERMINAL, "p_rated_w": 50_000.0,
        "heat_w": heat_w, "c_wh_per_k": 5800.0, "loss_w_per_k": 15.0,
    }  # fmt: skip

    def demand(first):
        hours = (np.arange(first, first + HORIZON) % 96) / 4
        return np.where((hours >= 17) & (hours < 20), -50_000.0, 0.0)

    alone, moved = Plant(spec, slots), Plant(spec, slots, target=demand)
    assert moved.discomfort_kh() <= alone.discomfort_kh() + 1e-9
    late = slice(96, None)
    hours = (np.arange(slots) % 96 / 4)[late]
    wanted = (hours >= 17) & (hours < 20)
    before_w, after_w = alone.drawn_w[late][wanted].mean(), moved.drawn_w[late][wanted].mean()
    assert after_w < before_w - 5_000.0
    assert after_w < -25_000.0
    stored = spec["c_wh_per_k"] * (moved.end_c() - alone.end_c()) / 1.8
    fed_wh = (alone.drawn_w.sum() - moved.drawn_w.sum()) * H
    assert fed_wh == pytest.approx(stored, abs=-0.05 * alone.drawn_w.sum() * H)
    off_w = np.abs(moved.drawn_w - moved.planned_w)[late].mean()
    assert off_w < 0.2 * np.abs(moved.drawn_w[late]).mean()
