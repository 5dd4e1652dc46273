"""What is kept, and for how long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controllers.unit import Policy
from controllers.unit.store import Instance, MemoryStore

KEY = ("voltage", "customer/a", "meter/a")


def instance(number: int, t_ms: int) -> Instance:
    return Instance(f"m#{number}", KEY[0], float(number), t_ms, KEY[2], KEY[1], Policy.of(()))


@given(st.lists(st.integers(0, 1000), max_size=400), st.integers(1, 300))
def test_exactly_what_is_within_the_retention_is_there(times, retention_ms) -> None:
    store, written = MemoryStore(), []
    for number, t_ms in enumerate(times):
        written.append(instance(number, t_ms))
        store.append(written[-1], retention_ms)
    # what was once too old stays away, even if nothing newer had come since
    kept = list(store.series(*KEY))
    newest = max(times, default=0)
    assert kept == [one for one in written if one.t_ms >= newest - retention_ms]
    expected = max(written, key=lambda one: (one.t_ms, float(one.value)), default=None)
    assert store.newest(*KEY) == expected


def test_series_are_apart() -> None:
    store = MemoryStore()
    store.append(instance(1, 5), 10)
    assert store.newest("voltage", "customer/b", KEY[2]) is None
    assert list(store.series("voltage", KEY[1], "meter/b")) == []


def test_a_long_series_is_bounded() -> None:
    store = MemoryStore()
    for number in range(21_000):
        store.append(instance(number, number), 10**12)
    kept = list(store.series(*KEY))
    assert len(kept) <= 20_000 + 64
    assert kept[-1].id == "m#20999"
