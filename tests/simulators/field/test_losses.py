"""Losses: what a meter does not see, what is not told, and what the recorder gets to know."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from fernwatt.identifiers import index_hash
from simulators.field import (
    Instruments,
    Losses,
    LossSpec,
    PlantView,
    parse_instruments,
    parse_losses,
)
from simulators.field.accuracy import Gaps

SLOT_MS, H_MS = 900_000, 3_600_000
START = datetime(2016, 4, 20, 10, tzinfo=UTC)
TERMINALS = ["terminal/lv1/a", "terminal/lv1/b"]
TARGETS = {"terminal": {t: n for n, t in enumerate(TERMINALS)}, "transformer": {}, "device": {}}
IDEAL = {"accuracy_class": 0.0, "resolution_wh": 0.0, "resolution_v": 0.0}


class House:
    """Two meters on a plant that draws ``p_w(t)`` [W], constant over each quarter-hour."""

    def __init__(self, *losses, p_w=lambda t_ms: 1_000.0, **meter):
        items = [{"id": f"meter/lv1/{t[-1]}", "kind": "meter", "target": t, **IDEAL, **meter}
                 for t in TERMINALS]  # fmt: skip
        specs = parse_instruments(items, TARGETS)
        rows = {spec.id: row for row, spec in enumerate(specs)}
        self.losses = Losses(parse_losses(losses, rows), rows, len(specs), START)
        self.view = PlantView(TERMINALS, [], [])
        self.meters = Instruments(specs, self.view, TARGETS, 1, losses=self.losses)
        self.p_w, self.changes, self.truth, self.told = p_w, [], {}, {"a": {}, "b": {}}
        self.export_told = {"a": {}, "b": {}}

    def run(self, until_ms):
        """Step at every slot and whenever the meters want to; energies are exact."""
        t_ms, wh = 0, np.zeros(2)
        while t_ms < until_ms:
            watts = self.p_w(t_ms // SLOT_MS * SLOT_MS)
            self.view.take_state({
                "index": index_hash(TERMINALS), "t_ms": t_ms, "p_w": np.full((2, 3), watts / 3),
                "v_v": np.full((2, 3), 230.0), "energised": [True] * 2,
                "import_wh": np.full(2, wh[0]), "export_wh": np.full(2, wh[1]),
                "transformers": {"ids": [], "p_w": [], "import_wh": [], "export_wh": [],
                                 "v_v": []},
            })  # fmt: skip
            self.changes += [(t_ms, c.acts) for c in self.meters.change_losses(t_ms)]
            for meter, true_wh in self.meters.lossy(t_ms).items():
                self.truth[meter, t_ms] = true_wh
            for reading in self.meters.sample(t_ms):
                kept = {"energy.import": self.told, "energy.export": self.export_told}
                if reading.variable in kept:
                    kept[reading.variable][reading.instrument[-1]][t_ms] = reading.value
            due = min(self.meters.due_ms, (t_ms // SLOT_MS + 1) * SLOT_MS, until_ms)
            flow = watts * (due - t_ms) / 3.6e6
            wh += (max(flow, 0.0), max(-flow, 0.0))
            t_ms = due
        return self


def loss(kind="bypass", **given_fields):
    return {"id": "loss/1", "kind": kind, "meter": "meter/lv1/a", **given_fields}


def test_a_bypass_hides_its_share_and_the_neighbour_is_untouched() -> None:
    house = House(loss(share=0.3)).run(6 * H_MS)
    last = 6 * H_MS - SLOT_MS
    assert house.told["b"][last] == pytest.approx(5_750.0)
    assert house.told["a"][last] == pytest.approx(0.7 * 5_750.0)
    assert house.truth["meter/lv1/a", last] == pytest.approx([5_750.0, 0.0])
    assert {meter for meter, _ in house.truth} == {"meter/lv1/a"}
    assert house.changes == [(0, True)]


def test_hours_of_the_day_and_limits_of_time_are_kept_to_the_millisecond() -> None:
    # 22:20 to 06:00 UTC, from 30 h after the start at 10:00 on: the second evening is the first
    spec = loss(share=0.5, hours=[22 + 1 / 3, 6.0], from_ms=30 * H_MS, until_ms=62 * H_MS)
    house = House(spec).run(72 * H_MS)
    begin = round((36 + 1 / 3) * H_MS)
    assert house.changes == [
        (begin, True), (44 * H_MS, False), (begin + 24 * H_MS, True), (62 * H_MS, False),
    ]  # fmt: skip
    acted_h = (44 - 36 - 1 / 3) + (62 - 60 - 1 / 3)
    last = 72 * H_MS - SLOT_MS
    assert house.told["a"][last] == pytest.approx(71_750.0 - 500.0 * acted_h, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(-3_000, 6_000), min_size=48, max_size=48),
    st.sampled_from(["bypass", "scaled"]),
    st.floats(0, 1),
    st.tuples(st.integers(0, 23), st.integers(0, 23)).filter(lambda h: h[0] != h[1]),
)
def test_what_is_missing_is_the_share_of_what_was_drawn_while_it_acted(
    powers, kind, share, hours
) -> None:
    house = House(
        loss(kind, share=share, hours=list(hours)), p_w=lambda t_ms: powers[t_ms // SLOT_MS % 48]
    ).run(12 * H_MS)
    first, until = hours
    expected = np.zeros(2)
    for slot in range(47):
        hour = (10 + slot / 4) % 24
        acts = first <= hour < until if first < until else hour >= first or hour < until
        kept = (1 - share if acts else 1.0) * powers[slot] / 4
        expected += (max(kept, 0.0), max(-kept, 0.0))
    last = 47 * SLOT_MS
    assert house.told["a"][last] == pytest.approx(expected[0], abs=1e-6)
    assert house.export_told["a"][last] == pytest.approx(expected[1], abs=1e-6)
    told = list(house.told["a"].values())
    assert all(a <= b + 1e-9 for a, b in pairwise(told))


@pytest.mark.parametrize(("kind", "share"), [("message", 0.4), ("billing", -0.25)])
def test_what_is_sent_differs_from_the_register_only_while_it_acts(kind, share) -> None:
    spec = loss(kind, share=share, from_ms=2 * H_MS, until_ms=4 * H_MS)
    house = House(spec, resolution_wh=1.0).run(6 * H_MS)
    assert house.told["a"][2 * H_MS] == pytest.approx(1_750.0 + (1 - share) * 250.0, abs=1.0)
    last = 6 * H_MS - SLOT_MS
    # from the sample before the change on: the register says no more of it than that
    assert house.told["a"][4 * H_MS - SLOT_MS] == pytest.approx(
        1_750.0 + (1 - share) * 2_000.0, abs=1.0
    )
    assert house.told["a"][last] == pytest.approx(5_750.0 - share * 2_000.0, abs=1.0)
    assert house.told["a"][last] == int(house.told["a"][last])
    assert house.told["b"][last] == 5_750.0


@pytest.mark.parametrize("kind", ["unmetered", "empty"])
def test_nobody_reads_what_has_no_meter_or_no_customer(kind) -> None:
    house = House(loss(kind, from_ms=2 * H_MS)).run(6 * H_MS)
    assert max(house.told["a"]) == 2 * H_MS - SLOT_MS
    assert len(house.told["b"]) == 24
    assert house.truth["meter/lv1/a", 5 * H_MS] == pytest.approx([5_000.0, 0.0])


def test_a_register_begins_anew() -> None:
    house = House(rollover_wh=1_000.0, resolution_wh=1.0).run(3 * H_MS)
    assert list(house.told["a"].values())[:6] == [0.0, 250.0, 500.0, 750.0, 0.0, 250.0]


def test_gaps_are_as_frequent_and_as_long_as_stated() -> None:
    items = [
        {"id": f"meter/{n}", "kind": "meter", "target": TERMINALS[0], "gap_probability": p,
         "gap_length": 4.0}
        for n, p in enumerate((0.05, 0.0))
    ]  # fmt: skip
    gaps = Gaps(parse_instruments(items, TARGETS), 1)
    rows = np.arange(2)
    missed = np.array([gaps.missed(rows).copy() for _ in range(60_000)])
    assert not missed[:, 1].any()
    inside = missed[:, 0]
    begins = int((~inside[:-1] & inside[1:]).sum())
    assert begins / (~inside).sum() == pytest.approx(0.05, rel=0.06)
    # a gap may begin where one has just ended: 4 / (1 - 0.05) samples in a row
    assert inside.sum() / begins == pytest.approx(4.0 / 0.95, rel=0.06)


def test_gaps_lose_no_energy_and_differ_between_meters() -> None:
    house = House(gap_probability=0.05, gap_length=4.0).run(10 * 24 * H_MS)
    assert 600 < len(house.told["a"]) < 950
    for t_ms, value in house.told["a"].items():
        assert value == pytest.approx(t_ms / 3_600.0)
    assert house.told["b"].keys() != house.told["a"].keys()


def test_what_is_theft_is_said_in_the_truth() -> None:
    kinds = {kind: LossSpec("l", kind, "m", 0.3).truth for kind in ("bypass", "empty", "billing")}
    assert [truth["theft"] for truth in kinds.values()] == [True, False, False]


def test_without_losses_not_one_bit_differs() -> None:
    plain = House(accuracy_class=1.0, resolution_wh=1.0)
    plain.meters._losses = None
    plain.run(6 * H_MS)
    assert House(accuracy_class=1.0, resolution_wh=1.0).run(6 * H_MS).told == plain.told
    beside = House(loss(meter="meter/lv1/b"), accuracy_class=1.0, resolution_wh=1.0).run(6 * H_MS)
    assert beside.told["a"] == plain.told["a"]


def test_bad_losses_are_all_named() -> None:
    items = [
        loss("magic"), {**loss(), "id": "loss/2", "meter": "meter/lv1/z"},
        {**loss(share=-0.1), "id": "loss/3"}, {**loss(hours=[3, 3]), "id": "loss/4"},
        {**loss("message", hours=[3, 5]), "id": "loss/5"},
        {**loss(from_ms=5, until_ms=5), "id": "loss/6"}, {**loss(colour=1), "id": "loss/7"},
    ]  # fmt: skip
    with pytest.raises(ScenarioError) as caught:
        parse_losses(items, {"meter/lv1/a": 0})
    paths = [f.path for f in caught.value.faults]
    assert paths[:7] == [
        "losses[0].kind", "losses[1].meter", "losses[2].share", "losses[3].hours",
        "losses[4].hours", "losses[5].until_ms", "losses[6].colour",
    ]  # fmt: skip
    assert "meter meter/lv1/a is there twice" in str(caught.value)
