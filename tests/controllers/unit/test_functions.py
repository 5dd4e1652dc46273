"""Functions against pandas and numpy."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.unit.functions import FunctionError, is_function, reduce_values

series = st.lists(
    st.tuples(st.integers(-(10**9), 10**9), st.floats(-1e6, 1e6)), min_size=1, max_size=40
)


def split(rows):
    return [t for t, _ in rows], [v for _, v in rows]


@given(series)
def test_values_are_those_of_pandas(rows) -> None:
    times, values = split(rows)
    oracle = pd.Series(values)
    for name in ("min", "max", "mean", "sum", "count"):
        value, _ = reduce_values(name, times, values)
        assert value == pytest.approx(getattr(oracle, name)(), rel=1e-9, abs=1e-6)


@given(series)
def test_time_stamps_are_those_of_the_table(rows) -> None:
    times, values = split(rows)
    frame = pd.DataFrame({"t": times, "v": values})
    newest, oldest = frame[frame.t == frame.t.max()], frame[frame.t == frame.t.min()]
    assert reduce_values("last", times, values) == (newest.v.iloc[-1], newest.t.iloc[-1])
    assert reduce_values("first", times, values) == (oldest.v.iloc[-1], oldest.t.iloc[-1])
    for name in ("min", "max"):
        extreme = frame[frame.v == getattr(frame.v, name)()]
        assert reduce_values(name, times, values)[1] == extreme.t.min()
    for name in ("mean", "sum", "count", "integral", "percentile:50"):
        assert reduce_values(name, times, values)[1] == max(times)


@given(series, st.integers(0, 1000))
def test_percentiles_are_those_of_numpy(rows, q) -> None:
    times, values = split(rows)
    value, _ = reduce_values(f"percentile:{q / 10}", times, values)
    assert value == pytest.approx(np.percentile(values, q / 10), rel=1e-9, abs=1e-6)


@given(series)
def test_the_integral_holds_each_value_until_the_next(rows) -> None:
    times, values = split(rows)
    held = pd.Series(values, index=times).sort_index(kind="stable")
    hours = np.diff(held.index.to_numpy()) / 3_600_000
    expected = float((held.to_numpy()[:-1] * hours).sum())
    value, _ = reduce_values("integral", times, values)
    assert value == pytest.approx(expected, rel=1e-9, abs=1e-3)


def test_a_kilowatt_for_a_quarter_of_an_hour() -> None:
    assert reduce_values("integral", [0, 900_000], [1000.0, 0.0]) == (250.0, 900_000)


def test_nothing_reduces_to_nothing_but_a_count() -> None:
    assert reduce_values("mean", [], []) is None
    assert reduce_values("count", [], []) == (0, -1)


def test_records_have_a_last_and_a_count_but_no_mean() -> None:
    assert reduce_values("last", [1, 2], [{"a": 1}, {"a": 2}]) == ({"a": 2}, 2)
    assert reduce_values("count", [1, 2], [None, True]) == (2, 2)
    for values in ([{}], [True], ["1"]):
        with pytest.raises(FunctionError, match="numbers only"):
            reduce_values("mean", [1], values)


@pytest.mark.parametrize("name", ["", "median", "percentile", "percentile:101", "percentile:-1",
                                  "percentile:nan", "percentile:1e1", "last "])  # fmt: skip
def test_unknown_functions_are_told(name) -> None:
    assert not is_function(name)
    with pytest.raises(FunctionError):
        reduce_values(name, [1], [1.0])


def test_an_overflow_is_an_error_and_never_infinite() -> None:
    for name in ("sum", "mean", "integral"):
        with pytest.raises(FunctionError):
            reduce_values(name, [0, 10**12, 2 * 10**12], [1.7e308, 1.7e308, 1.7e308])
