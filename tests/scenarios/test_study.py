"""Studies on a real local cluster: resumption, a point that fails, a worker that dies."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from fernwatt.errors import ScenarioError
from scenarios.study import PointResult, load_study, run_study
from scenarios.study.survey import PointFunction

_HEAD = "fernwatt-study: 1\nname: trial\nscenario: street\n"


def _file(folder: Path, body: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(_HEAD + body, "utf-8")
    return path


def _function(marks: Path) -> PointFunction:
    """Return a point function that logs each call below ``marks``.

    Seed 3 fails; seed 2 kills its worker process at its first call.
    """

    def function(text: str, _base: str, folder: str) -> PointResult:
        # Sent to the workers by value: imports what it needs there.
        import hashlib
        import json
        import signal
        import uuid

        from scenarios import manifest
        from scenarios.yamlsafe import parse

        tree = parse(text, "point").tree
        seed = tree["seed"]
        (marks / f"{seed}.{uuid.uuid4().hex}.{os.getpid()}").touch()
        if seed == 2 and len(list(marks.glob("2.*"))) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        if seed == 3:
            raise ValueError("three is not allowed")
        value = tree["devices"]["ev"]["share"] * 100 + seed
        place = Path(folder)
        place.mkdir(parents=True)
        (place / "kpis.json").write_text(json.dumps({"losses": {"value": value}}))
        scenario = hashlib.sha256(text.encode()).hexdigest()
        hashes = {"scenario": scenario, "code": manifest.code_hash()}
        manifest.write(place, {"format": 1, "status": "complete", "hashes": hashes})
        return PointResult("complete", {"losses": value})

    return function


def test_cluster_survives_failures_and_goes_on_where_it_was(tmp_path: Path) -> None:
    file = _file(tmp_path, "parameters: {devices.ev.share: [0.25, 0.5]}\nseeds: [1, 2, 3]\n")
    marks = tmp_path / "marks"
    marks.mkdir()
    runs = tmp_path / "runs"
    first = run_study(file, runs, workers=2, point=_function(marks))
    assert [result.status for _, result in first.points] == ["complete", "complete", "failed"] * 2
    assert all("ValueError: three is not allowed" in result.error for _, result in first.failed)
    assert len(list(marks.glob("2.*"))) >= 3  # two points, one of them run again
    table = pq.read_table(first.summary).to_pylist()
    assert [row["seed"] for row in table] == [1, 2, 3] * 2
    assert [row["devices.ev.share"] for row in table] == [0.25] * 3 + [0.5] * 3
    bytes_before, calls = first.summary.read_bytes(), len(list(marks.glob("[12].*")))

    again = run_study(file, runs, workers=2, point=_function(marks))
    assert again.summary.read_bytes() == bytes_before
    assert len(list(marks.glob("[12].*"))) == calls  # nothing that was complete ran again
    assert len(list(marks.glob("3.*"))) >= 4  # what failed was tried again


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("parameters: {devices.ev.shar: [0.1]}", "devices.ev.shar"),
        ("parameters: {devices.ev.share: []}", "parameters"),
        ("parameters: {seed: [1]}", "seed"),
        ("seeds: [1, 1]", "seeds"),
        ("kpis: [no_such_kpi]", "kpis[0]"),
        ("sampling: random\nparameters: {devices.ev.share: {min: 0.1, max: 0.2}}", "count"),
    ],
)
def test_bad_files_are_refused_with_the_place(tmp_path: Path, body: str, place: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_study(_file(tmp_path, body + "\n"))
    assert any(place in str(fault) for fault in caught.value.faults)


def test_more_draws_leave_the_first_ones_alone(tmp_path: Path) -> None:
    body = "sampling: random\nparameters: {devices.ev.share: {min: 0.1, max: 0.9}}\ncount: "
    few = [point.values for point in load_study(_file(tmp_path, f"{body}2\n")).points]
    more = [point.values for point in load_study(_file(tmp_path, f"{body}4\n")).points]
    assert more[:2] == few
    assert all(0.1 <= values["devices.ev.share"] <= 0.9 for values in more)
