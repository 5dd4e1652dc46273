"""Each kind of device, planned every hour for a target that pulls it about, on its own plant.

The plant is the devices' simulator; the planner hears of it what instruments would tell and its
orders reach the device at the begin of each slot.
"""

from __future__ import annotations

import numpy as np
import pytest

from controllers.balancing.devices import Span
from controllers.balancing.kinds import KINDS
from controllers.unit.catalogue import CATALOGUE
from fernwatt.messages import Actuation
from fernwatt.timebase import SLOT_MS, Clock
from scenarios.assembly.plates import known_device
from simulators.devices import DevicesCore, HeatPumpPlan, heat_pumps

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
                self.known.take("appliance.request", asks, t_ms)
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
            return [self.actuation("set_point", self.set_points[place])]
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
