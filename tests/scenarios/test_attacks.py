"""Attacks as a scenario states them: what they become, and what is refused."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from fernwatt.errors import ScenarioError
from scenarios import load
from scenarios.assembly import assemble

FORGED = {"kind": "inject", "from_h": 1.0, "until_h": 2.0, "to": "dmu/*/battery", "p_w": 4000.0}


@cache
def params(*settings: str) -> dict[str, Any]:
    return dict(assemble(load("attacks", settings)).params)


def written(folder: Path, *attacks: dict[str, Any], **more: Any) -> Path:
    source = YAML(typ="safe").load(Path("scenarios/street.yaml"))
    source["attacks"] = [{"name": f"a{n}", **attack} for n, attack in enumerate(attacks)]
    with (folder / "case.yaml").open("w") as file:
        YAML().dump(source | more, file)
    return folder / "case.yaml"


def test_without_acting_attacks_nothing_is_different() -> None:
    plain, quiet = assemble(load("street")), params("acting=none", "services.detection=null")
    spec = plain.params["network"]["spec"]
    assert spec.keys() == quiet["network"]["spec"].keys()
    for name in ("taps", "noises"):
        assert name not in plain.params["network"]["spec"]
    assert not {"falsified", "attacks"} & plain.params["field"].keys()
    assert not any("compromised" in unit for unit in plain.params["units"]["spec"]["units"])
    assert not any("detection" in u["services"] for u in plain.params["units"]["spec"]["units"])


def test_detectors_are_told_nothing_of_attacks() -> None:
    def detectors(acting: str) -> dict[str, Any]:
        units = params(f"acting={acting}")["units"]["spec"]["units"]
        return {unit["id"]: unit["services"]["detection"] for unit in units}

    assert detectors("all") == detectors("none")
    assert "attack" not in str(detectors("all"))


def test_every_attack_has_its_truth_and_leaves_its_mark_on_the_world() -> None:
    config = load("attacks").config
    made = params()
    truth = {item["id"]: item for item in made["field"]["attacks"]}
    assert list(truth) == [f"attack/{attack.name}" for attack in config.attacks]
    assert all(item["targets"] for item in truth.values())
    spec = made["network"]["spec"]
    marks = {tap["id"].rpartition("/")[0] for tap in spec["taps"]}
    marks |= {noise["id"] for noise in spec["noises"]}
    marks |= {item["id"] for item in made["field"]["falsified"]}
    for unit in made["units"]["spec"]["units"]:
        marks |= {rule["id"] for rule in unit.get("compromised", ())}
    assert marks == truth.keys()


def test_one_attack_may_be_chosen() -> None:
    made = params("acting=jam")
    assert [item["id"] for item in made["field"]["attacks"]] == ["attack/jam"]
    assert "taps" not in made["network"]["spec"]
    with pytest.raises(ScenarioError, match="there is no attack nonsense"):
        load("attacks", ["acting=nonsense"])


def test_forged_frames_enter_near_their_target_and_each_has_a_number_of_its_own() -> None:
    taps = params("acting=inject")["network"]["spec"]["taps"]
    assert len({tap["payload"] for tap in taps}) == len(taps)
    for tap in taps:
        house = tap["dst"].split("/")[1:3]
        assert tap["element"] == "/".join(["meter", *house])
        assert tap["src"] == "/".join(["cmu", *house])


IMPOSSIBLE: list[tuple[dict[str, Any], str, str]] = [
    ({**FORGED, "to": "dmu/nobody/*"}, "to", "nothing is named"),
    ({**FORGED, "to": "meter/*"}, "to", "takes orders"),
    ({**FORGED, "in_name_of": "cmu/nobody"}, "in_name_of", "no unit"),
    (
        {"kind": "spoof", "from_h": 0.0, "to": "cmu/*", "variable": "energy.import",
         "value": {"no": "number"}},
        "variable", "no unit would take",
    ),
    ({"kind": "forecast", "from_h": 0.0}, "kind", "there are no forecasts"),
    (
        {"kind": "compromise", "from_h": 0.0, "units": "dmu/*/pv", "variable": "area.energy",
         "does": "drop"},
        "units", "no service",
    ),
    (
        {"kind": "compromise", "from_h": 0.0, "units": "lvgmu/*", "variable": "area.enrgy",
         "does": "set"},
        "variable", "there is no variable",
    ),
    ({"kind": "jam", "from_h": 0.0, "media": "air/*"}, "media", "nothing"),
    ({"kind": "eavesdrop", "from_h": 0.0, "at": "x"}, "at", "nothing"),
    ({"kind": "false_data", "from_h": 0.0, "instruments": "nose/*"}, "instruments", "nothing"),
]  # fmt: skip


def test_impossible_attacks_are_all_refused_with_their_place(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        assemble(load(written(tmp_path, *(attack for attack, _, _ in IMPOSSIBLE))))
    found = {fault.path: fault.message for fault in caught.value.faults}
    for number, (_, key, text) in enumerate(IMPOSSIBLE):
        assert text in found[f"attacks[{number}].{key}"]


@pytest.mark.parametrize(
    ("attack", "text"),
    [
        ({**FORGED, "until_h": 0.5}, "must be after from_h"),
        ({**FORGED, "p_kw": 4.0}, "p_kw"),
        ({"kind": "magic", "from_h": 0.0}, "magic"),
    ],
)
def test_the_schema_refuses_what_no_attack_is(
    tmp_path: Path, attack: dict[str, Any], text: str
) -> None:
    with pytest.raises(ScenarioError, match=text):
        load(written(tmp_path, attack))


def test_names_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="is taken"):
        load(written(tmp_path, {**FORGED, "name": "x"}, {**FORGED, "name": "x"}))
