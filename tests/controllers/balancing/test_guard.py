"""What a device is told at last: never beyond what it can, its customer wants, the grid allows."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.balancing.guard import Asked, Limit, Plate, Rules, keep, level

W = st.integers(-12_000, 12_000).map(float)
POSITIVE = st.integers(0, 12_000).map(float)
LIMITS = st.builds(Limit, POSITIVE | st.just(inf), POSITIVE | st.just(inf))


@st.composite
def cases(draw):
    names = ["battery", "ev/1", "ev/2"][: draw(st.integers(1, 3))]
    plates = {name: Plate(draw(POSITIVE)) for name in names}
    plates["battery"] = Plate(plates["battery"].most_w, -draw(POSITIVE))
    asked = {name: Asked(draw(W), None, "plan", "", draw(st.booleans())) for name in names}
    if draw(st.booleans()):
        asked["battery"] = replace(asked["battery"], hold_w=draw(W), firm=False)
    ceilings = {name: (draw(W), "above") for name in names if draw(st.booleans())}
    floors = {"battery": -draw(POSITIVE)} if draw(st.booleans()) else {}
    base = sorted([draw(W), draw(W)])
    return asked, plates, Rules(ceilings, floors, draw(LIMITS), draw(LIMITS), tuple(base))


@given(cases())
def test_nothing_is_told_beyond_plates_ceilings_and_reserve(case):
    asked, plates, rules = case
    told = keep(asked, plates, rules)
    assert told.keys() == asked.keys()
    for name, one in told.items():
        assert plates[name].least_w <= one.p_w <= plates[name].most_w
        floor_w = rules.floors_w.get(name, -inf)
        assert one.hold_w is not None or one.p_w >= min(floor_w, plates[name].most_w)
        ceiling_w = rules.ceilings.get(name, (inf, ""))[0]
        if not asked[name].firm and ceiling_w < plates[name].most_w:
            assert one.hold_w is None
            raised = max(ceiling_w, plates[name].least_w, floor_w, 0.0)
            assert one.p_w <= min(raised, plates[name].most_w) + 1e-6
        if one.hold_w is not None:
            assert floor_w <= plates[name].least_w


@given(cases())
def test_the_house_keeps_to_its_limits_as_far_as_devices_can(case):
    asked, plates, rules = case
    told = keep(asked, plates, rules)
    fixed = {name: one.p_w for name, one in told.items() if one.hold_w is None}
    draws = sum(p_w for p_w in fixed.values() if p_w > 0)
    feeds = sum(p_w for p_w in fixed.values() if p_w < 0)
    for limit, yields in ((rules.own, fixed), (rules.grid, _soft(asked, fixed))):
        over = rules.base_w[1] + draws + feeds - limit.import_max_w
        assert over <= 1e-3 or all(p_w <= 1e-3 for p_w in yields.values())
        assert rules.base_w[0] + feeds >= -limit.export_max_w - 1e-3 or feeds >= -1e-3
    for one in told.values():
        if one.hold_w is not None:
            least = min(rules.own.import_max_w, rules.grid.import_max_w)
            assert -min(rules.own.export_max_w, rules.grid.export_max_w) <= one.hold_w <= least


@given(cases())
def test_nobody_draws_more_for_it_but_a_battery_that_would_be_emptied(case):
    asked, plates, rules = case
    for name, one in keep(asked, plates, rules).items():
        wanted = max(asked[name].p_w, plates[name].least_w)
        if one.p_w > wanted + 1e-6:
            assert name == "battery"
            assert one.p_w <= 1e-6 or one.p_w <= plates[name].most_w
            assert one.why in {"reserve", "limit", "grid"}


def _soft(asked, fixed):
    return {name: p_w for name, p_w in fixed.items() if not asked[name].firm}


@given(st.dictionaries(st.text(max_size=2), POSITIVE, min_size=1, max_size=5), POSITIVE)
def test_a_level_gives_out_just_what_there_is(powers, total_w):
    cut = level(powers, total_w)
    given_w = sum(min(p_w, cut) for p_w in powers.values())
    assert given_w == pytest.approx(min(total_w, sum(powers.values())), abs=0.1 * len(powers))


def test_of_a_plan_and_a_set_point_of_the_grid_the_lower_wins():
    plates = {"ev": Plate(11_000.0)}
    for planned, ceiling in ((7000.0, 3000.0), (2000.0, 3000.0), (7000.0, 0.0)):
        rules = Rules({"ev": (ceiling, "order")})
        told = keep({"ev": Asked(planned, None, "plan")}, plates, rules)["ev"]
        assert told.p_w == min(planned, ceiling)
        assert (told.why, told.cause) == (("grid", "order") if ceiling < planned else ("", "plan"))
