"""Continuity of supply, against the definitions on rows that hypothesis makes up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import Run, kpis
from simulators.recorder import RunWriter

CUSTOMERS = 7
MINUTE_US = 60_000_000
INTERRUPTION = st.tuples(st.integers(0, CUSTOMERS), st.integers(1, 600), st.floats(0, 1e4))


def value(run: Run, name: str) -> Any:
    return kpis.KPIS[name].compute(run).value


def recorded(folder: Path, found: list[tuple[int, int, float]]) -> Run:
    """Return a run with interruptions of (customer, half minutes, Wh); the last is nobody."""
    writer = RunWriter(folder)
    manifest = {"name": "x", "seed": 1, "start": "2016-04-20T22:00:00Z", "status": "complete",
                "duration_ms": 86_400_000, "interval_ms": 900_000, "hashes": {}}  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    people = [f"customer/{n}" for n in range(CUSTOMERS)] + [""]
    terminals = [{"id": f"terminal/{n}", "customer": who} for n, who in enumerate(people)]
    (folder / "grid.json").write_text(json.dumps({"terminals": terminals}))
    for who, halves, energy_wh in found:
        writer.add("interruption", {
            "begin_us": [0], "end_us": halves * MINUTE_US // 2, "terminal": f"terminal/{who}",
            "customer": people[who], "cause": "", "restored_by": "", "complete": True,
            "energy_wh": energy_wh,
        })  # fmt: skip
    writer.close()
    return Run(folder)


@settings(max_examples=40, deadline=None)
@given(found=st.lists(INTERRUPTION, max_size=30))
def test_indices_are_sums_over_the_customers(
    tmp_path_factory: pytest.TempPathFactory, found: list[tuple[int, int, float]]
) -> None:
    run = recorded(tmp_path_factory.mktemp("run"), found)
    minutes = [halves / 2 for who, halves, _ in found if who < CUSTOMERS]
    long = [each for each in minutes if each > 3.0]
    assert value(run, "saifi") == pytest.approx(len(long) / CUSTOMERS)
    assert value(run, "maifi") == pytest.approx((len(minutes) - len(long)) / CUSTOMERS)
    assert value(run, "saidi_min") == pytest.approx(sum(long) / CUSTOMERS)
    missed = sum(energy_wh for _, _, energy_wh in found)
    assert value(run, "energy_not_supplied_wh") == pytest.approx(missed)
    if long:
        product = value(run, "saifi") * value(run, "caidi_min")
        assert product == pytest.approx(value(run, "saidi_min"))
    else:
        assert value(run, "caidi_min") is None


def test_without_customers_the_indices_are_not_defined(tmp_path: Path) -> None:
    assert value(recorded(tmp_path, []), "saifi") == 0.0
    (tmp_path / "grid.json").write_text(json.dumps({"terminals": []}))
    assert [value(Run(tmp_path), name) for name in ("saifi", "maifi", "saidi_min")] == [None] * 3
