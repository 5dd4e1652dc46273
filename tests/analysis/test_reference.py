"""The generated pages of the documentation are current."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.kpis import KPIS
from analysis.reference import PAGES

DOCS = Path(__file__).parents[2] / "docs/reference"


@pytest.mark.parametrize("name", PAGES)
def test_the_committed_page_is_what_the_code_says(name: str) -> None:
    assert (DOCS / name).read_text("utf-8") == PAGES[name](), "run python -m analysis.reference"


def test_every_kpi_says_what_it_is() -> None:
    page = PAGES["kpis.md"]()
    for kpi in KPIS.values():
        assert f"`{kpi.name}`" in page
        assert len(kpi.definition) > 20
        assert kpi.unit
