"""From a study file to its points."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from scenarios.study import StudyConfig, load_study
from scenarios.study.sampling import count_settings
from scenarios.study.sampling import settings as settings_of

HEAD = "fernwatt-study: 1\nname: trial\nscenario: street\n"
RANDOM = "sampling: random\ncount: 2\nparameters:"


def config(**more) -> StudyConfig:
    tree = {"fernwatt-study": 1, "name": "trial", "scenario": "street", **more}
    return StudyConfig.model_validate(tree)


def study(folder, body, head=HEAD):
    path = folder / "study.yaml"
    path.write_text(head + body, "utf-8")
    return load_study(path)


def faults(folder, body, head=HEAD):
    with pytest.raises(ScenarioError) as caught:
        study(folder, body, head)
    return caught.value.faults


VALUES = st.dictionaries(
    st.sampled_from(["a.b", "c", "d.e.f", "g"]),
    st.lists(st.integers(-5, 5), min_size=1, max_size=4),
    max_size=3,
)


@given(VALUES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_grid_visits_every_combination_once(parameters):
    wanted = config(parameters=parameters)
    visited = [tuple(setting.values()) for setting in settings_of(wanted)]
    assert visited == list(itertools.product(*parameters.values()))
    assert len(visited) == count_settings(wanted)


@given(st.integers(1, 4).flatmap(lambda n: st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.lists(st.integers(), min_size=n, max_size=n),
    min_size=1,
)))  # fmt: skip
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_list_pairs_values_up(parameters):
    wanted = config(sampling="list", parameters=parameters)
    visited = [list(setting.values()) for setting in settings_of(wanted)]
    assert visited == [list(row) for row in zip(*parameters.values(), strict=True)]


def draws(count, **limits):
    wanted = config(sampling="random", count=count, parameters={"x": limits})
    return [setting["x"] for setting in settings_of(wanted)]


def test_draws_are_spread_as_asked():
    """Held to the distributions they are said to have, by Kolmogorov and Smirnov's bound."""
    bound = 1.95 / math.sqrt(2000)  # probability of more: 0.1 %, and the draws are fixed
    linear = np.sort(draws(2000, min=-2.0, max=6.0))
    ranks = (np.arange(2000) + 0.5) / 2000
    assert np.abs((linear + 2.0) / 8.0 - ranks).max() < bound
    log = np.sort(draws(2000, min=0.01, max=100.0, scale="log"))
    assert np.abs((np.log10(log) + 2.0) / 4.0 - ranks).max() < bound


def test_whole_draws_reach_both_limits():
    values = draws(300, min=3.0, max=5.0, whole=True)
    assert set(values) == {3, 4, 5}
    assert all(isinstance(value, int) for value in values)
    assert set(draws(300, min=1.0, max=3.0, whole=True, scale="log")) == {1, 2, 3}


def test_points_are_effective_scenarios_with_their_seeds(tmp_path):
    made = study(
        tmp_path,
        "set: {time.duration_h: 6}\nparameters: {network.lv_fan: [plc-prime, plc-g3]}\n"
        "seeds: [7, 8]\n",
    )
    assert [(p.number, p.values["network.lv_fan"], p.seed) for p in made.points] == [
        (0, "plc-prime", 7), (1, "plc-prime", 8), (2, "plc-g3", 7), (3, "plc-g3", 8),
    ]  # fmt: skip
    for point in made.points:
        assert f"\nseed: {point.seed}\n" in point.text
        assert f"lv_fan: {point.values['network.lv_fan']}\n" in point.text
        assert "duration_h: 6" in point.text
    assert len({point.run for point in made.points}) == 4


def test_without_seeds_and_parameters_it_is_the_scenario_itself(tmp_path):
    (point,) = study(tmp_path, "").points
    assert point.seed == 1
    assert point.values == {}


def test_a_scenario_beside_the_study_comes_before_the_library(tmp_path):
    (tmp_path / "mine.yaml").write_text("fernwatt: 1\nname: mine\nextends: street\nseed: 9\n")
    (point,) = study(tmp_path, "", HEAD.replace("street", "mine.yaml")).points
    assert point.seed == 9


def test_a_combination_that_is_no_scenario_is_kept_with_its_error(tmp_path):
    """3.7 kW at most and 4 kW at least go with others, not with one another."""
    made = study(
        tmp_path,
        "parameters:\n"
        "  devices.ev.p_max_w: [3700.0, 11000.0]\n"
        "  devices.ev.p_min_w: [0.0, 4000.0]\n",
    )
    assert ["larger than p_max_w" in point.error for point in made.points] == [
        False, True, False, False,
    ]  # fmt: skip


def test_values_that_are_good_nowhere_are_refused_with_their_line(tmp_path):
    found = faults(
        tmp_path,
        "parameters:\n"
        "  devices.pv.share: [0.0, 1.5]\n"
        "  network.wan:\n    - lte\n    - let\n"
        "  devices.ev.shar: [0.1, 0.2]\n",
    )
    assert {(fault.path, fault.where) for fault in found} == {
        ("parameters.devices.pv.share[1]", "study.yaml:5"),
        ("parameters.network.wan[1]", "study.yaml:8"),
        ("parameters.devices.ev.shar", "study.yaml:9"),
    }
    hints = {fault.path: fault.hint for fault in found}
    assert hints["parameters.network.wan[1]"] == "did you mean lte?"
    assert hints["parameters.devices.ev.shar"] == "did you mean share?"


def test_faults_of_the_file_come_all_at_once(tmp_path):
    found = faults(
        tmp_path,
        "sampling: gird\nkpis: [peak_import]\nseeds: [-1]\nparametres: {}\n",
        HEAD.replace("street", "strete"),
    )
    assert {fault.path for fault in found} == {
        "sampling", "kpis[0]", "seeds[0]", "parametres", "scenario",
    }  # fmt: skip
    assert {fault.hint for fault in found if fault.path != "seeds[0]"} == {
        "did you mean grid?", "did you mean peak_import_w?", "did you mean parameters?",
        "did you mean street?",
    }  # fmt: skip
    assert [fault.where for fault in found] == [f"study.yaml:{line}" for line in range(3, 8)]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ("sampling: list\nparameters: {devices.ev.share: [0.1], devices.pv.share: [0, 1]}", ""),
        ("parameters: {devices.ev.share: {min: 0, max: 1}}", ".devices.ev.share"),
        (f"{RANDOM} {{devices.ev.share: {{min: 1, max: 0}}}}", ".devices.ev.share.min"),
        (f"{RANDOM} {{devices.ev.share: {{min: 0, max: 1, scale: log}}}}", ".devices.ev.share.min"),
        (f"{RANDOM} {{devices.ev.share: {{min: 0}}}}", ".devices.ev.share.max"),
        (f"{RANDOM} {{devices.ev.share: {{min: 0, max: no}}}}", ".devices.ev.share.max"),
        (f"{RANDOM} {{devices.ev.share: {{min: 0, max: 1, scal: log}}}}", ".devices.ev.share.scal"),
        (f"{RANDOM} {{units.history_days: {{min: 0.5, max: 2, whole: true}}}}",
         ".units.history_days.whole"),
        (f"{RANDOM} {{devices.ev.shar: {{min: 0, max: 1}}}}", ".devices.ev.shar"),
        ("parameters: {devices.ev.share: 0.3}", ".devices.ev.share"),
        ("parameters: {devices.ev.share: &a [0.1]}", ".devices.ev.share"),
        ("parameters: {devices.ev.share: [.nan]}", ".devices.ev.share[0]"),
        ("parameters: {seed: [1]}", ".seed"),
        ("set: {devices.ev.share: 0.1}\nparameters: {devices.ev.share: [0.1]}",
         "set.devices.ev.share"),
        ("set: {devices.ev.shar: 0.1}", "set.devices.ev.shar"),
        ("count: 3", "count"),
        ("seeds: [no]", "seeds[0]"),
        ("seeds: [0.5]", "seeds[0]"),
        ("scenario: ../street.yaml", "scenario"),
    ],
)  # fmt: skip
def test_each_fault_has_its_place(tmp_path, body, path):
    head = HEAD.replace("scenario: street\n", "") if body.startswith("scenario") else HEAD
    found = faults(tmp_path, body + "\n", head)
    path = f"parameters{path}" if path[:1] in ("", ".") else path
    assert [fault.path for fault in found] == [path], found


def test_a_study_of_a_million_points_is_refused_before_it_is_made(tmp_path):
    numbers = ", ".join(str(number) for number in range(1000))
    body = f"parameters: {{a: [{numbers}], b: [{numbers}]}}\n"
    (fault,) = faults(tmp_path, body)
    assert "more than 100000 points" in fault.message


@pytest.mark.parametrize("text", ["", "- a\n", "just words\n"])
def test_what_is_no_study_is_refused(tmp_path, text):
    (fault,) = faults(tmp_path, "", text)
    assert "fernwatt-study: 1" in fault.hint
