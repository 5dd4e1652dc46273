"""KPIs held against direct formulas on rows that hypothesis makes up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import Run, kpis
from simulators.recorder import RunWriter

Write = Callable[..., Path]
WATT = st.floats(-5e4, 5e4, allow_nan=False).map(lambda value: round(value, 3))


def blank(folder: Path, *, duration_ms: int, interval_ms: int = 900_000) -> RunWriter:
    writer = RunWriter(folder)
    manifest = {"name": "x", "seed": 1, "start": "2016-04-20T22:00:00Z", "status": "complete",
                "duration_ms": duration_ms, "interval_ms": interval_ms, "hashes": {}}  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return writer


def value(run: Run, name: str) -> Any:
    return kpis.KPIS[name].compute(run).value


@settings(max_examples=30, deadline=None)
@given(
    p_w=st.lists(WATT, min_size=1, max_size=40),
    interval_min=st.sampled_from([5, 15, 60]),
    cut=st.floats(0.1, 1.0),
)
def test_profile_and_energy_are_the_integrals_of_the_import(
    tmp_path_factory: pytest.TempPathFactory, p_w: list[float], interval_min: int, cut: float
) -> None:
    folder = tmp_path_factory.mktemp("run")
    interval_ms = interval_min * 60_000
    duration_ms = interval_ms * (len(p_w) - 1) + round(cut * interval_ms)
    writer = blank(folder, duration_ms=duration_ms, interval_ms=interval_ms)
    for number, power in enumerate(p_w):
        writer.add("system", {
            "t_ms": number * interval_ms, "p_import_w": power, "q_import_var": 0.0,
            "p_terminals_w": power, "p_loss_w": 0.0, "p_unmet_w": 0.0,
        })  # fmt: skip
    writer.close()
    run = Run(folder)
    hours = [interval_min / 60] * (len(p_w) - 1) + [round(cut * interval_ms) / 3.6e6]
    imported = sum(max(0.0, p) * h for p, h in zip(p_w, hours, strict=True))
    exported = sum(max(0.0, -p) * h for p, h in zip(p_w, hours, strict=True))
    assert value(run, "imported_wh") == pytest.approx(imported, rel=1e-9, abs=1e-9)
    assert value(run, "exported_wh") == pytest.approx(exported, rel=1e-9, abs=1e-9)
    slots: dict[int, list[tuple[float, float]]] = {}
    for number, (power, h) in enumerate(zip(p_w, hours, strict=True)):
        slots.setdefault(number // max(1, 15 // interval_min), []).append((power, h))
    means = [sum(p * h for p, h in s) / sum(h for _, h in s) for s in slots.values()]
    assert value(run, "peak_import_w") == pytest.approx(max(0.0, *means, 0.0), abs=1e-6)
    assert value(run, "peak_export_w") == pytest.approx(max(0.0, -min(means)), abs=1e-6)
    mean = sum(means) / len(means)
    norm = sum((p - mean) ** 2 for p in means) ** 0.5
    assert value(run, "profile_norm_w") == pytest.approx(norm, rel=1e-9, abs=1e-6)


DEVICES = st.lists(
    st.tuples(st.sampled_from(["load", "pv", "ev", "battery"]), st.integers(0, 2), WATT),
    min_size=1,
    max_size=12,
)


@settings(max_examples=30, deadline=None)
@given(slots=st.lists(DEVICES, min_size=1, max_size=5))
def test_own_use_is_at_most_production_and_demand_and_follows_its_formula(
    tmp_path_factory: pytest.TempPathFactory, slots: list[list[tuple[str, int, float]]]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    writer = blank(folder, duration_ms=len(slots) * 900_000)
    demand = produced = used = met = 0.0
    for number, rows in enumerate(slots):
        writer.add("device", {
            "t_ms": number * 900_000, "device": [f"d/{n}" for n in range(len(rows))],
            "kind": [kind for kind, _, _ in rows], "terminal": [f"t/{k}" for _, k, _ in rows],
            "p_w": [p for _, _, p in rows], "q_var": 0.0, "energy_wh": None, "loss_w": 0.0,
        })  # fmt: skip
        load = sum(max(0.0, p) for kind, _, p in rows if kind != "battery")
        sun = sum(max(0.0, -p) for kind, _, p in rows if kind != "battery")
        store = sum(p for kind, _, p in rows if kind == "battery")
        demand, produced = demand + load / 4, produced + sun / 4
        used += min(sun, load + max(0.0, store)) / 4
        met += min(load, sun + max(0.0, -store)) / 4
    writer.close()
    run = Run(folder)
    assert value(run, "demand_wh") == pytest.approx(demand, abs=1e-6)
    assert value(run, "produced_wh") == pytest.approx(produced, abs=1e-6)
    if demand > 0:
        share = value(run, "self_sufficiency_percent")
        assert share == pytest.approx(100 * met / demand, abs=1e-9)
        assert share <= 100.0 + 1e-9
    if produced > 0:
        share = value(run, "self_consumption_percent")
        assert share == pytest.approx(100 * used / produced, abs=1e-9)
        assert share <= 100.0 + 1e-9


FATES = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["delivered", "lost", "in-flight"]),
              st.integers(0, 3_000_000), st.integers(0, 4)),
    max_size=60,
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(rows=FATES)
def test_message_kpis_are_counts_and_percentiles(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    writer = blank(folder, duration_ms=900_000)
    for number, (flow, fate, delay, retries) in enumerate(rows):
        there = fate == "delivered"
        writer.add("message", {
            "id": f"u#{number}", "cause": "", "src": "u", "dst": "v", "flow": flow, "priority": 1,
            "bytes": 10, "wire_bytes": 20, "t_send_us": 0, "t_arrival_us": delay if there else None,
            "fate": fate, "loss": "noise" if fate == "lost" else "none",
            "delay_us": delay if there else None, "processing_us": 0, "queue_us": 0,
            "access_us": 0, "air_us": delay, "retry_us": 0, "core_us": 0, "tick_us": 0,
            "hops": 1, "attempts": 1 + retries,
        })  # fmt: skip
    writer.close()
    result = kpis.compute(Run(folder))
    here = [(flow, delay / 1000, retries) for flow, fate, delay, retries in rows
            if fate == "delivered"]  # fmt: skip
    lost = sum(fate == "lost" for _, fate, _, _ in rows)
    assert result["messages"]["value"] == len(rows)
    assert result["messages_lost"]["value"] == lost
    assert result["messages_in_flight"]["value"] == len(rows) - lost - len(here)
    if not here:
        assert result["message_delay_p95_ms"]["reason"] == "no message arrived"
        return
    assert result["delivery_percent"]["value"] == pytest.approx(
        100 * len(here) / (len(here) + lost)
    )
    for share in (50, 95, 99):
        entry = result[f"message_delay_p{share}_ms"]
        assert entry["value"] == pytest.approx(np.percentile([d for _, d, _ in here], share))
        for flow, part in entry["by"].items():
            some = [d for f, d, _ in here if f == flow]
            assert part == pytest.approx(np.percentile(some, share))
    assert result["message_delay_mean_ms"]["by"]["air"] == result["message_delay_mean_ms"]["value"]
    mean = np.mean([retries for _, _, retries in here])
    assert result["retries_per_message"]["value"] == pytest.approx(mean, abs=1e-9)


def test_the_books_of_a_consistent_run_close_and_one_watt_is_noticed(
    tmp_path: Path, folder: Path
) -> None:
    assert value(Run(folder), "energy_balance_gap") < 1e-12
    writer = blank(tmp_path / "run", duration_ms=900_000)
    writer.add("system", {"t_ms": 0, "p_import_w": 1001.0, "q_import_var": 0.0,
                          "p_terminals_w": 990.0, "p_loss_w": 10.0, "p_unmet_w": 0.0})  # fmt: skip
    writer.add("device", {
        "t_ms": 0, "device": "load/a", "kind": "load", "terminal": "t/a", "p_w": 990.0,
        "q_var": 0.0, "energy_wh": None, "loss_w": 0.0,
    })  # fmt: skip
    writer.close()
    outcome = kpis.KPIS["energy_balance_gap"].compute(Run(tmp_path / "run"))
    assert outcome.value == pytest.approx(1.0 / 1000.0)
    assert outcome.by == pytest.approx({"grid": 0.001, "devices": 0.0, "branches": 0.01})


def test_storage_is_counted_from_before_the_first_interval(folder: Path) -> None:
    run = Run(folder)
    charged_wh = 3 * 1000.0 - 2 * 1200.0
    assert value(run, "storage_change_wh") == pytest.approx(charged_wh)
    assert value(run, "end_state_wh") == pytest.approx(charged_wh - 2000.0)  # owed to a vehicle


def test_vehicles_that_left_short_are_named(folder: Path) -> None:
    entry = kpis.compute(Run(folder))["ev_not_served_wh"]
    assert entry["value"] == 1000.0
    assert entry["by"] == {"ev/lv1/c2#1": 1000.0}


def test_voltage_is_counted_by_bus_interval(tmp_path: Path) -> None:
    writer = blank(tmp_path / "run", duration_ms=1_800_000)
    for t_ms, vm in ((0, [1.0, 0.89, None]), (900_000, [1.11, 1.0, 1.0])):
        writer.add("bus", {"t_ms": t_ms, "bus": ["b/1", "b/2", "b/3"], "vm_pu": vm,
                           "vm_min_pu": vm, "vm_max_pu": vm})  # fmt: skip
    writer.close()
    result = kpis.compute(Run(tmp_path / "run"))
    assert result["voltage_violations"]["value"] == 2
    assert result["voltage_violations_percent"]["value"] == pytest.approx(40.0)
    assert result["unsupplied_percent"]["value"] == pytest.approx(100 / 6)
    assert result["voltage_min_pu"] == {"value": 0.89, "unit": "pu", "t_ms": 0, "element": "b/2"}
    assert result["voltage_max_pu"]["element"] == "b/1"


def test_services_are_counted_by_level_and_result(folder: Path) -> None:
    result = kpis.compute(Run(folder))
    assert result["negotiations"] == {"value": 24, "unit": "1", "by": {"lvgmu": 24}}
    assert result["distance_reduction_percent"]["value"] == pytest.approx(100 * (1 - 0.8**3))
    assert result["negotiation_answers_percent"]["value"] == pytest.approx(100 * 17 / 18)
    assert result["requests"]["by"] == {"ok": 16, "timeout": 8}
    assert 0 < result["metering_complete_percent"]["value"] < 100
    assert result["airtime_percent"]["by"]["plc-prime"] == pytest.approx(100 * 0.4 / 900)


def test_a_run_without_rows_has_reasons_and_no_numbers_made_up(tmp_path: Path) -> None:
    writer = blank(tmp_path / "run", duration_ms=900_000)
    writer.close()
    result = kpis.compute(Run(tmp_path / "run"))
    for entry in result.values():
        assert entry["value"] == 0 or (entry["value"] is None and entry["reason"])


def test_the_file_is_the_same_every_time_and_holds_no_nan(tmp_path: Path, write_run: Write) -> None:
    texts = []
    for name in ("one", "other"):
        run = write_run(tmp_path / name)
        texts.append(kpis.write(run, kpis.compute(Run(run))).read_bytes())
    assert texts[0] == texts[1]
    assert b"NaN" not in texts[0]
    assert json.loads(texts[0]).keys() == kpis.KPIS.keys()


@pytest.mark.slow
def test_a_million_messages_take_seconds(tmp_path: Path) -> None:
    import time

    n = 1_000_000
    writer = blank(tmp_path / "run", duration_ms=86_400_000)
    delay = np.random.default_rng(1).integers(1_000, 2_000_000, n)
    writer.add("message", {
        "id": [f"u#{k}" for k in range(n)], "cause": "", "src": "cmu/a", "dst": "meter/a",
        "flow": np.where(np.arange(n) % 2, "metering", "balancing"), "priority": 1, "bytes": 100,
        "wire_bytes": 200, "t_send_us": np.arange(n) * 80, "t_arrival_us": np.arange(n) + delay,
        "fate": "delivered", "loss": "none", "delay_us": delay, "processing_us": 0, "queue_us": 0,
        "access_us": 0, "air_us": delay, "retry_us": 0, "core_us": 0, "tick_us": 0, "hops": 1,
        "attempts": 1,
    })  # fmt: skip
    writer.close()
    begin = time.perf_counter()
    kpis.compute(Run(tmp_path / "run"))
    assert time.perf_counter() - begin < 20.0
