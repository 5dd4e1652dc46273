"""Messages per second of the cyber loop: ``separate``, ``fused``, and bare SimPy.

Ten substations each ask twenty meters over links of their own, one at a time, at random moments;
each question and each answer is a message. The network and the units are the real ones (frames
are queued, encoded, decoded, authorised, recorded as rows), there is no plant. Bare SimPy
carries as many messages over the same links without any units.

Times are the processor time of this process while the world runs, the best of several rounds
that take turns. What ``fused`` can gain is bounded by what both ways do: the units' work.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import mosaik
import numpy as np
import simpy

from benchmarks.network import BareLink, best
from controllers.unit import UnitsCore, UnitsSimulator
from fernwatt import mosaik_patch
from scenarios.fused import CyberSimulator

AREAS, METERS, GAP_MS, SPAN_MS = 10, 20, 500.0, 200_000
FLOOR = 10.0
_AIR_US = 1_000
STEPS: dict[str, int] = {}
COUNTS: dict[str, int] = {}


class Asker:
    """Asks the meters of its substation at random moments."""

    name = "asking"
    exchanged: ClassVar = [0, 0]  # questions, answers of all

    def __init__(self, meters: list[str]) -> None:
        self.meters = meters

    def start(self, context: Any) -> None:
        self.context, self.random = context, context.stream("asking")
        self._wait()

    def notify(self, notification: Any) -> None:  # noqa: ARG002
        self.exchanged[1] += 1

    def timer(self, name: str) -> None:  # noqa: ARG002
        meter = self.meters[int(self.random.integers(len(self.meters)))]
        self.exchanged[0] += 1
        self.context.data.query("voltage", meter)
        self._wait()

    def _wait(self) -> None:
        gap_ms = 1 + int(self.random.exponential(GAP_MS))
        if self.context.now_ms + gap_ms < SPAN_MS:
            self.context.set_timer("ask", self.context.now_ms + gap_ms)


def _units(spec: Mapping[str, Any], seed: int, hold_rows: int) -> UnitsCore:
    asking = {"asking": lambda unit, *_: Asker(unit["children"])}
    return UnitsCore(spec, seed, factories=asking, hold_rows=hold_rows)


class Units(UnitsSimulator):
    """Units with this benchmark's service."""

    def setup(self, model_name: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        self._core = _units(params["spec"], params["seed"], 256)
        return [{"eid": "units", "type": model_name}]


class Cyber(CyberSimulator):
    """The fused pair with this benchmark's service."""

    def setup(self, model_name: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        none = {**params, "units": {"spec": {"units": []}, "seed": 1}}
        entities = super().setup(model_name, none)
        self._units = _units(params["units"]["spec"], params["units"]["seed"], 1024)
        return entities


def case() -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the network's and the units' parameters."""
    areas = [f"lv{number}" for number in range(AREAS)]
    meters = {area: [f"meter/{area}/h{number:02}" for number in range(METERS)] for area in areas}
    units: list[dict[str, Any]] = []
    cells = []
    for area, members in meters.items():
        parent = f"lvgmu/{area}"
        units.append({"id": parent, "children": members, "services": {"asking": {}}})
        units += [{"id": meter, "parent": parent, "owner": "o"} for meter in members]
        cell = {"id": f"cell/{area}", "technology": "lte", "station": parent, "members": members}
        cells.append(cell)
    # One end of every area is joined in a chain, so that all nodes reach each other.
    links = [
        {"id": f"trunk/{area}", "technology": "fibre", "a": "lvgmu/lv0", "b": f"lvgmu/{area}"}
        for area in areas[1:]
    ]
    network = {"nodes": [{"id": unit["id"]} for unit in units], "cells": cells, "links": links}
    return {"spec": network, "seed": 1}, {"spec": {"units": units}, "seed": 1}


def run_world(coupling: str) -> float:
    """Run the loop; return its seconds, and note its messages and steps."""
    mosaik_patch.apply()
    network, units = case()
    config = {
        "network": {"python": "simulators.network:NetworkSimulator"},
        "units": {"python": f"{Units.__module__}:Units"},
        "cyber": {"python": f"{Cyber.__module__}:Cyber"},
    }
    with mosaik.World(config, time_resolution=0.001, skip_greetings=True,
                      max_loop_iterations=1000, configure_logging=False) as world:  # fmt: skip
        if coupling == "separate":
            with world.group("ict"):
                parts = [world.start(name, sim_id=name, end_ms=SPAN_MS + 60_000)
                         for name in ("units", "network")]  # fmt: skip
            sender, carrier = parts[0].Units(**units), parts[1].Network(**network)
            world.connect(sender, carrier, "tx")
            world.connect(carrier, sender, "rx", "node_up", weak=True)
        else:
            parts = [world.start("cyber", sim_id="cyber", end_ms=SPAN_MS + 60_000)]
            parts[0].Cyber(network=network, units=units)
        Asker.exchanged[:] = [0, 0]
        gc.collect()
        begin = time.process_time()
        world.run(until=SPAN_MS + 60_001, print_progress=False)
        spent_s = time.process_time() - begin
        if Asker.exchanged[0] != Asker.exchanged[1]:
            raise AssertionError(f"questions without answers: {Asker.exchanged}")
        COUNTS[coupling] = sum(Asker.exchanged)
        STEPS[coupling] = sum(part.conclude()["steps"] for part in parts)
    return spent_s


def run_bare(messages: int) -> float:
    """Return the seconds that bare SimPy takes for as many messages over as many links."""
    env, random = simpy.Environment(), np.random.default_rng(1)
    answered: list[float] = []
    asks: list[BareLink] = []
    for _ in range(AREAS * METERS):
        down, up = BareLink(env, _AIR_US), BareLink(env, _AIR_US)
        down.sink, up.sink = up.put, lambda _: answered.append(env.now)
        asks.append(down)

    def ask(area: int, left: int) -> Any:
        for _ in range(left):
            yield env.timeout(1000 * (1 + int(random.exponential(GAP_MS))))
            asks[area * METERS + int(random.integers(METERS))].put([env.now])

    gc.collect()
    begin = time.process_time()
    for area in range(AREAS):
        env.process(ask(area, messages // 2 // AREAS))
    env.run()
    spent_s = time.process_time() - begin
    if len(answered) != messages // 2 // AREAS * AREAS:
        raise AssertionError("answers are missing")
    return spent_s


def run() -> list[dict[str, Any]]:
    """Return the benchmark's rows: name, value, unit, reference, ratio, note.

    The ratio of ``fused`` to ``separate`` is held against its floor in the note.
    """
    separate_s, fused_s = best(lambda: run_world("separate"), lambda: run_world("fused"))
    messages = COUNTS["fused"]
    if COUNTS["separate"] != messages:
        raise AssertionError(f"not the same loop: {COUNTS}")
    (bare_s,) = best(lambda: run_bare(messages))
    steps = STEPS["separate"] / messages
    ratio = separate_s / fused_s
    floor = f"floor {FLOOR:.0f}: {'held' if ratio >= FLOOR else 'missed'}"
    load = f"{messages} messages, {AREAS * (METERS + 1)} units, {1000 * messages / SPAN_MS:.0f} a s"
    mosaik_us = 1e6 * (separate_s - fused_s) / STEPS["separate"]
    return [
        _row("cyber loop, separate", messages / separate_s, messages / bare_s,
             f"reference: bare SimPy without units; {steps:.1f} steps a message"),
        _row("cyber loop, fused", messages / fused_s, messages / bare_s,
             f"reference: bare SimPy without units; {load}"),
        _row("cyber loop, fused", messages / fused_s, messages / separate_s,
             f"reference: separate; {floor}; a step through mosaik costs {mosaik_us:.0f} µs more"),
    ]  # fmt: skip


def _row(name: str, value: float, reference: float, note: str) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value),
        "unit": "messages/s",
        "reference": round(reference),
        "ratio": round(value / reference, 3),
        "note": note,
    }


if __name__ == "__main__":
    for row in run():
        print(row)
