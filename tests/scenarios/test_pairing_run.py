"""A controller in one house and a battery in another, paired by a cloud: who goes which way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis import Run
from fernwatt.errors import ScenarioError
from scenarios import load
from scenarios.assembly import assemble
from scenarios.assembly.mobile import CORE
from simulators.network.routing import Routes
from tests.scenarios.test_gateway_run import SMALL, Kept, carried_out

CLOUD = "cloud/pairing"
CONTROLLER, DEVICE = "cmu/lv1.101/load-2", "dmu/lv1.101/load-1/battery"
METER = "meter/lv1.101/load-1"
PAIR = f"{{controller: {CONTROLLER}, device: {DEVICE}, p_w: 900.0}}"
WANTED = f"services.pairing={{pairs: [{PAIR}], log_s: 900}}"
Ways = dict[tuple[str, str], set[tuple[str, ...]]]


def run_of(folder: Path, *settings: str) -> tuple[Run, Kept, Ways]:
    """Return a run, what its units had, and over which nodes frames were sent."""
    ways: Ways = {}
    whole = Routes.path

    def path(self: Routes, source: str, target: str) -> Any:
        found = whole(self, source, target)
        if found:
            ways.setdefault((source, target), set()).add(tuple(node.id for _, node in found))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Routes, "path", path)
        found, kept = carried_out(folder, WANTED, *settings)
    return found, kept, ways


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Kept, Ways]:
    """Two hours; the cloud is away from 0.6 h to 1.4 h."""
    outage = f"network.outages=[{{element: cloud/{CLOUD}, at_h: 0.6, lasts_h: 0.8}}]"
    return run_of(tmp_path_factory.mktemp("pairing") / "run", outage)


def logs(kept: Kept) -> dict[tuple[str, int], Any]:
    store = kept.core.unit(CLOUD).store
    records = [one.value for one in store.series("log.bulk", "operator", CLOUD)]
    return {(one["variable"], one["number"]): one for one in records}


@pytest.mark.requirement("CP-11")
def test_control_bypasses_the_cloud_and_logs_go_through_it(
    outcome: tuple[Run, Kept, Ways],
) -> None:
    found, kept, ways = outcome
    # all frames of control between the two went through both houses' meters and the street
    there, back = (CONTROLLER, DEVICE), (DEVICE, CONTROLLER)
    kinds = {node.split("/")[0] for pair in (there, back) for way in ways[pair] for node in way}
    assert kinds <= {"cmu", "meter", "dmu", "lvgmu"}
    assert {(way[0], way[-2]) for way in ways[there]} == {("meter/lv1.101/load-2", METER)}
    # logs and the asking went up to the mobile core and into the cloud
    for pair in ((DEVICE, CLOUD), (CONTROLLER, CLOUD)):
        assert all(way[-1] == CLOUD and way[-2] == CORE for way in ways[pair])
    orders = found.messages[
        (found.messages["src"] == CONTROLLER) & (found.messages["dst"] == DEVICE)
    ]
    assert set(orders["flow"]) == {"control"}
    assert len(orders) > 110
    moved = [one for one in kept.commands if one.unit == DEVICE and one.action == "set_power"]
    assert len(moved) > 110


def test_while_the_cloud_is_away_control_goes_on_and_no_log_is_lost(
    outcome: tuple[Run, Kept, Ways],
) -> None:
    found, kept, _ = outcome
    moved = [one.at_ms for one in kept.commands if one.unit == DEVICE]
    away = [t_ms for t_ms in moved if 0.6 * 3.6e6 < t_ms < 1.4 * 3.6e6]
    assert 44 <= len(away) <= 49
    batches = logs(kept)
    energy = [batches[key] for key in sorted(batches) if key[0] == "device.energy"]
    values = [value for one in energy for value in one["values"]]
    owner = kept.core.directory.owner(DEVICE, "device.energy")
    read = [
        one.value for one in kept.core.unit(DEVICE).store.series("device.energy", owner, DEVICE)
    ]
    assert values == pytest.approx(read[: len(values)])
    assert len(values) >= len(read) - 2
    delivered = found.messages[(found.messages["dst"] == CLOUD)
                               & (found.messages["fate"] == "delivered")]  # fmt: skip
    assert not delivered["t_send_us"].between(0.61 * 3.6e9, 1.39 * 3.6e9).any()


@pytest.mark.parametrize(
    ("pair", "end"),
    [
        ("{controller: cmu/x, device: " + DEVICE + "}", "controller"),
        (f"{{controller: {CONTROLLER}, device: cmu/lv1.101/load-1}}", "device"),
        (f"{{controller: {DEVICE}, device: {DEVICE}}}", "device"),
    ],
)
def test_a_pair_that_cannot_be_is_named(pair: str, end: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        assemble(load("street", [*SMALL, f"services.pairing={{pairs: [{pair}]}}"]))
    assert caught.value.faults[0].path == f"services.pairing.pairs[0].{end}"
