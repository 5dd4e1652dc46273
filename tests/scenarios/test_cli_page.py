"""The reference page of the command line."""

import re
from pathlib import Path

from typer.testing import CliRunner

from scenarios.cli.app import COMMANDS, app
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


def test_it_names_the_options_that_there_are():
    for name, section in zip(COMMANDS, cli_page().split("\n## fernwatt ")[1:], strict=True):
        shown = CliRunner().invoke(app, [name, "--help"]).output
        options = set(re.findall(r"--[a-z-]+", "\n".join(shown.split("Options:")[1:])))
        rows = [line for line in section.splitlines() if line.startswith("| `-")]
        written = {word for row in rows for word in re.findall(r"`(--[a-z-]+)`", row)}
        assert options - {"--help"} == written, name
