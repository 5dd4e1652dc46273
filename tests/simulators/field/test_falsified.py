"""Instruments that tell something else than they measure."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from fernwatt.messages import Reading
from simulators.field.falsified import Falsified, parse_falsified


def made(**more: Any) -> Falsified:
    usual: dict[str, Any] = {
        "id": "attack/x", "instruments": ["i/a"], "variables": ["energy.import", "voltage"],
        "from_ms": 100, "until_ms": 200,
    }  # fmt: skip
    return Falsified(parse_falsified([usual | more], {"i/a", "i/b"}))


def tell(falsified: Falsified, t_ms: int, value: Any, variable: str = "energy.import") -> Any:
    reading = Reading(f"i/a#{t_ms}", "", "i/a", variable, t_ms, t_ms, value, "Wh")
    (told,) = falsified.apply(t_ms, [reading])
    assert (told.id, told.t_clock_ms) == (reading.id, t_ms)
    return told.value


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"does": "scale", "factor": 0.5}, [1000.0, 1010.0, 1015.0, 1020.0, 1030.0]),
        ({"does": "freeze"}, [1000.0, 1010.0, 1010.0, 1010.0, 1020.0]),
        ({"does": "offset", "offset": 3.0}, [1000.0, 1010.0, 1023.0, 1036.0, 1046.0]),
    ],
)
def test_a_register_s_growth_is_falsified_and_it_goes_on_from_there(
    rule: dict[str, Any], told: list[float]
) -> None:
    falsified = made(**rule)
    times = (0, 50, 110, 150, 250)
    values = [tell(falsified, t_ms, 1000.0 + 10.0 * k) for k, t_ms in enumerate(times)]
    assert values == told


def test_other_values_are_scaled_moved_or_frozen_while_it_acts() -> None:
    scaled = made(does="scale", factor=0.9, offset=1.0)
    assert [tell(scaled, t, 230.0, "voltage") for t in (0, 150, 200)] == [230.0, 208.0, 230.0]
    frozen = made(does="freeze")
    values = [tell(frozen, t, 230.0 + t, "voltage") for t in (50, 150, 250)]
    assert values == [280.0, 280.0, 480.0]


def test_series_of_records_are_changed_and_nothing_else_of_them() -> None:
    falsified = made(variables=["weather.forecast"], fields=["ghi"], factor=2.0)
    record = {"ghi": [1.0, 2.0], "start_ms": 7}
    assert tell(falsified, 150, record, "weather.forecast") == {"ghi": [2.0, 4.0], "start_ms": 7}
    assert record == {"ghi": [1.0, 2.0], "start_ms": 7}


@given(
    st.lists(st.integers(0, 5000), min_size=1, max_size=30),
    st.floats(0.0, 1.0),
    st.integers(0, 30),
    st.integers(0, 30),
)
def test_a_meter_that_tells_less_never_runs_backwards_nor_tells_more(
    steps: list[int], factor: float, begin: int, length: int
) -> None:
    falsified = made(factor=factor, from_ms=begin, until_ms=begin + length)
    true, told = 0.0, []
    for t_ms, step in enumerate(steps):
        true += step
        told.append(tell(falsified, t_ms, true))
        assert told[-1] <= true + 1e-3
    assert all(after >= before - 1e-3 for before, after in pairwise(told))


def test_others_are_left_alone_and_wrong_specifications_refused() -> None:
    reading = Reading("i/b#1", "", "i/b", "energy.import", 150, 150, 5.0, "Wh")
    assert made(factor=0.0).apply(150, [reading]) == [reading]
    with pytest.raises(ScenarioError) as caught:
        made(instruments=["i/none"], does="destroy", more=1)
    assert len(caught.value.faults) == 3
