"""The report: self-contained, the same every time, safe, and complete."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from analysis import Run, kpis, report, update

Write = Callable[..., Path]
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Balance(HTMLParser):
    """Checks that tags close in order, and collects texts and identifiers."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return report.render(Run(folder))


def test_it_needs_nothing_from_elsewhere(page: str) -> None:
    assert not re.search(r'(src|href)="(?!#)', page.replace('href="data:', 'href="#data:'))
    assert "<script" not in page
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)


def test_it_is_well_formed_and_its_identifiers_are_unique(page: str) -> None:
    parser = Balance()
    parser.feed(page)
    assert parser.open == []
    assert len(parser.ids) == len(set(parser.ids))
    assert parser.tags.count("svg") == parser.tags.count("figcaption") == 14


def test_what_a_scenario_says_is_text_and_no_markup(page: str) -> None:
    assert "A &lt;b&gt;street&lt;/b&gt;" in page
    assert "<b>street" not in page


def test_every_kpi_is_there_with_its_definition(page: str, folder: Path) -> None:
    values = {name: entry["value"] for name, entry in Run(folder).kpis.items()}
    filled = {kpis.KPIS[name].family for name, value in values.items() if value is not None}
    for kpi in kpis.KPIS.values():
        assert (f"<code>{kpi.name}</code>" in page) == (kpi.family in filled)
    assert "services" in filled
    assert "lighting" not in filled
    hint = page[page.index("Of no concern to this run") :].partition("</p>")[0]
    assert "Public lighting" in hint
    assert "Services" not in hint


def test_it_shows_verdict_trail_and_provenance(page: str) -> None:
    assert "Energy balance closes" in page
    assert "What led to peak_import_w" in page
    assert "reading energy.import of meter/lv1/c6" in page
    assert "ab" * 32 in page


def test_the_same_run_gives_the_same_bytes(tmp_path: Path, write_run: Write) -> None:
    run = write_run(tmp_path / "run")
    first = report.write(run).read_bytes()
    assert report.write(run).read_bytes() == first


def test_a_baseline_is_part_of_the_verdict(tmp_path: Path, folder: Path, other: Path) -> None:
    baseline = update(folder, tmp_path / "street.json", "first")
    assert "Baseline held" in report.render(Run(folder), baseline=baseline)
    drifted = report.render(Run(other), baseline=baseline)
    assert "Baseline left" in drifted
    assert "What moved" in drifted


def test_an_interrupted_run_has_a_report_that_says_so(tmp_path: Path, write_run: Write) -> None:
    run = write_run(tmp_path / "run", status="running", close=False)
    assert "Run interrupted" in report.render(Run(run))


def test_a_run_without_rows_has_a_report(tmp_path: Path, write_run: Write) -> None:
    folder = write_run(tmp_path / "run")
    for path in [*folder.glob("series/*"), *folder.glob("*.parquet")]:
        path.unlink()
    for name in ("grid", "topology"):
        (folder / f"{name}.json").unlink()
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"status": "failed", "error": "simulator grid failed: <no solution>"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    page = report.render(Run(folder))
    assert "Run failed" in page
    assert "&lt;no solution&gt;" in page
    assert "no message arrived" in page
