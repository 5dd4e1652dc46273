"""Run a study: what is done already is taken over, the rest goes to the workers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fernwatt.errors import RunFolderError, UsageError
from scenarios import manifest as manifests
from scenarios.study.cluster import connected
from scenarios.study.plan import Point, Study, load_study
from scenarios.study.report import label, report_text
from scenarios.study.suitability import write_services
from scenarios.study.summary import Outcome, write_summary
from scenarios.study.worker import PointResult, read_result, run_point

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["PointFunction", "run_study"]

PointFunction = Callable[[str, str, str], PointResult]
"""Called in a worker with scenario text, folder of the input files, and run folder."""


def run_study(
    file: Path | str,
    runs_dir: Path | str = "runs",
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    against: str | None = None,
    progress: Callable[[float, str], None] | None = None,
    tell: Callable[[str], None] | None = None,
    point: PointFunction = run_point,
) -> Outcome:
    """Run all points of a study file that are not done yet; return what came out.

    Folders of the points, ``summary.parquet`` (and ``.csv``) and ``report.html`` go to
    ``runs_dir/<study>``. A point is done when its folder holds a complete run of the same
    scenario, inputs and code. Its error is kept where it fails; the others go on. ``against``
    (``path=value``) is the setting that the others are held against. Raises
    ScenarioError before anything is written, UsageError where no scheduler answers. On Ctrl-C what
    is done is in the summary.
    """
    study = load_study(file, against)
    folder = Path(runs_dir).resolve() / study.config.name
    survey = _Survey(
        study, folder, progress or (lambda _share, _text: None), tell or (lambda _: None)
    )
    survey.open()
    try:
        survey.run(point, scheduler, workers)
    finally:
        outcome = write_summary(study, folder, survey.results)
        (folder / "report.html").write_text(report_text(study, outcome), "utf-8", newline="\n")
        write_services(outcome, folder, label)
    return outcome


class _Survey:
    """The state of a running study: ``results`` by run folder."""

    def __init__(
        self,
        study: Study,
        folder: Path,
        progress: Callable[[float, str], None],
        tell: Callable[[str], None],
    ) -> None:
        self._study, self._folder = study, folder
        self._progress, self._tell = progress, tell
        self.results: dict[str, PointResult] = {}
        self._runs = {point.run: point for point in study.points if not point.error}

    def open(self) -> None:
        """Make the study's folder; refuse one that holds something else."""
        mark = self._folder / "study.yaml"
        if self._folder.exists() and not mark.is_file() and any(self._folder.iterdir()):
            raise UsageError(f"{self._folder} holds something else: give the study another name")
        self._folder.mkdir(parents=True, exist_ok=True)
        mark.write_text(self._study.text, "utf-8")

    def run(self, function: PointFunction, scheduler: str | None, workers: int | None) -> None:
        """Run what is not done."""
        for run, point in self._runs.items():
            result = finished(self._folder / run, point)
            if result is not None:
                self.results[run] = result
        left = {run: point for run, point in self._runs.items() if run not in self.results}
        self._tell(f"{len(self._study.points)} points, {len(left)} runs to do")
        if left:
            with connected(scheduler, workers) as client:
                self._distribute(client, function, left)

    def _distribute(
        self, client: Client, function: PointFunction, left: Mapping[str, Point]
    ) -> None:
        from distributed import as_completed

        runs: dict[Future, str] = {}
        for run, point in left.items():
            future = client.submit(
                function, point.text, str(self._study.base_dir), str(self._folder / run), pure=False
            )
            runs[future] = run
        self._show()
        for future in as_completed(list(runs), loop=client.loop):
            run = runs.pop(future)
            self.results[run] = result = _result(future)
            if result.error:
                self._tell(f"{run} failed: {result.error.splitlines()[0]}")
            self._show()

    def _show(self) -> None:
        failed = sum(result.status == "failed" for result in self.results.values())
        text = f"{len(self.results)} of {len(self._runs)} runs" + (
            f", {failed} failed" if failed else ""
        )
        self._progress(len(self.results) / len(self._runs), text)


def _result(future: Future) -> PointResult:
    """Return the result of a point, or the error that kept it from having one."""
    if future.status == "finished":
        result: PointResult = future.result()
        return result
    if future.status == "cancelled":
        return PointResult("failed", error="cancelled: the scheduler gave it up")
    error = future.exception()
    if type(error).__name__ == "KilledWorker":
        text = "its worker process died again and again: out of memory, or killed from outside"
        return PointResult("failed", error=text)
    return PointResult("failed", error=f"{type(error).__name__}: {error}")


def finished(folder: Path, point: Point) -> PointResult | None:
    """Return the result of a complete run of the same scenario, inputs and code, else None."""
    try:
        manifest = manifests.read(folder)
        hashes = manifest["hashes"]
        same = (
            manifest["status"] == "complete"
            and hashes["scenario"] == hashlib.sha256(point.text.encode()).hexdigest()
            and hashes["code"] == manifests.code_hash()
            and all(
                manifests.file_hash(folder / "inputs" / name) == manifests.file_hash(path)
                for name, path in point.files.items()
            )
        )
        return read_result(folder) if same else None
    except (OSError, ValueError, KeyError, TypeError, RunFolderError):
        return None  # missing, cut off, or damaged: it is run anew
