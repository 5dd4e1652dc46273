"""Reading scenarios: lines, inheritance, overrides, scalars, and text of any kind."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from scenarios.loader import dump, library, load
from scenarios.validate import validate
from scenarios.yamlsafe import parse, scalar
from scenarios.yamlwrite import write_yaml

HEAD = "fernwatt: 1\nname: mine\nextends: street\n"


def written(folder: Path, text: str, name: str = "mine.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def refused(source, overrides=()):
    with pytest.raises(ScenarioError) as caught:
        load(source, overrides)
    return caught.value.faults


def attempt(source, overrides=()):
    """Return a scenario, or None where it is refused with faults that say something."""
    try:
        return load(source, overrides)
    except ScenarioError as raised:
        error = raised
    assert error.faults
    assert all(fault.path and fault.message for fault in error.faults)
    lines = str(error).splitlines()
    assert len(lines) == 1 + len(error.faults)
    assert all(line.isprintable() for line in lines)
    return None


@pytest.mark.parametrize("name", sorted(library()))
def test_every_scenario_of_the_library_can_be_put_together(name):
    assert validate(name).config.name == name


def test_faults_come_in_the_order_of_the_file_with_their_lines(tmp_path):
    text = HEAD + "seed: -1\ndevices:\n  ev:\n    share: 2\n    p_max_kw: 11\nsed: 1\n"
    faults = refused(written(tmp_path, text))
    assert [(fault.path, fault.where) for fault in faults] == [
        ("seed", "mine.yaml:4"),
        ("devices.ev.share", "mine.yaml:7"),
        ("devices.ev.p_max_kw", "mine.yaml:8"),
        ("sed", "mine.yaml:9"),
    ]


def test_what_is_missing_is_placed_at_its_section(tmp_path):
    text = HEAD + "grid:\n  lv:\n    - at: 3\n"
    (fault,) = refused(written(tmp_path, text))
    assert (fault.path, fault.where) == ("grid.lv[0].simbench", "mine.yaml:6")
    assert "SimBench code" in fault.hint


def test_sections_merge_through_all_generations_and_lists_are_replaced(tmp_path):
    written(tmp_path, HEAD + "devices:\n  pv: {share: 0.1, p_rated_w: [1, 2]}\n", "below/a.yaml")
    written(tmp_path, "name: b\nextends: below/a.yaml\ndevices: {ev: {share: 0.3}}\n", "b.yaml")
    child = written(tmp_path, "name: c\nextends: b.yaml\ndevices: {pv: {p_rated_w: [5, 6]}}\n")
    scenario = load(child)
    street = load("street").config
    assert scenario.config.name == "c"
    assert scenario.config.devices.pv.share == 0.1
    assert scenario.config.devices.pv.p_rated_w == [5, 6]
    assert scenario.config.devices.ev.share == 0.3
    assert scenario.config.devices.ev.p_max_w == street.devices.ev.p_max_w
    assert scenario.config.grid == street.grid
    assert scenario.places["devices", "pv", "share"] == "a.yaml:5"
    assert scenario.places["devices", "ev", "share"] == "b.yaml:3"
    assert scenario.places["devices", "pv", "p_rated_w", 0] == "mine.yaml:3"


def test_a_fault_of_a_parent_is_placed_in_the_parent(tmp_path):
    written(tmp_path, HEAD + "devices:\n  pv: {share: 7}\n", "parent.yaml")
    (fault,) = refused(written(tmp_path, "name: c\nextends: parent.yaml\nseed: 3\n"))
    assert (fault.path, fault.where) == ("devices.pv.share", "parent.yaml:5")


def test_a_child_mends_its_parent(tmp_path):
    written(tmp_path, HEAD + "devices:\n  pv: {share: 7}\n", "parent.yaml")
    child = written(tmp_path, "name: c\nextends: parent.yaml\ndevices: {pv: {share: 1}}\n")
    assert load(child).config.devices.pv.share == 1


def test_overrides_change_single_values_and_sections():
    changes = ["seed=7", "devices.ev.share = 0.25", "orchestration.processes=[grid, field]",
               "description='no'", "services.balancing={mode: local}"]  # fmt: skip
    config = load("street", changes).config
    assert config.seed == 7
    assert config.devices.ev.share == 0.25
    assert config.orchestration.processes == ["grid", "field"]
    assert config.description == "no"
    assert config.services.balancing.mode == "local"
    assert config.services.balancing.replan_s == 3600
    assert config.grid == load("street").config.grid


def test_faults_of_overrides_are_placed_there():
    changes = ["devices.ev.share=2", "sed=1", "nonsense", "name.x=1", "description=no", "seed=[1"]
    faults = {fault.path: fault for fault in refused("street", changes)}
    assert faults["devices.ev.share"].where == "--set devices.ev.share"
    assert faults["sed"].hint == "did you mean seed?"
    assert faults["nonsense"].hint or "path=value" in faults["nonsense"].message
    assert "no section" in faults["name"].message
    assert "quote it" in faults["description"].message
    assert "not YAML" in faults["seed"].message


@pytest.mark.parametrize(
    ("text", "value"),
    [("", None), ("~", None), ("null", None), ("true", True), ("FALSE", False), ("12", 12),
     ("-3", -3), ("010", 10), ("0o17", 15), ("0x1F", 31), ("1.5", 1.5), (".5", 0.5), ("1.", 1.0),
     ("1e3", 1000.0), ("1e-05", 1e-5), ("1_000", "1_000"), ("12:30", "12:30"),
     ("2016-04-20", "2016-04-20"), ("1-LV-rural1--0-sw", "1-LV-rural1--0-sw"), ("nan", "nan")],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text, value):
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


@pytest.mark.parametrize("text", ["no", "Yes", "ON", "off", "y", "N", ".nan", "-.inf", "1e999"])
def test_scalars_that_readers_disagree_about_are_refused(text):
    with pytest.raises(ValueError, match=r"quote it|finite|too large"):
        scalar(text)


@pytest.mark.parametrize("name", sorted(library()))
def test_a_dumped_scenario_is_the_same_scenario(tmp_path, name):
    scenario = load(name)
    again = load(written(tmp_path, dump(scenario)), base_dir=scenario.base_dir)
    assert again.config == scenario.config
    assert dump(again) == dump(scenario)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(["no", "1e5", "0x1", "~", "", " a", "a\nb\n", "- a", "a: b", "#", "<<"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcxyz_-0123456789.", min_size=1), inner, max_size=4)
    ),
    max_leaves=12,
)


def test_what_a_file_holds_cannot_steer_the_terminal(tmp_path):
    text = HEAD + '"\\e[2Jkey": 1\nweather: {cloudiness: "\\u202e\\n"}\n'
    error = ScenarioError(refused(written(tmp_path, text)))
    assert all(line.isprintable() for line in str(error).splitlines())
    assert "\\x1b[2Jkey: unknown key" in str(error)


@given(PLAIN)
@example({"no": "no", "1": "1", "true": True})
def test_what_is_written_is_read_again(value):
    again = parse(write_yaml(value), "text").tree
    assert again == value
    assert repr(again).replace("-0.0", "0.0") == repr(value).replace("-0.0", "0.0")


LINES = st.lists(
    st.sampled_from(
        ["fernwatt: 1", "name: a", "extends: street", "extends: x.yaml", "grid:", "  source:",
         "    simbench: 1-LV-rural1--0-sw", "    file: ..", "devices: {ev: {share: .5}}",
         "seed: *a",
         "seed: &a 1", "? [x]", ": y", "<<: {a: 1}", "time: [", "]", "simulators: {a: 1}",
         "network: {areas: [], technologies: {lte: [1]}}", "grid: {lv: [1, {at: {}}]}", "---",
         "...", "%YAML 1.1", "!!set {a}", "- a", "'", '"\\0"', "units: {hosts: {1: 2}}",
         "services: 0x" + "f" * 5000, "time: {start: 0001-01-01T00:00:00Z}", "grid: {source: }",
         "devices: {ev: {sessions: {file: " + "x" * 300 + "}}}", "seed: " + "9" * 5000]
    ),
    max_size=9,
).map("\n".join)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80) | LINES | st.text("{}[]:,&*!|>'\"#%@`?- \nab", max_size=60))
@example("\ufefffernwatt: 1")
@example("seed: 0x" + "f" * 5000)
@example("%TAG ! tag:x,2000:\n--- !a b")
def test_text_of_any_kind_gives_a_scenario_or_faults_and_nothing_else(text):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "any.yaml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        scenario = attempt(path)
    assert scenario is None or math.isfinite(scenario.config.time.duration_h)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_bytes_of_any_kind_as_well(data):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "any.yaml"
        path.write_bytes(data)
        with pytest.raises(ScenarioError):
            load(path)


@given(st.text(max_size=40))
def test_overrides_of_any_kind(text):
    scenario = attempt("street", [text])
    assert scenario is None or "=" in text
