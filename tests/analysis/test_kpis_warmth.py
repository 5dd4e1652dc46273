"""KPIs of comfort, on rows made up so that the answer is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis import Run
from simulators.recorder import RunWriter
from tests.analysis.test_kpis_quality import made, outcome

ROOM, FRIDGE = "heat_pump/lv1/load-1", "fridge/lv1/load-1"


def warmth(writer: RunWriter) -> None:
    for number, (room_kh, fridge_kh, tank_c) in enumerate(
        [(0.0, 0.02, 50.0), (0.5, 0.03, 38.5), (0.25, 0.0, 44.0)]
    ):
        writer.add("thermal", {
            "t_ms": number * 900_000, "device": [ROOM, FRIDGE], "temperature_c": [20.0, 5.0],
            "low_c": [19.5, 4.0], "high_c": [20.5, 6.0], "discomfort_kh": [room_kh, fridge_kh],
            "tank_c": [tank_c, None],
        })  # fmt: skip


def test_what_was_outside_the_bands_is_summed_and_told_by_device(tmp_path: Path) -> None:
    found = outcome(made(tmp_path, warmth), "discomfort_kh")
    assert found.value == pytest.approx(0.8)
    assert found.by == {ROOM: pytest.approx(0.75)}


def test_the_coldest_water_is_found_with_its_place_and_time(tmp_path: Path) -> None:
    found = outcome(made(tmp_path, warmth), "water_min_c")
    assert (found.value, found.element, found.t_ms) == (38.5, ROOM, 900_000)


@pytest.mark.parametrize("name", ["discomfort_kh", "water_min_c"])
def test_without_anything_warm_there_is_nothing_to_tell(tmp_path: Path, name: str) -> None:
    def nothing(writer: Any) -> None:
        del writer

    run: Run = made(tmp_path, nothing)
    found = outcome(run, name)
    assert found.value is None
    assert found.reason
