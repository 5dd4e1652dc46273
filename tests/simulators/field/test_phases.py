"""Meters that tell single conductors, and r.m.s. means of voltage over windows of ten minutes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from fernwatt.identifiers import index_hash
from simulators.field import Instruments, PlantView, parse_instruments
from simulators.field.losses import Losses, parse_losses

SLOT_MS, WINDOW_MS = 900_000, 600_000
N = 30
TERMINALS = [f"terminal/lv1/load-{n:02}" for n in range(N)]
TARGETS = {"terminal": {name: row for row, name in enumerate(TERMINALS)}, "transformer": {},
           "device": {}}  # fmt: skip
IDEAL = {"accuracy_class": 0.0, "resolution_wh": 0.0, "resolution_v": 0.0}


def meter(n=0, **given_fields):
    return {"id": f"meter/lv1/load-{n:02}", "kind": "meter", "target": TERMINALS[n], **given_fields}


class Street:
    """A plant whose voltages and powers are held; it integrates squares as the grid does."""

    def __init__(self, *items, seed=1, losses=(), drop=()):
        from datetime import UTC, datetime

        self.view = PlantView(TERMINALS, [], [])
        specs = parse_instruments(items, TARGETS)
        rows = {spec.id: row for row, spec in enumerate(specs)}
        hidden = None
        if losses:
            begin = datetime(2016, 4, 20, tzinfo=UTC)
            hidden = Losses(parse_losses(losses, rows), rows, len(specs), begin)
        self.instruments = Instruments(specs, self.view, TARGETS, seed, drop, hidden)
        self.t_ms, self.squares = 0, np.zeros((N, 4))
        self.hold(np.full((N, 3), 230.0))

    def hold(self, v_v, p_w=None, q_var=None):
        """Let these hold from now on."""
        self.v_v = np.asarray(v_v, dtype=float)
        p_w = np.zeros((N, 3)) if p_w is None else np.asarray(p_w, dtype=float)
        zero = np.zeros(N)
        self.view.take_state({
            "index": index_hash(TERMINALS), "t_ms": self.t_ms, "v_v": self.v_v, "p_w": p_w,
            "q_var": np.zeros((N, 3)) if q_var is None else q_var, "import_wh": zero,
            "export_wh": zero, "energised": (self.v_v > 0).any(axis=1), "squares": self.squares,
            "transformers": {"ids": [], "p_w": [], "import_wh": [], "export_wh": [], "v_v": []},
        })  # fmt: skip

    def wait(self, t_ms):
        """Go on to ``t_ms``; the squares are those of what held."""
        held = np.column_stack((self.v_v**2, (self.v_v > 0).any(axis=1)))
        self.squares = self.squares + held * ((t_ms - self.t_ms) / 3.6e6)
        self.t_ms = t_ms

    def sample(self):
        """Return what is told now."""
        return self.instruments.sample(self.t_ms)


def of(readings, variable):
    return [r for r in readings if r.variable == variable]


def test_without_being_asked_a_meter_tells_what_it_always_told() -> None:
    assert {r.variable for r in Street(meter()).sample()} == {
        "energy.import", "energy.export", "voltage",
    }  # fmt: skip


def test_an_ideal_meter_tells_each_of_its_conductors() -> None:
    street = Street(meter(0, by_phase=True, **IDEAL), meter(1, by_phase=True, **IDEAL))
    v_v, p_w, q_var = np.full((N, 3), 230.0), np.zeros((N, 3)), np.zeros((N, 3))
    v_v[0], p_w[0], q_var[0] = (228, 231, 235), (1000, -500, 0), (300, 0, 0)
    v_v[1], p_w[1] = (0, 233, 0), (0, 466, 0)
    street.hold(v_v, p_w, q_var)
    first, second = of(street.sample(), "meter.phases")
    assert first.value["v_v"] == [228, 231, 235]
    assert first.value["i_a"] == pytest.approx(
        [math.hypot(1000, 300) / 228, 500 / 231, 0], abs=1e-3
    )
    assert (first.value["p_w"], first.value["q_var"]) == ([1000, -500, 0], [300, 0, 0])
    # a customer on one phase has one conductor
    assert second.value == {
        "v_v": [None, 233, None], "i_a": [None, 2.0, None], "p_w": [None, 466, None],
        "q_var": [None, 0.0, None],
    }  # fmt: skip


@pytest.mark.parametrize("accuracy", [0.5, 1.0, 2.0])
def test_each_channel_stays_within_the_class_and_fills_it(accuracy) -> None:
    items = [
        meter(n, by_phase=True, window_ms=WINDOW_MS, accuracy_class=accuracy, resolution_v=0.0)
        for n in range(N)
    ]
    errors = {name: [] for name in ("v_v", "i_a", "p_w", "mean")}
    for seed in range(12):
        street = Street(*items, seed=seed)
        p_w = np.full((N, 3), -115.0)  # a tenth of the reference
        street.hold(np.full((N, 3), 230.0), p_w, np.zeros((N, 3)))
        for t_ms in range(0, 4 * SLOT_MS, 300_000):
            street.wait(t_ms)
            told = street.sample()
            for reading in of(told, "meter.phases"):
                for name, true in (("v_v", 230.0), ("i_a", 0.5), ("p_w", -115.0)):
                    errors[name].append(np.array(reading.value[name]) / true - 1)
                (plain,) = [r for r in of(told, "voltage") if r.instrument == reading.instrument]
                assert plain.value == pytest.approx(np.mean(reading.value["v_v"]), abs=1e-9)
            errors["mean"] += [
                np.array(r.value["v_v"]) / 230.0 - 1 for r in of(told, "voltage.mean")
            ]
    for name, parts in errors.items():
        percent = 100 * np.abs(parts)
        step = {"i_a": 0.1, "p_w": 0.045}.get(name, 0.0)  # half of what is shown at least
        assert percent.max() <= accuracy + step, name
        # without offset in voltage
        assert percent.max() > (0.7 if name in ("v_v", "mean") else 0.8) * accuracy, name


def test_ten_minute_means_are_root_mean_squares_of_all_that_was() -> None:
    street = Street(meter(window_ms=WINDOW_MS, **IDEAL))
    steps = [(0, 230.0), (100_000, 250.0), (250_000, 200.0), (1_100_000, 240.0)]
    told = []
    for t_ms in sorted({*range(0, 2_400_001, WINDOW_MS), *(t for t, _ in steps)}):
        street.wait(t_ms)
        if t_ms in dict(steps):
            street.hold(np.full((N, 3), dict(steps)[t_ms]))
        told += of(street.sample(), "voltage.mean")
    wanted = [
        math.sqrt((230**2 * 100 + 250**2 * 150 + 200**2 * 350) / 600),
        math.sqrt((200**2 * 500 + 240**2 * 100) / 600), 240.0, 240.0,
    ]  # fmt: skip
    assert [r.t_sample_ms for r in told] == [600_000, 1_200_000, 1_800_000, 2_400_000]
    for reading, volts in zip(told, wanted, strict=True):
        assert reading.value["v_v"] == pytest.approx([volts] * 3, rel=1e-12)


def test_a_window_with_an_interruption_is_not_told() -> None:
    street = Street(meter(window_ms=WINDOW_MS, **IDEAL))
    told = []
    for t_ms in (0, 600_000, 700_000, 700_500, 1_200_000, 1_800_000):
        street.wait(t_ms)
        if t_ms == 700_000:
            street.hold(np.zeros((N, 3)))
        elif t_ms == 700_500:
            street.hold(np.full((N, 3), 231.0))
        told += of(street.sample(), "voltage.mean")
    assert [r.t_sample_ms for r in told] == [600_000, 1_800_000]


def test_windows_follow_the_meters_own_clock_and_have_gaps() -> None:
    wrong = {"clock_sd_ms": 3_000.0, "sampling": "clock", "window_ms": WINDOW_MS}
    street = Street(*[meter(n, gap_probability=0.2, **wrong) for n in range(N)])
    told = []
    while (t_ms := street.instruments.due_ms) < 60 * WINDOW_MS:
        street.wait(t_ms)
        told += of(street.sample(), "voltage.mean")
    assert all(r.t_clock_ms % WINDOW_MS == 0 for r in told)
    assert len({r.t_sample_ms % WINDOW_MS for r in told}) > 20
    assert 0.75 < len(told) / (N * 59) < 0.85


def test_what_goes_round_a_meter_is_not_in_its_currents() -> None:
    losses = [{"id": "loss/0", "kind": "bypass", "meter": "meter/lv1/load-00", "share": 0.25},
              {"id": "loss/1", "kind": "empty", "meter": "meter/lv1/load-01"}]  # fmt: skip
    items = [meter(n, by_phase=True, window_ms=WINDOW_MS, **IDEAL) for n in range(2)]
    street = Street(*items, losses=losses)
    street.hold(np.full((N, 3), 230.0), np.full((N, 3), 2_300.0))
    street.instruments.change_losses(0)
    told = street.sample()
    (phases,) = of(told, "meter.phases")
    assert phases.value["i_a"] == [7.5] * 3
    assert phases.value["p_w"] == [1725.0] * 3
    assert phases.value["v_v"] == [230.0] * 3
    street.wait(WINDOW_MS)
    assert [r.instrument for r in street.sample()] == ["meter/lv1/load-00"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 400_000), st.floats(180, 260)), min_size=1, max_size=12))
def test_windows_lose_nothing_over_random_steps(steps) -> None:
    street = Street(meter(window_ms=WINDOW_MS, **IDEAL))
    changes, t_ms = {}, 0
    for wait, volts in steps:
        t_ms += wait
        changes[t_ms] = volts
    end = (t_ms // WINDOW_MS + 1) * WINDOW_MS
    total, squares, volts, since = 0.0, 0.0, 230.0, 0
    for at in sorted({0, *changes, *range(0, end + 1, WINDOW_MS)}):
        squares += volts**2 * (at - since)
        street.wait(at)
        if at in changes:
            volts = changes[at]
            street.hold(np.full((N, 3), volts))
        total += sum(r.value["v_v"][0] ** 2 for r in of(street.sample(), "voltage.mean"))
        since = at
    assert total * WINDOW_MS == pytest.approx(squares, rel=1e-9)


def test_what_is_no_meter_has_no_phases() -> None:
    targets = {**TARGETS, "device": {"pv/lv1/a": 0}}
    items = [meter(0, window_ms=-1), {"id": "x", "kind": "pv", "target": "pv/lv1/a",
                                      "by_phase": True}]  # fmt: skip
    with pytest.raises(ScenarioError) as caught:
        parse_instruments(items, targets)
    assert [f.path for f in caught.value.faults] == [
        "instruments[0].window_ms", "instruments[1].by_phase",
    ]  # fmt: skip
