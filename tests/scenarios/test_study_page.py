"""The reference page of study files."""

import re
from pathlib import Path

from scenarios.study import load_study
from scenarios.study.page import study_page

PAGE = Path(__file__).parents[2] / "docs/reference/study.md"


def test_the_page_is_current():
    assert PAGE.read_text("utf-8") == study_page(), "python -m scenarios.study.page writes it anew"


def test_its_example_is_a_study(tmp_path):
    (example,) = re.findall(r"```yaml\n(.*?)```", study_page(), re.DOTALL)
    file = tmp_path / "example.yaml"
    file.write_text(example)
    assert len(load_study(file).points) == 3 * 2 * 3
