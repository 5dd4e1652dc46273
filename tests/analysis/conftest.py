"""A small run folder, physically consistent, written through the recorder itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fernwatt.timebase import SLOT_MS
from simulators.recorder import RunWriter

N = 6  # customers in a row behind one transformer
SLOTS = 96
R_PU = 2e-6  # voltage drop per watt and line section


def identifiers(kind: str) -> list[str]:
    return [f"{kind}/lv1/c{number}" for number in range(1, N + 1)]


def powers(seed: int) -> dict[str, np.ndarray]:
    """Return the power [W] of each device by slot, seen from the grid: shape (SLOTS, N)."""
    rng = np.random.default_rng(seed)
    hour = np.arange(SLOTS)[:, None] / 4.0
    load = 400.0 + 300.0 * np.sin((hour - 9.0) / 24.0 * 2.0 * np.pi) + rng.random((SLOTS, N)) * 200
    sun = -4000.0 * np.clip(np.sin((hour - 6.0) / 12.0 * np.pi), 0.0, None) * (np.arange(N) % 2)
    ev = np.where((hour >= 18.0) & (hour < 20.0), 3700.0, 0.0) * (np.arange(N) < 3)
    battery = np.where((hour >= 10) & (hour < 13), 1000.0, 0.0) - np.where(
        (hour >= 19) & (hour < 21), 1200.0, 0.0
    )
    return {"load": load, "pv": sun, "ev": ev, "battery": battery * (np.arange(N) == 1)}


def record_grid(writer: RunWriter, seed: int) -> None:
    device = powers(seed)
    p_w = sum(device.values())
    flow = np.cumsum(p_w[:, ::-1], axis=1)[:, ::-1]  # through section k: all behind it
    loss = 1e-6 * flow**2
    trafo_loss = 60.0 + 5e-7 * flow[:, 0] ** 2
    vm = 1.0 - np.cumsum(flow * R_PU, axis=1)
    stored = 3000.0 + np.cumsum(device["battery"] * 0.25, axis=0)
    for slot in range(SLOTS):
        t_ms = slot * SLOT_MS
        writer.add("bus", {
            "t_ms": t_ms, "bus": ["bus/lv1/b0", *identifiers("bus")], "vm_pu": [1.0, *vm[slot]],
            "vm_min_pu": [1.0, *vm[slot] - 0.001], "vm_max_pu": [1.0, *vm[slot] + 0.001],
        })  # fmt: skip
        f, el = flow[slot], loss[slot]
        writer.add("branch", {
            "t_ms": t_ms, "branch": [*identifiers("line"), "transformer/lv1/t1"],
            "kind": ["line"] * N + ["transformer"],
            "p_from_w": [*(f + el), f[0] + trafo_loss[slot]], "p_to_w": [*-f, -f[0]],
            "loss_w": [*el, trafo_loss[slot]],
            "loading_percent": [*abs(f) / 300.0, abs(f[0]) / 250.0],
            "loading_max_percent": [*abs(f) / 290.0, abs(f[0]) / 240.0],
        })  # fmt: skip
        lost = el.sum() + trafo_loss[slot]
        writer.add("system", {
            "t_ms": t_ms, "p_import_w": p_w[slot].sum() + lost, "q_import_var": 0.0,
            "p_terminals_w": p_w[slot].sum(), "p_loss_w": lost, "p_unmet_w": 0.0,
        })  # fmt: skip
        writer.add("terminal", {
            "t_ms": t_ms, "terminal": identifiers("terminal"), "p_w": p_w[slot], "q_var": 0.0,
            "v_v": 230.94 * vm[slot],
        })  # fmt: skip
        for kind, power in device.items():
            energy: Any = stored[slot].tolist() if kind == "battery" else None
            writer.add("device", {
                "t_ms": t_ms, "device": identifiers(kind), "kind": kind,
                "terminal": identifiers("terminal"), "p_w": power[slot], "q_var": 0.0,
                "energy_wh": energy, "loss_w": 0.0,
            })  # fmt: skip
    for number in range(3):
        name = identifiers("ev")[number]
        writer.add("session", {
            "session": f"{name}#1", "device": name, "arrival_ms": 18 * 3_600_000,
            "departure_ms": (23 + number) * 3_600_000, "requested_wh": 7400.0 + 1000.0 * number,
            "delivered_wh": 7400.0, "complete": number < 2,
        })  # fmt: skip


def message(number: int, cause: str, t_ms: int, src: str, dst: str, rng: Any) -> dict[str, Any]:
    air, queue, core = int(rng.integers(5_000, 60_000)), int(rng.exponential(40_000)), 1_700
    retries = int(rng.integers(0, 3))
    lost = number % 25 == 7
    fine = 300 + queue + air + core + retries * 20_000
    tick = -fine % 1000
    parts = {"processing_us": 300, "queue_us": queue, "access_us": 0, "air_us": air,
             "retry_us": retries * 20_000, "core_us": core, "tick_us": tick}  # fmt: skip
    return {
        "id": f"{src}#f{number}", "cause": cause, "src": src, "dst": dst,
        "flow": ("metering", "balancing")[number % 2], "priority": 1, "bytes": 100 + number % 9,
        "wire_bytes": 150 * (1 + retries), "t_send_us": t_ms * 1000,
        "t_arrival_us": None if lost else t_ms * 1000 + fine,
        "fate": "lost" if lost else "delivered", "loss": "retries" if lost else "none",
        "delay_us": None if lost else fine + tick, **parts, "hops": 2, "attempts": 2 + retries,
    }  # fmt: skip


def record_units(writer: RunWriter, seed: int) -> None:
    """Readings cause messages, messages a decision, the decision a command and an actuation."""
    rng = np.random.default_rng(seed + 1)
    meters, units = identifiers("meter"), identifiers("cmu")
    number = 0
    for slot in range(0, SLOTS, 4):
        t_ms = slot * SLOT_MS
        arrived = []
        for meter in meters:
            reading = f"{meter}#r{slot}"
            writer.add("reading", {
                "id": reading, "cause": "", "instrument": meter, "variable": "energy.import",
                "t_sample_ms": t_ms, "t_clock_ms": t_ms + 2, "value": float(slot), "record": None,
                "measure": "Wh", "quality": "good",
            })  # fmt: skip
            row = message(number, reading, t_ms + number % 7, meter, "lvgmu/lv1", rng)
            writer.add("message", row)
            number += 1
            if row["fate"] == "delivered":
                arrived.append(row["id"])
        plan = f"lvgmu/lv1#d{slot}"
        event = {"t_us": t_ms * 1000 + 900_000, "source": "units", "element": "lvgmu/lv1"}
        writer.add("event", event | {
            "id": plan, "cause": arrived[0], "kind": "plan", "value": '{"p_w": 1000}'
        })  # fmt: skip
        writer.add("cause", {"id": plan, "cause": arrived[1:]})
        writer.add("event", event | {
            "id": f"lvgmu/lv1#a{slot}", "cause": plan, "kind": "area_energy",
            "value": json.dumps({"t_ms": t_ms, "import_wh": 1.0, "export_wh": 0.0,
                                 "meters": len(arrived), "missing": N - len(arrived)}),
        })  # fmt: skip
        for customer, unit in enumerate(units[:3]):
            row = message(number, plan, t_ms + 1000, "lvgmu/lv1", unit, rng)
            row |= {"fate": "delivered", "loss": "none", "t_arrival_us": t_ms * 1000 + 1_100_000,
                    "delay_us": 100_000}  # fmt: skip
            writer.add("message", row)
            number += 1
            command, device = f"{unit}#c{slot}", identifiers("ev")[customer]
            for suffix, cause, kind, source in (
                ("", row["id"], "command", "units"), ("x", command, "actuated", "devices"),
            ):  # fmt: skip
                writer.add("event", {
                    "t_us": t_ms * 1000 + 1_101_000 + 1000 * len(suffix), "source": source,
                    "id": command + suffix, "cause": cause, "kind": kind, "element": device,
                    "value": '{"p_w": 3700.0}',
                })  # fmt: skip
        for step in range(3):
            writer.add("negotiation", {
                "t_ms": t_ms + 1000 * step, "unit": "lvgmu/lv1", "supplier": "",
                "id": f"lvgmu/lv1#n{slot}", "began_ms": t_ms, "round": step,
                "stage": "flat" if step else "profiles", "children": N,
                "answers": N - (step == 2), "committed": 1,
                "distance_before_w": 1000.0 * 0.8**step, "distance_after_w": 800.0 * 0.8**step,
                "peak_after_w": 9000.0 * 0.8**step, "beyond_after_w": None,
            })  # fmt: skip
        writer.add("request", {
            "t_ms": t_ms + 120, "id": f"lvgmu/lv1#q{slot}", "cause": plan, "unit": "lvgmu/lv1",
            "service": "balancing", "operation": "query", "variable": "voltage",
            "location": meters[0], "result": "ok" if slot % 3 else "timeout", "latency_ms": 120,
        })  # fmt: skip
        writer.add("medium", {
            "t_ms": t_ms, "medium": ["medium/lv1/fan", "medium/lv1/wan"],
            "technology": ["plc-prime", "lte"], "transmissions": [20, 4], "collisions": [2, 0],
            "errors": [1, 0], "airtime_us": [400_000, 9_000], "queue_max": [3, 1],
        })  # fmt: skip


def describe() -> tuple[dict[str, Any], dict[str, Any]]:
    buses = ["bus/lv1/b0", *identifiers("bus")]
    grid = {
        "buses": [{"id": "bus/mv/m0", "x": None, "y": None, "vn_v": 20_000.0}]
        + [{"id": bus, "x": None, "y": None, "vn_v": 400.0} for bus in buses],
        "lines": [
            {"id": line, "from_bus": buses[number], "to_bus": buses[number + 1]}
            for number, line in enumerate(identifiers("line"))
        ],
        "transformers": [
            {"id": "transformer/lv1/t1", "hv_bus": "bus/mv/m0", "lv_bus": "bus/lv1/b0"}
        ],
        "terminals": [
            {"id": terminal, "bus": bus}
            for terminal, bus in zip(identifiers("terminal"), buses[1:], strict=True)
        ],
    }
    units: list[dict[str, Any]] = [
        {"id": "tlgmu/top", "kind": "tlgmu", "parent": ""},
        {"id": "lvgmu/lv1", "kind": "lvgmu", "parent": "tlgmu/top"},
    ]
    for meter, cmu in zip(identifiers("meter"), identifiers("cmu"), strict=True):
        units += [
            {"id": meter, "kind": "meter", "parent": "lvgmu/lv1"},
            {"id": cmu, "kind": "cmu", "parent": meter},
        ]
    return grid, {"units": units, "network": {}, "devices": [], "terminals": []}


def write_run(folder: Path, *, seed: int = 1, status: str = "complete", close: bool = True) -> Path:
    """Write a run folder; ``close=False`` leaves it as a killed run would be."""
    writer = RunWriter(folder, part_rows=500)
    grid, topology = describe()
    manifest = {
        "format": 1, "name": "sample", "seed": seed, "start": "2016-04-20T00:00:00.000Z",
        "duration_ms": SLOTS * SLOT_MS, "interval_ms": SLOT_MS, "status": status, "error": None,
        "versions": {"fernwatt": "0.1.0", "python": "3.12"},
        "hashes": {"scenario": "ab" * 32, "code": "cd" * 32, "data": "ef" * 32, "tables": {}},
    }  # fmt: skip
    for name, content in (("manifest", manifest), ("grid", grid), ("topology", topology)):
        (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / "scenario.yaml").write_text(
        "fernwatt: 1\nname: sample\ndescription: A <b>street</b>\n"
    )
    record_grid(writer, seed)
    record_units(writer, seed)
    if close:
        writer.close()
    return folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run folder, not to be changed."""
    return write_run(tmp_path_factory.mktemp("runs") / "sample-1")


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run folder of another seed, not to be changed."""
    return write_run(tmp_path_factory.mktemp("runs") / "sample-2", seed=2)


@pytest.fixture(name="write_run")
def fixture_write_run() -> Callable[..., Path]:
    """The function that writes a run folder."""
    return write_run
