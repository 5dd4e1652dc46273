"""What `fernwatt doctor` finds."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from scenarios.cli import health


def doctor(folder: Path, **environment: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Return exit code and findings; what is wrong is told on the error stream as well."""
    done = subprocess.run(
        [sys.executable, "-m", "scenarios.cli", "doctor", "--json"],
        cwd=folder, capture_output=True, text=True, check=False, env=os.environ | environment,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    findings = json.loads(done.stdout)
    assert done.returncode == int(any(found["trouble"] for found in findings)), done.stderr
    for found in findings:
        assert not found["trouble"] or found["trouble"] in done.stderr
    return done.returncode, {found["name"]: found for found in findings}


def test_a_file_that_shadows_a_package_of_ours_is_named(tmp_path):
    (tmp_path / "controllers.py").write_text("")
    code, found = doctor(tmp_path)
    assert code == 1
    assert "shadows ours" in found["controllers"]["trouble"]
    assert found["controllers"]["value"] == str((tmp_path / "controllers.py").resolve())
    assert not found["simulators"]["trouble"]
    for name in ("python", "numpy", "mosaik", "balanced", "pandapower", "numba"):
        assert found[name]["value"]
        assert not found[name]["trouble"], found[name]


def test_a_solver_that_solves_something_else_is_ill(monkeypatch):
    monkeypatch.setattr(health, "_P_W", 10_010.0)
    reference = health._closed_form()
    monkeypatch.undo()
    monkeypatch.setattr(health, "_closed_form", lambda: reference)
    ill = {found.name for found in health._solvers() if found.trouble}
    assert ill == {"balanced", "pandapower"}


def test_the_closed_form_is_one():
    """Hold it to Ohm's law: the current that the voltage implies makes just that drop."""
    v_pu = health._closed_form()
    z_pu = complex(health._R_OHM, health._X_OHM) * health._P_W / health._U_V**2
    assert abs(v_pu + z_pu / v_pu) == pytest.approx(1.0, abs=1e-12)


def test_a_cache_that_cannot_be_written_is_trouble(tmp_path, monkeypatch):
    occupied = tmp_path / "file"
    occupied.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(occupied))
    (cache,) = (found for found in health._folders() if found.name == "grid cache")
    assert "XDG_CACHE_HOME" in cache.trouble


def test_a_folder_that_is_gone_is_trouble_and_no_internal_error(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    (free,) = (found for found in health._folders() if found.name == "free here")
    assert "change to another folder" in free.trouble
