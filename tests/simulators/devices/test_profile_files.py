"""Load profiles of a user's: what is read, and the row of what cannot be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fernwatt.errors import ScenarioError
from simulators.devices import read_profiles

START = datetime(2016, 4, 20, 10, tzinfo=UTC)
DAY = 96


def table(step_s=900, rows=DAY, begin=START, values=lambda row: (row, 2.5), ends="Z"):
    lines = ["time,terminal/lv1/a,house 7"]
    for row in range(rows):
        stamp = (begin + timedelta(seconds=row * step_s)).isoformat().replace("+00:00", ends)
        lines.append(",".join([stamp, *map(str, values(row))]))
    return lines


def read(tmp_path, lines, **given):
    path = tmp_path / "loads.csv"
    path.write_text("\n".join(lines) + "\n")
    return read_profiles(path, **given)


def faults(tmp_path, lines, **given):
    with pytest.raises(ScenarioError) as caught:
        read(tmp_path, lines, **given)
    return [(f.where, f.message) for f in caught.value.faults]


def test_powers_and_energies_of_any_step_are_watts(tmp_path) -> None:
    for unit, step_s, factor in (("W", 900, 1.0), ("kW", 60, 1e3), ("Wh", 900, 4.0),
                                 ("kWh", 300, 12e3)):  # fmt: skip
        found = read(tmp_path, table(step_s), unit=unit)
        assert found.step_s == step_s
        assert found.p_w["house 7"][3] == pytest.approx(2.5 * factor)
        assert found.p_w["terminal/lv1/a"][:3] == pytest.approx([0, factor, 2 * factor])


def test_the_run_and_its_history_are_cut_out(tmp_path) -> None:
    found = read(tmp_path, table(300, 3 * DAY * 3, START - timedelta(days=1)))
    assert found.rows(START, DAY, DAY) == (0, 6 * DAY)
    assert found.rows(START, 4, 8) == (3 * (DAY - 4), 3 * (DAY + 8))
    with pytest.raises(ScenarioError) as caught:
        found.rows(START, DAY + 1, 2 * DAY + 1)
    said = [(f.where, f.message) for f in caught.value.faults]
    begin = "the beginning of the run and its history (units.history_days)"
    assert said == [
        ("loads.csv:2", f"begins at 2016-04-19T10:00:00Z, {begin} is 2016-04-19T09:45:00Z"),
        ("loads.csv:865", "ends at 2016-04-22T10:00:00Z, before the run at 2016-04-22T10:15:00Z"),
    ]


def test_times_need_a_zone_their_own_or_one_that_is_stated(tmp_path) -> None:
    bare = table(ends="")
    said = faults(tmp_path, bare)
    assert said[0] == ("loads.csv:2", "time '2016-04-20T10:00:00' has no time zone")
    assert len(said) == 5
    assert read(tmp_path, bare, zone="Z").starts_ms[0] == START.timestamp() * 1000
    two = timedelta(hours=2).total_seconds() * 1000
    for zone in ("+02:00", "Europe/Berlin"):
        shifted = read(tmp_path, bare, zone=zone).starts_ms[0]
        assert shifted == START.timestamp() * 1000 - two
    assert read(tmp_path, table(), zone="+02:00").starts_ms[0] == START.timestamp() * 1000


def test_an_hour_that_clocks_repeat_or_leave_out_is_refused(tmp_path) -> None:
    for day, line in ((datetime(2016, 3, 27, tzinfo=UTC), 10),
                      (datetime(2016, 10, 30, tzinfo=UTC), 10)):  # fmt: skip
        said = faults(tmp_path, table(begin=day, ends=""), zone="Europe/Berlin")
        assert said[0][0] == f"loads.csv:{line}"
        assert "twice or never in Europe/Berlin" in said[0][1]


def test_each_bad_row_is_named(tmp_path) -> None:
    good = table()
    late = [*good[:5], *good[6:]]
    twice = [*good[:5], good[4], *good[5:]]
    text = [*good[:5], good[5].replace("2.5", "much"), *good[6:]]
    nan = [*good[:5], good[5].replace("2.5", "nan"), *good[6:]]
    short = [*good[:5], good[5].rpartition(",")[0], *good[6:]]
    no_time = [*good[:5], "noon,1,2", *good[6:]]
    for lines, message in (
        (late, "time does not follow on the row before by 900 s"),
        (twice, "time does not follow on the row before by 900 s"),
        (text, "house 7 must be a number, not 'much'"),
        (nan, "house 7 must be a number, not 'nan'"),
        (short, "house 7 must be a number, not ''"),
        (no_time, "time 'noon' is no instant"),
    ):
        assert faults(tmp_path, lines)[0] == ("loads.csv:6", message)


def test_many_bad_rows_are_counted(tmp_path) -> None:
    said = faults(tmp_path, table(values=lambda row: (row, "x")))
    assert len(said) == 6
    assert said[-1][1] == "house 7: 91 more rows like these"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [rows[0].replace("time", "when"), *rows[1:]], "has no columns as they must"),
        (lambda rows: [rows[0].replace("house 7", "terminal/lv1/a"), *rows[1:]],
         "column terminal/lv1/a is there 2 times"),
        (lambda rows: [rows[0].replace("house 7", ""), *rows[1:]], "has no columns as they must"),
        (lambda rows: rows[:2], "fewer than two rows"),
        (lambda _: [""], "has no columns"),
        (lambda _: table(3600), "a step of 3600 s will not do"),
        (lambda _: table(7), "a step of 7 s will not do"),
        (lambda _: table(begin=START + timedelta(minutes=7)), "not on whole steps"),
        (lambda rows: [*rows, 'x"y"z,"'], "cannot be read"),
    ],
)  # fmt: skip
def test_a_table_that_is_none_is_refused(tmp_path, change, message) -> None:
    said = faults(tmp_path, change(table()))
    assert message in said[0][1]
