"""Windows of demand response in whole negotiations, on an ideal bus of houses."""

import numpy as np
import pytest

H, SLOT_MS = 3_600_000, 900_000
HOUSES = [f"cmu/a/{i}" for i in range(20)]
MEMBERS = HOUSES[::2]
FIRST, SLOTS = 80, 8  # 20 to 22 o'clock
ASK_MS = round(19.2 * H)


def agreed(street):
    """What the parent told of agreements: (time, plans by child and slot [W], windows)."""
    found = []
    for t_ms, _, _, variable, value, _ in street.bus.sent:
        if variable == "balancing.agreed":
            plans = {
                child: dict(enumerate((10 * np.array(units)).tolist(), value["slot"]))
                for child, units in value["plans"].items()
            }
            found.append((t_ms, plans, value["windows"]))
    return found


def sum_w(plans, children):
    return np.array([[plans[c][s] for s in range(FIRST, FIRST + SLOTS)] for c in children]).sum(0)


@pytest.fixture(scope="module")
def house_street():
    """The street of this folder's conftest, for a whole module."""
    import importlib.util
    from pathlib import Path

    path = Path(__file__).with_name("conftest.py")
    spec = importlib.util.spec_from_file_location("street_of_houses", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Street


@pytest.fixture(scope="module")
def asked(house_street):
    """A street asked for 4 kW less of half of its houses, with some pressure."""
    street = house_street(houses=20, responds=HOUSES, replan_s=3600.0).run(19.2)
    [*_, (_, plans, _)] = agreed(street)
    base_w = sum_w(plans, MEMBERS)
    window = {
        "id": "r", "slot": FIRST, "p_w": (base_w - 4000).tolist(), "base_w": base_w.tolist(),
        "press_w": [4000] * SLOTS, "members": MEMBERS,
    }  # fmt: skip
    value = {"windows": [window]}
    street.bus.at(ASK_MS, street.bus.instance, "lvgmu/a", "balancing.windows", value)
    return street.run(21), plans, base_w


def test_a_negotiation_begins_at_once(asked):
    street, _, _ = asked
    after = [(t_ms, windows) for t_ms, _, windows in agreed(street) if t_ms > ASK_MS]
    assert after[0][0] < ASK_MS + 60_000
    assert after[0][1] == ["r"]


def test_members_draw_less_and_the_others_do_not_fill_the_gap(asked):
    street, before, base_w = asked
    plans = next(plans for t_ms, plans, _ in agreed(street) if t_ms > ASK_MS)
    less = base_w.sum() - sum_w(plans, MEMBERS).sum()
    others = [child for child in HOUSES if child not in MEMBERS]
    more = sum_w(plans, others).sum() - sum_w(before, others).sum()
    assert 0.7 * 4000 * SLOTS < less < 1.5 * 4000 * SLOTS
    assert abs(more) < 0.15 * less


def test_no_round_takes_the_sum_farther_away(asked):
    street, _, _ = asked
    rows = [row for row in street.rows() if row["t_ms"] > ASK_MS and row["round"] > 0]
    assert sum(row["committed"] for row in rows) > 0
    for row in rows:
        assert row["distance_after_w"] <= row["distance_before_w"] + 1e-6


def test_when_it_is_over_nothing_of_it_is_left(asked):
    street, _, _ = asked
    street.run(23)
    assert agreed(street)[-1][2] == []
