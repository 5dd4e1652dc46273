"""The cache of sanitised grids: quick, harmless, and the same as without."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.cache import GridCache
from fernwatt.gridmodel.raw import NO_PROFILES, RawGrid

SOURCE = {"pandapower": "create_cigre_network_lv"}


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "fernwatt" / "grids"


def test_a_cached_grid_is_the_same_and_takes_a_fifth_of_the_time(home):
    source, begin = {"simbench": "1-LV-rural1--0-sw"}, time.process_time()
    first = load_grid(source)
    made = time.process_time() - begin
    assert len(list(home.iterdir())) == 1
    begin = time.process_time()
    second = load_grid(source)
    took = time.process_time() - begin
    assert second.source_hash == first.source_hash
    assert second.terminals == first.terminals
    assert second.buses == first.buses
    assert np.array_equal(second.profiles.values, first.profiles.values)
    assert took < made / 5


@pytest.mark.parametrize("damage", ["meta.json", "bus.parquet", "profiles.npy"])
def test_a_damaged_entry_is_made_anew(home, damage):
    first = load_grid(SOURCE)
    (entry,) = home.iterdir()
    (entry / damage).write_bytes(b"x")
    assert load_grid(SOURCE).source_hash == first.source_hash
    (entry,) = home.iterdir()
    assert (entry / damage).stat().st_size > 1


def test_where_nothing_can_be_written_it_works_without(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert load_grid(SOURCE).terminals


def test_off_means_off(home):
    load_grid(SOURCE, cache=False)
    assert not home.exists()


def test_entries_differ_by_source(tmp_path):
    cache = GridCache(folder=tmp_path)
    tables = load_raw()
    made = []

    def make(name):
        made.append(name)
        return RawGrid(tables, 50.0, NO_PROFILES, (name,))

    for name in ("a", "b", "a"):
        assert cache.get({"simbench": name}, lambda n=name: make(n)).notes == (name,)
    assert made == ["a", "b"]


def load_raw():
    from fernwatt.gridmodel.sources import read_source

    return read_source(SOURCE, "x", None, GridCache()).tables


def test_processes_that_write_at_once_leave_one_whole_entry(tmp_path):
    script = (
        "from fernwatt.gridmodel import load_grid;"
        "print(load_grid({'pandapower': 'create_cigre_network_lv'}).source_hash)"
    )
    command = [sys.executable, "-W", "ignore", "-c", script]
    environment = {"XDG_CACHE_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    both = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    hashes = [process.communicate(timeout=120)[0].strip() for process in both]
    assert hashes[0] == hashes[1] != ""
    entries = list((tmp_path / "fernwatt" / "grids").iterdir())
    assert len([entry for entry in entries if not entry.name.startswith(".")]) == 1
    assert not [entry for entry in entries if entry.name.startswith(".")]
    shutil.rmtree(tmp_path / "fernwatt")
