"""Profiles of the record in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest

from fernwatt.errors import ScenarioError
from fernwatt.gridmodel import load_grid, load_profiles


@pytest.fixture(scope="module")
def model():
    return load_grid({"simbench": "1-LV-semiurb4--0-sw"})


@pytest.fixture(scope="module")
def net():
    import simbench

    return simbench.get_simbench_net("1-LV-semiurb4--0-sw")


def test_they_are_simbenchs_at_their_time(model, net):
    got = load_profiles(model, datetime(2016, 4, 20, 10, tzinfo=UTC), 8, before=4)
    table = net.profiles["load"]
    row = (31 + 29 + 31 + 19) * 96 + 40  # its time column has a summer time that ours has not
    assert table.time[row] == "20.04.2016 11:00"
    assert np.array_equal(got["H0-A_pload"], table["H0-A_pload"].astype(float)[row - 4 : row + 8])
    pv = net.profiles["renewables"]["PV5"].astype(float)
    assert np.array_equal(got["PV5"], pv[row - 4 : row + 8])


def test_devices_by_profiles_are_simbenchs_absolute_values(model, net):
    """p_w times profile is SimBench's own absolute series, generation negative."""
    import simbench

    absolute = simbench.get_absolute_values(net, profiles_instead_of_study_cases=True)
    profiles = load_profiles(model, datetime(2016, 1, 1, tzinfo=UTC), 200)
    for device in model.record_devices:
        number = device.id.rpartition("-")[2]
        kind, sign = ("load", 1) if device.kind == "load" else ("sgen", -1)
        word = "Load" if kind == "load" else "SGen"
        row = net[kind].index[net[kind].name == f"LV4.101 {word} {number}"][0]
        expected = sign * absolute[kind, "p_mw"][row].to_numpy(float)[:200] * 1e6
        assert np.allclose(device.p_w * profiles[device.p_profile], expected)
        if kind == "load":
            expected = absolute[kind, "q_mvar"][row].to_numpy(float)[:200] * 1e6
            assert np.allclose(device.q_var * profiles[device.q_profile], expected)


def test_the_year_wraps(model):
    over = load_profiles(model, datetime(2016, 12, 31, 23, tzinfo=UTC), 8)
    ahead = load_profiles(model, datetime(2016, 1, 1, tzinfo=UTC), 4, before=4)
    assert all(np.array_equal(over[name], ahead[name]) for name in over)


def test_a_zone_is_taken_into_account_and_another_year_has_the_same_dates(model):
    utc = load_profiles(model, datetime(2016, 4, 20, 10, tzinfo=UTC), 4)
    cest = timezone(timedelta(hours=2))
    same = load_profiles(model, datetime(2016, 4, 20, 12, tzinfo=cest), 4)
    other_year = load_profiles(model, datetime(2027, 4, 20, 10, tzinfo=UTC), 4)
    for name in utc:
        assert np.array_equal(utc[name], same[name])
        assert np.array_equal(utc[name], other_year[name])


def test_lengths_and_read_only(model):
    got = load_profiles(model, datetime(2016, 2, 29, tzinfo=UTC), 3, before=2)
    assert {len(values) for values in got.values()} == {5}
    with pytest.raises(ValueError, match="read-only"):
        got["PV5"][0] = 1.0


def test_a_start_within_a_slot_is_a_fault(model):
    with pytest.raises(ScenarioError, match="quarter of an hour"):
        load_profiles(model, datetime(2016, 1, 1, 0, 7, tzinfo=UTC), 4)


def test_a_grid_without_profiles_has_none():
    model = load_grid({"pandapower": "create_cigre_network_lv"})
    assert load_profiles(model, datetime(2016, 1, 1, tzinfo=UTC), 4) == {}
