"""What a person sees of a run, with and without a terminal, and how quickly the help is there."""

import os
import pty
import subprocess
import sys

SHOW = """
from datetime import UTC, datetime
from fernwatt.timebase import Clock
from scenarios.cli.screen import RunScreen
with RunScreen(Clock(datetime(2016, 4, 20, 10, tzinfo=UTC)), 86_400_000, quiet=QUIET) as screen:
    screen("assembling", 0.0)
    for step in range(201):
        screen("running", step / 200, "switch S4 opened")
    screen("closing", 1.0)
"""


def shown(quiet: bool = False) -> list[str]:
    code = SHOW.replace("QUIET", str(quiet))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def on_a_terminal(**environment: str) -> str:
    master, slave = pty.openpty()
    code = SHOW.replace("QUIET", "False")
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=slave, stdout=slave, stderr=slave,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "120"} | environment,
    ) as process:  # fmt: skip
        os.close(slave)
        parts = []
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            parts.append(part)
    os.close(master)
    assert process.returncode == 0
    return b"".join(parts).decode()


def test_plain_lines_without_a_terminal_one_for_each_tenth():
    lines = shown()
    assert lines[:2] == [
        "assembling grid, devices and units", "running 1 day, 0:00:00 of simulated time"
    ]  # fmt: skip
    assert len(lines) == 2 + 11 + 1
    assert lines[2 + 5] == "   50%  2016-04-20 22:00 UTC  switch S4 opened"
    assert lines[-1] == "writing the tables"


def test_nothing_when_it_is_to_be_quiet():
    assert shown(quiet=True) == []


def test_one_bar_on_a_terminal_with_time_and_latest_event():
    text = on_a_terminal()
    assert "2016-04-21 10:00 UTC  switch S4 opened" in text
    assert "100%" in text
    assert "\x1b[38" in text or "\x1b[35" in text


def test_no_color_takes_the_colours_away():
    text = on_a_terminal(NO_COLOR="1")
    assert "switch S4 opened" in text
    assert "\x1b[3" not in text


def test_the_help_waits_for_no_library():
    code = (
        "import sys; from scenarios.cli import app; from typer.testing import CliRunner;"
        "assert CliRunner().invoke(app, ['run', '--help']).exit_code == 0;"
        "heavy = {'numpy', 'pandas', 'mosaik', 'pandapower', 'rich', 'distributed'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
