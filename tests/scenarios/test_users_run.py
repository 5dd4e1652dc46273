"""Persons at units in a run, and the command that keeps their accounts."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from analysis import Run
from fernwatt.errors import ScenarioError
from scenarios import load, run
from scenarios.assembly import assemble
from scenarios.cli.app import app

LOW, TOP, METER = "lvgmu/lv4.101", "tlgmu/top", "meter/lv4.101/load-1"
USERS = {
    "accounts": [
        {"name": "anna", "role": "ENGINEER", "units": ["lvgmu/*"]},
        {"name": "otto", "role": "OPERATOR", "units": ["tlgmu/*", "lvgmu/*"]},
        {"name": "ute", "role": "VIEWER", "stakeholder": "customer/lv4.101/load-1"},
    ],
    "revoked": [{"name": "otto", "at_h": 0.5}],
    "sessions": [
        {"user": "anna", "unit": LOW, "at_h": 0.4, "actions": [
            {"variable": "area.energy", "location": LOW},
            {"operation": "write", "variable": "set_point", "location": LOW, "value": {}},
            {"variable": "energy.import", "location": METER},
        ]},
        {"user": "otto", "unit": LOW, "at_h": 0.45},
        {"user": "otto", "unit": LOW, "at_h": 0.6},
        {"user": "anna", "unit": LOW, "at_h": 0.7, "by": "a-thief"},
        {"user": "anna", "unit": LOW, "at_h": 0.7, "by": "a-forger"},
        {"user": "ute", "unit": "cmu/lv4.101/load-1", "at_h": 0.8, "actions": [
            {"variable": "energy.import", "location": METER},
            {"variable": "energy.import", "location": "meter/lv4.101/load-2"},
        ]},
    ],
}  # fmt: skip


def written(folder: Path, users: object) -> Path:
    source = YAML(typ="safe").load(Path("scenarios/street.yaml"))
    source["time"] = {"start": "2016-04-20T15:00:00Z", "duration_h": 1}
    source["units"] |= {"history_days": 1, "security": "integrity", "users": users}
    source["services"] = {"balancing": {"mode": "local"}}
    path = folder / "case.yaml"
    with path.open("w") as file:
        YAML().dump(source, file)
    return path


@pytest.mark.requirement("SP-07")
def test_persons_log_in_ask_and_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, USERS)
    found = Run(run(load(str(path)), folder=tmp_path / "r", with_report=False).check().folder)
    kpis = found.kpis
    assert kpis["user_logins"]["by"] == {"ENGINEER": 1, "OPERATOR": 1, "VIEWER": 1}
    assert kpis["user_refusals"]["by"] == {"revoked": 1, "signature": 2}
    assert kpis["user_denials"]["by"] == {"control": 1}
    answers = found.events[(found.events["kind"] == "user_answered").to_numpy()]
    values = [v if isinstance(v, dict) else json.loads(v) for v in answers["value"]]
    results = list(zip(answers["element"], [v["result"] for v in values], strict=True))
    # an engineer of the operator reads the area, not a customer; a customer his own meter alone
    assert sorted(results) == [
        ("anna", "denied"), ("anna", "ok"), ("ute", "denied"), ("ute", "ok")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"revoked": [{"name": "onna"}]}, "units.users.revoked[0].name"),
        ({"sessions": [{"user": "anna", "unit": "lvgmu/lv5", "at_h": 0}]}, "sessions[0].unit"),
        ({"accounts": [{"name": "x", "role": "VIEWER", "stakeholder": "oprator"}], "revoked": [],
          "sessions": []}, "accounts[0].stakeholder"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said(tmp_path: Path, change: dict, path: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        assemble(load(str(written(tmp_path, USERS | change))))
    assert path in str(caught.value)


@pytest.mark.requirement("SP-07")
def test_the_command_lists_adds_and_revokes_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    shutil.copy("scenarios/street.yaml", path)
    before = path.read_text("utf-8")
    call = CliRunner().invoke
    words = ["users", "add", str(path), "anna", "--role", "ENGINEER", "--at", "lvgmu/*"]
    assert call(app, words).exit_code == 0
    assert call(app, ["users", "revoke", str(path), "anna", "--at-h", "2"]).exit_code == 0
    told = call(app, ["users", "list", str(path)]).output
    assert told.strip() == "anna  ENGINEER   for operator  at lvgmu/*, revoked at 2 h"
    (listed,) = json.loads(call(app, ["users", "list", str(path), "--json"]).output)
    assert (listed["name"], listed["revoked_h"]) == ("anna", 2.0)
    comments = [line for line in before.splitlines() if line.lstrip().startswith("#")]
    assert all(line in path.read_text("utf-8") for line in comments)
    now = path.read_text("utf-8")
    for wrong in (["users", "add", str(path), "anna"], ["users", "revoke", str(path), "otto"],
                  ["users", "add", str(path), "max", "--role", "KING"]):  # fmt: skip
        result = call(app, wrong)
        assert isinstance(result.exception, ScenarioError)
        assert path.read_text("utf-8") == now
    assert [one.name for one in tmp_path.iterdir()] == ["mine.yaml"]
