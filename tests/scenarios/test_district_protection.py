"""The standard scheme on the district: the device nearest to a fault clears it, and it alone."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from fernwatt.gridmodel import GridModel, load_grid
from fernwatt.gridmodel.earthing import Earthing
from fernwatt.gridmodel.feeding import Feeding, feeding
from fernwatt.gridmodel.solvers import make_solver
from scenarios.assembly.grid import grid_source
from scenarios.assembly.protection import protection_devices
from scenarios.loader import load
from simulators.grid.incidents import make_incidents
from simulators.grid.news import News
from simulators.grid.plant import Plant
from simulators.grid.protection import Fuse, Sectionaliser, parse_devices
from simulators.grid.solutions import Solutions

KINDS = {
    "three-phase": ((0, 1, 2), False),
    "two-phase": ((1, 2), False),
    "two-phase-ground": ((0, 2), True),
    "single-phase-ground": ((0,), True),
}


class District:
    """The district's plant, its devices, and who is nearest to a line."""

    def __init__(self, neutral: str = "compensated") -> None:
        scenario = load(
            "district", ["protection.scheme=standard", f"grid.earthing.mv_neutral={neutral}"]
        )
        source, lv = grid_source(scenario)
        self.model: GridModel = load_grid(source, lv=lv)
        self.devices = protection_devices(scenario.config, self.model)
        earth = Earthing.of(scenario.config.grid.earthing.model_dump())
        solver = make_solver("balanced", self.model, earth)
        self.plant = Plant(self.model, Solutions(self.model, solver, earth))
        self.plant.draw(
            *(part[:, None].repeat(3, axis=1) / 3.0 for part in self.model.static_power())
        )
        self.plant.settle()
        self._fed: Feeding = feeding(self.model)
        self._at: dict[str, list[str]] = defaultdict(list)
        switches = {switch.id: switch for switch in self.model.switches}
        for device in self.devices:
            switch = switches[device["switch"]]
            ends = self._at[switch.element]
            ends.insert(0 if switch.bus == self._fed.head[switch.element] else len(ends), switch.id)

    def nearest(self, line: str) -> str:
        """Return the first switch with a device on the way from the fault to the source."""
        for element in (line, *reversed(self._fed.path(self._fed.head[line]))):
            if self._at[element]:
                return self._at[element][-1]
        raise LookupError(line)

    def opened(self, line: str, phases: tuple[int, ...], ground: bool) -> list[str]:
        """Return the switches that open within an hour of a permanent fault; mend all after it."""
        news = News()
        stage: dict[str, Any] = {"phases": phases, "ground": ground, "r_ohm": 0.0}
        fault = {"id": "fault/0", "t_us": 1_000_000, "element": line, "stages": [stage]}
        incidents = make_incidents(
            self.plant, news, {"faults": [fault], "protection": self.devices, "seed": 1}
        )
        incidents.play(3_600_000_000)
        found = [event.element for event in news.take()[0] if event.kind == "switch_opened"]
        self.plant.short(())
        for switch in found:
            self.plant.operate(switch, closed=True)
        self.plant.settle()
        return found


@pytest.fixture(scope="module", name="district")
def fixture_district() -> District:
    """One for all: what a fault did is undone after it."""
    return District()


def test_every_line_has_a_device_before_it(district: District) -> None:
    switches = {device["switch"] for device in district.devices}
    assert {district.nearest(line.id) for line in district.model.lines} <= switches
    assert {device["kind"] for device in district.devices} == {"breaker", "fuse"}


@pytest.mark.slow
@pytest.mark.requirement("GR-02")
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_on_any_line_is_cleared_by_the_device_nearest_to_it(
    district: District, kind: str
) -> None:
    lines = [line.id for line in district.model.lines]
    wrong = {
        line: found
        for line in lines
        if set(found := district.opened(line, *KINDS[kind])) != {district.nearest(line)}
    }
    assert len(lines) == 289
    assert wrong == {}


@pytest.mark.parametrize("neutral", ["isolated", "compensated", "resistance", "solid"])
def test_one_phase_to_earth_trips_its_own_feeder_whatever_the_neutral(neutral: str) -> None:
    district = District(neutral)
    for line in ("line/mv2.101/line-9", "line/mv2.101/line-40", "line/mv2.101/line-100"):
        opened = district.opened(line, *KINDS["single-phase-ground"])
        assert set(opened) == {district.nearest(line)}, line


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_at_each_level_is_cleared_by_the_device_nearest_to_it(
    district: District, kind: str
) -> None:
    for line in ("line/mv2.101/line-9", "line/lv4.101/line-7", "line/lv4.101-3/line-30"):
        assert set(district.opened(line, *KINDS[kind])) == {district.nearest(line)}


def test_devices_of_ones_own_replace_the_schemes_at_their_switch() -> None:
    own = [
        "protection.sectionalisers=[{switch: switch/mv2.101/switch-7, pickup_a: 300.0, counts: 3}]",
        "protection.fuses=[{switch: switch/lv4.101/switch-60, curve: NH-1-100}]",
    ]
    scenario = load("district", ["protection.scheme=standard", *own])
    source, lv = grid_source(scenario)
    model = load_grid(source, lv=lv)
    standard = protection_devices(load("district", ["protection.scheme=standard"]).config, model)
    made = parse_devices(protection_devices(scenario.config, model))
    assert len(made) == len(standard)
    by_switch = {device.switch: device for device in made}
    counter = by_switch["switch/mv2.101/switch-7"]
    assert isinstance(counter, Sectionaliser)
    assert (counter.pickup_a, counter.counts) == (300.0, 3)
    link = by_switch["switch/lv4.101/switch-60"]
    assert isinstance(link, Fuse)
    assert link.curve.rated_a == 100.0
