"""Run a scenario: assemble, step the world, close the books, work out the KPIs.

A run folder is readable at every moment: the manifest says ``running``, ``complete``,
``interrupted`` or ``failed``, tables are streamed in row groups.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import time as wall
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis import Run, exports, kpis, report
from fernwatt.errors import FernwattError, ScenarioError, UsageError
from fernwatt.timebase import Clock
from scenarios import manifest as manifests
from scenarios.assembly import assemble
from scenarios.failures import RunLog, failure
from scenarios.faults import placed
from scenarios.loader import Scenario, baseline_of, dump
from scenarios.plan import RunPlan
from scenarios.world import World
from simulators.recorder import RunWriter

__all__ = ["Progress", "RunResult", "run", "run_id"]

Progress = Callable[[str, float], None]
"""Called with a stage (``assembling``, ``running``, …) and the share done, 0 to 1."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended; ``error`` is None for a complete one."""

    folder: Path
    status: str
    error: BaseException | None = None

    def check(self) -> RunResult:
        """Raise the error of a run that is not complete; return a complete one."""
        if self.error is not None:
            raise self.error
        return self


def run_id(scenario: Scenario) -> str:
    """Return the name of the run folder: scenario, seed, and a hash of all that goes in."""
    digest = hashlib.sha256(f"{dump(scenario)}\0{manifests.code_hash()}".encode())
    return f"{scenario.config.name}-{scenario.config.seed}-{digest.hexdigest()[:8]}"


def run(
    scenario: Scenario,
    *,
    runs_dir: Path | str = "runs",
    folder: Path | None = None,
    progress: Progress | None = None,
    with_report: bool = True,
) -> RunResult:
    """Run ``scenario`` into a folder of its own below ``runs_dir``, or into ``folder``.

    Faults of the scenario raise ScenarioError before anything is written, a folder that cannot be
    written UsageError. What goes wrong later is in the result, and in the folder's manifest.
    """
    tell = progress or (lambda _stage, _share: None)
    tell("assembling", 0.0)
    plan = _assembled(scenario)
    target = folder or Path(runs_dir) / run_id(scenario)
    try:
        manifest = _open(target, scenario, plan)
        writer = RunWriter(target)
    except OSError as refused:
        raise UsageError(f"cannot write the run folder {target}: {refused}") from refused
    begin = wall.perf_counter()
    status = "complete"
    error: BaseException | None = None
    performance: dict[str, Any] = {}
    try:
        with RunLog(target / "run.log"):
            performance = asyncio.run(_simulate(plan, writer, tell))
    except KeyboardInterrupt as stop:
        status, error = "interrupted", stop
    except FernwattError as failed:
        status, error = "failed", failed
    performance["total"] = {"wall_s": round(wall.perf_counter() - begin, 3)}
    return _finish(target, manifest, writer, status, error, performance, tell, with_report)


def _assembled(scenario: Scenario) -> RunPlan:
    """Return the plan; faults that only show now are placed in the scenario's file as well."""
    try:
        return assemble(scenario)
    except ScenarioError as error:
        raise ScenarioError(placed(error.faults, scenario.places)) from None


async def _simulate(plan: RunPlan, writer: RunWriter, tell: Progress) -> dict[str, Any]:
    world = World(plan, writer, writer.folder / "logs")
    try:
        performance = await _lifetime(world, tell)
    except BaseException as raised:
        failed = await failure(world, raised) if isinstance(raised, Exception) else raised
        with suppress(Exception):  # the first error counts, not what follows from it
            await world.shutdown()
        if failed is raised:
            raise
        raise failed from failed.__cause__
    await world.shutdown()
    return performance


async def _lifetime(world: World, tell: Progress) -> dict[str, Any]:
    """Start, run and conclude; return who took how long."""
    begin = wall.perf_counter()
    tell("starting", 0.0)
    await world.start()
    started = wall.perf_counter()
    teller = asyncio.create_task(_tell(world, tell))
    try:
        await world.run()
    finally:
        teller.cancel()
    if world.progress < 100:
        raise await failure(world, None)
    performance = await world.conclude()
    performance["start"] = {"wall_s": round(started - begin, 3)}
    performance["run"] = {"wall_s": round(wall.perf_counter() - started, 3)}
    return performance


async def _tell(world: World, tell: Progress) -> None:
    while True:
        tell("running", world.progress / 100)
        await asyncio.sleep(0.2)


def _open(folder: Path, scenario: Scenario, plan: RunPlan) -> dict[str, Any]:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    _write_json(folder / "grid.json", plan.grid)
    _write_json(folder / "topology.json", plan.topology)
    text = dump(scenario)
    (folder / "scenario.yaml").write_text(text, "utf-8")
    for name, source in sorted(scenario.files.items()):
        copy = folder / "inputs" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
    manifest = {
        "format": 1,
        "name": plan.name,
        "seed": plan.seed,
        "start": Clock(plan.start).iso(0),
        "duration_ms": plan.end_ms,
        "interval_ms": plan.interval_ms,
        "status": "running",
        "error": None,
        "process": os.getpid(),
        "versions": manifests.versions(),
        "hashes": {
            "scenario": hashlib.sha256(text.encode()).hexdigest(),
            "code": manifests.code_hash(),
            "data": plan.data_hash,
        },
    }
    manifests.write(folder, manifest)
    return manifest


def _finish(  # noqa: PLR0917 - all that a run ends with
    folder: Path,
    manifest: dict[str, Any],
    writer: RunWriter,
    status: str,
    error: BaseException | None,
    performance: dict[str, Any],
    tell: Progress,
    with_report: bool,
) -> RunResult:
    del manifest["process"]
    try:
        tell("closing", 1.0)
        _write_json(folder / "performance.json", performance)
        writer.close()
        manifest["hashes"]["tables"] = manifests.table_hashes(folder)
        if status == "complete":
            manifests.write(folder, manifest | {"status": status})
            exports.write(Run(folder))
            tell("KPIs", 1.0)
            kpis.write(folder, kpis.compute(Run(folder)))
            manifest["hashes"]["kpis"] = manifests.file_hash(folder / "kpis.json")
    except KeyboardInterrupt as stop:
        status, error = "interrupted", error or stop
        with suppress(Exception):
            writer.flush()  # into the parts that are readable as they are
    except Exception as failed:  # noqa: BLE001 - told in the manifest, and by the result
        status, error = "failed", error or failed
    message = None if error is None else str(error) or type(error).__name__
    try:
        manifests.write(folder, manifest | {"status": status, "error": message})
    except OSError as full:  # the old manifest stays, and is read as that of an interrupted run
        status, error = "failed", error or full
    if status == "complete" and with_report:
        tell("report", 1.0)
        report.write(folder, baseline=_baseline(manifest))
    return RunResult(folder, status, error)


def _baseline(manifest: Mapping[str, Any]) -> Path | None:
    """Return the packaged baseline of exactly this scenario, if there is one."""
    path = baseline_of(manifest["name"])
    if path is None or not path.is_file():
        return None
    same = json.loads(path.read_text("utf-8")).get("scenario") == manifest["hashes"]["scenario"]
    return path if same else None


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", "utf-8")
