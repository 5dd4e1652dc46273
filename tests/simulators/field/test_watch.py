"""Indicators and sensors under the eyes of the grid: what they tell, when, and by which clock."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fernwatt.errors import ScenarioError, SimulationError
from simulators.field.indicators import parse_indicators
from simulators.field.sensors import parse_sensors
from simulators.field.watch import Air, Watch

TURN = np.exp(-2j * np.pi / 3 * np.arange(3))
PLACES = ["line/mv1/a@0", "line/mv1/a@1", "transformer/lv1/t@1"]


def indicator(place=PLACES[0], **given):
    return {"id": f"indicator/{place}", "place": place, **given}


def sensor(place=PLACES[2], **given):
    return {"id": f"sensor/{place}", "place": place, "accuracy_class": 0.0,
            "temperature_sd_c": 0.0, **given}  # fmt: skip


def build(indicators=(), sensors=(), air=(10.0,), step_ms=3_600_000, seed=1):
    return Watch(
        PLACES, parse_indicators(indicators), parse_sensors(sensors), seed, Air(air, step_ms)
    )


def item(t_us, amps, volts=11_500.0, cause="", *, plain=False):
    """Return what the grid tells: the same voltage everywhere, a current for each place."""
    i_a = np.asarray(amps, dtype=float)[:, None] * TURN * np.exp(-1j)
    v_v = np.full((3, 1), volts) * TURN
    parts = {"i_re": i_a.real, "i_im": i_a.imag, "v_re": v_v.real, "v_im": v_v.imag}
    if plain:
        parts = {name: part.tolist() for name, part in parts.items()}
    return {"t_us": t_us, "cause": cause, **parts}


def run(watch, items, until_ms):
    """Give the items at their ticks; return readings and truth."""
    todo, readings, truth = list(items), [], []
    while True:
        dues = [
            d for d in (watch.due_ms, *(-(-i["t_us"] // 1000) for i in todo[:1])) if d is not None
        ]
        if not dues or min(dues) > until_ms:
            return readings, truth
        t_ms = min(dues)
        now = [i for i in todo if i["t_us"] <= t_ms * 1000]
        todo = todo[len(now) :]
        watch.see(now)
        told, true = watch.sample(t_ms)
        assert all(r.t_sample_ms == t_ms for r in told)
        readings += told
        truth += true


def test_a_passage_within_a_tick_is_told_at_the_next_and_names_its_place() -> None:
    watch = build([indicator(PLACES[0]), indicator(PLACES[1])])
    items = [item(0, [10, -10, 0]), item(5_000_300, [900, -10, 0], cause="grid#7"),
             item(5_041_900, [0, 0, 0], volts=0.0, cause="grid#9")]  # fmt: skip
    (told, *_), (true, *_) = run(watch, items, 6_000)
    assert (told.instrument, told.cause, told.t_sample_ms) == (
        "indicator/line/mv1/a@0", "grid#7", 5_041,
    )  # fmt: skip
    assert told.value == {"element": "line/mv1/a", "end": 0, "on": True, "earth": False,
                          "direction": 0, "t_ms": 5_040}  # fmt: skip
    assert (true.kind, true.t_us, true.cause) == ("passage_shown", 5_040_300, told.id)
    # one that is over before the indicator would operate
    short = [*items[:2], item(5_040_200, [0, 0, 0], volts=0.0)]
    assert run(build([indicator(PLACES[0])]), short, 6_000) == ([], [])


def test_an_indicators_clock_and_lost_reports() -> None:
    wrong = [indicator(PLACES[0], clock_sd_ms=5_000.0, hold_ms=100)]
    items = [item(0, [10, 0, 0])]
    for n in range(1, 400):
        items += [item(n * 1_000_000, [900, 0, 0]), item(n * 1_000_000 + 60_000, [10, 0, 0])]
    told, truth = run(build(wrong, seed=4), items, 400_000)
    off = {r.t_clock_ms - r.t_sample_ms for r in told}
    assert len(off) == 1
    assert 100 < abs(off.pop()) < 20_000
    assert len(told) == 2 * 399
    assert [r.value["on"] for r in told[:4]] == [True, False, True, False]
    gappy = [{**wrong[0], "gap_probability": 0.3}]
    fewer, same = run(build(gappy, seed=4), items, 400_000)
    assert 0.6 < len(fewer) / len(told) < 0.8
    assert [(t.kind, t.t_us) for t in same] == [(t.kind, t.t_us) for t in truth]


def test_a_sensor_tells_its_place_and_the_air_of_the_hour() -> None:
    watch = build(sensors=[sensor(period_ms=1_800_000, rise_c=0.0)], air=[5.0, 8.0, -3.0])
    told, _ = run(watch, [item(0, [0, 0, 20.0], volts=230.0)], 4 * 3_600_000)
    assert [r.value["temperature_c"] for r in told] == [5, 5, 8, 8, -3, -3, -3, -3, -3]
    assert (told[0].value["element"], told[0].value["end"]) == ("transformer/lv1/t", 1)
    assert told[0].value["i_a"] == pytest.approx([20.0] * 3)


def test_a_sensors_window_counts_what_happened_between_its_steps() -> None:
    watch = build(sensors=[sensor(period_ms=60_000, window_ms=60_000)])
    items = [item(0, [0, 0, 10.0], 230.0), item(70_000_000, [0, 0, 40.0], 230.0),
             item(90_000_000, [0, 0, 10.0], 230.0)]  # fmt: skip
    told, _ = run(watch, items, 120_000)
    assert [r.value["i_a"][0] for r in told] == pytest.approx([10.0, 10.0, 20.0])


def test_arrays_and_lists_say_the_same() -> None:
    both = []
    for plain in (False, True):
        watch = build([indicator()], [sensor()])
        items = [item(0, [1, 2, 3], plain=plain), item(1_000_000, [800, 2, 3], plain=plain)]
        both.append([r.plain() for r in run(watch, items, 70_000)[0]])
    assert json.dumps(both[0]) == json.dumps(both[1])
    assert len(both[0]) == 3


def test_what_hangs_nowhere_is_refused_and_another_number_of_places_noticed() -> None:
    with pytest.raises(ScenarioError) as caught:
        build([indicator("line/mv1/z@0")], [sensor("bus/none")])
    assert [f.path for f in caught.value.faults] == ["indicators[0].place", "sensors[0].place"]
    watch = build()
    with pytest.raises(SimulationError, match="shows 2 places, not 3"):
        watch.see([{"t_us": 0, "cause": "", **{
            f"{a}_{b}": np.zeros((2, 3)) for a in "iv" for b in ("re", "im")}}])  # fmt: skip
    bad = [indicator(clock_sd_ms=-1.0), indicator(PLACES[1], gap_probability=2.0, gap_length=0.0)]
    with pytest.raises(ScenarioError) as caught:
        parse_indicators(bad)
    assert [f.path for f in caught.value.faults] == [
        "indicators[0].clock_sd_ms", "indicators[1].gap_probability", "indicators[1].gap_length",
    ]  # fmt: skip
