"""Windows of demand response in a negotiation: where each child counts, and what it sees."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.balancing.desired import Aim, Desired, Window
from controllers.balancing.sound import is_sound
from controllers.unit.service import Notification, Result

SLOTS = 8
MEMBER, OTHER = "cmu/a/1", "cmu/a/2"


def window(first, target, base, members=(MEMBER,), name="r", press=None):
    press = press or [0] * len(target)
    return Window(name, first, tuple(target), tuple(base), tuple(press), frozenset(members))


profiles = st.lists(st.integers(-5000, 5000), min_size=SLOTS, max_size=SLOTS).map(np.array)


def test_without_a_window_all_is_as_it_was():
    aim = Aim(100, SLOTS)
    p_w = np.arange(SLOTS)
    assert aim.place(OTHER, p_w) is p_w
    assert aim.seen(OTHER, p_w).tolist() == p_w.tolist()
    plans = {OTHER: p_w * 100}
    desired = aim.desired_w(plans, np.zeros(SLOTS, dtype=np.int64), None, 10)
    assert desired.tolist() == [350] * SLOTS
    assert (
        aim.desired_w(plans, np.zeros(SLOTS, dtype=np.int64), 123.0, 10).tolist() == [120] * SLOTS
    )


def test_a_member_counts_in_the_window_and_the_others_beside_it():
    aim = Aim(100, SLOTS, [window(102, [0] * 3, [0] * 3)])
    p_w = np.arange(1, SLOTS + 1)
    assert aim.place(MEMBER, p_w).tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0]
    assert aim.place(OTHER, p_w).tolist() == [1, 2, 0, 0, 0, 6, 7, 8, 3, 4, 5]
    d = np.arange(11)
    assert aim.seen(MEMBER, d).tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert aim.seen(OTHER, d).tolist() == [0, 1, 8, 9, 10, 5, 6, 7]


@pytest.mark.parametrize(("first", "inside"), [(98, [0, 1]), (106, [6, 7]), (101, [1, 2, 3, 4])])
def test_of_a_window_counts_what_lies_within_the_horizon(first, inside):
    targets = [10, 20, 30, 40]
    aim = Aim(100, SLOTS, [window(first, targets, [0] * 4)])
    zeros = np.zeros(SLOTS, dtype=np.int64)
    desired = aim.desired_w({}, zeros, 1000.0)
    expected = {slot: targets[slot + 100 - first] for slot in inside}
    assert {s: int(desired[s]) for s in inside} == expected
    assert aim.size == SLOTS + len(inside)


def test_two_windows_at_one_time_are_one():
    first, second = window(102, [1, 2], [0, 0]), window(103, [3, 4], [0, 0], name="s")
    assert Aim(100, SLOTS, [first, second]).windows == ["r"]
    assert Aim(100, SLOTS, [first, window(104, [3], [0], name="s")]).windows == ["r", "s"]


def test_the_others_make_up_the_level_with_what_members_would_draw():
    aim = Aim(0, SLOTS, [window(2, [700, 700], [1000, 1000])])
    member, other = np.full(SLOTS, 1000), np.full(SLOTS, 3000)
    desired = aim.desired_w({MEMBER: member, OTHER: other}, np.zeros(SLOTS, dtype=np.int64))
    # two slots of 300 less of members: 600 that are spread over the six others
    assert desired.tolist() == [4100, 4100, 700, 700, 4100, 4100, 4100, 4100, 3000, 3000]


def test_pressure_lowers_the_members_aim_and_nothing_else():
    plain = Aim(0, SLOTS, [window(2, [700, 700], [1000, 1000])])
    pressed = Aim(0, SLOTS, [window(2, [700, 700], [1000, 1000], press=[200, 500])])
    plans = {MEMBER: np.full(SLOTS, 1000), OTHER: np.full(SLOTS, 3000)}
    zeros = np.zeros(SLOTS, dtype=np.int64)
    lower = plain.desired_w(plans, zeros) - pressed.desired_w(plans, zeros)
    assert lower.tolist() == [0, 0, 200, 500, 0, 0, 0, 0, 0, 0]


@given(profiles, profiles, profiles, st.integers(95, 107), st.integers(1, 10))
def test_members_and_others_keep_their_energy(member, other, rest, first, length):
    aim = Aim(100, SLOTS, [window(first, [100] * length, [400] * length)])
    plans = {MEMBER: member, OTHER: other}
    placed = aim.place(MEMBER, member) + aim.place(OTHER, other) + aim.place("", rest)
    assert placed.sum() == (member + other + rest).sum()
    desired = aim.desired_w(plans, rest)
    if not all(95 <= first <= slot < first + length for slot in range(100, 100 + SLOTS)):
        assert abs(int(desired.sum() - placed.sum())) <= 2 * SLOTS  # rounding of levels alone


@given(profiles, profiles, profiles, st.lists(st.booleans(), min_size=3, max_size=3))
def test_a_round_never_takes_the_sum_farther_away(a, b, c, members):
    """Changes that each bring their own share of the distance down bring the whole down."""
    names = [f"cmu/{n}" for n in range(3)]
    inside = [name for name, is_member in zip(names, members, strict=True) if is_member]
    aim = Aim(0, SLOTS, [window(2, [0] * 3, [500] * 3, inside)])
    d = aim.place(names[0], a) + aim.place(names[1], b) + aim.place(names[2], c)
    change, k = np.zeros(aim.size), len(names)
    for name in names:
        share = aim.seen(name, d) / k
        change += aim.place(name, -np.round(0.7 * share).astype(np.int64))
    assert np.linalg.norm(d + change) <= np.linalg.norm(d) + k


def test_windows_are_taken_when_they_change_and_forgotten_when_they_are_over():
    desired = Desired()
    record = {
        "id": "r",
        "slot": 102,
        "p_w": [1, 2],
        "base_w": [3, 4],
        "press_w": [0, 0],
        "members": [MEMBER],
    }
    assert desired.take({"windows": [record]}, 100)
    assert not desired.take({"windows": [record]}, 101)
    assert desired.aim(100, SLOTS).windows == ["r"]
    assert desired.take({"windows": [record | {"members": []}]}, 101)
    assert not desired.take({"windows": [record]}, 104)
    assert desired.aim(100, SLOTS).windows == []


@pytest.mark.parametrize(
    "change",
    [
        {"p_w": []}, {"p_w": [1]}, {"press_w": [1]}, {"base_w": [1.5, 2]},
        {"members": [3]}, {"members": None}, {"slot": None}, {"id": 7}, {"p_w": None},
        {"slot": 10**15},
    ],
)  # fmt: skip
def test_what_is_no_window_is_refused(change):
    record = {
        "id": "r",
        "slot": 102,
        "p_w": [1, 2],
        "base_w": [3, 4],
        "press_w": [0, 0],
        "members": [MEMBER],
    }

    def sound(value):
        note = Notification("n", "", Result.OK, "balancing.windows", "lvgmu/a", "", value, 0)
        return is_sound(note, 0)

    assert sound({"windows": [record]})
    assert not sound({"windows": [record | change]})
    assert not sound({"windows": None})
