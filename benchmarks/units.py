"""Speed and size of the management units, apart from the network.

Run ``python -m benchmarks.units``.
"""

from __future__ import annotations

import gc
import time
import tracemalloc
from typing import Any

from controllers.unit import ALL, READ, Grant, Loopback, Policy, Result, UnitsCore
from controllers.unit.policy import AccessControl
from fernwatt.messages import Reading

CALLS, ROUNDS = 200, 40
GRANTS, DECISIONS = 100_000, 200_000
UNITS = 10_000


class _Asker:
    name = "metering"

    def start(self, context: Any) -> None:
        self.data, self.answers = context.data, 0

    def notify(self, notification: Any) -> None:
        self.answers += notification.result is Result.OK

    def timer(self, name: str) -> None:
        raise AssertionError(name)


def _pair() -> dict[str, Any]:
    return {
        "units": [
            {"id": "lvgmu/a", "children": ["meter/a/x"], "services": {"metering": {}}},
            {"id": "meter/a/x", "parent": "lvgmu/a", "customer": "c", "owner": "c",
             "instruments": ["i/x"]},
        ]
    }  # fmt: skip


def _requests() -> float:
    """Return remote queries per second: request and notification, both encoded and decoded."""
    core = UnitsCore(_pair(), 1, factories={"metering": lambda *_: _Asker()})
    bus = Loopback(core)
    bus.run(0, [Reading("f#1", "", "i/x", "voltage", 0, 0, 230.5, "V")])
    asker: Any = core.service("lvgmu/a", "metering")
    begin = time.perf_counter()
    for _ in range(ROUNDS):
        for _ in range(CALLS):
            asker.data.query("voltage", "meter/a/x")
        bus.poke()
        bus.run(bus.now_ms + 100_000)
    spent_s = time.perf_counter() - begin
    assert asker.answers == CALLS * ROUNDS
    return CALLS * ROUNDS / spent_s


def _notifications() -> float:
    """Return event notifications per second: reading, store, policy, frame, service."""
    core = UnitsCore(_pair(), 1, factories={"metering": lambda *_: _Asker()})
    bus = Loopback(core)
    bus.run(0)
    asker: Any = core.service("lvgmu/a", "metering")
    asker.data.event("voltage", "meter/a/x", condition="value > 100")
    bus.poke()
    bus.run(1000)
    readings = [
        Reading(f"f#{i}", "", "i/x", "voltage", 1000 + i, 1000 + i, 230.0 + i, "V")
        for i in range(CALLS * ROUNDS // 2)
    ]
    begin = time.perf_counter()
    for reading in readings:
        bus.run(reading.t_sample_ms, [reading])
    bus.run(bus.now_ms + 1000)
    spent_s = time.perf_counter() - begin
    assert asker.answers == 1 + len(readings)
    return len(readings) / spent_s


def _decisions() -> float:
    """Return access decisions per second in a policy of ``GRANTS`` grants."""
    policy = Policy(tuple(Grant(f"customer/{i}", "metering", READ) for i in range(GRANTS)))
    control, policies = AccessControl(), (policy,)

    class By:
        stakeholder, service = f"customer/{GRANTS // 2}", "metering"

    begin = time.perf_counter()
    for i in range(DECISIONS):
        control.decide(policies, READ, "voltage", ALL, by=By, t_ms=i)
    return DECISIONS / (time.perf_counter() - begin)


def _memory() -> tuple[float, float]:
    """Return MB of ``UNITS`` started units, and of one day of three readings a slot for each."""
    meters = [f"meter/a/{i}" for i in range(UNITS)]
    units = [
        {"id": name, "customer": name, "owner": name, "instruments": [f"i/{name}"],
         "services": {"metering": {"spread_s": 60}}}
        for name in meters
    ]  # fmt: skip
    gc.collect()
    tracemalloc.start()
    core = UnitsCore({"units": units}, 1)
    core.step(0)
    started_mb = tracemalloc.get_traced_memory()[0] / 1e6
    sample, slots = meters[:: UNITS // 100], 96
    for slot in range(slots):
        t_ms = slot * 900_000
        core.step(
            t_ms,
            [
                Reading(f"f/{slot}/{name}/{variable}", "", f"i/{name}", variable, t_ms, t_ms,
                        float(slot), "Wh")
                for name in sample
                for variable in ("energy.import", "energy.export", "voltage")
            ],
        )  # fmt: skip
    grown_mb = tracemalloc.get_traced_memory()[0] / 1e6 - started_mb
    tracemalloc.stop()
    return started_mb, grown_mb * UNITS / len(sample)


def run() -> list[dict[str, Any]]:
    """Return one row per figure; ``ratio`` above 1 is better than the reference."""
    started_mb, day_mb = _memory()
    rows = [
        ("units.remote_requests", _requests(), "1/s", 3000.0, "query + answer, loopback, one core"),
        ("units.notifications", _notifications(), "1/s", 10_000.0, "reading to service, one hop"),
        ("units.decisions", _decisions(), "1/s", 200_000.0, f"policy of {GRANTS} grants"),
    ]
    out = [
        {"name": n, "value": round(v, 1), "unit": u, "reference": r, "ratio": round(v / r, 2),
         "note": note}
        for n, v, u, r, note in rows
    ]  # fmt: skip
    total_mb = started_mb + day_mb
    note = f"{started_mb:.0f} MB started, {day_mb:.0f} MB for a day of three readings a slot"
    out.append(
        {"name": "units.memory_10000", "value": round(total_mb, 1), "unit": "MB",
         "reference": 4000.0, "ratio": round(4000.0 / total_mb, 2), "note": note}
    )  # fmt: skip
    return out


if __name__ == "__main__":
    for row in run():
        print(row)
