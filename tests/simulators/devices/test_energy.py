"""Energy of every kind of device at each step: what is drawn is stored, lost or delivered.

All kinds side by side, with random set-points, cuts of supply and voltages.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.messages import Actuation, Supply
from simulators.devices import DevicesCore, parse_devices
from simulators.devices.specs import _PARSERS

SLOT_MS, END_MS = 900_000, 8 * 900_000
SLOTS = END_MS // SLOT_MS
TERMINALS = [f"terminal/lv1/{name}" for name in "abc"]
CAR = {"capacity_wh": 40_000.0, "arrival_soc": 0.7, "curve": [[0.7, 1.0], [1.0, 0.2]],
       "charge_efficiency": 0.9, "discharge_efficiency": 0.85, "reserve_soc": 0.65}  # fmt: skip
STORES = {"battery", "heat_pump", "thermostat", "chp"}
SERVES = {"heat_pump", "thermostat", "chp"}


def visit(number, begin, end, energy_wh, **more):
    return {"id": f"session/{number}", "arrival_ms": begin, "departure_ms": end,
            "energy_wh": energy_wh, **more}  # fmt: skip


def fleet():
    rng = np.random.default_rng(4)
    sun = -np.linspace(500, 5_000, SLOTS)
    body = {"c_wh_per_k": 12.0, "loss_w_per_k": 1.5, "initial_c": 5.0}
    jobs = [{"earliest_ms": 600_000, "deadline_ms": 5_000_000}]
    devices = [
        {"kind": "load", "p_w": rng.uniform(0, 900, SLOTS), "q_var": np.full(SLOTS, 40.0)},
        {"kind": "load", "p_w": rng.uniform(0, 900, 15 * SLOTS), "step_s": 60, "phase": "b"},
        {"kind": "pv", "p_w": sun, "q_var": sun * 0.1},
        {"kind": "pv", "p_w": sun, "phase": "c",
         "inverter": {"p_rated_w": 5_000.0, "q": "q_u", "p_u_pu": [1.05, 1.1], "cos_phi": 0.9}},
        {"kind": "ev", "p_max_w": 11_000.0, "p_min_w": 1_380.0,
         "sessions": [visit(0, 0, 2_000_000, 3_000.0), visit(1, 2_000_000, 7_100_000, 9_000.0)]},
        {"kind": "ev", "p_max_w": 7_400.0, "p_discharge_w": 6_000.0,
         "sessions": [visit(2, 300_001, 7_000_003, 4_000.0, vehicle=CAR)]},
        {"kind": "battery", "capacity_wh": 3_000.0, "p_max_w": 4_000.0, "standby_w": 12.0,
         "self_discharge_per_day": 0.3, "charge_efficiency": 0.93, "reserve_wh": 300.0},
        {"kind": "heat_pump", "p_rated_w": 3_000.0, "rod_w": 2_000.0,
         "building": {"heat_loss_w_per_k": 150.0, "c_air_wh_per_k": 1_200.0,
                      "c_mass_wh_per_k": 6_750.0, "solar_m2": 3.0, "gains_w": 200.0},
         "tank": {}, "hot_water_w": rng.uniform(0, 4_000, SLOTS)},
        {"kind": "heat_pump", "p_rated_w": 2_000.0, "source": "brine",
         "building": {"heat_loss_w_per_k": 90.0, "c_air_wh_per_k": 5_000.0}, "tank": {}},
        {"kind": "thermostat", "p_rated_w": 100.0, "cop": 2.0, "cools": True, "set_c": 5.0,
         "switch_k": 1.0, "low_c": 3.0, "high_c": 7.0, "surroundings_c": 21.0, **body},
        {"kind": "thermostat", "p_rated_w": 2_000.0, "set_c": 60.0, "switch_k": 4.0,
         "low_c": 45.0, "high_c": 70.0, "surroundings_c": 20.0, "cold_c": 10.0,
         "hot_water_w": rng.uniform(0, 3_000, SLOTS),
         **(body | {"c_wh_per_k": 174.0, "initial_c": 57.0})},
        {"kind": "appliance", "cycle_w": [2_000.0, 150.0, 700.0], "step_s": 600, "cos_phi": 0.95,
         "jobs": jobs},
        {"kind": "wind", "p_w": -rng.uniform(0, 90_000, SLOTS), "p_rated_w": 100_000.0,
         "cos_phi": 0.95},
        {"kind": "chp", "p_rated_w": 5_000.0, "c_wh_per_k": 600.0, "loss_w_per_k": 5.0,
         "heat_w": rng.uniform(0, 12_000, SLOTS), "initial_c": 60.0},
    ]  # fmt: skip
    return [
        {"id": f"{device['kind']}/lv1/{n}", "terminal": TERMINALS[n % 3], **device}
        for n, device in enumerate(devices)
    ]


CLIMATE = {"temperature_c": np.linspace(-6, 12, SLOTS), "ghi_w_m2": np.linspace(0, 700, SLOTS)}
FLEET = fleet()
KIND = {device["id"]: device["kind"] for device in FLEET}


def served_wh(core):
    """Return what each device delivered as heat ``[n]``; 0 where it delivers none."""
    served = np.zeros(len(core.ids))
    for kind, group in core.groups.items():
        if kind in SERVES:
            served[[n for n, name in enumerate(core.ids) if KIND[name] == kind]] = group.served_wh
    return served


def contents_wh(core):
    held = core.device()["soc_wh"]
    return np.array([np.nan if wh is None else wh for wh in held])


class Books:
    """Checks each step of a core: powers that hold, and where their energy is."""

    def __init__(self, core):
        self.core, self.t_ms, self.steps = core, 0, 0
        self.stores = np.array([KIND[name] in STORES for name in core.ids])
        self.take()

    def take(self):
        core = self.core
        self.held = core.p_w.copy(), core.q_var.copy()
        self.registers, self.served = core.registers.copy(), served_wh(core)
        self.stored = contents_wh(core)

    def check(self, t_ms):
        """Book up to ``t_ms`` and compare; vehicles that leave then are still there."""
        core, h = self.core, (t_ms - self.t_ms) / 3.6e6
        core._book(t_ms)
        drawn, reactive, lost = core.registers - self.registers
        assert drawn == pytest.approx(self.held[0] * h, rel=1e-9, abs=1e-9)
        assert reactive == pytest.approx(self.held[1] * h, rel=1e-9, abs=1e-9)
        kept, served = contents_wh(core) - self.stored, served_wh(core) - self.served
        knows = ~np.isnan(kept)
        assert knows[self.stores].all()
        balance = drawn - lost - served
        scale = np.abs(np.nan_to_num(contents_wh(core))).max()
        assert balance[knows] == pytest.approx(kept[knows], rel=1e-9, abs=1e-13 * scale + 1e-9)
        # what stores nothing delivers all that it draws
        assert not lost[~knows].any()
        assert not served[~knows].any()
        self.t_ms, self.steps = t_ms, self.steps + 1


def play(actions):
    """Run the fleet through ``actions`` {t_ms: (actuations, supplies, v_v)}; return the books."""
    core = DevicesCore(TERMINALS, FLEET, END_MS, SLOT_MS, climate=CLIMATE)
    books, due = Books(core), 0
    times = sorted(actions)
    while due is not None:
        now = due
        books.check(now)
        orders, supplies, v_v = actions.get(now, ((), (), None))
        due = core.step(now, orders, None, supplies, v_v)
        books.take()
        power = core.power()
        assert power["p_w"].sum() == pytest.approx(core.p_w.sum(), rel=1e-12, abs=1e-9)
        assert np.isfinite(power["p_w"]).all()
        assert np.isfinite(core.p_w).all()
        due = due if due is None else min([due, *(t for t in times if t > now)])
    return books


def test_every_kind_there_is_takes_part() -> None:
    assert set(KIND.values()) == set(_PARSERS)
    assert len(parse_devices(FLEET, TERMINALS, SLOTS)) == len(FLEET)


def test_undisturbed_every_device_does_something_and_the_books_close() -> None:
    books = play({})
    core = books.core
    assert books.steps > END_MS / 60_000
    assert (core.energy_wh != 0).all()
    program_wh = sum([2_000.0, 150.0, 700.0]) / 6
    appliance = core.ids.index("appliance/lv1/11")
    assert core.energy_wh[appliance] == pytest.approx(program_wh, rel=1e-12)


orders = st.lists(
    st.tuples(
        st.integers(0, END_MS - 1), st.sampled_from(sorted(KIND)), st.floats(-9_000, 12_000),
        st.integers(1, 4_000_000) | st.none(),
    ),
    max_size=25,
)  # fmt: skip
cuts = st.lists(
    st.tuples(st.integers(0, END_MS - 1), st.sampled_from(TERMINALS), st.booleans()), max_size=8
)
volts = st.lists(st.tuples(st.integers(0, END_MS - 1), st.floats(0.7, 1.3)), max_size=8)


@settings(max_examples=40, deadline=None)
@given(orders, cuts, volts)
def test_whatever_happens_the_books_close(given_orders, given_cuts, given_volts) -> None:
    actions = {}
    for n, (t, device, p_w, span) in enumerate(given_orders):
        value = {"p_w": p_w, "until_ms": None if span is None else t + span}
        order = Actuation(f"x#{n}", "c#1", device, "set_power", value)
        actions.setdefault(t, ([], [], None))[0].append(order)
    for n, (t, terminal, on) in enumerate(given_cuts):
        actions.setdefault(t, ([], [], None))[1].append(Supply(f"s#{n}", "g#1", terminal, on, on))
    for t, pu in given_volts:
        mine = actions.setdefault(t, ([], [], None))
        actions[t] = (mine[0], mine[1], np.full((3, 3), pu * 400 / 3**0.5))
    play(actions)


def test_heat_goes_into_building_and_tank_and_out_of_them() -> None:
    """By the temperatures alone: capacity times their change, against what flowed."""
    core = DevicesCore(TERMINALS, FLEET, END_MS, climate=CLIMATE)
    group, t_ms, due = core.groups["heat_pump"], 0, core.step(0)
    house, tank = group.house, group.tank
    spec = next(s for s in parse_devices(FLEET, TERMINALS, SLOTS) if s.id == "heat_pump/lv1/7")
    row = core.ids.index(spec.id)
    while due is not None:
        before = house.air_c[0], house.mass_c[0], tank.t_c[0]
        heat_wh = group.heat_w[0] * (due - t_ms) / 3.6e6
        p_wh = core.p_w[row] * (due - t_ms) / 3.6e6
        slot = t_ms // SLOT_MS
        gains_w = 200.0 + 3.0 * CLIMATE["ghi_w_m2"][slot]
        gains_wh = gains_w * (due - t_ms) / 3.6e6
        lost, served = core.loss_wh[row], group.served_wh[0]
        h, t_ms = (due - t_ms) / 3.6e6, due
        due = core.step(due)
        out_wh = core.loss_wh[row] - lost + gains_wh + heat_wh - p_wh
        water_wh = group.served_wh[0] - served
        kept_wh = (
            1_200.0 * (house.air_c[0] - before[0])
            + 6_750.0 * (house.mass_c[0] - before[1])
            + spec.tank.c_wh_per_k * (tank.t_c[0] - before[2])
        )
        assert kept_wh == pytest.approx(heat_wh + gains_wh - out_wh - water_wh, rel=1e-9, abs=1e-8)
        # what goes out is within what the temperatures at both ends would let out
        outdoor_c = CLIMATE["temperature_c"][slot]
        ends = [(before[0], before[1]), (house.air_c[0], house.mass_c[0])]
        rates = [
            house.direct[0] * (a - outdoor_c) + house.outer[0] * (m - outdoor_c) for a, m in ends
        ]
        tank_w = spec.tank.loss_w_per_k * (np.array([before[2], tank.t_c[0]]) - spec.tank.cellar_c)
        low_wh, high_wh = (min(rates) + min(tank_w)) * h, (max(rates) + max(tank_w)) * h
        assert low_wh - 1.0 * h <= out_wh <= high_wh + 1.0 * h
