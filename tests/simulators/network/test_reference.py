"""The pages of the technologies: complete, and their tables as the code has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from simulators.network.reference import (
    HEADINGS,
    filled,
    index_page,
    marks,
    page_of,
    parameters,
    rate_text,
    write,
)
from simulators.network.technologies import load, sources, titles

BEGIN, END = "<!-- parameters -->", "<!-- /parameters -->"
DOCS = Path(__file__).parents[3] / "docs" / "technologies"


@pytest.mark.parametrize("name", sorted(load()))
def test_every_technology_has_a_page_that_is_complete_and_current(name: str) -> None:
    text = (DOCS / f"{page_of(name)}.md").read_text("utf-8")
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert [heading for heading in headings if heading in HEADINGS] == list(HEADINGS)
    assert filled(text, name) == text, "run python -m simulators.network.reference"
    after = text.partition(marks(name)[1])[2]
    sections = dict(part.split("\n", 1) for part in after.split("\n## ") if "\n" in part)
    for heading in HEADINGS[1:]:
        assert len(sections[heading].split()) >= 20, f"{heading} of {name} says next to nothing"


def test_the_index_lists_all_technologies_and_is_current() -> None:
    page = (DOCS / "index.md").read_text("utf-8")
    assert page == index_page(), "run python -m simulators.network.reference"
    for name in load():
        assert f"[{name}]({page_of(name)}.md)" in page
        assert len(titles()[name].use) > 10


def test_a_table_holds_every_parameter_and_a_page_of_hand_keeps_the_rest(tmp_path: Path) -> None:
    for name in ("lte", "plc-prime"):
        text = f"# By hand\n\n{BEGIN}\nold\n{END}\n\n## Limits\n"
        (tmp_path / f"{name}.md").write_text(text, "utf-8")
    assert set(write(tmp_path)) == load().keys() - {"lte", "plc-prime"}
    page = (tmp_path / "plc-prime.md").read_text("utf-8")
    assert page == f"# By hand\n\n{BEGIN}\n{parameters('plc-prime')}\n{END}\n\n## Limits\n"
    for key, item in sources()["plc-prime"].items():
        assert f"| `{key}` | {item.value} | {item.evidence} |" in page


def test_technologies_that_share_a_page_have_marks_of_their_own() -> None:
    assert page_of("edge") == page_of("core-5g") == "core"
    assert marks("edge") == ("<!-- parameters: edge -->", "<!-- /parameters: edge -->")
    text = "".join("\n".join(marks(name)) for name in ("edge", "core-5g"))
    both = filled(filled(text, "edge"), "core-5g")
    assert both.index(parameters("edge")) < both.index(parameters("core-5g"))


@pytest.mark.parametrize(
    "text", ["", BEGIN, f"{END}{BEGIN}", f"{BEGIN}{END}{END}", f"{BEGIN}{BEGIN}{END}"]
)
def test_a_page_without_its_marks_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="lte needs"):
        filled(text, "lte")


def test_rates_are_those_of_the_standards() -> None:
    loaded = load()
    assert rate_text(loaded["ethernet"]) == "100 Mbit/s"
    assert rate_text(loaded["fibre"]) == "1 Gbit/s"
    # 377 B of PRIME's DBPSK_F in 147.65 ms; a scenario's frames are 269 B in 107.33 ms
    assert rate_text(loaded["plc-prime"]) == f"{8 * 269 / 107.33:.3g} kbit/s"
    # IEEE 802.15.4: 127 B and 6 B of preamble and header at 250 kbit/s
    assert rate_text(loaded["zigbee-han"]) == f"{250 * 127 / 133:.3g} kbit/s"
