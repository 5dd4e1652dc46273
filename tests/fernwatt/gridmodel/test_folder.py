"""A network of the user's as a folder of tables."""

from __future__ import annotations

import json

import pandapower.networks
import pytest

from fernwatt.errors import ScenarioError
from fernwatt.gridmodel import load_grid, safejson

TABLES = ("bus", "line", "trafo", "switch", "load", "ext_grid")
NET = pandapower.networks.create_cigre_network_lv()


def written(folder, suffix="csv"):
    place = folder / "net"
    place.mkdir()
    for name in TABLES:
        if suffix == "csv":
            NET[name].to_csv(place / f"{name}.csv")
        else:
            NET[name].to_json(place / f"{name}.json", orient="split", double_precision=15)
    return place


def load(folder):
    return load_grid({"file": "net"}, base_dir=folder)


def fault(folder):
    with pytest.raises(ScenarioError) as caught:
        load(folder)
    return caught.value.faults[0]


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_a_folder_gives_the_same_grid_as_the_network_it_was_made_of(suffix, tmp_path):
    written(tmp_path, suffix)
    (tmp_path / "net/.notes").write_text("not looked at")
    ours, builtin = load(tmp_path), load_grid({"pandapower": "create_cigre_network_lv"})
    for part in ("buses", "lines", "transformers", "switches", "terminals", "notes"):
        assert getattr(ours, part) == getattr(builtin, part)
    assert ours.source_hash == builtin.source_hash


def test_rows_of_tables_are_named_as_those_of_a_file(tmp_path):
    path = written(tmp_path) / "line.csv"
    table = NET.line.copy()
    table.loc[3, "length_km"] = -1.0
    table.to_csv(path)
    found = fault(tmp_path)
    assert found.path == "grid.source.file.line[3].length_km"
    table["length_km"] = "long"
    table.to_csv(path)
    assert "'long' is no number" in fault(tmp_path).message


@pytest.mark.parametrize(
    ("name", "text", "message", "hint"),
    [
        ("lines.csv", "a,b\n0,1\n", "lines.csv is no table of a network", "did you mean line?"),
        ("gen.csv", ",bus,p_mw\n0,1,1\n", "1 elements of this kind", "replace it"),
        ("bus.pkl", "", "bus.pkl is no table", "pickles"),
        ("load.json", "{}", "table load is there twice", "leave one"),
        ("load.csv", "", "cannot be read as a table", "comma-separated"),
        ("load.csv", '"', "cannot be read as a table", "comma-separated"),
        ("storage.json", "[1, 2]", "cannot be read as a table", "pandapower 3"),
        ("storage.json", "{", "is not JSON", ""),
    ],
)
def test_files_that_are_no_tables_are_refused(name, text, message, hint, tmp_path):
    (written(tmp_path) / name).write_text(text)
    found = fault(tmp_path)
    assert message in found.message
    assert hint in found.hint


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (written(tmp_path) / "load.csv").write_bytes(b"\xff\xfe,\x00\n" * 9)
    assert "cannot be read as a table" in fault(tmp_path).message


def test_a_table_that_names_a_class_is_refused(tmp_path):
    evil = {"_module": "os", "_class": "system", "_object": "true"}
    text = json.dumps({"columns": ["name"], "index": [0], "data": [[evil]]})
    (written(tmp_path) / "storage.json").write_text(text)
    assert "os.system" in fault(tmp_path).message


def test_a_link_out_of_the_folder_a_folder_in_it_and_an_empty_one_are_refused(tmp_path):
    place = written(tmp_path)
    (tmp_path / "elsewhere.csv").write_text("x")
    (place / "storage.csv").symlink_to(tmp_path / "elsewhere.csv")
    assert fault(tmp_path).message == "storage.csv is no file of the folder"
    (place / "storage.csv").unlink()
    (place / "storage.csv").mkdir()
    assert fault(tmp_path).message == "storage.csv is no file of the folder"
    for path in place.iterdir():
        path.rmdir() if path.is_dir() else path.unlink()
    assert fault(tmp_path).message == "net is empty"


def test_a_large_folder_is_refused_before_it_is_read(tmp_path, monkeypatch):
    written(tmp_path)
    monkeypatch.setattr(safejson, "MAX_BYTES", 1000)
    assert "larger than" in fault(tmp_path).message
