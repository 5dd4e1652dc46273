"""A unit that changes what it runs: on trial at first, back again when it does not hold."""

from __future__ import annotations

import pytest

from controllers.unit import Loopback, Result, UnitsCore
from fernwatt.errors import ScenarioError

LOW = "lvgmu/a"
TRIAL = {"do": "install", "serial": 1, "modules": {"worker": {"params": {"size": 2}}}}


class Worker:
    """Writes its size as an area's energy each minute; size 13 cannot be, size 7 fails at work."""

    name = "worker"

    def __init__(self, size: int) -> None:
        if size == 13:
            raise ScenarioError([])
        self.size = size

    def start(self, context) -> None:
        self.context = context
        context.set_timer("work", context.now_ms + 60_000)

    def timer(self, name) -> None:
        if self.size == 7:
            raise ZeroDivisionError
        context = self.context
        context.data.write("area.energy", context.unit, {"meters": self.size})
        context.set_timer(name, context.now_ms + 60_000)

    def notify(self, notification) -> None: ...


class Updater:
    """What a test tells to the service ``update`` and other services."""

    def __init__(self, name) -> None:
        self.name = name
        self.heard = []

    def start(self, context) -> None:
        self.context = context

    def timer(self, name) -> None: ...

    def notify(self, notification) -> None:
        self.heard.append(notification)


@pytest.fixture(params=["volatile", "disk"])
def bus(request) -> Loopback:
    services = {"worker": {"size": 1}, "update": {}, "other": {}}
    units = [
        {"id": LOW, "kind": "lvgmu", "owner": "operator", "services": services},
        {"id": "mvgmu/m", "kind": "mvgmu", "owner": "operator", "services": {"update": {}}},
    ]
    factories = {
        "worker": lambda _spec, params, _directory: Worker(params["size"]),
        "worker@2": lambda _spec, params, _directory: Worker(params["size"] * 100),
        "update": lambda *_: Updater("update"),
        "other": lambda *_: Updater("other"),
    }
    core = UnitsCore({"units": units, "memory": request.param}, 1, factories=factories)
    made = Loopback(core)
    made.run(0)
    return made


def order(bus: Loopback, value, *, unit=LOW, service="update"):
    updater = bus.core.service(unit, service)
    issued = updater.context.data.write("module.order", LOW, value)
    bus.poke()
    bus.run(bus.now_ms + 1000)
    return next((one.result for one in updater.heard if one.request == issued.id), None)


def size(bus: Loopback) -> int:
    return bus.core.service(LOW, "worker").size


def state(bus: Loopback):
    other = bus.core.service(LOW, "update")
    issued = other.context.data.query("module.state", LOW)
    bus.poke()
    found = next(one for one in other.heard if one.request == issued.id)
    return found.value and (found.value["serial"], found.value["phase"])


def test_what_is_confirmed_stays_over_restarts(bus) -> None:
    assert state(bus) is None
    order(bus, TRIAL)
    assert (size(bus), state(bus)) == (2, (1, "trial"))
    order(bus, {"do": "confirm"})
    assert state(bus) == (1, "confirmed")
    bus.core.kill(LOW)
    bus.core.revive(LOW)
    assert (size(bus), state(bus)) == (2, (1, "confirmed"))


def test_a_restart_during_the_trial_brings_the_old_back(bus) -> None:
    order(bus, TRIAL)
    bus.core.kill(LOW)
    bus.core.revive(LOW)
    assert (size(bus), state(bus)) == (1, (1, "rolled-back"))


def test_a_trial_can_be_given_up(bus) -> None:
    order(bus, TRIAL)
    order(bus, {"do": "back", "why": "nobody hears us"})
    assert (size(bus), state(bus)) == (1, (1, "rolled-back"))


@pytest.mark.parametrize("wrong", [13, 7])
def test_a_module_that_cannot_begin_or_fails_brings_the_old_back(bus, wrong) -> None:
    order(bus, TRIAL | {"modules": {"worker": {"params": {"size": wrong}}}})
    bus.run(bus.now_ms + 120_000)
    assert (size(bus), state(bus)) == (1, (1, "rolled-back"))


@pytest.mark.parametrize(
    ("condition", "phase"), [("value.meters > 1", "confirmed"), ("value.meters > 5", "rolled-back")]
)
def test_checks_hold_new_instances_against_their_condition(bus, condition, phase) -> None:
    order(bus, TRIAL | {"checks": [["area.energy", condition]]})
    bus.run(bus.now_ms + 90_000)
    order(bus, {"do": "confirm"})
    assert state(bus) == (1, phase)
    assert size(bus) == (2 if phase == "confirmed" else 1)


def test_a_version_is_another_factory_and_packages_add_up(bus) -> None:
    order(bus, TRIAL)
    order(bus, {"do": "confirm"})
    order(bus, {"do": "install", "serial": 2, "modules": {"worker": {"version": "2"}}})
    order(bus, {"do": "confirm"})
    assert size(bus) == 200


def test_data_are_kept_or_forgotten_as_asked(bus) -> None:
    other = bus.core.service(LOW, "other").context
    other.data.write("area.energy", LOW, {"meters": 5}, policy=[["all", "all", 1, 0]])
    bus.poke()
    store, notes = bus.core._memory.of(LOW)
    order(bus, TRIAL)
    order(bus, {"do": "confirm"})
    store, notes = bus.core._memory.of(LOW)
    assert store.newest("area.energy", "operator", LOW) is not None
    assert notes.items("policies")
    order(bus, {"do": "install", "serial": 2, "modules": {}, "keep": False})
    store, notes = bus.core._memory.of(LOW)
    assert store.newest("area.energy", "operator", LOW) is None
    assert not notes.items("policies")
    assert size(bus) == 2


def test_a_reset_forgets_all_but_names_and_deeds(bus) -> None:
    other = bus.core.service(LOW, "other").context
    order(bus, TRIAL)
    order(bus, {"do": "confirm"})
    before = bus.core.unit(LOW).name()
    other.data.write("area.energy", LOW, {"meters": 5}, policy=[["all", "all", 1, 0]])
    notes = bus.core._memory.of(LOW)[1]
    notes.put("audit", "1", "what was done")
    order(bus, {"do": "reset", "serial": 2})
    assert (size(bus), state(bus)) == (1, (2, "reset"))
    _, notes = bus.core._memory.of(LOW)
    assert notes.items("audit") == {"1": "what was done"}
    assert not notes.items("policies")
    assert int(bus.core.unit(LOW).name().partition("#")[2]) > int(before.partition("#")[2])


def test_only_the_units_own_service_may_order(bus) -> None:
    assert order(bus, TRIAL, service="other") is Result.DENIED
    assert order(bus, TRIAL, unit="mvgmu/m") is Result.DENIED
    assert size(bus) == 1


@pytest.mark.parametrize(
    "value",
    [
        {"do": "explode"},
        None,
        TRIAL | {"modules": {"worker": 5}},
        TRIAL | {"boot_ms": -1},
        TRIAL | {"serial": "1"},
        TRIAL | {"checks": [["area.energy", "1 +"]]},
        TRIAL | {"checks": [5]},
    ],
)
def test_nonsense_changes_nothing(bus, value) -> None:
    order(bus, value)
    assert (size(bus), bus.core.counters["order-refused"]) == (1, 1)


def test_a_unit_that_dies_while_it_boots_comes_back_when_it_is_told_to() -> None:
    services = {"worker": {"size": 1}, "update": {}}
    spec = {
        "units": [{"id": LOW, "owner": "operator", "services": services}],
        "failures": [{"unit": LOW, "at_ms": 5_000, "until_ms": 60_000}],
    }
    factories = {
        "worker": lambda _spec, params, _directory: Worker(params["size"]),
        "update": lambda *_: Updater("update"),
    }
    bus = Loopback(UnitsCore(spec, 1, factories=factories))
    bus.run(0)
    order(bus, TRIAL | {"boot_ms": 20_000})
    bus.run(40_000)
    with pytest.raises(KeyError):
        bus.core.unit(LOW)
    bus.run(61_000)
    assert size(bus) == 2  # it had not begun the trial before
