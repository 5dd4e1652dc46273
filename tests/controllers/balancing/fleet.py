"""Houses with vehicles and batteries below a tree of parents, on a bus with a schedule of fates."""

from __future__ import annotations

import numpy as np

from controllers.balancing import build
from tests.controllers.balancing.conftest import Bus

SLOT_MS, DAY, STEP_H = 900_000, 96, 0.25
START = "2016-01-20T00:00:00Z"
SESSION_MS = 1000


def tree_of(houses, areas, levels):
    """Return who is below whom: houses dealt to areas, one or two levels above these."""
    cmus = [f"cmu/a/{i:02d}" for i in range(houses)]
    lows = [f"lvgmu/{chr(97 + i)}" for i in range(areas)]
    tree = {low: cmus[place::areas] for place, low in enumerate(lows)}
    if levels > 1 or areas > 1:
        tree = {"mvgmu/m": lows, **tree}
    if levels > 2:
        tree = {"tlgmu/t": ["mvgmu/m"], **tree}
    return tree


class Fleet:
    """A fleet drawn from ``seed``; ``more`` goes to its parents, ``limits`` (by unit) too.

    ``load`` times the usual is what houses draw beside what can be steered, ``energy_wh`` the least
    and the most that a vehicle wants.
    """

    def __init__(self, tree, seed=0, schedule=None, limits=None, extra=(), load=1.0,
                 energy_wh=(6000, 25_000), **more):  # fmt: skip
        self.load, self.energy_wh = load, energy_wh
        self.tree, self.random, self.bus = tree, np.random.default_rng(seed), Bus(schedule, seed)
        self.above = {child: unit for unit, below in tree.items() for child in below}
        self.root = next(iter(tree))
        self.houses = sorted(child for child in self.above if child.startswith("cmu/"))
        self.params = {}
        for unit, below in tree.items():
            above = self.above.get(unit)
            role = {"role": "middle", "parent": above} if above else {"role": "parent"}
            wait = {"round_timeout_s": 60.0} if above is None and len(tree) > 1 else {}
            own = {"limits": (limits or {})[unit]} if unit in (limits or {}) else {}
            common = {"children": below, "start": START, "spread_s": 0.0, "parallel": 50}
            self.params[unit] = {**role, **common, **wait, **more, **own}
        self.loads_w = {}
        for house in self.houses:
            self.params[house] = self._house(house, extra)
        for unit, params in self.params.items():
            self.bus.add(unit, build("balancing", params, {"id": unit}))
        self.bus.start()

    def _house(self, house, extra):
        number, random = int(house.rpartition("/")[2]), self.random
        hours = np.arange(DAY) / 4
        usual = 200 + 900 * np.exp(-((hours - 19) ** 2) / 6) + 300 * np.exp(-((hours - 8) ** 2) / 4)
        wh = np.round(self.load * usual * random.gamma(4, 0.25, DAY) / 4)
        memory = {"start_ms": -86_400_000, "step_ms": SLOT_MS, "import_wh": wh.tolist(),
                  "export_wh": [0.0] * DAY}  # fmt: skip
        self.bus.at(0, self.bus.instance, f"meter/a/{number}", "load_profile", memory)
        self.loads_w[house] = 4 * wh
        devices = list(extra(number) if callable(extra) else extra)
        if number % 4 != 3:
            unit = f"dmu/a/{number}/ev"
            devices.append({"kind": "ev", "id": f"ev/a/{number}", "unit": unit, "p_max_w": 11_000})
            session = {"session": "s", "energy_wh": float(random.uniform(*self.energy_wh)),
                       "departure_ms": int(random.integers(24, 92)) * SLOT_MS, "p_max_w": 11_000,
                       "p_min_w": 0}  # fmt: skip
            self.bus.at(SESSION_MS, self.bus.instance, unit, "ev.session", session)
        if number % 4 == 1:
            unit = f"dmu/a/{number}/battery"
            devices.append({"kind": "battery", "id": f"battery/a/{number}", "unit": unit,
                            "p_max_w": 3000, "capacity_wh": 8000, "efficiency": 1.0})  # fmt: skip
            content_wh = float(random.uniform(1000, 7000))
            self.bus.at(SESSION_MS, self.bus.instance, unit, "battery.soc", content_wh)
        return {"role": "child", "parent": self.above[house], "meter": f"meter/a/{number}",
                "devices": devices, "start": START}  # fmt: skip

    def service(self, unit):
        return self.bus.contexts[unit].service

    def restart(self, unit):
        """Have a unit begin anew, with nothing of what it knew but what its meter remembers."""
        context = self.bus.contexts[unit]
        context.timers.clear()
        for entries in self.bus.subscribers.values():
            entries[:] = [entry for entry in entries if entry[0] != unit]
        context.number += 1000  # requests of a life before are not taken for this one's
        context.service = build("balancing", self.params[unit], {"id": unit})
        context.service.start(context)

    def rows(self, unit=None):
        wanted = unit or self.root
        return [row for table, row in self.bus.tables
                if table == "negotiation" and row["unit"] == wanted]  # fmt: skip

    def agreed_w(self, unit=None):
        """Return the sum that a parent counts with."""
        parent = self.service(unit or self.root)
        return parent._members.sum_w(parent._talk)

    def actual_w(self, unit=None):
        """Return the sum of what the houses below are committed to in their last negotiation."""
        below = self.tree.get(unit or self.root)
        if below is None:
            now = self.service(unit)._now
            return now.sum(now.plans)
        return sum(self.actual_w(child) for child in below)

    def problems(self):
        """Return every device's problem in its house's last negotiation."""
        return [
            (house, device, problem)
            for house in self.houses
            for device, problem in sorted(self.service(house)._now.problems.items())
        ]

    def check_plans(self):
        """Every plan that a house has agreed to can be carried out by its device."""
        for house in self.houses:
            now = self.service(house)._now
            for device, problem in sorted(now.problems.items() if now else ()):
                check_plan(problem, now.plans[device])


def check_plan(problem, p_w):
    """A vehicle's plan gives it its energy (or all that fits), a battery's keeps its content.

    Where comfort is given up a vehicle gets no more than that.
    """
    less = hasattr(problem, "charging")
    problem = problem.charging if less else problem
    assert (p_w % problem.unit_w == 0).all()
    if hasattr(problem, "energy_wh"):
        upper_w = problem.p_max_w * problem.share
        assert (p_w >= 0).all()
        assert (p_w <= upper_w + 1e-6).all()
        wanted_wh = min(problem.energy_wh, upper_w.sum() * STEP_H)
        off_wh = p_w.sum() * STEP_H - wanted_wh
        assert (0 if less else abs(off_wh)) <= problem.unit_w * (1 + (p_w > 0).sum() / 4)
        assert off_wh <= problem.unit_w * (1 + (p_w > 0).sum() / 4)
    else:
        assert np.abs(p_w).max(initial=0) <= problem.p_max_w
        content_wh = problem.content_wh + np.cumsum(p_w) * STEP_H
        assert content_wh.min(initial=0) >= -problem.unit_w
        assert content_wh.max(initial=0) <= problem.capacity_wh + problem.unit_w
