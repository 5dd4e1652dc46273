"""How long a step of 10,000 devices takes, against one object for each device.

``python -m benchmarks.devices`` prints the rows. Both sides step the same fleet to every slot of
a day and must come to the same powers.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from fernwatt.timebase import SLOT_MS, Clock
from simulators.devices import (
    DevicesCore,
    HeatPumpPlan,
    VehiclePlan,
    assign,
    cars,
    charging_points,
    fridges,
    heat_pumps,
    home_batteries,
    households,
)

SLOTS = 96
COUNTS = {"load": 4_000, "pv": 2_000, "ev": 2_500, "battery": 1_500}
# the district's shares of customers, and houses with heat pumps and refrigerators beside them
CONTROLLED = {
    "load": 2_900, "pv": 1_150, "ev": 1_450, "battery": 700, "heat_pump": 900, "fridge": 2_900,
}  # fmt: skip
LIMIT_MS, CONTROL_MS = 5.0, 60_000


class Load:
    """A load or a PV system."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.profile, self.p_w = list(map(float, spec["p_w"])), 0.0

    def step(self, t_ms: int, _span_ms: int, _surplus_w: float) -> None:
        self.p_w = self.profile[t_ms // SLOT_MS]


class Ev:
    """A charging point without set-points, as of the last quarter of an hour."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.sessions, self.p_max_w = spec["sessions"], spec["p_max_w"]
        self.p_w = 0.0

    def step(self, t_ms: int, _span_ms: int, _surplus_w: float) -> None:
        self.p_w = 0.0
        for session in self.sessions:
            full_ms = math.ceil(session["energy_wh"] * 3.6e6 / self.p_max_w)
            end_ms = min(session["arrival_ms"] + full_ms, session["departure_ms"])
            if session["arrival_ms"] <= t_ms < end_ms:
                self.p_w = session["energy_wh"] * 3.6e6 / full_ms


class Battery:
    """A battery for self-consumption without self-discharge."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.stored_wh, self.spec, self.p_w = spec["initial_wh"], spec, 0.0

    def step(self, _t_ms: int, span_ms: int, surplus_w: float) -> None:
        eta, capacity_wh = self.spec["charge_efficiency"], self.spec["capacity_wh"]
        rate = self.p_w * eta if self.p_w > 0 else self.p_w / eta
        self.stored_wh = min(max(self.stored_wh + rate * span_ms / 3.6e6, 0.0), capacity_wh)
        self.p_w = min(max(surplus_w, -self.spec["p_max_w"]), self.spec["p_max_w"])
        if (self.p_w > 0 and self.stored_wh >= capacity_wh) or (
            self.p_w < 0 and self.stored_wh <= 0.0
        ):
            self.p_w = 0.0


def fleet(seed: int = 1) -> tuple[list[str], list[dict[str, Any]]]:
    """Return terminals and the specifications of 10,000 devices."""
    rng = np.random.default_rng(seed)
    terminals = [f"terminal/lv1/load-{n:05}" for n in range(COUNTS["load"])]
    owners = {kind: dict(list(assign(1.0, terminals, seed, kind).items())[:count])
              for kind, count in COUNTS.items()}  # fmt: skip
    shapes = rng.gamma(0.7, 500.0, (COUNTS["load"], SLOTS))
    devices = households({t: (p, 0.2 * p) for t, p in zip(terminals, shapes, strict=True)})
    sun = -np.maximum(0.0, np.sin((np.arange(SLOTS) - 24) * np.pi / 48)) * 5_000.0
    devices += [
        {"id": device, "kind": "pv", "terminal": t, "p_w": sun * rng.uniform(0.5, 1.5)}
        for device, t in owners["pv"].items()
    ]
    clock = Clock.from_iso("2016-04-20T00:00:00Z")
    devices += charging_points(owners["ev"], clock=clock, end_ms=SLOTS * SLOT_MS, seed=seed)
    # so large that no limit is met between two steps of the loop
    devices += home_batteries(
        owners["battery"], capacity_wh=200_000.0, initial_wh=100_000.0, p_max_w=4_000.0
    )
    return terminals, devices


def controlled_fleet(seed: int = 1) -> tuple[list[str], list[dict[str, Any]]]:
    """Return terminals and 10,000 devices with inverters on Q(U) and thermal states."""
    terminals = [f"terminal/lv1/load-{n:05}" for n in range(CONTROLLED["load"])]
    owners = {kind: dict(list(assign(1.0, terminals, seed, kind).items())[:count])
              for kind, count in CONTROLLED.items()}  # fmt: skip
    shapes = np.random.default_rng(seed).gamma(0.7, 500.0, (len(terminals), SLOTS))
    devices = households({t: (p, 0.2 * p) for t, p in zip(terminals, shapes, strict=True)})
    sun = -np.maximum(0.0, np.sin((np.arange(SLOTS) - 24) * np.pi / 48)) * 5_000.0
    inverter = {"p_rated_w": 5_000.0, "q": "q_u", "p_u_pu": [1.08, 1.10]}
    devices += [
        {"id": device, "kind": "pv", "terminal": t, "p_w": sun, "inverter": inverter}
        for device, t in owners["pv"].items()
    ]
    clock, end_ms = Clock.from_iso("2016-04-20T00:00:00Z"), SLOTS * SLOT_MS
    vehicles = cars(owners["ev"], VehiclePlan(), 11_000.0, seed)
    devices += charging_points(
        owners["ev"], clock=clock, end_ms=end_ms, seed=seed, vehicles=vehicles
    )
    devices += home_batteries(owners["battery"])
    plan = HeatPumpPlan()
    devices += heat_pumps(owners["heat_pump"], plan, clock=clock, end_ms=end_ms, seed=seed)
    return terminals, devices + fridges(owners["fridge"], seed)


def controlled() -> dict[str, Any]:
    """Return the row of a step at the control period; RuntimeError above the limit."""
    terminals, devices = controlled_fleet()
    climate = {"temperature_c": np.full(SLOTS, 3.0), "ghi_w_m2": np.full(SLOTS, 100.0)}
    core = DevicesCore(
        terminals, devices, SLOTS * SLOT_MS, SLOT_MS, control_ms=CONTROL_MS, climate=climate
    )
    volts = np.random.default_rng(1).uniform(0.93, 1.09, (20, len(terminals), 3)) * 400 / 3**0.5
    spent_s, begin_ms = [], 11 * 4 * SLOT_MS  # from 11:00 on, in the sun
    due: int | None = 0
    while due is not None and due < begin_ms + 4 * SLOT_MS:
        t_ms, v_v = due, volts[due // CONTROL_MS % len(volts)]
        begin = time.process_time()  # one thread: what else the machine does is left out
        due = core.step(t_ms, v_v=v_v)
        core.power()
        if t_ms >= begin_ms and t_ms % CONTROL_MS == 0:
            spent_s.append(time.process_time() - begin)
        core.take_events()
        core.take_rows()
    value = 1e3 * float(np.median(spent_s))
    if value > LIMIT_MS:
        raise RuntimeError(f"a controlled step takes {value:.2f} ms, the limit is {LIMIT_MS} ms")
    return {
        "name": "devices: controlled step, 10,000 devices", "value": value, "unit": "ms",
        "reference": LIMIT_MS, "ratio": LIMIT_MS / value,
        "note": "median, Q(U) and P(U), 900 heat pumps, 2,900 fridges, charging curves; "
        "reference: the limit",
    }  # fmt: skip


def run() -> list[dict[str, Any]]:
    """Return rows ``{name, value, unit, reference, ratio, note}``."""
    terminals, devices = fleet()
    core = DevicesCore(terminals, devices, SLOTS * SLOT_MS, SLOT_MS)
    slot_s, other_s, ours, others = [], [], [], 0
    due: int | None = 0
    while due is not None and due < core.end_ms:
        t_ms = due
        begin = time.perf_counter()
        due = core.step(t_ms)
        core.power()
        spent = time.perf_counter() - begin
        (slot_s if t_ms % SLOT_MS == 0 else other_s).append(spent)
        others += t_ms % SLOT_MS != 0
        if t_ms % SLOT_MS == 0:
            ours.append(core.p_w.copy())
        core.take_events()
        core.take_rows()
    loop_s, theirs = _loop(terminals, devices, core.ids)
    slot_ms, loop_ms = 1e3 * float(np.mean(slot_s)), 1e3 * loop_s / SLOTS
    difference_w = float(np.abs(np.array(ours) - theirs).max())
    return [
        {"name": "devices: step at a slot, 10,000 devices", "value": slot_ms, "unit": "ms",
         "reference": loop_ms, "ratio": loop_ms / slot_ms,
         "note": f"reference: one object each; powers differ by {difference_w:.1e} W at most"},
        {"name": "devices: step between slots", "value": 1e3 * float(np.mean(other_s)),
         "unit": "ms", "reference": None, "ratio": None,
         "note": f"{others} arrivals, ends, limits"},
        controlled(),
    ]  # fmt: skip


def _loop(
    terminals: list[str], devices: list[dict[str, Any]], ids: list[str]
) -> tuple[float, np.ndarray]:
    kinds = {"load": Load, "pv": Load, "ev": Ev, "battery": Battery}
    by_id = {spec["id"]: spec for spec in devices}
    rank = {"battery": 1}
    order = sorted(ids, key=lambda name: (rank.get(by_id[name]["kind"], 0), name))
    objects = [(name, by_id[name]["terminal"], kinds[by_id[name]["kind"]](by_id[name]))
               for name in order]  # fmt: skip
    position = {name: row for row, name in enumerate(ids)}
    powers = np.zeros((SLOTS, len(ids)))
    spent_s = 0.0
    for slot in range(SLOTS):
        begin = time.perf_counter()
        net_w = dict.fromkeys(terminals, 0.0)
        for _, terminal, thing in objects:
            thing.step(slot * SLOT_MS, SLOT_MS if slot else 0, -net_w[terminal])
            net_w[terminal] += thing.p_w
        spent_s += time.perf_counter() - begin
        for name, _, thing in objects:
            powers[slot, position[name]] = thing.p_w
    return spent_s, powers


if __name__ == "__main__":
    for row in run():
        print(row)
