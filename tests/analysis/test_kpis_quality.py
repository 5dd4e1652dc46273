"""KPIs on quality of supply, on rows made up so that the answer is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis import Run, kpis
from simulators.recorder import RunWriter

TEN_MINUTES_MS = 600_000
GOOD, BAD = "bus/lv1/good", "bus/lv1/bad"


def quality(writer: RunWriter, count: int, **bad: Any) -> None:
    """Write ``count`` intervals of two places; ``bad`` are columns of the second one."""
    for number in range(count):
        columns: dict[str, Any] = {
            "t_ms": number * TEN_MINUTES_MS, "place": [GOOD, BAD], "nominal_v": 230.0,
            "u2_percent": [0.5, 0.5], "u0_percent": 0.5, "hz_min": 50.0, "hz_max": 50.0,
            "flagged": False,
        }  # fmt: skip
        for k in (1, 2, 3):
            columns[f"v_{k}_v"] = [230.0, 230.0]
            columns[f"thd_{k}_percent"] = [2.0, 2.0]
            columns[f"pst_{k}"] = [0.1, 0.1]
            columns[f"plt_{k}"] = [0.1, 0.1] if number >= 11 else None
        for name, values in bad.items():
            columns[name] = [columns[name][0], values[number]]
        writer.add("quality", columns)


def event(writer: RunWriter, kind: str, begin_ms: int, end_ms: int) -> None:
    writer.add("voltage_event", {
        "begin_us": [begin_ms * 1000], "end_us": [end_ms * 1000], "place": [BAD], "kind": [kind],
        "extreme_pu": [0.0], "phases": ["123"], "deep": [False], "complete": [True],
        "cause": [""], "ended_by": [""],
    })  # fmt: skip


def made(folder: Path, fill: Any) -> Run:
    writer = RunWriter(folder)
    manifest = {"name": "x", "seed": 1, "start": "2016-04-20T22:00:00Z", "status": "complete",
                "duration_ms": 86_400_000, "interval_ms": 900_000, "hashes": {}}  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    fill(writer)
    writer.close()
    return Run(folder)


def outcome(run: Run, name: str) -> kpis.Outcome:
    return kpis.KPIS[name].compute(run)


def test_one_place_of_two_keeps_the_standard(tmp_path):
    # 2 of 20 intervals too low: 90 % inside, 95 % needed
    volts = [200.0] * 2 + [230.0] * 18
    run = made(tmp_path, lambda writer: quality(writer, 20, v_2_v=volts))
    found = outcome(run, "en50160_percent")
    assert found.value == 50.0
    assert found.by == {"voltage": 50.0, "unbalance": 100.0, "thd": 100.0, "flicker": 100.0,
                        "frequency": 100.0}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "end_ms", "value"),
    [("interruption", 1_200_000, 100.0), ("dip", 60_000, 50.0), ("dip", 900_000, 50.0)],
)
def test_an_interruption_is_no_low_voltage_but_a_long_dip_is(tmp_path, kind, end_ms, value):
    def fill(writer: RunWriter) -> None:
        quality(writer, 20, v_2_v=[200.0] * 2 + [230.0] * 18)
        event(writer, kind, 0, end_ms)

    # a dip of a minute takes out one of the two intervals: 18 of 19 inside are too few
    assert outcome(made(tmp_path, fill), "en50160_percent").value == value


def test_the_worst_place_is_told(tmp_path):
    thd = [float(number) for number in range(1, 21)]
    run = made(tmp_path, lambda writer: quality(writer, 20, thd_3_percent=thd, u2_percent=thd))
    for name in ("thd_95_percent", "unbalance_95_percent"):
        found = outcome(run, name)
        assert (found.value, found.element) == (19.0, BAD)


def test_events_are_counted_by_kind(tmp_path):
    def fill(writer: RunWriter) -> None:
        quality(writer, 1)
        event(writer, "dip", 10, 20)
        event(writer, "dip", 30, 40)
        event(writer, "interruption", 30, 40)

    found = outcome(made(tmp_path, fill), "voltage_events")
    assert (found.value, found.by) == (3, {"dip": 2, "interruption": 1})


def test_nothing_recorded_is_nothing(tmp_path):
    run = made(tmp_path, lambda _: None)
    for name in ("en50160_percent", "thd_95_percent", "unbalance_95_percent", "voltage_events"):
        found = outcome(run, name)
        assert found.value is None
        assert found.reason
