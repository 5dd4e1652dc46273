"""Link budgets against closed forms and published numbers."""

from __future__ import annotations

from dataclasses import replace
from math import log10
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from fernwatt.errors import ScenarioError
from simulators.network.airs import budget_of
from simulators.network.phy import PacketErrors, least_snr_db
from simulators.network.radio import Budget, PathLoss, noise_dbm, shadowing
from simulators.network.reach import filled
from simulators.network.technologies import MediumTechnology, load


def technology(name: str) -> MediumTechnology:
    found = load()[name]
    assert isinstance(found, MediumTechnology)
    return found


def loss_db(model: str, mhz: float, apart_m: float, a_m: float = 1.5, b_m: float = 1.5) -> float:
    one = np.array([apart_m]), np.array([a_m]), np.array([b_m])
    return float(PathLoss(model, mhz * 1e6).db(*one)[0])


@pytest.mark.parametrize(("mhz", "printed"), [(868, 88.71), (2450, 97.73)])
def test_free_space_over_750_m(mhz: float, printed: float) -> None:
    assert round(loss_db("free-space", mhz, 750), 2) == printed


@pytest.mark.parametrize(
    ("high_m", "low_m", "printed"), [(1.5, 1.5, 107.96), (6, 1.5, 95.92), (10, 1.5, 91.48)]
)
def test_two_rays_over_750_m(high_m: float, low_m: float, printed: float) -> None:
    assert round(loss_db("two-ray", 868, 750, high_m, low_m), 2) == printed
    assert loss_db("two-ray", 868, 750, low_m, high_m) == loss_db(
        "two-ray", 868, 750, high_m, low_m
    )


def test_two_rays_begin_where_free_space_ends() -> None:
    """The crossover at 868 MHz and 1.5 m is at 82 m; there the two are equal."""
    assert loss_db("two-ray", 868, 81) == loss_db("free-space", 868, 81)
    assert loss_db("two-ray", 868, 83) > loss_db("free-space", 868, 83)
    assert loss_db("two-ray", 868, 82.0) == pytest.approx(
        loss_db("free-space", 868, 82.0), abs=0.05
    )


@pytest.mark.parametrize(("apart_m", "printed"), [(750, 121.59), (1000, 125.99)])
def test_hata_in_a_city(apart_m: float, printed: float) -> None:
    assert round(loss_db("hata", 868, apart_m, 30.0), 2) == printed


def test_log_distance_falls_by_its_exponent() -> None:
    model = PathLoss("log-distance", 2.4e9, 3.0, 1.0)
    at = model.db(np.array([1.0, 10.0, 100.0]), np.ones(3), np.ones(3))
    assert np.diff(at) == pytest.approx([30.0, 30.0])
    assert at[0] == pytest.approx(40.05, abs=0.01)


def test_ns3_receives_what_is_sent_over_95_m() -> None:
    """Its lr-wpan distance test: 1000 frames of 20 B at 0 dBm, exponent 3, 46.68 dB at 1 m."""
    received_dbm = 0.0 - 46.6777 - 30 * log10(95)
    snr_db = received_dbm - noise_dbm(2e6, 0.0)
    assert PacketErrors("oqpsk", "")(snr_db, 20) < 0.01


def test_the_budget_of_the_references_example() -> None:
    """14 dBm, noise figure 7, 50 kbit/s over 750 m: Eb/N0 26 dB; 12.4 dB on Hata's city."""
    level = noise_dbm(50e3, 7.0)
    assert round(level) == -120
    assert round(14 - loss_db("two-ray", 868, 750) - level) == 26
    assert round(14 - loss_db("hata", 868, 750, 30.0) - level, 1) == 12.4
    outage = NormalDist().cdf(-(26.05 - 12.6) / 8.0)
    assert round(100 * outage, 1) == 4.6  # the reference rounds the margin: 4.7


def test_shadowing_belongs_to_a_pair_alone() -> None:
    names = [f"n{number}" for number in range(60)]
    shadow = shadowing(1, names, names, 8.0)
    assert (shadow == shadow.T).all()
    few = shadowing(1, names[7:9], names[3:5], 8.0)
    assert (few == shadow[7:9, 3:5]).all()
    assert (shadowing(2, names, names, 8.0) != shadow).any()
    assert not shadowing(1, names, names, 0.0).any()


def test_shadowing_is_normal() -> None:
    names = [f"n{number}" for number in range(300)]
    values = np.sort(shadowing(3, names, names, 8.0)[np.triu_indices(300, 1)]) / 8.0
    steps = (np.arange(len(values)) + 0.5) / len(values)
    ideal = np.array([NormalDist().cdf(value) for value in values])
    assert np.abs(ideal - steps).max() < 1.95 / np.sqrt(len(values))  # Kolmogorov, 0.1 %


def reach_m(name: str, loss: float, size: int = 100, **changes: float | str) -> float:
    """Return how far a frame gets with a probability of loss, without shadowing."""
    it = replace(technology(name), shadowing_db=0.0, **changes)  # type: ignore[arg-type]
    errors = PacketErrors(it.phy, it.mode, it.bandwidth_hz)
    need_db = least_snr_db(errors, size, loss)
    budget = budget_of(it, 1)
    at = np.arange(1.0, 20_000.0)
    places = np.column_stack([at, np.zeros_like(at), np.zeros_like(at)])
    loss_to = budget.loss_db("s", np.zeros(3), [str(x) for x in at], places)
    return float(at[np.flatnonzero(it.tx_dbm - loss_to - budget.noise_dbm >= need_db)[-1]])


def test_750_m_of_line_of_sight_is_what_a_budget_gives() -> None:
    """Cabinets of 1.5 m over flat ground: 750 m lie between no loss and no reception.

    Sub-GHz reaches further than 2.4 GHz at equal power, two to three times (Muñoz 2018).
    """
    wisun, mesh = reach_m("rf-mesh-wisun", 0.1), reach_m("rf-mesh-15.4", 0.1)
    assert 750 < mesh < 1000
    assert 1300 < wisun < 2000
    ratio = reach_m("rf-mesh-wisun", 0.1, tx_dbm=10.0) / mesh
    assert 1.2 < ratio < 3.0
    assert reach_m("rf-mesh-wisun", 0.1, path_loss="log-distance", path_exponent=3.5) < 750


@pytest.mark.parametrize("name", ["rf-mesh-15.4", "rf-mesh-wisun"])
def test_loss_over_distance_with_shadowing_has_no_edge(name: str) -> None:
    """Among many pairs 750 m apart some always hear each other, and some never do."""
    it = technology(name)
    errors = PacketErrors(it.phy, it.mode, it.bandwidth_hz)
    budget, mean = budget_of(it, 5), []
    for apart_m in (100, 400, 750, 1500, 3000):
        names = [f"p{number}" for number in range(400)]
        places = np.tile([float(apart_m), 0.0, 1.5], (400, 1))
        loss_to = budget.loss_db("root", np.array([0.0, 0.0, 1.5]), names, places)
        snr_db = it.tx_dbm - loss_to - budget.noise_dbm
        mean.append(np.mean([errors(level, 100) for level in snr_db.tolist()]))
    assert mean == sorted(mean)
    assert mean[0] < 0.01
    assert 0.02 < mean[2] < 0.8
    assert mean[-1] > 0.5


def test_places_alike_and_heights_of_their_own() -> None:
    budget = Budget(PathLoss("two-ray", 868e6), 14.0, -114.0, 0.0, 1.5, 1)
    places = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [750.0, 0.0, 10.0]])
    snr_db = budget.snr_db(["a", "b", "c"], places)
    assert np.isfinite(snr_db).all()  # in one cabinet: as a metre apart
    assert snr_db[0, 2] == snr_db[2, 0] == pytest.approx(14.0 + 114.0 - 91.48, abs=0.01)


def test_the_documentation_holds_the_table_as_it_is() -> None:
    page = (Path(__file__).parents[3] / "docs" / "models" / "radio.md").read_text(encoding="utf-8")
    assert filled(page) == page


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("rf-mesh-wisun", {"path_loss": "rays"}, "unknown path loss 'rays' .one of free-space"),
        ("rf-mesh-wisun", {"shadowing_db": -1.0}, "shadowing_db: must not be negative"),
        ("rf-mesh-wisun", {"bandwidth_hz": 0.0}, "bandwidth_hz: must be > 0 for radio"),
        ("rf-mesh-wisun", {"antenna_m": 0.0}, "antenna_m: must be > 0 for radio"),
        ("rf-mesh-wisun", {"channels": 0}, "channels: must be > 0 with dwell_us"),
        ("rf-mesh-wisun", {"broadcast_dwell_us": 1_020_000}, "between 0 and broadcast_us"),
        ("rf-mesh-wisun", {"duty_plan": "us915"}, "unknown plan 'us915' .eu868"),
        ("rf-mesh-wisun", {"duty_window_ms": 0}, "must be > 0 with duty_plan"),
        ("zigbee-han", {"reference_m": 0.0}, "reference_m: must be above 0"),
        ("plc-g3", {"band_high_hz": 35_900.0}, "band_high_hz: is no band"),
        ("plc-g3", {"noise_fall_hz": 0.0}, "noise_fall_hz: must be > 0"),
        ("plc-g3", {"burst_ms": 0.0}, "burst_ms: must be > 0"),
        ("plc-g3", {"day_swing": 1.5}, "day_swing: is a share"),
        ("plc-g3", {"day_peak_h": 24.0}, "day_peak_h: is an hour"),
        ("zigbee-han", {"tx_dbm": float("inf")}, "tx_dbm"),
    ],
)
def test_parameters_that_cannot_be_are_refused(
    name: str, change: dict[str, Any], text: str
) -> None:
    with pytest.raises(ScenarioError, match=text):
        load({name: change})


def test_levels_may_be_below_a_milliwatt() -> None:
    assert load({"zigbee-han": {"tx_dbm": -10, "sense_dbm": -90.0}})["zigbee-han"].tx_dbm == -10.0  # type: ignore[attr-defined]
