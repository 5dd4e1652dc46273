"""A bus between units with a schedule of losses and delays, and a street of houses on it."""

from __future__ import annotations

import heapq
import json
from types import SimpleNamespace

import numpy as np
import pytest

from controllers.balancing import build
from controllers.unit.service import Issued, Notification, Result
from fernwatt.streams import stream

SLOT_MS = 900_000
START = "2016-01-20T00:00:00Z"


def plain(value):
    """What arrives at the other end is JSON, and an object of its own."""
    return json.loads(json.dumps(value))


class Bus:
    """Delivers after the delays [ms] that ``schedule(src, dst, random)`` returns: none = lost."""

    def __init__(self, schedule=None, seed=0):
        self.now_ms, self.queue, self.count = 0, [], 0
        self.contexts, self.values, self.subscribers = {}, {}, {}
        self.schedule = schedule or (lambda src, dst, random: [20])
        self.random = np.random.default_rng(seed)
        self.actuate = {}
        self.tables, self.decisions, self.sent = [], [], []

    def at(self, t_ms, call, *args):
        self.count += 1
        heapq.heappush(self.queue, (t_ms, self.count, call, args))

    def run(self, until_ms):
        while self.queue and self.queue[0][0] <= until_ms:
            self.now_ms, _, call, args = heapq.heappop(self.queue)
            call(*args)
        self.now_ms = until_ms

    def carry(self, src, dst, call, *args):
        if src == dst:
            self.at(self.now_ms, call, *args)
            return
        for delay_ms in self.schedule(src, dst, self.random):
            self.at(self.now_ms + delay_ms, call, *args)

    def instance(self, unit, variable, value):
        """A new value at its unit: keep it, actuate, notify who subscribed."""
        value = plain(value)
        self.values[unit, variable] = (value, self.now_ms)
        if variable == "set_point" and unit in self.actuate:
            self.actuate[unit](value)
        for who, request in self.subscribers.get((unit, variable), ()):
            news = (who, request, Result.OK, variable, unit, value, self.now_ms)
            self.carry(unit, who, self.tell, *news)

    def tell(self, who, request, result, variable, location, value, t_ms=None):
        self.count += 1
        stamp = self.now_ms if t_ms is None else t_ms
        note = Notification(
            f"note#{self.count}", request, result, variable, location, "", value, stamp
        )
        if who in self.contexts:
            self.contexts[who].service.notify(note)

    def add(self, unit, service):
        self.contexts[unit] = Context(self, unit, service)
        return service

    def start(self):
        for context in self.contexts.values():
            context.service.start(context)


class Context:
    def __init__(self, bus, unit, service):
        self.bus, self.unit, self.service = bus, unit, service
        self.timers, self.number = {}, 0

    @property
    def data(self):
        return self

    @property
    def now_ms(self):
        return self.bus.now_ms

    def issue(self):
        self.number += 1
        return Issued(Result.ISSUED, f"{self.unit}#{self.number}")

    def write(self, variable, location, value, *, policy=None, cause=""):
        issued = self.issue()
        self.bus.sent.append((self.now_ms, self.unit, location, variable, value, cause))
        self.bus.carry(self.unit, location, self.bus.instance, location, variable, plain(value))
        return issued

    def event(self, variable, location, *, condition="", cause=""):
        issued = self.issue()

        def subscribe():
            entries = self.bus.subscribers.setdefault((location, variable), [])
            if (self.unit, issued.id) not in entries:
                entries.append((self.unit, issued.id))
            result = (self.unit, issued.id, Result.OK, variable, location, None, -1)
            self.bus.carry(location, self.unit, self.bus.tell, *result)

        self.bus.carry(self.unit, location, subscribe)
        self.give_up(issued, variable, location)
        return issued

    def query(self, variable, location, *, condition="", function="last", cause=""):
        issued = self.issue()

        def answer():
            value, t_ms = self.bus.values.get((location, variable), (None, -1))
            result = Result.OK if t_ms >= 0 else Result.NO_DATA
            back = (self.unit, issued.id, result, variable, location, value, t_ms)
            self.bus.carry(location, self.unit, self.bus.tell, *back)

        self.bus.carry(self.unit, location, answer)
        self.give_up(issued, variable, location)
        return issued

    def give_up(self, issued, variable, location):
        if location != self.unit:
            late = (self.unit, issued.id, Result.TIMEOUT, variable, location, None, -1)
            self.bus.at(self.now_ms + 30_000, self.bus.tell, *late)

    def set_timer(self, name, at_ms):
        self.timers[name] = (at_ms, self.bus.count)
        self.bus.at(max(at_ms, self.now_ms), self.ring, name, self.timers[name])

    def cancel_timer(self, name):
        self.timers.pop(name, None)

    def ring(self, name, which):
        if self.timers.get(name) == which:
            del self.timers[name]
            self.service.timer(name)

    def decide(self, kind, element, value, causes):
        assert all(isinstance(cause, str) and cause for cause in causes)
        self.bus.decisions.append((self.now_ms, self.unit, kind, element, plain(value), causes))
        return f"{self.unit}!{len(self.bus.decisions)}"

    def record(self, table, row):
        self.bus.tables.append((table, dict(row)))

    def stream(self, name):
        return stream(1, "units", f"{self.unit}/balancing/{name}")


class Charger:
    """Firmware of a charging point: full power unless told otherwise, always full at departure."""

    def __init__(self, sessions, p_max_w=11_000):
        self.sessions, self.p_max_w = sorted(sessions), p_max_w
        self.order, self.missing_wh, self.now, self.done = None, 0.0, None, []
        self.energy_wh, self.p_w = 0.0, 0.0

    def advance(self, t_ms, span_ms, rest_w=0.0):
        """Return an event's value, or ``False`` for none; ``p_w`` holds for the span."""
        event = False
        if self.now and self.now["departure_ms"] <= t_ms:
            self.done.append((self.now["energy_wh"], self.missing_wh))
            self.now, event, self.order = None, None, None
        if self.now is None and self.sessions and self.sessions[0][0] <= t_ms:
            arrival, departure, energy = self.sessions.pop(0)
            self.now = {
                "session": f"s{arrival}",
                "energy_wh": energy,
                "departure_ms": departure,
                "p_max_w": self.p_max_w,
                "p_min_w": 0,
            }
            self.missing_wh, event = energy, self.now
        self.p_w = 0.0
        if self.now and self.missing_wh > 1e-6:
            wanted = self.p_max_w
            if self.order and t_ms < self.order["until_ms"]:
                wanted = min(max(self.order["p_w"], 0.0), self.p_max_w)
            hours_left = (self.now["departure_ms"] - t_ms - span_ms) / 3.6e6
            least = (self.missing_wh - self.p_max_w * hours_left) / (span_ms / 3.6e6)
            self.p_w = min(max(wanted, least), self.missing_wh / (span_ms / 3.6e6), self.p_max_w)
        return event

    def close(self, span_ms):
        drawn = self.p_w * span_ms / 3.6e6
        self.missing_wh -= drawn
        self.energy_wh += drawn


class Store:
    """Firmware of a battery: follows an order, rests without one."""

    def __init__(self, content_wh, capacity_wh=10_000, p_max_w=5000, eta=0.95):
        self.content_wh, self.capacity_wh, self.p_max_w, self.eta = (
            content_wh, capacity_wh, p_max_w, eta,
        )  # fmt: skip
        self.order, self.energy_wh, self.p_w = None, 0.0, 0.0

    def advance(self, t_ms, span_ms, rest_w=0.0):
        wanted = self.order["p_w"] if self.order and t_ms < self.order["until_ms"] else 0.0
        if self.order and self.order.get("at") == "connection" and t_ms < self.order["until_ms"]:
            wanted -= rest_w
        h = span_ms / 3.6e6
        most = min(self.p_max_w, (self.capacity_wh - self.content_wh) / self.eta / h)
        least = -min(self.p_max_w, self.content_wh * self.eta / h)
        self.p_w = min(max(wanted, least), most)
        return False

    def close(self, span_ms):
        drawn = self.p_w * span_ms / 3.6e6
        self.energy_wh += drawn
        self.content_wh += drawn * self.eta if drawn > 0 else drawn / self.eta


class Street:
    """Houses with base load, charging points and batteries, in steps of a minute."""

    STEP_MS = 60_000

    def __init__(self, houses=20, seed=3, schedule=None, steering=True, days=1, areas=1, **parent):
        self.random = np.random.default_rng(seed)
        self.bus, self.days = Bus(schedule, seed), days
        self.p_w, self.houses = [], []
        lows = [f"lvgmu/{letter}" for letter in "abcdefgh"[:areas]]
        for i in range(houses):
            self.houses.append(self.house(i, lows[i % areas]))
        for number, low in enumerate(lows):
            below = [house.cmu for house in self.houses[number::areas]]
            role = {"role": "parent"} if areas == 1 else {"role": "middle", "parent": "mvgmu/m"}
            self.parent = self.steers(low, below, **role, **parent)
        if areas > 1:
            self.parent = self.steers(
                "mvgmu/m", lows, role="parent", **{"round_timeout_s": 120.0, **parent}
            )
        if steering:
            self.bus.start()
        self.bus.at(0, self.minute)

    def steers(self, unit, below, **params):
        params = {"children": below, "start": START, **params}
        return self.bus.add(unit, build("balancing", params, {"id": unit}))

    def house(self, i, above):
        hours = np.arange(96 * self.days) / 4
        usual = 250 + 500 * np.exp(-((hours % 24 - 19) ** 2) / 8)
        usual = usual * self.random.uniform(0.6, 1.4)
        base_w = usual * self.random.gamma(6, 1 / 6, usual.size)
        devices, plant = [], {}
        if i % 4 != 3:
            arrival = int(self.random.normal(17.5, 0.7) * 60) * 60_000
            departure = int(self.random.normal(31, 0.5) * 60) * 60_000
            energy = float(self.random.uniform(6_000, 22_000))
            sessions = [
                (arrival + day * 86_400_000, departure + day * 86_400_000, energy)
                for day in range(self.days)
            ]
            unit = f"dmu/a/{i}/ev"
            plant[unit] = Charger(sessions)
            devices.append({"kind": "ev", "id": f"ev/a/{i}", "unit": unit, "p_max_w": 11_000})
        if i % 4 == 1:
            unit = f"dmu/a/{i}/battery"
            plant[unit] = Store(5000.0)
            devices.append(
                {"kind": "battery", "id": f"battery/a/{i}", "unit": unit, "p_max_w": 5000,
                 "capacity_wh": 10_000, "efficiency": 0.95}
            )  # fmt: skip
        cmu, meter = f"cmu/a/{i}", f"meter/a/{i}"
        params = {
            "role": "child", "parent": above, "meter": meter, "devices": devices,
            "start": START,
        }  # fmt: skip
        service = self.bus.add(cmu, build("balancing", params, {"id": cmu}))
        for unit, device in plant.items():
            self.bus.actuate[unit] = lambda order, device=device: setattr(device, "order", order)
        history = np.concatenate([usual[:96] * self.random.gamma(6, 1 / 6, 96) for _ in range(7)])
        self.bus.at(
            0, self.bus.instance, meter, "load_profile",
            {"start_ms": -7 * 86_400_000, "step_ms": SLOT_MS,
             "import_wh": (history / 4).tolist(), "export_wh": [0.0] * history.size},
        )  # fmt: skip
        return SimpleNamespace(
            cmu=cmu, meter=meter, service=service, base_w=base_w, plant=plant, import_wh=0.0,
            export_wh=0.0,
        )  # fmt: skip

    def minute(self):
        t_ms = self.bus.now_ms
        total = 0.0
        for house in self.houses:
            if t_ms % SLOT_MS == 0:
                self.bus.instance(house.meter, "energy.import", house.import_wh)
                self.bus.instance(house.meter, "energy.export", house.export_wh)
            net = house.base_w[min(t_ms // SLOT_MS, house.base_w.size - 1)]
            for unit, device in house.plant.items():
                event = device.advance(t_ms, self.STEP_MS, net)
                if t_ms % SLOT_MS == 0 or event is not False:
                    self.bus.instance(unit, "device.energy", device.energy_wh)
                    if isinstance(device, Store):
                        self.bus.instance(unit, "battery.soc", device.content_wh)
                if event is not False:
                    self.bus.instance(unit, "ev.session", event)
                device.close(self.STEP_MS)
                net += device.p_w
            house.import_wh += max(net, 0.0) * self.STEP_MS / 3.6e6
            house.export_wh += max(-net, 0.0) * self.STEP_MS / 3.6e6
            total += net
        self.p_w.append(total)
        self.bus.at(t_ms + self.STEP_MS, self.minute)

    def run(self, hours):
        self.bus.run(int(hours * 3_600_000) - 1)
        return self

    def quarters_w(self):
        p_w = np.array(self.p_w)
        return p_w[: p_w.size // 15 * 15].reshape(-1, 15).mean(axis=1)

    def sessions(self):
        return [
            s for h in self.houses for d in h.plant.values() if isinstance(d, Charger)
            for s in d.done
        ]  # fmt: skip

    def rows(self):
        return [row for table, row in self.bus.tables if table == "negotiation"]


@pytest.fixture(name="Street")
def street_class():
    return Street


@pytest.fixture(name="Bus")
def bus_class():
    return Bus
