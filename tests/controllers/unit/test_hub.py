"""The hub: hosts, set-up, order, rows."""

from __future__ import annotations

import numpy as np
import pytest

from controllers.unit import Loopback, UnitsCore
from controllers.unit.host import CLASSES, Host, HostClass
from fernwatt.errors import ScenarioError, SimulationError
from fernwatt.messages import Delivery, Reading


def test_a_host_works_on_one_thing_at_a_time() -> None:
    host = Host(HostClass(100, 50, 1000, 0, 0, 0, 0))
    assert host.parse(0, 20) == 120
    assert host.build(10, 999) == 170  # waits for the parsing
    assert host.build(1000, 999) == 1050


def test_frames_carry_when_the_host_had_made_them(pair) -> None:
    spec = {"hosts": {"embedded": {"build_us": 700, "build_ns_per_byte": 0}}}
    bus = pair(spec=spec)
    for _ in range(3):
        bus.core.service("lvgmu/a", "metering").context.data.query("voltage", "meter/a/x")
    bus.poke()
    assert [frame.ready_us for frame in bus.frames] == [700, 1400, 2100]


def test_units_on_one_host_wait_for_one_another() -> None:
    shared = {"class": "cloud", "name": "cloud-1"}

    class Asker:
        name = "metering"

        def start(self, context):
            context.data.query("voltage", "meter/c")

        def notify(self, notification): ...

        def timer(self, name): ...

    def ready(host):
        units = [{"id": f"lvgmu/{name}", "services": {"metering": {}}, "host": host}
                 for name in "ab"]  # fmt: skip
        core = UnitsCore({"units": [*units, {"id": "meter/c"}]}, 1,
                         factories={"metering": lambda *_: Asker()})  # fmt: skip
        return [frame.ready_us for frame in core.step(0).frames]

    apart, together = ready("cloud"), ready(shared)
    assert apart[0] == apart[1] == together[0]
    assert together[1] == 2 * together[0]


@pytest.mark.parametrize("slow_first", [("mcu", "embedded"), ("embedded", "server")])
def test_larger_hardware_is_quicker(slow_first) -> None:
    slow, quick = (CLASSES[name] for name in slow_first)
    assert Host(slow).parse(0, 100) > Host(quick).parse(0, 100)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"units": [{"id": "a/b"}, {"id": "a/b"}]}, "a/b is there twice"),
        ({"units": [{"id": "a/b", "parent": "a/c"}]}, "names a/c, which is no unit"),
        ({"units": [{"id": "a/b", "host": "abacus"}]}, "unknown hardware class 'abacus'"),
        ({"units": [{"id": "a/b", "services": {"telepathy": {}}}]}, "no service 'telepathy'"),
        ({"units": [{"id": "a/b", "instruments": ["i"]}, {"id": "a/c", "instruments": ["i"]}]},
         "belongs to two units"),
        ({"units": [{"id": "a/b", "policies": {"voltage": 3}}]}, "a policy is a list"),
        ({"units": [], "flows": {"metering": {"retries": -1}}}, "an integer from 0 on"),
        ({"units": [], "flows": {"gossip": {}}}, "unknown flow"),
        ({"units": [], "codec": "morse"}, "one of cbor"),
        ({"units": [], "security": "total"}, r"one of integrity, integrity\+secrecy, none"),
        ({"units": [{"id": "a/b"}], "hosts": {"embedded": {"parse_us": 0.5}}}, "an integer"),
        ({"units": [{"id": "a/b", "services": {"aggregation": {"subscribe": "x"}}}]},
         "event or periodic"),
    ],
)  # fmt: skip
def test_a_wrong_specification_says_what_is_wrong(spec, message) -> None:
    with pytest.raises(ScenarioError, match=message):
        UnitsCore(spec, 1)


def test_what_is_for_nobody_is_an_error() -> None:
    core = UnitsCore({"units": [{"id": "meter/a", "instruments": ["i/a"]}]}, 1)
    with pytest.raises(SimulationError, match="no unit has the instrument i/b"):
        core.step(0, [Reading("f#1", "", "i/b", "voltage", 0, 0, 1.0, "V")])
    with pytest.raises(SimulationError, match="delivered to meter/b"):
        core.step(0, (), [Delivery("x#1", "", "x", "meter/b", "metering", 0, b"")])
    core.step(5)
    with pytest.raises(SimulationError, match="cannot step to 4 ms"):
        core.step(4)


def test_a_reading_without_a_value_is_counted_and_not_stored() -> None:
    core = UnitsCore({"units": [{"id": "meter/a", "instruments": ["i/a"]}]}, 1)
    wrong = [("voltage", None), ("weather.wind", 3.0), ("voltage", "high"), ("voltage", np.nan)]
    for variable, value in wrong:
        core.step(0, [Reading("f#1", "", "i/a", variable, 0, 0, value, "V", "missing")])
    assert core.counters["reading-refused"] == 4
    store = core.unit("meter/a").store
    assert store.newest("voltage", "operator", "meter/a") is None
    core.step(0, [Reading("f#1", "", "i/a", "voltage", 0, 0, np.float64(3.0), "V")])
    assert type(store.newest("voltage", "operator", "meter/a").value) is float


def test_rows_are_held_back_and_none_is_lost(hierarchy) -> None:
    def rows(hold_rows):
        core = UnitsCore(hierarchy(areas=4, size=10, join_s=1), 1, hold_rows=hold_rows)
        bus, batches = Loopback(core), []
        take = core._take

        def counted():
            out = take()
            batches.append(len(out.rows))
            return out

        core._take = counted
        bus.run(50_000)
        bus.close()
        return bus.rows, sum(1 for batch in batches if batch)

    at_once, often = rows(0)
    held, seldom = rows(1000)
    assert held == at_once
    assert 0 < seldom < often / 2


def test_ten_thousand_units_need_little_memory(hierarchy) -> None:
    import tracemalloc

    tracemalloc.start()
    core = UnitsCore(hierarchy(areas=10, size=100), 1)
    core.step(0)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / 1012 < 20_000  # bytes per unit, so 10,000 stay far below 1 GB
