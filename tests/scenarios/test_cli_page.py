"""The reference page of the command line."""

from pathlib import Path

from scenarios.cli.app import COMMANDS
from scenarios.cli.page import cli_page

PAGE = Path(__file__).parents[2] / "docs/reference/cli.md"


def test_the_page_is_current():
    assert PAGE.read_text("utf-8") == cli_page(), "python -m scenarios.cli.page writes it anew"


def test_every_option_is_described_and_every_command_has_an_example():
    for line in cli_page().splitlines():
        if line.startswith("| `"):
            assert line.split("|")[3].strip(), line
    for name in COMMANDS:
        assert f"\nfernwatt {name}" in cli_page()
