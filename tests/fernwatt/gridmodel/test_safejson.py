"""Files of the user's: plain data or nothing."""

from __future__ import annotations

import json

import pandapower as pp
import pandapower.networks
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError
from fernwatt.gridmodel import load_grid, safejson


def written(folder):
    net = pandapower.networks.create_cigre_network_lv()
    pp.to_json(net, folder / "net.json")
    return json.loads((folder / "net.json").read_text())


def refused(folder, document):
    (folder / "net.json").write_text(
        document if isinstance(document, str) else json.dumps(document)
    )
    with pytest.raises(ScenarioError) as caught:
        load_grid({"file": "net.json"}, base_dir=folder)
    return caught.value.faults


def bomb(folder):
    return {
        "_module": "os",
        "_class": "system",
        "_object": f"touch {folder / 'executed'}",
    }


def test_a_file_gives_the_same_grid_as_the_network_it_was_made_of(tmp_path):
    written(tmp_path)
    ours = load_grid({"file": "net.json"}, base_dir=tmp_path)
    builtin = load_grid({"pandapower": "create_cigre_network_lv"}, cache=False)
    assert ours.buses == builtin.buses
    assert ours.terminals == builtin.terminals
    assert ours.lines == builtin.lines


@pytest.mark.parametrize("place", ["top", "cell", "nested", "escaped", "list"])
def test_objects_are_refused_and_nothing_runs(tmp_path, place):
    document = written(tmp_path)
    content, evil = document["_object"], bomb(tmp_path)
    if place == "top":
        content["extra"] = evil
    elif place == "list":
        content["extra"] = [[evil]]
    else:
        table = json.loads(content["bus"]["_object"])
        cell = evil if place == "cell" else json.dumps(evil)
        if place == "escaped":
            cell = cell.replace("_module", "\\u005fmodule").replace("_class", "\\u005fclass")
        table["data"][0][0] = cell
        content["bus"]["_object"] = json.dumps(table)
    found = refused(tmp_path, document)
    assert any("os.system" in fault.message for fault in found)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"), ("subprocess", "Popen"), ("pickle", "loads"),
        ("pandapower.control.basic_controller", "Controller"), ("numpy", "load"),
        ("pandas", "read_pickle"), ("os", ""), (None, "exec"), ("", ""), (["os"], {"a": 1}),
    ],
)  # fmt: skip
def test_only_listed_classes_pass(tmp_path, module, name):
    document = written(tmp_path)
    document["_object"]["extra"] = {"_module": module, "_class": name, "_object": "1"}
    found = refused(tmp_path, document)
    assert found[0].path == "grid.source.file._object.extra"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "null",
        "3",
        '{"a": 1}',
        "[" * 100_000,
        "\ud800".encode("utf-8", "replace").decode(),
    ],
)
def test_what_is_no_network_is_refused(tmp_path, text):
    assert refused(tmp_path, text)


def test_large_files_are_refused_before_they_are_read(tmp_path, monkeypatch):
    document = written(tmp_path)
    monkeypatch.setattr(safejson, "MAX_BYTES", 1000)
    (fault,) = refused(tmp_path, document)
    assert "larger than" in fault.message


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    written(outside)
    (inside / "net.json").symlink_to(outside / "net.json")
    with pytest.raises(ScenarioError, match="out of the scenario's folder"):
        load_grid({"file": "net.json"}, base_dir=inside)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(extra=JSON, table=JSON)
def test_whatever_the_content_only_a_scenario_error_comes_out(tmp_path_factory, extra, table):
    folder = tmp_path_factory.mktemp("fuzz")
    document = {
        "_module": "pandapower.auxiliary",
        "_class": "pandapowerNet",
        "_object": {
            "extra": extra,
            "bus": {"_module": "pandas.core.frame", "_class": "DataFrame", "_object": table},
        },
    }
    refused(folder, document)
