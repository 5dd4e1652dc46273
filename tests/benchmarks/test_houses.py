"""The houses that balancing is timed with negotiate, and are served."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.balancing import exponent, negotiate
from benchmarks.houses import Neighbourhood, Settings


def test_a_day_ahead_is_agreed_by_all_houses_below_two_substations():
    houses, spent_s = negotiate(16, 2)
    (rounds,) = houses.negotiations()
    distances = [row["distance_after_w"] for row in rounds]
    assert distances[-1] < 0.5 * rounds[0]["distance_before_w"]
    assert (np.diff(distances) <= 1e-6).all()
    assert rounds[0]["answers"] == 2  # both substations
    planned = {command.actuator.split("/")[2] for command in houses.bus.commands}
    assert len(planned) >= 12  # whoever has a vehicle or a battery
    assert spent_s == houses.spent_s > 0


@pytest.mark.parametrize("replan_s", [86_400.0, 3600.0])
def test_vehicles_of_a_timed_street_leave_as_full_as_they_asked(replan_s):
    houses = Neighbourhood(Settings(8, replan_s=replan_s, days=2)).run(132)
    charged = [house.drawn_wh["ev"] for house in houses.houses]
    assert sum(energy_wh > 6000.0 for energy_wh in charged) == 6
    assert houses.not_served_wh == pytest.approx(0.0, abs=1e-6)
    assert max(houses.power_w) < 20_000.0  # of six vehicles with 11 kW each


def test_the_exponent_tells_how_time_grows():
    counts = [10, 100, 1000]
    assert exponent(counts, [2.0 * count for count in counts]) == pytest.approx(1.0)
    assert exponent(counts, [0.1 * count**1.5 for count in counts]) == pytest.approx(1.5)
