"""Houses without units: predicted as one, whoever of them may be read."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from controllers.balancing.group import Group
from controllers.balancing.loads import LoadPredictor
from controllers.unit.service import Notification, Result
from fernwatt.timebase import SLOT_MS, Clock

START = Clock(datetime(2016, 1, 20, tzinfo=UTC))
METERS = [f"meter/a/{n}" for n in range(6)]
DAYS, SLOTS = 7, 96


def power_w(meter: int, slot: int) -> float:
    """A house with an evening, somewhat different every day."""
    rng = np.random.default_rng([meter, slot + 10_000])
    hour = slot % SLOTS / 4
    return float((200 + 900 * np.exp(-((hour - 19) ** 2) / 6)) * rng.uniform(0.5, 1.5))


def note(meter: str, variable: str, value: object, t_ms: int) -> Notification:
    return Notification("n", "r", Result.OK, variable, meter, "", value, t_ms)


def memory(meter: int) -> dict[str, object]:
    slots = range(-DAYS * SLOTS, 0)
    return {
        "start_ms": -DAYS * SLOTS * SLOT_MS, "step_ms": SLOT_MS,
        "import_wh": [power_w(meter, slot) / 4 for slot in slots],
        "export_wh": [0.0] * len(slots),
    }  # fmt: skip


class Feed:
    """What the meters of a group tell, slot by slot."""

    def __init__(self, group: Group, readable: list[int]) -> None:
        self.group, self.readable = group, readable
        self.wh = dict.fromkeys(readable, 0.0)

    def remember(self) -> None:
        for meter in self.readable:
            self.group.take(note(METERS[meter], "load_profile", memory(meter), 0))

    def read(self, slot: int, lost: int | None = None) -> None:
        """Registers at the beginning of a slot."""
        for meter in self.readable:
            if slot:
                self.wh[meter] += power_w(meter, slot - 1) / 4
            if meter != lost:
                t_ms = slot * SLOT_MS
                self.group.take(note(METERS[meter], "energy.import", self.wh[meter], t_ms))
                self.group.take(note(METERS[meter], "energy.export", 0.0, t_ms))


def reference(slots: int, houses: list[int], count: int) -> LoadPredictor:
    """One predictor that is given the sum itself."""
    out = LoadPredictor(START, cold_start_w=400.0 * count)
    total = [
        count * float(np.mean([power_w(m, s) for m in houses])) for s in range(-DAYS * SLOTS, slots)
    ]
    out.load_history(-DAYS * SLOTS, total[: DAYS * SLOTS])
    for slot in range(slots):
        out.observe(slot, total[DAYS * SLOTS + slot])
    return out


@pytest.mark.parametrize("readable", [list(range(6)), [0, 2, 3], [4]])
@pytest.mark.parametrize("late", [False, True])
def test_it_is_one_predictor_of_the_sum_of_all(readable: list[int], late: bool) -> None:
    """Who may not be read is taken for a house like the others; memories may come late."""
    group = Group(START, METERS, {})
    feed = Feed(group, readable)
    if not late:
        feed.remember()
    for slot in range(31):
        feed.read(slot)
        group.predict(slot, 96, 10)
    if late:
        feed.remember()
    expected = reference(30, readable, len(METERS)).predict(30, 96)
    np.testing.assert_allclose(group.predict(30, 96, 1), expected, atol=0.51)
    assert (group.predict(30, 96, 10) % 10 == 0).all()


def test_a_lost_report_costs_little_and_blocks_nothing() -> None:
    group = Group(START, METERS, {})
    feed = Feed(group, list(range(6)))
    feed.remember()
    for slot in range(41):
        feed.read(slot, lost=3 if slot in {10, 11, 39, 40} else None)
    # meter 3 is silent at the newest slots: they wait for it, then go on without
    expected = reference(38, list(range(6)), 6).predict(38, 96)
    assert np.abs(group.predict(38, 96, 1) - expected).max() < 0.05 * expected.max()
    for slot in range(41, 46):
        feed.read(slot, lost=3)
    after = group.predict(45, 96, 1)
    assert np.isfinite(after).all()
    assert not np.array_equal(after, group.predict(38, 96, 1))


def test_where_nobody_may_be_read_houses_are_like_any() -> None:
    group = Group(START, METERS, {"cold_start_w": 350.0})
    assert group.predict(0, 96, 10).tolist() == [2100] * 96
    assert Group(START, [], {}).predict(0, 4, 10).tolist() == [0] * 4


def test_it_tells_once_how_good_it_was() -> None:
    group = Group(START, METERS, {})
    feed = Feed(group, list(range(6)))
    feed.remember()
    for slot in range(2 * SLOTS):
        feed.read(slot)
    group.predict(2 * SLOTS - 1, 96, 10)
    told = list(group.said())
    assert len(told) == 2 * SLOTS - 1
    measured = np.array([measured_w for _, measured_w, _ in told])
    truth = [sum(power_w(m, slot) for m in range(6)) for slot, _, _ in told]
    np.testing.assert_allclose(measured, truth, rtol=1e-9)
    ours = np.sqrt(np.mean([(said.mean_w - p_w) ** 2 for _, p_w, said in told]))
    before = [(said.yesterday_w or 0.0) - p_w for _, p_w, said in told]
    yesterday = np.sqrt(np.mean(np.square(before)))
    assert ours < 0.9 * yesterday
    assert not list(group.said())


def test_others_readings_are_not_its_business() -> None:
    group = Group(START, METERS[:1], {})
    assert not group.take(note(METERS[1], "energy.import", 1.0, 0))
    assert len(group) == 1


def test_where_meters_are_hidden_it_is_what_the_feeder_draws_beyond_the_plans() -> None:
    """Negotiations every hour, measurements a slot late: no slot of the day is left out."""
    rng = np.random.default_rng(5)
    group = Group(START, METERS, {}, hidden=True)

    class Silent:
        def want(self, *_: object, **__: object) -> None:
            raise AssertionError("a hidden meter was asked")

        ask = want

    group.follow(Silent())  # type: ignore[arg-type]
    hour, days = 4, 4
    plans = rng.integers(1000, 5000, (days * SLOTS // hour, SLOTS))
    for talk in range(1, len(plans)):
        now = talk * hour  # the slot that runs; plans are from the next one on
        truth = {
            slot: sum(power_w(m, slot) for m in range(6)) + plans[talk - 1][slot - now + hour - 1]
            for slot in range(now - hour + 1, now)
        }
        before = plans[talk - 2] if talk > 1 else plans[0]
        if talk > 1:
            slot = now - hour  # the slot in which the one before began, by the plan before that
            truth[slot] = sum(power_w(m, slot) for m in range(6)) + before[hour - 1]
        group.beyond(now - hour + 1, plans[talk - 1], now + 1, truth.get)
    told = list(group.said())
    assert {slot % SLOTS for slot, _, _ in told} == set(range(SLOTS))
    for slot, measured_w, _ in told:
        assert measured_w == pytest.approx(sum(power_w(m, slot) for m in range(6)))
    usual = np.mean([[power_w(m, s) for s in range(SLOTS)] for m in range(6)], axis=0) * 6
    forecast = group.predict((days - 1) * SLOTS, SLOTS, 10)
    assert np.corrcoef(usual, forecast)[0, 1] > 0.8
