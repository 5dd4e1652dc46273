"""Any schedule of signs: what is believed is what a model of ten lines believes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.group.silence import Silence, State

_PERIOD = 100
_STEPS = st.lists(
    st.tuples(st.integers(1, 400), st.sampled_from(["look", "sign", "look", "sign", "again"])),
    min_size=1,
    max_size=40,
)


@settings(max_examples=400, deadline=None)
@given(_STEPS, st.integers(1, 4), st.integers(1, 4))
def test_beliefs_follow_silence(steps: list[tuple[int, str]], suspect: int, further: int) -> None:
    lost = suspect + further
    silence = Silence(suspect, lost)
    silence.add("a", _PERIOD, 0)
    now_ms, since_ms, believed = 0, 0, State.PRESENT
    signs: dict[str, int] = {}
    for wait_ms, what in steps:
        now_ms += wait_ms
        if what == "sign":
            signs["a"] = since_ms = now_ms
        elif what == "again":
            silence.add("a", _PERIOD, now_ms)
            since_ms, believed = now_ms, State.PRESENT
        else:
            quiet_ms = now_ms - since_ms
            expected = (
                State.LOST if quiet_ms > lost * _PERIOD
                else State.SUSPECTED if quiet_ms > suspect * _PERIOD
                else State.PRESENT
            )  # fmt: skip
            changes = silence.look(now_ms, signs.get)
            assert silence.state("a") is expected
            told = [(change.before, change.after, change.silent_ms) for change in changes]
            assert told == ([] if expected is believed else [(believed, expected, quiet_ms)])
            believed = expected


def test_who_is_lost_stays_so_over_a_restart_until_it_is_heard() -> None:
    silence = Silence(2, 4)
    silence.add("a", 100, 1000, State.LOST)
    assert silence.look(1050, lambda _name: None) == []
    assert silence.look(1250, lambda _name: None) == []
    (change,) = silence.look(1300, lambda _name: 1290)
    assert (change.before, change.after) == (State.LOST, State.PRESENT)


def test_each_is_watched_by_its_own_period() -> None:
    silence = Silence(2, 4)
    silence.add("fast", 100, 0)
    silence.add("slow", 1000, 0)
    silence.look(500, lambda _name: None)
    assert silence.state("fast") is State.LOST
    assert silence.state("slow") is State.PRESENT
    assert (silence.count(State.LOST), len(silence), "fast" in silence) == (1, 2, True)
    silence.remove("fast")
    assert silence.names == ["slow"]
