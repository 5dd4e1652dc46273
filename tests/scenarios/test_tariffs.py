"""Tariffs become records of prices: flat, by time of use, from a file."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from controllers.signals import Price
from fernwatt.errors import ScenarioError
from fernwatt.timebase import Clock
from scenarios import load
from scenarios.assembly.tariffs import read_prices, tariff_records
from scenarios.schema.signals import Tariff
from simulators.devices.instants import zone_of

H = 3_600_000
CLOCK = Clock(datetime(2016, 3, 26, 10, tzinfo=UTC))  # a Saturday, before the clocks change
BANDS = [{"begin": "00:00", "per_mwh": 200.0}, {"begin": "06:00", "per_mwh": 300.0},
         {"begin": "22:00", "per_mwh": 210.5}]  # fmt: skip


def of(**given):
    return Tariff.model_validate(given)


def test_a_flat_price_is_the_same_throughout():
    records = tariff_records(of(kind="flat", per_mwh=250.0), CLOCK, 24 * H, None)
    price = Price.of(records[0])
    assert len(records) == 1
    assert set(price.cent_per_mwh) == {25_000}
    assert (price.start_ms, price.end_ms) == (0, 36 * H)


def test_bands_are_of_local_time_also_where_the_clocks_change():
    (record, _) = tariff_records(of(kind="time-of-use", bands=BANDS), CLOCK, 48 * H, None)
    price = Price.of(record)
    assert [price.at(t * H) for t in (0, 10, 11, 12)] == [30_000, 30_000, 21_050, 21_050]
    # 22:00 was at 21 UTC; on Sunday 06:00 is at 4 UTC, no more at 5
    assert [price.at(t * H) for t in (14, 17, 18, 19)] == [20_000, 20_000, 30_000, 30_000]


def test_weekends_may_have_bands_of_their_own():
    weekend = [{"begin": "00:00", "per_mwh": 100.0}]
    tariff = of(kind="time-of-use", bands=BANDS, weekend=weekend, horizon_h=72, zone="UTC")
    price = Price.of(tariff_records(tariff, CLOCK, 24 * H, None)[0])
    assert [price.at(t * H) for t in (0, 37, 38, 44, 60)] == [
        10_000,
        10_000,
        20_000,
        30_000,
        21_050,
    ]


def test_issues_overlap_and_begin_when_they_are_made():
    tariff = of(kind="flat", per_mwh=1.0, feed_in_per_mwh=0.8, every_h=6, horizon_h=12)
    records = [Price.of(one) for one in tariff_records(tariff, CLOCK, 24 * H, None)]
    assert [one.issued_ms for one in records] == [0, 6 * H, 12 * H, 18 * H]
    assert [(one.start_ms, one.end_ms - one.start_ms) for one in records] == [
        (k * 6 * H, 12 * H) for k in range(4)
    ]
    assert {c for one in records for c in one.feed_in_cent_per_mwh} == {80}


def series(tmp_path, rows, head="# source: made for this test\ntime,per_mwh\n"):
    path = tmp_path / "prices.csv"
    path.write_text(head + "\n".join(rows) + "\n")
    return path


HOURS = [f"2016-03-26T{h:02}:00:00Z,{20 + h}" for h in range(8, 24)]


def test_a_file_gives_its_prices_in_its_own_step(tmp_path):
    path = series(tmp_path, HOURS)
    begin_ms, step_ms, cents = read_prices(path, CLOCK, zone_of("UTC"))
    assert (begin_ms, step_ms, cents[0], len(cents)) == (-2 * H, H, 2_800, 16)
    tariff = of(kind="dynamic", file="prices.csv", every_h=6, horizon_h=8)
    first, second = (Price.of(one) for one in tariff_records(tariff, CLOCK, 12 * H, path))
    assert first.cent_per_mwh == tuple(range(3_000, 3_800, 100))
    assert (second.start_ms, second.at(6 * H)) == (6 * H, 3_600)


@pytest.mark.parametrize(
    ("rows", "head", "why"),
    [
        (HOURS, "time,per_mwh\n", "does not say its source"),
        (HOURS, "# source:\ntime,per_mwh\n", "does not say its source"),
        (HOURS, "# source: x\ntime,price\n", "needs the columns"),
        ([*HOURS[:3], "2016-03-26T11:00:00Z,dear"], None, "could not convert"),
        ([*HOURS[:3], "2016-03-26T11:00:00Z,nan"], None, "no price"),
        ([*HOURS[:3], "2016-03-26T12:00:00Z,1"], None, "after the row before"),
        ([HOURS[0], HOURS[0]], None, "must rise"),
        (HOURS[:1], None, "less than two"),
        (["yesterday,1", *HOURS], None, "no instant"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(tmp_path, rows, head, why):
    path = series(tmp_path, rows, *([head] if head is not None else []))
    with pytest.raises(ScenarioError, match=why):
        read_prices(path, CLOCK, zone_of("UTC"))


def test_a_file_has_to_cover_the_run(tmp_path):
    tariff = of(kind="dynamic", file="prices.csv")
    with pytest.raises(ScenarioError, match="cover the run"):
        tariff_records(tariff, CLOCK, 20 * H, series(tmp_path, HOURS))


@pytest.mark.parametrize(
    ("tariff", "why"),
    [
        ("{kind: flat}", "needs per_mwh"),
        ("{kind: flat, per_mwh: 1, file: x.csv}", "takes no file"),
        ("{kind: time-of-use}", "needs bands"),
        ("{kind: time-of-use, bands: [{begin: '01:00', per_mwh: 1}]}", "begin at 00:00"),
        ("{kind: flat, per_mwh: 1, every_h: 24, horizon_h: 12}", "ends before"),
        ("{kind: dynamic, file: ../x.csv}", "outside the scenario's folder"),
    ],
)
def test_tariffs_that_cannot_be(tariff, why):
    with pytest.raises(ScenarioError, match=why):
        load("street", ["services.balancing.mode=local", f"services.signals={{tariff: {tariff}}}"])
