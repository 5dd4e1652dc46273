"""Bad scenarios: each is refused with the place and the hint that its header promises."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fernwatt.errors import ScenarioError
from scenarios.validate import validate

CORPUS = Path(__file__).parent / "corpus"
NAMES = sorted(path.name for path in CORPUS.glob("*.yaml"))


def header(path: Path) -> tuple[str, list[tuple[str, str]]]:
    """Return class and expectations (path, substring) of a file's leading comments."""
    kind, expected = "", []
    for line in path.read_text("utf-8", errors="replace").splitlines():
        if line.startswith("# class: "):
            kind = line.removeprefix("# class: ")
        elif line.startswith("# expect: "):
            place, _, text = line.removeprefix("# expect: ").partition(" | ")
            expected.append((place, text))
        else:
            break
    return kind, expected


def everything(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A copy of the corpus, with files that lie outside of it and a link to one of them."""
    here = tmp_path / "scenarios"
    shutil.copytree(CORPUS, here)
    (tmp_path / "outside.json").write_text("{}")
    (tmp_path / "outside.yaml").write_text("fernwatt: 1\n")
    (here / "link.json").symlink_to(tmp_path / "outside.json")
    monkeypatch.chdir(here)
    return here


@pytest.mark.requirement("TB-07")
@pytest.mark.parametrize("name", NAMES)
def test_it_is_refused_with_place_and_hint_and_nothing_is_written(corpus, name):
    kind, expected = header(corpus / name)
    assert kind
    assert expected
    before = everything(corpus.parent)
    with pytest.raises(ScenarioError) as caught:
        validate(corpus / name)
    assert everything(corpus.parent) == before
    assert caught.value.exit_code == 2
    faults = caught.value.faults
    for place, text in expected:
        said = [f"{fault.message} ({fault.hint})" for fault in faults if fault.path == place]
        assert any(text in line for line in said), f"{place} | {text} not in:\n{caught.value}"
    assert len(set(faults)) == len(faults)


def test_it_says_no_more_than_is_wrong(corpus):
    """Files with one fault of the schema's give one fault, not what follows from it too."""
    for name in ("no_for_a_name.yaml", "nan.yaml", "unknown_key.yaml", "duplicate_key.yaml",
                 "two_grid_sources.yaml", "wrong_type_at.yaml", "no_version.yaml"):  # fmt: skip
        with pytest.raises(ScenarioError) as caught:
            validate(corpus / name)
        assert len(caught.value.faults) == 1, str(caught.value)


def test_what_only_assembly_finds_has_its_line_too(corpus):
    for name, line in (("unknown_area.yaml", 7), ("lv_at_no_load.yaml", 5),
                       ("grid_that_executes.yaml", 5), ("sessions_nan.yaml", 2)):  # fmt: skip
        with pytest.raises(ScenarioError) as caught:
            validate(corpus / name)
        assert caught.value.faults[0].where.endswith(f":{line}"), str(caught.value)


def test_the_corpus_is_large_and_of_many_classes():
    kinds = {header(CORPUS / name)[0] for name in NAMES}
    assert len(NAMES) >= 45
    assert len(kinds) >= 16
    assert sum(len(header(CORPUS / name)[1]) > 1 for name in NAMES) >= 10


def test_a_file_larger_than_the_limit_is_not_read(tmp_path):
    big = tmp_path / "big.yaml"
    big.write_text("# " + "x" * 1_100_000)
    with pytest.raises(ScenarioError, match="larger than 1000000 bytes"):
        validate(big)
