"""Weather files: what they say comes out, with its energy; what they cannot say is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pvlib
import pytest

from fernwatt.errors import ScenarioError
from simulators.devices import PvSystem, make_weather, pv_power, read_weather, weather_of

PLACE = (51.3, 9.5)
TMY3 = Path(pvlib.__file__).parent / "data" / "703165TY.csv"
START = datetime(2016, 6, 1, 10, 15, tzinfo=UTC)
FROM = datetime(2016, 5, 31, tzinfo=UTC)


@cache
def clear(begin: datetime, minutes: int, count: int) -> pd.DataFrame:
    """Clear-sky means (of ten instants) of intervals from ``begin`` on."""
    fine = pd.Timedelta(minutes=minutes) / 10
    times = pd.date_range(pd.Timestamp(begin) + fine / 2, periods=10 * count, freq=fine)
    sky = pvlib.location.Location(*PLACE).get_clearsky(times, model="ineichen")
    return pd.DataFrame(
        {name: sky[name].to_numpy().reshape(-1, 10).mean(axis=1) for name in ("ghi", "dni", "dhi")}
    )


def csv_rows(begin: datetime, minutes: int, count: int) -> list[str]:
    """Rows of a plain CSV: half the clear sky, a temperature and a wind that rise by the row."""
    sky = clear(begin, minutes, count)
    rows = ["time,ghi_w_m2,temperature_c,wind_m_s"]
    for k in range(count):
        time = (begin + timedelta(minutes=minutes * k)).isoformat()
        rows.append(f"{time},{0.5 * sky['ghi'][k]:.4f},{k % 1000 * 0.01:.2f},{1 + 0.001 * k:.3f}")
    return rows


def epw(path: Path) -> np.ndarray:
    """Write an EPW file of a cloudy year; return its global irradiance by hour."""
    text, ghi = epw_text()
    path.write_text(text)
    return ghi


@cache
def epw_text() -> tuple[str, np.ndarray]:
    begin = datetime(2013, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    sky = clear(begin, 60, 8760)
    share = 0.3 + 0.6 * (np.arange(8760) // 24 % 7) / 6
    lines = [f"LOCATION,Somewhere,-,DEU,made,0,{PLACE[0]},{PLACE[1]},1.0,170.0"]
    lines += [
        f"{word},0"
        for word in (
            "DESIGN CONDITIONS",
            "TYPICAL/EXTREME PERIODS",
            "GROUND TEMPERATURES",
            "HOLIDAYS/DAYLIGHT SAVINGS",
            "COMMENTS 1",
            "COMMENTS 2",
        )
    ]
    lines.append("DATA PERIODS,1,1,Data,Sunday, 1/ 1,12/31")
    ghi = np.round(sky["ghi"].to_numpy() * share, 1)
    dhi = np.round(np.minimum(ghi, 0.5 * ghi + 20), 1)
    for k in range(8760):
        at = begin + timedelta(hours=k)
        weather = [
            8.0 + 10 * np.sin(k / 8760 * 2 * np.pi),
            5,
            80,
            99000,
            0,
            0,
            300,
            ghi[k],
            0,
            dhi[k],
        ]
        cells = [at.year, at.month, at.day, at.hour + 1, 60, "?", *np.round(weather, 1)]
        cells += [0, 0, 0, 0, 180, round(2 + k % 5, 1)] + [0] * 13
        lines.append(",".join(map(str, cells)))
    return "\n".join(lines) + "\n", ghi


def table(tmp_path, rows, **given):
    path = tmp_path / "weather.csv"
    path.write_text("\n".join(rows) + "\n")
    return read_weather(path, **given)


def run_of(found, **given):
    return weather_of(found, **{"start": START, "slots": 96, "place": PLACE, **given})


def refused(tmp_path, rows, **given):
    with pytest.raises(ScenarioError) as caught:
        run_of(table(tmp_path, rows, **given))
    return caught.value.faults


# -- what comes out ------------------------------------------------------------------------------


def test_a_clear_sky_comes_back_from_its_hourly_means(tmp_path) -> None:
    truth = run_of(table(tmp_path, csv_rows(FROM, 60, 72)))
    want = (
        0.5
        * make_weather(
            start=START, slots=96, seed=1, cloudiness=0.0, latitude_deg=51.3, longitude_deg=9.5
        ).ghi
    )
    assert truth.ghi == pytest.approx(want, abs=4.0)
    assert np.abs(truth.ghi - want).mean() < 0.5
    day = want.reshape(-1, 3).mean(axis=1) > 50
    assert truth.clearness[day] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("minutes", [1, 5, 10, 15, 20, 30, 60])
def test_the_energy_of_every_interval_is_kept(tmp_path, minutes) -> None:
    count = 3 * 24 * 60 // minutes
    truth = run_of(table(tmp_path, csv_rows(FROM, minutes, count)), start=FROM, slots=288)
    means = 0.5 * clear(FROM, minutes, count)["ghi"].to_numpy()
    step = max(minutes, 5)
    got = truth.ghi.reshape(-1, step // 5).mean(axis=1)
    want = means.reshape(-1, max(1, 5 // minutes)).mean(axis=1)
    assert got == pytest.approx(want, abs=1e-4)  # the file's own rounding
    assert truth.dhi + truth.dni * np.cos(np.radians(zenith(truth))) == pytest.approx(truth.ghi)


def zenith(truth):
    return pvlib.solarposition.get_solarposition(
        truth.times, *PLACE, altitude=pvlib.location.lookup_altitude(*PLACE)
    )["zenith"].to_numpy()


def test_temperature_and_wind_go_in_straight_lines_between_the_middles(tmp_path) -> None:
    truth = run_of(table(tmp_path, csv_rows(FROM, 60, 72)))
    hours = (START - FROM) / timedelta(hours=1) + (np.arange(96) + 0.5) / 4 - 0.5
    assert truth.temperature_c == pytest.approx(0.01 * hours)
    assert truth.wind_m_s == pytest.approx(1 + 0.001 * hours)


def test_stamps_say_which_end_of_the_interval_they_are(tmp_path) -> None:
    rows = csv_rows(FROM, 60, 72)
    late = csv_rows(FROM + timedelta(hours=1), 60, 72)
    ended = [rows[0], *(f"{stamp.split(',', 1)[0]},{row.split(',', 1)[1]}"
                        for stamp, row in zip(late[1:], rows[1:], strict=True))]  # fmt: skip
    assert np.array_equal(
        run_of(table(tmp_path, ended, stamps="end")).ghi, run_of(table(tmp_path, rows)).ghi
    )


def test_times_may_have_an_offset_of_their_own_or_the_scenarios(tmp_path) -> None:
    rows = csv_rows(FROM, 60, 72)
    bare = [row.replace("+00:00", "") for row in rows]
    here = run_of(table(tmp_path, rows))
    assert np.array_equal(run_of(table(tmp_path, bare, zone="Z")).ghi, here.ghi)
    local = csv_rows(FROM.astimezone(timezone(timedelta(hours=2))), 60, 72)
    assert "2016-05-31T02:00:00+02:00" in local[1]
    assert np.array_equal(run_of(table(tmp_path, local)).ghi, here.ghi)


def test_an_epw_year_is_taken_by_its_own_clock_in_any_year(tmp_path) -> None:
    ghi = epw(tmp_path / "year.epw")
    found = read_weather(tmp_path / "year.epw")
    assert (found.place, found.typical, found.offset_ms) == (PLACE, True, 3_600_000)
    start = datetime(2019, 6, 30, 23, tzinfo=UTC)  # 1 July by the file's clock
    truth = weather_of(found, start=start, slots=96, place=PLACE)
    hour = (31 + 28 + 31 + 30 + 31 + 30) * 24
    assert truth.ghi.reshape(24, 12).mean(axis=1) == pytest.approx(ghi[hour : hour + 24])
    dhi = pvlib.iotools.read_epw(tmp_path / "year.epw")[0]["dhi"].to_numpy()[hour : hour + 24]
    noon = slice(8, 16)
    assert truth.dhi.reshape(24, 12).mean(axis=1)[noon] == pytest.approx(dhi[noon])


def test_names_of_places_may_have_letters_of_western_europe(tmp_path) -> None:
    epw(tmp_path / "year.epw")
    text = (tmp_path / "year.epw").read_text().replace("Somewhere", "Übersee-Süd", 1)
    (tmp_path / "west.epw").write_bytes(text.replace("\n", "\r\n").encode("latin-1"))
    plain, west = (read_weather(tmp_path / f"{name}.epw") for name in ("year", "west"))
    assert np.array_equal(plain.columns["ghi"], west.columns["ghi"])


def test_29_february_is_28_february_again_and_the_year_goes_round(tmp_path) -> None:
    epw(tmp_path / "year.epw")
    found = read_weather(tmp_path / "year.epw")
    days = weather_of(
        found, start=datetime(2016, 2, 27, 23, tzinfo=UTC), slots=3 * 96, place=PLACE
    ).ghi.reshape(3, -1)
    assert days[1].sum() == pytest.approx(days[0].sum())
    assert days[2].sum() != pytest.approx(days[0].sum(), rel=0.05)
    turn = weather_of(found, start=datetime(2015, 12, 31, tzinfo=UTC), slots=192, place=PLACE)
    assert np.isfinite(turn.temperature_c).all()
    assert np.abs(np.diff(turn.temperature_c)).max() < 0.1


def test_a_tmy3_year_gives_its_energies() -> None:
    found = read_weather(TMY3)
    data, _ = pvlib.iotools.read_tmy3(TMY3)
    assert found.place == (55.317, -160.517)
    start = datetime(2001, 1, 1, 9, tzinfo=UTC)  # midnight by the file's clock
    truth = weather_of(found, start=start, slots=365 * 96, place=found.place)
    assert truth.ghi.reshape(-1, 12).mean(axis=1) == pytest.approx(data["ghi"].to_numpy())
    assert truth.ghi.sum() == pytest.approx(12 * data["ghi"].sum())
    assert truth.dhi.sum() == pytest.approx(12 * data["dhi"].sum(), rel=0.01)
    assert truth.dni.sum() == pytest.approx(12 * data["dni"].sum(), rel=0.03)


def test_a_pvgis_year_is_read(tmp_path) -> None:
    times = pd.date_range("2013-01-01", periods=8760, freq="h", tz="UTC")
    middle = clear(datetime(2012, 12, 31, 23, 30, tzinfo=UTC), 60, 8760)
    lines = ["Latitude (decimal degrees): 51.3", "Longitude (decimal degrees): 9.5",
             "Elevation (m): 170.0", "month,year", *(f"{m},2013" for m in range(1, 13)),
             "time(UTC),T2m,RH,G(h),Gb(n),Gd(h),IR(h),WS10m,WD10m,SP"]  # fmt: skip
    for time, ghi, dni, dhi in zip(times, *(middle[c] for c in ("ghi", "dni", "dhi")), strict=True):
        lines.append(f"{time:%Y%m%d:%H%M},9.5,80,{ghi:.2f},{dni:.2f},{dhi:.2f},300,2.5,90,99000")
    (tmp_path / "tmy.csv").write_text("\r\n".join([*lines, "T2m: 2-m air temperature"]))
    found = read_weather(tmp_path / "tmy.csv")
    assert found.place == PLACE
    truth = run_of(found)
    want = make_weather(
        start=START, slots=96, seed=1, cloudiness=0.0, latitude_deg=51.3, longitude_deg=9.5
    ).ghi
    assert np.abs(truth.ghi - want).mean() < 5.0  # another year's sun
    assert truth.wind_m_s.tolist() == [2.5] * 96


def test_a_year_of_csv_serves_runs_of_other_years(tmp_path) -> None:
    begin = datetime(2015, 1, 1, tzinfo=UTC)
    found = table(tmp_path, csv_rows(begin, 60, 8760))
    here = weather_of(found, start=START.replace(year=2015), slots=96, place=PLACE)
    later = weather_of(found, start=START.replace(year=2022), slots=96, place=PLACE)
    assert here.ghi.sum() == pytest.approx(later.ghi.sum(), rel=0.01)
    assert np.array_equal(here.temperature_c, later.temperature_c)


def test_panels_are_cooled_by_the_files_wind(tmp_path) -> None:
    calm = csv_rows(FROM, 60, 72)
    windy = [calm[0], *(row.rsplit(",", 1)[0] + ",12.0" for row in calm[1:])]
    roof = PvSystem(10_000.0, 30.0, 180.0, dc_ratio=1.0)
    least, most = (pv_power(run_of(table(tmp_path, rows)), [roof]).sum() for rows in (calm, windy))
    assert most < 1.005 * least < 0


# -- forecasts of a file -------------------------------------------------------------------------


def test_forecasts_of_a_file_are_as_cloudy_as_the_file_and_worse_far_ahead(tmp_path) -> None:
    epw(tmp_path / "year.epw")
    found = read_weather(tmp_path / "year.epw")
    truth = weather_of(found, start=START, slots=44 * 96, place=PLACE)
    issued = range(0, 42 * 96, 96)
    said = np.array([truth.forecast(slot, 1, 192).clearness for slot in issued])
    was = np.array([truth.clearness[slot : slot + 192] for slot in issued])
    assert np.square(said - was)[:, :4].mean() < 0.2 * np.square(said - was)[:, -96:].mean()
    assert said.min() >= truth.levels[0]
    assert said[:, -96:].mean() == pytest.approx(truth.clearness.mean(), abs=0.05)


def test_what_lies_beyond_the_file_is_in_no_forecast(tmp_path) -> None:
    found = table(tmp_path, csv_rows(FROM, 60, 72))
    truth = run_of(found, beyond=192)
    left = int((FROM + timedelta(hours=72) - START) / timedelta(minutes=15))
    assert truth.slots == left < 96 + 192
    assert len(truth.forecast(90, 1, 192).product(192, 4)["ghi_w_per_m2"]) == (left - 90) // 4


# -- what is refused -----------------------------------------------------------------------------


def changed(line: int, column: int, text: str) -> list[str]:
    rows = csv_rows(FROM, 60, 72)
    cells = rows[line - 1].split(",")
    cells[column] = text
    return [*rows[: line - 1], ",".join(cells), *rows[line:]]


@pytest.mark.parametrize(
    ("column", "text", "said"),
    [
        (1, "", "ghi is missing or no number"),
        (1, "nan", "ghi is missing or no number"),
        (1, "-3", "ghi must be from 0 to 1500 W/m², not -3"),
        (1, "1501", "ghi must be from 0 to 1500 W/m², not 1501"),
        (2, "-61", "temperature must be from -60 to 60 °C, not -61"),
        (2, "warm", "temperature is missing or no number"),
        (2, "inf", "temperature is missing or no number"),
        (3, "-0.1", "wind must be from 0 to 75 m/s, not -0.1"),
        (0, "noon", "time 'noon' is none"),
        (0, "2016-05-31T13:00:00", "time '2016-05-31T13:00:00' has no time zone"),
        (0, "2016-05-31T13:30:00Z", "time does not follow on the row before by 60 min"),
    ],
)
def test_each_bad_row_is_told_with_its_line(tmp_path, column, text, said) -> None:
    faults = refused(tmp_path, changed(15, column, text))
    assert faults[0].message == said
    assert faults[0].where == "weather.csv:15"
    assert faults[0].path == "weather.file"


def test_many_bad_rows_are_not_told_one_by_one(tmp_path) -> None:
    rows = csv_rows(FROM, 60, 72)
    faults = refused(tmp_path, [rows[0], *(f"{row.split(',')[0]},-1,5,5" for row in rows[1:])])
    assert len(faults) == 6
    assert faults[-1].message == "ghi: 67 more rows like these"


def test_gaps_doubled_rows_and_odd_steps_are_refused(tmp_path) -> None:
    rows = csv_rows(FROM, 60, 72)
    gap = refused(tmp_path, rows[:20] + rows[21:])
    assert [fault.where for fault in gap] == ["weather.csv:21"]
    twice = refused(tmp_path, rows[:20] + rows[19:])
    assert [fault.where for fault in twice] == ["weather.csv:21"]
    odd = refused(tmp_path, csv_rows(FROM, 7, 500))
    assert odd[0].message == "a step of 7 min will not do"
    askew = refused(tmp_path, csv_rows(FROM + timedelta(minutes=3), 60, 72))
    assert "five minutes" in askew[0].message
    assert "no rows" in refused(tmp_path, rows[:1])[0].message


def test_a_file_too_short_for_the_run_says_what_is_needed(tmp_path) -> None:
    (fault,) = refused(tmp_path, csv_rows(FROM, 60, 48))
    assert fault.message == "weather.csv goes from 2016-05-31T00:00Z to 2016-06-02T00:00Z"
    assert "the run needs 2016-06-01T10:15Z to 2016-06-02T10:15Z" in fault.hint


def test_a_wrong_time_zone_is_seen_by_the_sun(tmp_path) -> None:
    rows = csv_rows(FROM, 60, 30 * 24)
    bare = [row.replace("+00:00", "") for row in rows]
    run_of(table(tmp_path, bare, zone="Z"))
    (fault,) = refused(tmp_path, bare, zone="-01:00")  # an hour: too little for sun at night
    assert "+1.0 h late" in fault.message
    night = refused(tmp_path, bare[:73], zone="-06:00")
    assert "below the horizon" in night[0].message
    assert night[0].where.startswith("weather.csv:")
    epw(tmp_path / "far.epw")
    text = (tmp_path / "far.epw").read_text()
    (tmp_path / "far.epw").write_text(text.replace("51.3,9.5,1.0", "51.3,9.5,-8.0", 1))
    with pytest.raises(ScenarioError, match="cannot be at"):
        read_weather(tmp_path / "far.epw")


def test_an_epw_with_missing_values_is_refused_with_its_lines(tmp_path) -> None:
    epw(tmp_path / "year.epw")
    lines = (tmp_path / "year.epw").read_text().splitlines()
    cells = lines[3000].split(",")
    cells[6], cells[13] = "99.9", "9999"
    lines[3000] = ",".join(cells)
    (tmp_path / "year.epw").write_text("\n".join(lines))
    with pytest.raises(ScenarioError) as caught:
        read_weather(tmp_path / "year.epw")
    assert [fault.where for fault in caught.value.faults] == ["year.epw:3001"] * 2
    (tmp_path / "year.epw").write_text("\n".join(lines[:5000]))
    with pytest.raises(ScenarioError, match="no whole year"):
        read_weather(tmp_path / "year.epw")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"LOCATION,x\n",
        b"LOCATION,a,b,c,d,e,1,2,0,3\n" + b"x\n" * 9,
        b"1,x\nDate (MM/DD/YYYY),Time (HH:MM)\n",
        b"Latitude (decimal degrees): x\n",
        b'time,ghi_w_m2,temperature_c\n"2016',
        b"a,b\n1,2\n",
    ],
)
def test_what_is_no_weather_file_is_refused(tmp_path, content) -> None:
    (tmp_path / "weather.csv").write_bytes(content)
    with pytest.raises(ScenarioError) as caught:
        read_weather(tmp_path / "weather.csv")
    assert caught.value.faults[0].path == "weather.file"


def test_zones_are_offsets(tmp_path) -> None:
    with pytest.raises(ScenarioError, match="itself"):
        read_weather(TMY3, zone="+01:00")
    bare = [row.replace("+00:00", "") for row in csv_rows(FROM, 60, 72)]
    with pytest.raises(ScenarioError, match="no zone"):
        table(tmp_path, bare, zone="+25:00")
