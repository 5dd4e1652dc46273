"""Speed and size of the management units, apart from the network.

Run ``python -m benchmarks.units``. Speeds are of processor time, since the machine may be shared;
memory is the resident size of a process of its own (``python -m benchmarks.units memory``).
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from nacl.signing import SigningKey

from controllers.unit import READ, Grant, Loopback, Policy, Result, UnitsCore
from controllers.unit.policy import AccessControl, PolicyBook
from fernwatt.messages import Reading
from simulators.network import NetworkCore

CALLS, ROUNDS = 200, 40
POLICIES, OWNERS, DECISIONS = 100_000, 10_000, 400_000
UNITS, SLOTS = 10_000, 24
LINE = ("tlgmu/top", "mvgmu/m", "lvgmu/a", "meter/a/x")


class _Asker:
    name = "metering"

    def start(self, context: Any) -> None:
        self.data, self.answers = context.data, 0

    def notify(self, notification: Any) -> None:
        self.answers += notification.result is Result.OK

    def timer(self, name: str) -> None:
        raise AssertionError(name)


def _line(first: int, **settings: Any) -> tuple[Loopback, _Asker]:
    """Return units in a line down to a meter, and the asking service of the one at its top."""
    names = LINE[first:]
    units = [
        {"id": name, "parent": parent, "services": {"metering": {}}, "owner": "operator"}
        for parent, name in zip(("", *names), names, strict=False)
    ]
    units[-1] |= {"customer": "c", "owner": "c", "instruments": ["i/x"]}
    core = UnitsCore({"units": units, **settings}, 1, factories={"metering": lambda *_: _Asker()})
    bus = Loopback(core)
    bus.run(0, [Reading("f#1", "", "i/x", "voltage", 0, 0, 230.5, "V")])
    asker: Any = core.service(names[0], "metering")
    return bus, asker


def _requests(first: int = 2, rounds: int = ROUNDS, **settings: Any) -> float:
    """Return remote queries per second: request and notification, both encoded and decoded."""
    bus, asker = _line(first, **settings)
    begin = time.process_time()
    for _ in range(rounds):
        bus.poke()
        for _ in range(CALLS):
            asker.data.query("voltage", LINE[-1])
        bus.poke()
        bus.run(bus.now_ms + 100_000)
    spent_s = time.process_time() - begin
    assert asker.answers == CALLS * rounds
    return CALLS * rounds / spent_s


def _fused(level: str, rounds: int = 20) -> float:
    """Return the same with the simulated network between, tick by tick as in a fused run."""
    bus, asker = _line(2, security=level)
    units, names = bus.core, LINE[2:]
    nodes = [{"id": name, "terminal": None, "battery_ms": 0} for name in names]
    link = {"id": "l", "technology": "fibre", "a": names[1], "b": names[0]}
    network = NetworkCore({"nodes": nodes, "media": [], "links": [link]}, 1)
    begin = time.process_time()
    for number in range(1, rounds + 1):
        now_ms = number * 1000
        units.step(now_ms)
        for _ in range(CALLS):
            asker.data.query("voltage", LINE[-1])
        while now_ms < number * 1000 + 900:
            sent = units.step(now_ms).frames
            deliveries = network.advance(now_ms)
            if sent:
                network.inject(now_ms, sent)
            if deliveries and (answers := units.step(now_ms, (), deliveries).frames):
                network.inject(now_ms, answers)
            now_ms = max(network.next_ms() or now_ms + 1000, now_ms + 1)
    spent_s = time.process_time() - begin
    assert asker.answers == CALLS * rounds
    return CALLS * rounds / spent_s


def _signing() -> str:
    """Return how fast this machine signs and verifies just now: what bounds signed requests."""
    key, text = SigningKey(bytes(32)), bytes(150)
    signed = key.sign(text)
    rates = []
    works: list[Callable[[], object]] = [
        lambda: key.sign(text),
        lambda: key.verify_key.verify(text, signed.signature),
    ]
    for work in works:
        begin = time.process_time()
        for _ in range(2000):
            work()
        rates.append(2000 / (time.process_time() - begin))
    bound = 1 / (2 / rates[0] + 2 / rates[1])
    return f"signing alone would allow {bound:.0f}"


def _notifications(**settings: Any) -> float:
    """Return event notifications per second: reading, store, policy, frame, service."""
    bus, asker = _line(2, **settings)
    bus.poke()
    asker.data.event("voltage", LINE[-1], condition="value > 100")
    bus.poke()
    bus.run(1000)
    readings = [
        Reading(f"f#{i}", "", "i/x", "voltage", 1000 + i, 1000 + i, 230.0 + i, "V")
        for i in range(CALLS * ROUNDS // 2)
    ]
    begin = time.process_time()
    for reading in readings:
        bus.run(reading.t_sample_ms, [reading])
    bus.run(bus.now_ms + 100_000)
    spent_s = time.process_time() - begin
    assert asker.answers == 1 + len(readings)
    return len(readings) / spent_s


def _decisions() -> float:
    """Return access decisions per second among many policies, one in ten of them with a delay.

    Each is of its own owner and variable, in force at one unit; who asks is named in one in two.
    """
    book, default = PolicyBook({}), Policy(())
    variables = [f"v{n}" for n in range(POLICIES // OWNERS)]
    owners = [f"customer/{n}" for n in range(OWNERS)]
    for number in range(POLICIES):
        grants = [
            Grant(f"supplier/{number}", "metering", READ, 1000 if number % 10 == 0 else 0),
            Grant("operator", f"service-{number % 7}", READ),
        ]
        book.set(variables[number // OWNERS], owners[number % OWNERS], Policy(tuple(grants)))
    control = AccessControl()

    class By:
        stakeholder = service = ""

    by, results = By(), [0] * 20
    begin = time.process_time()
    for number in range(DECISIONS):
        place = number * 7919 % POLICIES
        by.stakeholder = f"supplier/{place}" if number & 1 else "operator"
        by.service = "metering" if number & 1 else "service-3"
        variable, owner = variables[place // OWNERS], owners[place % OWNERS]
        policy = book.current(variable, owner, default)
        results[control.decide((policy,), READ, variable, owner, by=by, t_ms=number)] += 1
    spent_s = time.process_time() - begin
    assert results[Result.OK] > DECISIONS // 2
    assert results[Result.DENIED] > DECISIONS // 3
    return DECISIONS / spent_s


def _fleet(security: str) -> UnitsCore:
    meters = [f"meter/a/{i}" for i in range(UNITS)]
    units: list[dict[str, Any]] = [
        {"id": name, "customer": name, "owner": name, "parent": "lvgmu/a",
         "instruments": [f"i/{name}"], "services": {"metering": {"spread_s": 60}}}
        for name in meters
    ]  # fmt: skip
    units.append({"id": "lvgmu/a", "children": meters, "services": {"aggregation": {}}})
    return UnitsCore({"units": units, "security": security}, 1)


def _resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def memory() -> dict[str, float]:
    """Return MB: of the process before, of started units, and after some hours of readings.

    Ten thousand meters, signing, three readings in each slot; nobody else's data.
    """
    empty_mb = _resident_mb()
    core = _fleet("integrity")
    core.step(0)
    started_mb = _resident_mb()
    meters = [f"meter/a/{i}" for i in range(UNITS)]
    for slot in range(SLOTS):
        t_ms = slot * 900_000
        core.step(
            t_ms,
            [
                Reading(f"f/{slot}/{name}/{variable}", "", f"i/{name}", variable, t_ms, t_ms,
                        float(slot), "Wh")
                for name in meters
                for variable in ("energy.import", "energy.export", "voltage")
            ],
        )  # fmt: skip
    return {"empty": empty_mb, "started": started_mb, "later": _resident_mb()}


def _memory() -> tuple[float, str]:
    command = [sys.executable, "-m", "benchmarks.units", "memory"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    growth_mb = (found["later"] - found["started"]) * 96 / SLOTS
    note = (
        f"resident: {found['empty']:.0f} MB empty, {found['started']:.0f} MB with {UNITS} started "
        f"and signing, {growth_mb:.0f} MB more for a day of three readings a slot (from {SLOTS})"
    )
    return found["started"] + growth_mb, note


def run() -> list[dict[str, Any]]:
    """Return one row per figure; ``ratio`` above 1 is better than the reference."""
    signed: Callable[..., float] = lambda **more: _requests(security="integrity", **more)  # noqa: E731
    rows: list[tuple[str, float, float, str]] = [
        ("remote_requests", _requests(), 3000.0, "query + answer, one hop, unsigned"),
        ("signed_requests", signed(), 3000.0, "query + answer, signed, none verified before"),
        ("fused_requests", _fused("integrity"), 3000.0, f"and the network between; {_signing()}"),
        ("audited_requests", signed(audit="all"), 3000.0, "the same with every access in the log"),
        ("encrypted_requests", _requests(security="integrity+secrecy"), 2000.0, "and encrypted"),
        ("forwarded_requests", _requests(0, 10, routing="levels", security="integrity"), 500.0,
         "three hops, signed end to end and at each hop"),
        ("notifications", _notifications(), 10_000.0, "reading to service, one hop"),
        ("reliable_notifications", _notifications(reliable=["voltage"]), 5_000.0, "acknowledged"),
        ("decisions", _decisions(), 200_000.0, f"{POLICIES} policies of {OWNERS} owners"),
    ]  # fmt: skip
    out = [
        {"name": f"units.{n}", "value": round(v, 1), "unit": "1/s", "reference": r,
         "ratio": round(v / r, 2), "note": note}
        for n, v, r, note in rows
    ]  # fmt: skip
    total_mb, note = _memory()
    out.append(
        {"name": "units.memory_10000", "value": round(total_mb, 1), "unit": "MB",
         "reference": 4000.0, "ratio": round(4000.0 / total_mb, 2), "note": note}
    )  # fmt: skip
    return out


if __name__ == "__main__":
    if sys.argv[1:] == ["memory"]:
        print(json.dumps(memory()))
    else:
        for row in run():
            print(row)
