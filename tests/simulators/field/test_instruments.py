"""Instruments: exact in time, wrong within their class, registers that never run backwards."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from fernwatt.identifiers import index_hash
from fernwatt.messages import Event
from simulators.field import Instruments, PlantView, parse_instruments

SLOT_MS = 900_000
N = 40
TERMINALS = [f"terminal/lv1/load-{n:02}" for n in range(N)]
TRANSFORMER, EV, BATTERY = "transformer/lv1/0", "ev/lv1/load-00", "battery/lv1/load-00"
TARGETS = {
    "terminal": {name: row for row, name in enumerate(TERMINALS)},
    "transformer": {TRANSFORMER: N},
    "device": {BATTERY: 0, EV: 1},
}


def meter(n=0, **given_fields):
    return {"id": f"meter/lv1/load-{n:02}", "kind": "meter", "target": TERMINALS[n], **given_fields}


def inside(kind, target, **given_fields):
    name = target.replace("/", "-")
    return {"id": f"dmu/{name}/x", "kind": kind, "target": target, **given_fields}


def build(*items, seed=1, drop=()):
    view = PlantView(TERMINALS, [TRANSFORMER], [BATTERY, EV])
    return view, Instruments(parse_instruments(items, TARGETS), view, TARGETS, seed, drop)


def state(t_ms, p_w, import_wh=0.0, export_wh=0.0, v_v=230.0, energised=True):
    full = np.ones(N)
    return {
        "index": index_hash(TERMINALS), "t_ms": t_ms, "p_w": np.outer(full * p_w, [1 / 3] * 3),
        "v_v": np.full((N, 3), v_v if energised else 0.0), "energised": [energised] * N,
        "import_wh": full * import_wh, "export_wh": full * export_wh,
        "transformers": {
            "ids": [TRANSFORMER], "p_w": [-7_200.0], "import_wh": [0.0], "export_wh": [10.0],
            "v_v": [[231.0, 231.0, 231.0]],
        },
    }  # fmt: skip


def devices(t_ms, p_w=(0.0, 0.0), energy_wh=(0.0, 0.0), soc_wh=5_000.0):
    return {"t_ms": t_ms, "ids": [BATTERY, EV], "p_w": p_w, "energy_wh": energy_wh,
            "soc_wh": [soc_wh, None]}  # fmt: skip


def values(readings):
    return {(r.instrument, r.variable): r.value for r in readings}


IDEAL = {"accuracy_class": 0.0, "resolution_wh": 0.0, "resolution_v": 0.0}


def test_registers_are_carried_on_exactly_from_an_older_state() -> None:
    view, instruments = build(meter(**IDEAL), {"id": "substation/a/b", "kind": "substation",
                                               "target": TRANSFORMER, **IDEAL})  # fmt: skip
    instruments.sample(0)
    view.take_state(state(123_456, -1_234.5, 17.0, 3.0))
    got = values(instruments.sample(SLOT_MS))
    assert got["meter/lv1/load-00", "energy.import"] == pytest.approx(17.0, rel=1e-14)
    exported = 3.0 + 1_234.5 * (SLOT_MS - 123_456) / 3.6e6
    assert got["meter/lv1/load-00", "energy.export"] == pytest.approx(exported, rel=1e-14)
    assert got["meter/lv1/load-00", "voltage"] == 230.0
    assert got["substation/a/b", "energy.export"] == pytest.approx(
        10.0 + 7_200.0 * (SLOT_MS - 123_456) / 3.6e6, rel=1e-14
    )
    assert got["substation/a/b", "voltage"] == 231.0


@pytest.mark.parametrize("accuracy", [0.5, 1.0, 2.0])
def test_errors_stay_within_the_class_and_fill_it(accuracy) -> None:
    items = [meter(n, accuracy_class=accuracy, resolution_wh=0.0) for n in range(N)]
    errors = []
    for seed in range(15):
        view, instruments = build(*items, seed=seed)
        last = np.zeros(N)
        for slot in range(12):
            t_ms = slot * SLOT_MS
            view.take_state(state(t_ms, 400.0, 100.0 * slot))
            got = values(instruments.sample(t_ms))
            now = np.array([got[item["id"], "energy.import"] for item in items])
            if slot:
                errors.append((now - last) / 100.0 - 1.0)
            last = now
    percent = 100 * np.array(errors)
    assert np.abs(percent).max() <= accuracy
    assert np.abs(percent).max() > 0.75 * accuracy
    assert abs(percent.mean()) < 0.1 * accuracy
    # gain and offset are fixed for a device, the rest is fresh each time
    runs = percent.reshape(15, 11, N)
    assert runs.mean(axis=1).std() == pytest.approx(accuracy * 0.35, rel=0.15)
    fresh = (runs - runs.mean(axis=1, keepdims=True)).std()
    assert fresh == pytest.approx(accuracy * 0.2 / math.sqrt(3), rel=0.1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-20_000, 20_000), min_size=2, max_size=30), st.integers(0, 50))
def test_registers_never_run_backwards_and_go_in_whole_steps(powers, seed) -> None:
    view, instruments = build(meter(), seed=seed)
    imported = exported = 0.0
    last = (0.0, 0.0)
    for slot, p_w in enumerate(powers):
        view.take_state(state(slot * SLOT_MS, p_w, imported, exported))
        got = values(instruments.sample(slot * SLOT_MS))
        now = tuple(got["meter/lv1/load-00", f"energy.{way}"] for way in ("import", "export"))
        assert all(a >= b for a, b in zip(now, last, strict=True))
        assert all(value == int(value) for value in now)
        assert now[0] == pytest.approx(imported, rel=0.01, abs=1.0 + 0.7 * slot)
        imported += max(p_w, 0.0) / 4
        exported += max(-p_w, 0.0) / 4
        last = now


def test_a_wrong_clock_shows_in_the_stamp_or_in_the_instant() -> None:
    wrong = {"clock_sd_ms": 3_000.0, "drift_sd_ppm": 20.0}
    view, instruments = build(meter(0, **wrong), meter(1, sampling="clock", **wrong))
    view.take_state(state(0, 0.0))
    samples = []
    while (t_ms := instruments.due_ms) < 96 * SLOT_MS:
        samples += [r for r in instruments.sample(t_ms) if r.variable == "voltage"]
    stamped = [r for r in samples if r.instrument.endswith("00")]
    moved = [r for r in samples if r.instrument.endswith("01")]
    assert all(r.t_sample_ms % SLOT_MS == 0 for r in stamped)
    assert all(r.t_clock_ms % SLOT_MS == 0 for r in moved)
    for group in (stamped, moved):
        off = [r.t_clock_ms - r.t_sample_ms for r in group]
        assert len(group) in (95, 96)
        assert 0 < max(abs(value) for value in off) < 15_000
        assert off[0] != off[-1]
    assert len({r.t_clock_ms for r in moved}) == len(moved)


def test_an_instrument_without_supply_is_silent_and_its_register_catches_up() -> None:
    view, instruments = build(meter(**IDEAL))
    view.take_state(state(0, 1_000.0))
    assert len(instruments.sample(0)) == 3
    view.take_state(state(SLOT_MS, 0.0, 250.0, energised=False))
    assert instruments.sample(SLOT_MS) == []
    view.take_state(state(2 * SLOT_MS, 1_000.0, 250.0))
    assert values(instruments.sample(2 * SLOT_MS))["meter/lv1/load-00", "energy.import"] == 250.0


def test_a_session_is_told_when_it_begins_and_names_its_event() -> None:
    charger = inside("charger", EV, terminal=TERMINALS[0])
    view, instruments = build(charger, inside("battery", BATTERY))
    view.take_devices(devices(0))
    first = {(r.variable, r.cause): r.value for r in instruments.sample(0) if "ev-" in r.instrument}
    assert first == {("ev.session", ""): None, ("device.energy", ""): 0.0}
    session = {"session": "s", "energy_wh": 1.0, "departure_ms": 9, "p_max_w": 2.0, "p_min_w": 0.0}
    view.take_devices(devices(5_000, p_w=(0.0, 7_200.0)))
    began = Event("devices#1", "", 5_000_000, "session_started", EV, session)
    told = instruments.sample(5_000, [began])
    assert [(r.variable, r.cause) for r in told] == [
        ("ev.session", "devices#1"), ("device.energy", "devices#1"),
    ]  # fmt: skip
    assert told[0].value == session
    later = values(instruments.sample(SLOT_MS))
    assert later["dmu/ev-lv1-load-00/x", "device.energy"] == pytest.approx(1_790, rel=0.01)
    assert later["dmu/battery-lv1-load-00/x", "battery.soc"] == pytest.approx(5_000, rel=0.01)


def test_a_session_that_begins_in_the_dark_is_told_when_the_light_is_back() -> None:
    view, instruments = build(inside("charger", EV, terminal=TERMINALS[0]))
    instruments.sample(0)
    view.take_state(state(1_000, 0.0, energised=False))
    assert instruments.sample(2_000, [Event("d#1", "", 0, "session_started", EV, {"a": 1})]) == []
    view.take_state(state(3_000, 0.0))
    told = instruments.sample(SLOT_MS)
    assert [(r.variable, r.cause) for r in told] == [("ev.session", "d#1"), ("device.energy", "")]


def test_a_meter_hands_out_its_memory_once() -> None:
    history = {"start_ms": -2 * SLOT_MS, "step_ms": SLOT_MS, "import_wh": [100.4, 100.4],
               "export_wh": [0.0, 0.0]}  # fmt: skip
    view, instruments = build(meter(history=history, accuracy_class=0.0))
    got = []
    for slot, energised in enumerate([False, True, True]):  # as soon as it has supply
        view.take_state(state(slot * SLOT_MS, 0.0, energised=energised))
        readings = instruments.sample(slot * SLOT_MS)
        got += [r.value for r in readings if r.variable == "load_profile"]
    assert got == [{**history, "import_wh": [100.0, 100.0]}]


def test_a_dropped_reading_leaves_all_others_as_they_were() -> None:
    def run(drop):
        view, instruments = build(meter(0), meter(1), drop=drop)
        readings = []
        for slot in range(4):
            view.take_state(state(slot * SLOT_MS, 900.0, 225.0 * slot))
            readings += instruments.sample(slot * SLOT_MS)
        return readings

    lost = ("meter/lv1/load-01", "energy.import", 2 * SLOT_MS)
    kept = [r for r in run([]) if (r.instrument, r.variable, r.t_sample_ms) != lost]
    assert run([lost]) == kept
    assert len(kept) == 4 * 2 * 3 - 1


def test_bad_instruments_are_all_named() -> None:
    items = [meter(0, accuracy_class=3.0), meter(1, period_ms=0), inside("charger", "ev/none"),
             {**meter(2), "kind": "oracle"}, {**meter(3), "colour": 1},
             {"kind": "meter"}, meter(4, history={"start_ms": 0})]  # fmt: skip
    with pytest.raises(ScenarioError) as caught:
        parse_instruments(items, TARGETS)
    assert [fault.path for fault in caught.value.faults] == [
        "instruments[0].accuracy_class", "instruments[1].period_ms", "instruments[2].target",
        "instruments[3].kind", "instruments[4].colour", "instruments[5]", "instruments[6].history",
    ]  # fmt: skip


# percentage error limits at unity power factor, by current as a share of the basic current:
# class 0.5 IEC 62053-11:2003, classes 1 and 2 IEC 62053-21:2003 (tables of limits for
# polyphase meters with balanced loads)
LIMITS = {0.5: (1.0, 0.5), 1.0: (1.5, 1.0), 2.0: (2.5, 2.0)}


@pytest.mark.parametrize("accuracy", sorted(LIMITS))
@pytest.mark.parametrize("share", [0.05, 0.1, 0.5, 1.0, 12.0])
def test_errors_are_within_the_limits_of_the_standards_from_small_to_large_loads(
    accuracy, share
) -> None:
    items = [meter(n, accuracy_class=accuracy, resolution_wh=0.0) for n in range(N)]
    power_w = share * 3 * 230.0 * 5.0
    worst = 0.0
    for seed in range(6):
        view, instruments = build(*items, seed=seed)
        last = np.zeros(N)
        for slot in range(8):
            view.take_state(state(slot * SLOT_MS, power_w, power_w / 4 * slot))
            got = values(instruments.sample(slot * SLOT_MS))
            now = np.array([got[item["id"], "energy.import"] for item in items])
            if slot:
                worst = max(worst, float(np.abs((now - last) / (power_w / 4) - 1.0).max()))
            last = now
    limit = LIMITS[accuracy][share >= 0.1]
    assert 0.5 * accuracy < 100 * worst <= limit
