"""KPIs held against a baseline: what moved, by how much, and whether it may."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from ruamel.yaml import YAML

from analysis.folder import read_json, read_yaml
from analysis.kpis import KPIS, Up
from analysis.run import Run
from analysis.text import markdown_table, number, text_table
from fernwatt.errors import KpiRegression, RunFolderError, UsageError

__all__ = ["Check", "Row", "check", "update"]

RELATIVE, ABSOLUTE = 1e-6, 1e-9
_KEYS = frozenset({"value", "unit", "relative", "absolute", "fails_on", "reason"})
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One KPI against its baseline.

    ``verdict``: same, better, worse, changed, missing, new. ``failed`` where it may not be so.
    """

    name: str
    unit: str
    old: float | None
    new: float | None
    tolerance: float
    verdict: str
    failed: bool
    reason: str

    @property
    def change(self) -> float | None:
        """New less old."""
        return None if self.old is None or self.new is None else self.new - self.old


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of a check; ``require`` raises where a KPI drifted.

    ``note`` says that the run was not of the baseline's scenario, which moves KPIs by itself.
    """

    run: str
    baseline: str
    rows: tuple[Row, ...]
    note: str = ""

    @property
    def failed(self) -> tuple[Row, ...]:
        """The KPIs that left their tolerance."""
        return tuple(row for row in self.rows if row.failed)

    def require(self) -> Check:
        """Return the check if it passed; raise KpiRegression with a table of what moved."""
        if not self.failed:
            return self
        noun = "KPI" if len(self.failed) == 1 else "KPIs"
        raise KpiRegression(
            f"{len(self.failed)} {noun} of {self.run} left the tolerance of {self.baseline}:\n"
            f"{text_table(*self._table(self.failed))}\n{self._note()}"
            "If that is meant, rewrite the baseline with --update and a reason."
        )

    def text(self, *, every: bool = False) -> str:
        """Return a table of what moved (``every``: of all KPIs) and a verdict line."""
        shown = self.rows if every else [row for row in self.rows if row.verdict != "same"]
        verdict = (
            f"{len(self.failed)} of {len(self.rows)} KPIs drifted"
            if self.failed
            else (f"all {len(self.rows)} KPIs are within tolerance")
        )
        table = [text_table(*self._table(shown))] if shown else []
        return "\n".join([*table, self._note() + verdict])

    def moved(self) -> str:
        """Return a table of the KPIs whose values are others than the baseline's, and their count.

        That is what an update of the baseline changes, tolerances or not.
        """
        shown = [row for row in self.rows if row.new != row.old]
        count = f"{len(shown)} of {len(self.rows)} KPIs are others"
        table = [text_table(*self._table(shown))] if shown else []
        return "\n".join([*table, self._note() + count])

    def _note(self) -> str:
        return f"{self.note}\n" if self.note else ""

    def markdown(self) -> str:
        """Return the check as Markdown, for a comment on a change."""
        verdict = "❌ drifted" if self.failed else "✅ within tolerance"
        table = markdown_table(*self._table(self.rows))
        note = f"{self.note}\n\n" if self.note else ""
        return f"### KPIs of {self.run}: {verdict}\n\n{note}{table}\n"

    def junit(self) -> str:
        """Return the check as JUnit XML, one test case per KPI."""
        suite = ET.Element(
            "testsuite",
            name=f"kpis.{self.run}",
            tests=str(len(self.rows)),
            failures=str(len(self.failed)),
            errors="0",
        )
        for row in self.rows:
            case = ET.SubElement(suite, "testcase", classname=f"kpis.{self.run}", name=row.name)
            if row.failed:
                text = (
                    f"{row.verdict}: {number(row.old, row.unit)} became "
                    f"{number(row.new, row.unit)}, tolerance {row.tolerance:.4g}"
                )
                ET.SubElement(case, "failure", message=text).text = text
        ET.indent(suite)
        return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"

    def plain(self) -> dict[str, Any]:
        """Return the check as JSON values."""
        rows = [asdict(row) | {"change": row.change} for row in self.rows]
        return {"run": self.run, "baseline": self.baseline, "passed": not self.failed,
                "note": self.note, "kpis": rows}  # fmt: skip

    @staticmethod
    def _table(rows: Any) -> tuple[list[str], list[list[str]]]:
        head = ["KPI", "old", "new", "change", "tolerance", "verdict", "reason"]
        return head, [
            [row.name, number(row.old, row.unit), number(row.new, row.unit),
             "–" if row.change is None else f"{row.change:+.4g}", f"{row.tolerance:.4g}",
             row.verdict + (" (fails)" if row.failed else ""), row.reason]
            for row in rows
        ]  # fmt: skip


def check(folder: Path | str | Run, baseline: Path | str) -> Check:
    """Hold a run's KPIs against a baseline file (JSON or YAML).

    A KPI drifts when it moves by more than max(``absolute``, ``relative`` * |old value|), or is
    defined in one and not in the other; ``fails_on: worse`` lets it become better, ``any`` (the
    default) does not. ``name[key]`` stands for one part of a breakdown. Only a complete run can
    be checked. Raises RunFolderError, UsageError.
    """
    run = folder if isinstance(folder, Run) else Run(folder)
    if run.status != "complete":
        raise RunFolderError(f"{run.folder} is {run.status}: only a complete run can be checked")
    path = Path(baseline)
    document = _load(path)
    wanted = document["kpis"]
    values = _flat(run.kpis)
    rows = [_judge(name, limits, values) for name, limits in sorted(wanted.items())]
    rows += [
        Row(name, unit, None, value, 0.0, "new", failed=False, reason="")
        for name, (value, unit) in sorted(values.items())
        if name not in wanted and "[" not in name
    ]
    return Check(run.folder.resolve().name, path.name, tuple(rows), _difference(document, run))


def _difference(document: Mapping[str, Any], run: Run) -> str:
    """Return a note where a run is not of the scenario that the baseline is of."""
    digest = run.manifest.get("hashes", {}).get("scenario")
    if document.get("scenario") in {None, digest}:
        return ""
    return "The run is of another scenario, or of other values of it, than the baseline."


def update(folder: Path | str | Run, baseline: Path | str, reason: str) -> Path:
    """Rewrite a baseline with a run's values; tolerances of the old one are kept.

    ``reason`` says why the values moved and is stored. Raises UsageError without one.
    """
    if not reason.strip():
        raise UsageError("say why the baseline changes: --reason '…'")
    run = folder if isinstance(folder, Run) else Run(folder)
    if run.status != "complete":
        raise RunFolderError(f"{run.folder} is {run.status}: only a complete run is a baseline")
    path = Path(baseline)
    old = _load(path)["kpis"] if path.exists() else {}
    values = _flat(run.kpis)
    names = {name for name in values if "[" not in name} | {name for name in old if name in values}
    kpis = {}
    for name in sorted(names):
        value, unit = values[name]
        kept = {key: old.get(name, {})[key] for key in _KEYS & old.get(name, {}).keys()}
        kpis[name] = {"relative": RELATIVE, "absolute": ABSOLUTE, **kept, "value": value,
                      "unit": unit}  # fmt: skip
    document = {"fernwatt": _FORMAT, "name": run.name, "seed": run.manifest.get("seed"),
                "scenario": run.manifest.get("hashes", {}).get("scenario"),
                "reason": reason.strip(), "kpis": kpis}  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_dump(document, path), "utf-8", newline="\n")
    return path


def _dump(document: Mapping[str, Any], path: Path) -> str:
    if path.suffix not in {".yaml", ".yml"}:
        return json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n"
    stream = io.StringIO()
    YAML(typ="safe", pure=True).dump(dict(document), stream)
    return stream.getvalue()


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UsageError(f"there is no baseline {path}: make one with --update and a reason")
    document = read_yaml(path) if path.suffix in {".yaml", ".yml"} else read_json(path)
    if not isinstance(document, dict) or not isinstance(document.get("kpis"), dict):
        raise UsageError(f"{path} is no baseline: it needs a mapping 'kpis'")
    for name, limits in document["kpis"].items():
        unknown = sorted(set(limits) - _KEYS) if isinstance(limits, dict) else ["(no mapping)"]
        if unknown or "value" not in limits:
            raise UsageError(f"{path}: kpis.{name}: {', '.join(unknown) or 'value is missing'}")
        if limits.get("fails_on", "any") not in {"any", "worse"}:
            raise UsageError(f"{path}: kpis.{name}.fails_on is 'any' or 'worse'")
    return document


def _flat(kpis: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[float | None, str]]:
    """Return value and unit by name, parts of a breakdown as ``name[key]``."""
    flat: dict[str, tuple[float | None, str]] = {}
    for name, entry in kpis.items():
        flat[name] = entry["value"], entry["unit"]
        for key, value in entry.get("by", {}).items():
            flat[f"{name}[{key}]"] = value, entry["unit"]
    return flat


def _judge(
    name: str, limits: Mapping[str, Any], values: Mapping[str, tuple[float | None, str]]
) -> Row:
    old, reason = limits["value"], str(limits.get("reason", ""))
    new, unit = values.get(name, (None, str(limits.get("unit", "1"))))
    relative = float(limits.get("relative", RELATIVE))
    tolerance = max(float(limits.get("absolute", ABSOLUTE)), relative * abs(old or 0.0))
    if old is None or new is None:
        verdict = "same" if old is new else "missing" if new is None else "new"
        return Row(name, unit, old, new, tolerance, verdict, verdict != "same", reason)
    if abs(new - old) <= tolerance:
        return Row(name, unit, old, new, tolerance, "same", failed=False, reason=reason)
    known = KPIS.get(name.partition("[")[0])
    up = known.up if known else Up.NEITHER
    verdict = "changed"
    if up is not Up.NEITHER:
        verdict = "better" if (new > old) == (up is Up.GOOD) else "worse"
    failed = not (verdict == "better" and limits.get("fails_on") == "worse")
    return Row(name, unit, old, new, tolerance, verdict, failed, reason)
