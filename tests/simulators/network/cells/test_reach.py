"""Reception by place: link budget, rate over distance, the edge of a cell."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import log10
from typing import Any

import pytest

from fernwatt.errors import ScenarioError
from fernwatt.messages import Frame
from simulators.network.cells import Cell, snr_by_place
from simulators.network.core import NetworkCore
from tests.simulators.network.cells.bench import Bench, Send, packaged

STATION = ("bs", (0.0, 0.0, 30.0))


def at(distance_m: float) -> list[tuple[str, tuple[float, float, float]]]:
    return [(f"at {distance_m}", (distance_m, 0.0, 1.5))]


def test_the_budget_of_a_meter_one_kilometre_away_by_hand() -> None:
    # Okumura-Hata at 816 MHz, 30 m, 1.5 m, 1 km: 69.55 + 26.16 log f - 13.82 log 30 - a; with
    # a = (1.1 log f - 0.7) 1.5 - (1.56 log f - 0.8). The slant adds 0.4 m to the kilometre.
    lte = replace(packaged("lte"), shadowing_db=0.0)
    log_f = log10(816)
    mobile = (1.1 * log_f - 0.7) * 1.5 - (1.56 * log_f - 0.8)
    loss_db = 69.55 + 26.16 * log_f - 13.82 * log10(30) - mobile
    noise_up_dbm = -174 + 10 * log10(1.08e6) + 3
    ((up, down),) = snr_by_place(lte, STATION, at(1000), 1).values()
    assert up == pytest.approx(23 + 15 - 10 - loss_db - noise_up_dbm, abs=0.02)
    assert down - up == pytest.approx(46 - 23 - 10 * log10(9.0 / 1.08) - (7 - 3), abs=1e-9)


@pytest.mark.parametrize("name", ["gprs", "umts", "lte", "lte-m", "nb-iot", "5g-embb", "5g-urllc"])
def test_rate_falls_with_distance_to_nothing(name: str) -> None:
    technology = replace(packaged(name), shadowing_db=0.0)
    rates = []
    for distance_m in (50, 100, 200, 400, 800, 1600, 3200, 6400, 20_000, 100_000):
        ((up, down),) = snr_by_place(technology, STATION, at(distance_m), 1).values()
        rates.append((technology.unit_bits(True, up), technology.unit_bits(False, down)))
    assert rates == sorted(rates, reverse=True)
    assert min(rates[0]) > 0
    assert rates[-1] == (0, 0)


def test_repetitions_reach_further() -> None:
    reach = []
    for repetitions in (1, 8, 64):
        technology = replace(
            packaged("nb-iot"), shadowing_db=0.0, repetitions_up=repetitions,
            repetitions_down=repetitions, most_up=0, most_down=0,
        )  # fmt: skip
        far_m = 1000.0
        while True:
            ((up, down),) = snr_by_place(technology, STATION, at(far_m), 1).values()
            if not (technology.unit_bits(True, up) and technology.unit_bits(False, down)):
                break
            far_m *= 1.02
        reach.append(far_m)
    # 9 dB each, at Hata's 35.2 dB per decade for 30 m: 1.8 times as far.
    for near_m, far_m in pairwise(reach):
        assert far_m / near_m == pytest.approx(10 ** (9.03 / 35.22), rel=0.03)


@pytest.mark.parametrize(
    ("coupling_loss_db", "times"), [(144, 1), (152, 1), (154, 2), (158, 4), (164, 16), (172, 128)]
)
def test_nb_iot_repeats_as_the_coupling_loss_demands(coupling_loss_db: float, times: int) -> None:
    # 23 dBm over a tone of 15 kHz, noise figure 3 dB: 0 dB at a loss of 152.2 dB.
    nb_iot = packaged("nb-iot", error=0.0, setup_us=0, request_us=0, grant_us=0)
    up_db = 23 - coupling_loss_db + 174 - 10 * log10(15_000) - 3
    assert nb_iot.reception(True, up_db) == (160, times)
    bench = Bench(nb_iot)
    cell = Cell(bench.fabric, "deep", nb_iot, bench.station, bench.nodes, {"ue-00000": (up_db, 0)})
    bench.cell = cell
    bench.run([Send(0, size=44)])
    (message,) = bench.passed
    assert message.air_us == 4 * times * 8000 + nb_iot.decode_us
    assert message.air_us < 10_000_000  # the design limit at 164 dB


def test_who_needs_more_repetitions_than_there_are_is_out_of_reach() -> None:
    assert packaged("nb-iot").reception(True, -21.1)[0] == 0
    assert packaged("lte-m").reception(False, -6.7 - 15.1)[0] == 0
    assert packaged("lte-m").reception(False, -6.7 - 15.0) == (19, 32)


def spec(**changes: Any) -> dict[str, Any]:
    places = {"bs": [0, 0, 30], "near": [300, 0, 1.5], "far": [0, 40_000, 1.5]}
    return {
        "nodes": [{"id": name, "place_m": place} for name, place in places.items()],
        "cells": [
            {"id": "cell", "technology": "lte", "station": "bs", "members": ["near", "far"],
             "air": {"kind": "radio"}} | changes
        ],
    }  # fmt: skip


def test_who_is_too_far_away_has_no_way() -> None:
    core = NetworkCore(spec(), 1)
    frames = [Frame(f"{n}#1", "", n, "bs", "f", 2, 0, -1, bytes(40)) for n in ("near", "far")]
    core.inject(0, frames)
    core.advance(3000)
    core.close(3000)
    columns = dict(core.rows())["message"]
    assert dict(zip(columns["id"], columns["loss"], strict=True)) == {
        "near#1": "none",
        "far#1": "no-route",
    }


def test_a_stated_ratio_counts_more_than_the_place() -> None:
    core = NetworkCore(spec(snr_db={"far": 20}), 1)
    core.inject(0, [Frame("far#1", "", "far", "bs", "f", 2, 0, -1, bytes(40))])
    assert [delivery.id for delivery in core.advance(3000)] == ["far#1"]


def test_a_radio_cell_needs_places() -> None:
    nowhere = spec()
    nowhere["nodes"][1]["place_m"] = None
    with pytest.raises(ScenarioError, match="needs place_m of near"):
        NetworkCore(nowhere, 1)
    with pytest.raises(ScenarioError, match="unknown kind"):
        NetworkCore(spec(air={"kind": "conductors"}), 1)
