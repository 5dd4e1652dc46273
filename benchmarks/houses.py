"""Houses with vehicles and batteries on real management units, to time balancing by itself.

The units speak through directory, policies and codec as in a run; between them frames take 20 ms
and none is lost. The plant is as plain as can be: slots of a quarter of an hour, powers that hold
for one, so that next to nothing of the time measured is its own (and none of it is counted).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from controllers.unit import Loopback, UnitsCore
from fernwatt.messages import Reading
from fernwatt.streams import stream
from fernwatt.timebase import SLOT_MS

__all__ = ["Neighbourhood", "Settings"]

START = "2016-01-20T00:00:00Z"
ROOT = "mvgmu/m"
DAY_SLOTS, STEP_H = 96, 0.25
HISTORY_DAYS = 7
P_EV_W, P_BATTERY_W, CAPACITY_WH, EFFICIENCY = 11_000.0, 5_000.0, 10_000.0, 0.95
FIRST_SLOT_ARRIVALS = (66, 76)  # 16:30 to 19:00

Spec = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """``houses`` in ``areas`` low-voltage areas; ``parked``: vehicles come at
    midnight and leave in the morning, instead of coming in the evening before."""

    houses: int
    areas: int = 1
    days: int = 1
    replan_s: float = 86_400.0
    parked: bool = False


@dataclass(slots=True)
class _House:
    """One house's plant: powers of its base load by slot, sessions to come, what is ordered."""

    name: str
    base_w: Any
    sessions: list[tuple[int, int, float]]  # arrival and departure slot, energy [Wh]
    battery_wh: float | None
    register_wh: list[float] = field(default_factory=lambda: [0.0, 0.0])  # import, export
    drawn_wh: dict[str, float] = field(default_factory=lambda: {"ev": 0.0, "battery": 0.0})
    orders: dict[str, Spec] = field(default_factory=dict)
    session: tuple[int, int, float] | None = None
    missing_wh: float = 0.0
    not_served_wh: float = 0.0
    net_w: float = 0.0

    def charge_w(self, slot: int) -> float:
        """Return what the vehicle draws: as ordered, but never so little that it leaves short."""
        if self.session is None or self.missing_wh < 1e-6:
            return 0.0
        order = self.orders.get("ev")
        wanted_w = order["p_w"] if order and slot * SLOT_MS < order["until_ms"] else P_EV_W
        later_wh = P_EV_W * STEP_H * (self.session[1] - slot - 1)
        least_w = (self.missing_wh - later_wh) / STEP_H
        return min(max(wanted_w, least_w, 0.0), self.missing_wh / STEP_H, P_EV_W)

    def store_w(self, slot: int, rest_w: float) -> float:
        """Return what the battery draws: as ordered, or at rest."""
        order = self.orders.get("battery")
        if self.battery_wh is None or not order or slot * SLOT_MS >= order["until_ms"]:
            return 0.0
        wanted_w = order["p_w"] - (rest_w if order.get("at") == "connection" else 0.0)
        most_w = min(P_BATTERY_W, (CAPACITY_WH - self.battery_wh) / EFFICIENCY / STEP_H)
        least_w = -min(P_BATTERY_W, self.battery_wh * EFFICIENCY / STEP_H)
        return min(max(wanted_w, least_w), most_w)

    def run(self, slot: int) -> None:
        """Let a slot pass."""
        charge_w = self.charge_w(slot)
        store_w = self.store_w(slot, self.base_w[slot] + charge_w)
        self.missing_wh -= charge_w * STEP_H
        self.drawn_wh["ev"] += charge_w * STEP_H
        self.drawn_wh["battery"] += store_w * STEP_H
        if self.battery_wh is not None:
            self.battery_wh += store_w * STEP_H * (EFFICIENCY if store_w > 0 else 1 / EFFICIENCY)
        self.net_w = float(self.base_w[slot] + charge_w + store_w)
        self.register_wh[self.net_w < 0] += abs(self.net_w) * STEP_H


class Neighbourhood:
    """Houses below substations; more than one of those are below a unit of medium voltage.

    ``spent_s`` is the processor time of the units since the beginning, ``spent_by_slot`` that of
    each slot.
    """

    def __init__(self, settings: Settings, seed: int = 1) -> None:
        self.settings = settings
        random = stream(seed, "benchmark", "houses")
        count = settings.houses
        self.areas = [f"lv{number}" for number in range(settings.areas)]
        self.houses = [_house(random, f"{self._area(i)}/{i}", i, settings) for i in range(count)]
        self._by_actuator = {
            f"actuator/{house.name}/{kind}": (house, kind)
            for house in self.houses
            for kind in ("ev", "battery")
        }
        begin = time.process_time()
        self.bus = Loopback(UnitsCore({"units": list(self._units())}, seed))
        self.started_s = time.process_time() - begin
        self.spent_by_slot: list[float] = []
        self.power_w: list[float] = []
        self._histories = {house.name: _history(random, house) for house in self.houses}
        self._taken = self._count = self.messages = 0

    @property
    def spent_s(self) -> float:
        """Return the units' processor time so far, starting them left out [s]."""
        return sum(self.spent_by_slot)

    @property
    def not_served_wh(self) -> float:
        """Return what vehicles lacked when they left [Wh]."""
        return sum(house.not_served_wh for house in self.houses)

    def negotiations(self) -> list[list[dict[str, Any]]]:
        """Return the rounds of each negotiation of the unit whose sum is steered."""
        root = ROOT if len(self.areas) > 1 else f"lvgmu/{self.areas[0]}"
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self.bus.table("negotiation"):
            if row["unit"] == root:
                found.setdefault(row["id"], []).append(row)
        return list(found.values())

    def run(self, slots: int) -> Neighbourhood:
        """Let slots pass; returns itself."""
        for slot in range(len(self.power_w), len(self.power_w) + slots):
            readings = [one for house in self.houses for one in self._readings(house, slot)]
            begin = time.process_time()
            self.bus.run((slot + 1) * SLOT_MS - 1, readings)
            self.spent_by_slot.append(time.process_time() - begin)
            for command in self.bus.commands[self._taken :]:
                house, kind = self._by_actuator[command.actuator]
                house.orders[kind] = dict(command.value)
            self._taken = len(self.bus.commands)
            for house in self.houses:
                house.run(slot)
            self.power_w.append(sum(house.net_w for house in self.houses))
            self.messages += len(self.bus.frames)
            self.bus.frames.clear()
        return self

    def _area(self, house: int) -> str:
        return self.areas[house % self.settings.areas]

    # -- instruments

    def _readings(self, house: _House, slot: int) -> list[Reading]:
        t_ms, (arrivals, drawn) = slot * SLOT_MS, (house.sessions, house.drawn_wh)
        out: list[Reading] = []

        def read(instrument: str, variable: str, value: Any) -> None:
            self._count += 1
            label = f"field#{self._count}"
            out.append(Reading(label, "", instrument, variable, t_ms, t_ms, value, "Wh"))

        if slot == 0:
            read(f"i/{house.name}/meter", "load_profile", self._histories[house.name])
        for number, variable in enumerate(("energy.import", "energy.export")):
            read(f"i/{house.name}/meter", variable, house.register_wh[number])
        read(f"i/{house.name}/ev", "device.energy", drawn["ev"])
        if house.session is not None and house.session[1] == slot:
            house.not_served_wh += max(house.missing_wh, 0.0)
            house.session, house.missing_wh = None, 0.0
            read(f"i/{house.name}/ev", "ev.session", None)
        if arrivals and arrivals[0][0] == slot:
            house.session = arrivals.pop(0)
            house.missing_wh = house.session[2]
            read(f"i/{house.name}/ev", "ev.session", _session(house.session))
        if house.battery_wh is not None:
            read(f"i/{house.name}/battery", "device.energy", drawn["battery"])
            read(f"i/{house.name}/battery", "battery.soc", house.battery_wh)
        return out

    # -- units

    def _units(self) -> Any:
        areas, several = self.areas, len(self.areas) > 1
        steers: Spec = {"start": START, "replan_s": self.settings.replan_s}
        if self.settings.parked:  # all vehicles are known before the one negotiation
            steers["settle_s"] = 600.0
        if several:
            below = [f"lvgmu/{area}" for area in areas]
            params = steers | {"role": "parent", "children": below, "parallel": len(below)}
            params |= {"round_timeout_s": 600.0, "budget_s": 3600.0}
            yield _unit(ROOT, "", below, services={"balancing": params})
        for area in areas:
            houses = [house for house in self.houses if house.name.startswith(f"{area}/")]
            params = steers | {"role": "parent", "children": [f"cmu/{h.name}" for h in houses]}
            params |= {"role": "middle", "parent": ROOT} if several else {}
            meters = [f"meter/{house.name}" for house in houses]
            above = ROOT if several else ""
            yield _unit(f"lvgmu/{area}", above, meters, services={"balancing": params})
            for house in houses:
                yield from _house_units(house, f"lvgmu/{area}")


def _house(random: np.random.Generator, name: str, number: int, settings: Settings) -> _House:
    """Return a house: a vehicle in three of four, a battery in one of four."""
    hours = np.arange(DAY_SLOTS * settings.days) * STEP_H % 24
    usual_w = (250 + 500 * np.exp(-((hours - 19) ** 2) / 8)) * random.uniform(0.6, 1.4)
    base_w = usual_w * random.gamma(6, 1 / 6, usual_w.size)
    sessions = []
    for day in range(settings.days if number % 4 != 3 else 0):
        arrival = day * DAY_SLOTS + int(random.integers(*FIRST_SLOT_ARRIVALS))
        departure = (day + 1) * DAY_SLOTS + int(random.integers(26, 34))
        energy_wh = float(random.uniform(6_000, 22_000))
        if settings.parked:  # at midnight
            arrival, departure = day * DAY_SLOTS, departure - DAY_SLOTS
        sessions.append((arrival, departure, energy_wh))
    return _House(name, base_w, sessions, CAPACITY_WH / 2 if number % 4 == 1 else None)


def _history(random: np.random.Generator, house: _House) -> Spec:
    day_wh = house.base_w[:DAY_SLOTS] * STEP_H
    days_wh = np.concatenate([day_wh * random.gamma(6, 1 / 6, DAY_SLOTS)] * HISTORY_DAYS)
    return {
        "start_ms": -HISTORY_DAYS * DAY_SLOTS * SLOT_MS,
        "step_ms": SLOT_MS,
        "import_wh": [round(float(value), 3) for value in days_wh],
        "export_wh": [0.0] * days_wh.size,
    }


def _session(session: tuple[int, int, float]) -> Spec:
    arrival, departure, energy_wh = session
    limits = {"p_max_w": P_EV_W, "p_min_w": 0.0}
    return {"session": f"s{arrival}", "energy_wh": energy_wh,
            "departure_ms": departure * SLOT_MS, **limits}  # fmt: skip


def _unit(name: str, parent: str, children: list[str], **more: Any) -> Spec:
    kind = name.partition("/")[0]
    return {"id": name, "kind": kind, "area": "", "parent": parent, "children": children,
            "customer": "", "owner": "operator", **more}  # fmt: skip


def _house_units(house: _House, substation: str) -> Any:
    name, devices = house.name, []
    owner = {"customer": f"customer/{name}", "owner": f"customer/{name}"}
    plates: dict[str, Spec] = {
        "ev": {"p_max_w": P_EV_W},
        "battery": {
            "p_max_w": P_BATTERY_W,
            "capacity_wh": CAPACITY_WH,
            "efficiency": EFFICIENCY,
        },
    }
    for kind, plate in plates.items():
        if kind == "battery" and house.battery_wh is None:
            continue
        dmu = f"dmu/{name}/{kind}"
        devices.append({"kind": kind, "id": f"{kind}/{name}", "unit": dmu, **plate})
        parts = {"instruments": [f"i/{name}/{kind}"],
                 "actuators": {"set_point": f"actuator/{name}/{kind}"}}  # fmt: skip
        yield _unit(dmu, f"cmu/{name}", [], **owner, **parts)
    child = {"role": "child", "start": START, "parent": substation, "meter": f"meter/{name}",
             "devices": devices}  # fmt: skip
    dmus = [device["unit"] for device in devices]
    yield _unit(f"cmu/{name}", f"meter/{name}", dmus, services={"balancing": child}, **owner)
    yield _unit(
        f"meter/{name}", substation, [f"cmu/{name}"], instruments=[f"i/{name}/meter"], **owner
    )
