"""Data at rest: as in memory, over restarts and kills, and of no use to a thief."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.storage import UnitVault, Vault
from controllers.storage.sealing import TamperedError
from controllers.unit.policy import READ, Grant, Policy
from controllers.unit.store import Instance, MemoryStore, Store

KEY, OTHER = bytes(range(32)), bytes(32)
HOUR = 3_600_000
POLICIES = [Policy.of([]), Policy.of([Grant("operator", "metering", READ, 900_000)])]
SERIES = [("energy.import", "anna", "meter/a"), ("voltage", "anna", "meter/a")]


def instance(number: int, t_ms: int, series: int = 0, value: Any = None) -> Instance:
    variable, owner, location = SERIES[series]
    return Instance(
        f"meter/a#{number}", variable, number if value is None else value, t_ms, location, owner,
        POLICIES[number % 2],
    )  # fmt: skip


def kept(store: Store) -> list[Any]:
    return [(list(store.series(*key)), store.newest(*key)) for key in SERIES]


writes = st.lists(st.tuples(st.integers(0, 40 * HOUR), st.integers(0, 1)), max_size=200)


@settings(max_examples=25, deadline=None)
@given(writes, st.sampled_from([HOUR, 30 * HOUR]), st.sets(st.integers(0, 199), max_size=3))
def test_it_keeps_what_memory_keeps_over_restarts(
    tmp_path_factory: pytest.TempPathFactory,
    done: list[tuple[int, int]],
    retention_ms: int,
    restarts: set[int],
) -> None:
    path = tmp_path_factory.mktemp("vault") / "unit.db"
    memory, vault = MemoryStore(), Vault(path)
    store = vault.unit("meter/a", KEY)
    for number, (t_ms, series) in enumerate(done):
        if number in restarts:
            vault.close()
            vault = Vault(path)
            store = vault.unit("meter/a", KEY)
        for one in (memory, store):
            one.append(instance(number, t_ms, series), retention_ms)
    for mine, its in zip(kept(store), kept(memory), strict=True):
        assert mine[1] == its[1]
        floor_ms = its[1].t_ms - retention_ms if its[1] else 0
        assert [one for one in mine[0] if one.t_ms >= floor_ms] == its[0]
    vault.close()


def test_values_of_all_kinds_come_back(tmp_path: Path) -> None:
    values = [0, -1.5, "text", True, [1, 2.5, None], {"a": {"b": [1]}, "": ""}]
    vault = Vault(tmp_path / "a.db")
    store = vault.unit("meter/a", KEY)
    for number, value in enumerate(values):
        store.append(instance(number, number, 0, value), HOUR)
    store.put("counters", "b", {"last": 5, "of": {"x": [1, 2]}})
    store.put("counters", "a", 6)
    store.put("counters", "a", 7)
    store.put("counters", "c", 8)
    store.drop("counters", "c")
    vault.close()
    again = Vault(tmp_path / "a.db").unit("meter/a", KEY)
    assert [one.value for one in again.series(*SERIES[0])] == values
    counters = again.items("counters")
    assert counters == {"a": 7, "b": {"last": 5, "of": {"x": [1, 2]}}}
    assert list(counters) == ["a", "b"]
    assert again.items("others") == {}


def filled(path: Path, key: bytes = KEY) -> UnitVault:
    vault = Vault(path)
    store = vault.unit("meter/canary-place", key)
    for number in range(50):
        store.append(
            Instance(
                f"meter/canary-id#{number}", "canary.variable", f"canary value {number}", number,
                "meter/canary-place", "canary-owner", Policy.of([Grant("canary-s", "all", READ)]),
            ),
            HOUR,
        )  # fmt: skip
    store.put("canary notes", "canary key", "canary content")
    vault.commit()
    return store


@pytest.mark.requirement("SP-04")
def test_a_copied_file_shows_no_plaintext_and_is_of_no_use_without_the_key(tmp_path: Path) -> None:
    filled(tmp_path / "a.db")
    files = list(tmp_path.iterdir())
    assert len(files) > 1  # the log of what is not yet in the file, too
    for file in files:
        content = file.read_bytes().lower()
        assert b"canary" not in content
        assert KEY not in content
    thief = Vault(tmp_path / "a.db").unit("meter/canary-place", OTHER)
    assert list(thief.series("canary.variable", "canary-owner", "meter/canary-place")) == []


def test_no_item_can_take_anothers_place(tmp_path: Path) -> None:
    filled(tmp_path / "a.db")
    db = sqlite3.connect(tmp_path / "a.db")
    rows = db.execute("SELECT unit, series, number, sealed FROM item ORDER BY number").fetchall()
    (series,) = {row[1] for row in rows if row[2] == 40}
    mine = {row[2]: row[3] for row in rows if row[1] == series}
    changed = bytearray(mine[3])
    changed[-1] ^= 1
    for number, sealed in ((3, mine[4]), (3, bytes(changed)), (3, b""), (90, mine[3])):
        db.execute("BEGIN")
        db.execute("DELETE FROM item WHERE series = ? AND number = ?", (series, number))
        db.execute("INSERT INTO item VALUES (?, ?, ?, ?)", (rows[0][0], series, number, sealed))
        db.execute("COMMIT")
        store = Vault(tmp_path / "a.db").unit("meter/canary-place", KEY)
        with pytest.raises(TamperedError):
            list(store.series("canary.variable", "canary-owner", "meter/canary-place"))
        db.execute("DELETE FROM item WHERE series = ? AND number = ?", (series, number))
        if number in mine:
            row = (rows[0][0], series, number, mine[number])
            db.execute("INSERT INTO item VALUES (?, ?, ?, ?)", row)
        db.commit()


def test_a_rotated_key_opens_all_and_the_old_one_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    vault = Vault(path)
    store = vault.unit("meter/a", KEY)
    for number in range(5):
        store.append(instance(number, number), HOUR)
    store.rotate(OTHER)
    store.append(instance(5, 5), HOUR)
    vault.close()
    with pytest.raises(TamperedError):
        list(Vault(path).unit("meter/a", KEY).series(*SERIES[0]))
    again = Vault(path).unit("meter/a", OTHER, names=KEY)
    assert len(list(again.series(*SERIES[0]))) == 6


def test_a_deleted_series_is_gone_for_good(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = filled(path)
    before = sqlite3.connect(path).execute("SELECT sealed FROM item").fetchall()
    assert before
    store.delete("canary.variable", "canary-owner", "meter/canary-place")
    assert list(store.series("canary.variable", "canary-owner", "meter/canary-place")) == []
    assert store.items("canary notes") == {"canary key": "canary content"}


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, os.getcwd())
from controllers.storage import Vault
from tests.controllers.storage.test_vault import KEY, HOUR, instance
vault = Vault(Path(sys.argv[1]))
store = vault.unit("meter/a", KEY)
for number in range(10**9):
    store.append(instance(number, number), 10**9 * HOUR)
    if number % 7 == 6:
        vault.commit()
        print(number, flush=True)  # the acknowledgement leaves
"""


def test_nothing_acknowledged_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(300):
            acknowledged = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        rest = process.stdout.read().split()
    acknowledged = max([acknowledged, *(int(number) for number in rest[:-1])])
    store = Vault(path).unit("meter/a", KEY)
    values = [one.value for one in store.series(*SERIES[0])]
    assert values[: acknowledged + 1] == list(range(acknowledged + 1))
    assert len(values) % 7 == 0  # what was not committed is not there by half
