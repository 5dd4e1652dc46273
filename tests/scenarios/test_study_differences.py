"""Differences between settings: pairs by seed, intervals by hand, what they are held against."""

from __future__ import annotations

import pytest

from fernwatt.errors import ScenarioError, UsageError
from scenarios.loader import dump, load
from scenarios.study import Outcome, Point, PointResult, load_study
from scenarios.study.differences import difference
from scenarios.study.report import report_text
from scenarios.study.technologies import technology_study

HEAD = "fernwatt-study: 1\nname: links\nscenario: street\n"
T95 = {2: 12.706204736, 3: 4.302652730, 5: 2.776445105}  # Student's t, 97.5 %, by pairs
LOSSES = {
    "plc-prime": [5000.0, 9000.0, 7000.0],
    "lte-m": [5090.0, 9110.0, 7100.0],
    "gprs": [5010.0, 8990.0, None],
}


def outcome(values=None, reference=None, folder=None):
    """Return an outcome with losses by technology and seed."""
    points = [
        (Point(0, {"network.lv_fan": fan}, seed), PointResult("complete", {"losses_wh": loss}))
        for fan, losses in (values or LOSSES).items()
        for seed, loss in enumerate(losses, start=1)
    ]
    return Outcome(
        "links", folder, ("network.lv_fan",), ("losses_wh",), tuple(points), reference or {}
    )


def study(folder, body):
    path = folder / "study.yaml"
    path.write_text(HEAD + body, "utf-8")
    return path


def test_differences_are_between_runs_of_one_seed_with_intervals_by_hand():
    table = outcome().differences().set_index("network.lv_fan")
    # 90, 110, 100: mean 100, standard deviation 10
    row = table.loc["lte-m"]
    assert (row["mean"], row["pairs"], row["sure"]) == (100.0, 3, True)
    assert row["half"] == pytest.approx(T95[3] * 10 / 3**0.5, rel=1e-8)
    # 10, -10; the third seed has no run: mean 0, standard deviation 10 * 2**0.5
    row = table.loc["gprs"]
    assert (row["mean"], row["pairs"], row["sure"]) == (0.0, 2, False)
    assert row["half"] == pytest.approx(T95[2] * 10, rel=1e-8)
    assert "plc-prime" not in table.index


def test_five_seeds_take_the_quantile_of_four_degrees_of_freedom():
    values = {"a": [0.0] * 5, "b": [1.0, 2.0, 3.0, 4.0, 5.0]}
    one, other = outcome(values).settings()
    found = difference(other, one, "losses_wh")
    assert (found.mean, found.pairs, found.sure) == (3.0, 5, True)
    assert found.half == pytest.approx(T95[5] * 2.5**0.5 / 5**0.5, rel=1e-8)
    assert difference(one, one, "losses_wh").mean == 0.0


def test_the_reference_is_the_setting_that_is_named():
    told = outcome(reference={"network.lv_fan": "lte-m"})
    table = told.differences().set_index("network.lv_fan")
    assert list(table.index) == ["plc-prime", "gprs"]
    assert table.loc["plc-prime", "mean"] == -100.0
    assert "differences from lte-m (*: sure at 95 %)" in told.text()
    assert "-100 Wh ± 24.84 Wh*" in told.text()
    plain = told.plain()["differences"][0]
    assert plain["reference"] == {"network.lv_fan": "lte-m"}
    assert plain["kpis"]["losses_wh"]["mean"] == -100.0


def test_with_more_parameters_the_others_stay_as_they_are():
    points = [
        (Point(0, {"network.lv_fan": fan, "devices.pv.share": share}, seed),
         PointResult("complete", {"losses_wh": 100.0 * share + seed + 10 * (fan == "lte")}))
        for fan in ("plc-prime", "lte") for share in (0.2, 0.8) for seed in (1, 2)
    ]  # fmt: skip
    parameters = ("network.lv_fan", "devices.pv.share")
    told = Outcome("x", None, parameters, ("losses_wh",), tuple(points),
                   {"network.lv_fan": "plc-prime"})  # fmt: skip
    table = told.differences()
    assert table["network.lv_fan"].tolist() == ["lte", "lte"]
    assert table["mean"].tolist() == pytest.approx([10.0, 10.0])


def test_one_seed_has_differences_without_intervals():
    one = outcome({"a": [5.0], "b": [7.0]})
    table = one.differences()
    assert table["mean"].tolist() == [2.0]
    assert table["half"].tolist() == [None]
    assert not table["sure"].any()


def test_the_file_and_the_command_line_name_the_reference(tmp_path):
    body = "parameters: {network.lv_fan: [plc-prime, lte-m]}\nkpis: [losses_wh]\n"
    path = study(tmp_path, body + "reference: {network.lv_fan: lte-m}\n")
    assert load_study(path).config.reference == {"network.lv_fan": "lte-m"}
    again = load_study(path, "network.lv_fan=plc-prime")
    assert again.config.reference == {"network.lv_fan": "plc-prime"}
    page = report_text(again, outcome(reference=again.config.reference, folder=tmp_path))
    assert "Differences from plc-prime" in page
    assert "<b>+100 Wh ± 24.84 Wh</b>" in page


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("reference: {network.lv_fan: gprs}\n", "none of its values"),
        ("reference: {network.wan: lte}\n", "not among parameters"),
        ("sampling: list\nreference: {network.lv_fan: lte-m}\n", "sampling: grid"),
    ],
)
def test_a_reference_that_is_no_setting_is_refused(tmp_path, body, message):
    path = study(tmp_path, "parameters: {network.lv_fan: [plc-prime, lte-m]}\n" + body)
    with pytest.raises(ScenarioError, match=message):
        load_study(path)


def test_a_reference_without_a_value_is_refused(tmp_path):
    path = study(tmp_path, "parameters: {network.lv_fan: [plc-prime, lte-m]}\n")
    with pytest.raises(UsageError, match="PATH=VALUE"):
        load_study(path, "plc-prime")


@pytest.fixture
def run_folder(tmp_path):
    """Return what of a run folder its scenario is made of."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "scenario.yaml").write_text(dump(load("street", ["seed=5"])), "utf-8")
    return folder


def test_a_study_of_all_technologies_is_made_of_a_run(run_folder, tmp_path):
    made = tmp_path / "made"
    file = technology_study(run_folder, made, place="lv_fan", wanted=["all"], seeds=3)
    config = load_study(file).config
    (names,) = config.parameters.values()
    assert names[0] == "plc-prime"
    assert {"plc-g3", "rf-mesh-wisun", "gprs", "lte-m", "nb-iot"} <= set(names)
    assert not {"core-4g", "edge", "cloud", "zigbee-han"} & set(names)
    assert config.reference == {"network.lv_fan": "plc-prime"}
    assert config.seeds == [5, 6, 7]
    assert len(load_study(file).points) == 3 * len(names)


def test_what_is_no_place_and_no_technology_is_named(run_folder, tmp_path):
    with pytest.raises(UsageError, match="lv_fan"):
        technology_study(run_folder, tmp_path / "a", place="fan", wanted=["all"], seeds=2)
    with pytest.raises(UsageError, match="did you mean plc-prime"):
        technology_study(run_folder, tmp_path / "b", place="lv_fan", wanted=["plc-prim"], seeds=2)
