"""The services on real management units: directory, policies, codec, retries."""

from __future__ import annotations

import pytest

from controllers.unit import Loopback, UnitsCore
from fernwatt.messages import Reading

START = "2016-01-20T00:00:00Z"
SESSION = {
    "session": "s", "energy_wh": 8000.0, "departure_ms": 30_000_000, "p_max_w": 11_000.0,
    "p_min_w": 0.0,
}  # fmt: skip


def units(houses):
    meters = [f"meter/a/{i}" for i in range(houses)]
    children = [f"cmu/a/{i}" for i in range(houses)]
    parent = {"role": "parent", "children": children, "start": START}
    out = [
        {"id": "lvgmu/a", "kind": "lvgmu", "area": "a", "parent": "", "children": meters,
         "customer": "", "owner": "operator", "services": {"balancing": parent}}
    ]  # fmt: skip
    for i in range(houses):
        common = {"area": "a", "customer": f"customer/{i}", "owner": f"customer/{i}"}
        dmu = f"dmu/a/{i}/ev"
        child = {
            "role": "child", "parent": "lvgmu/a", "meter": meters[i], "start": START,
            "devices": [{"kind": "ev", "id": f"ev/a/{i}", "unit": dmu, "p_max_w": 11_000}],
        }  # fmt: skip
        out += [
            {"id": meters[i], "kind": "meter", "parent": "lvgmu/a", "children": [children[i]],
             "instruments": [f"i/meter/{i}"], **common},
            {"id": children[i], "kind": "cmu", "parent": meters[i], "children": [dmu],
             "services": {"balancing": child}, **common},
            {"id": dmu, "kind": "dmu", "parent": children[i], "children": [],
             "instruments": [f"i/ev/{i}"], "actuators": {"set_point": f"actuator/ev/{i}"},
             **common},
        ]  # fmt: skip
    return out


def readings(houses):
    out = []

    def add(t_ms, instrument, variable, value):
        out.append(Reading(f"r#{len(out)}", "", instrument, variable, t_ms, t_ms, value, "Wh"))

    for i in range(houses):
        for slot in range(5):
            add(slot * 900_000, f"i/meter/{i}", "energy.import", 100.0 * slot)
            add(slot * 900_000, f"i/meter/{i}", "energy.export", 0.0)
            add(slot * 900_000, f"i/ev/{i}", "device.energy", 0.0)
        add(1_000_000, f"i/ev/{i}", "ev.session", SESSION)
    return out


@pytest.mark.parametrize("fates", [None, lambda frame, t_ms: () if t_ms % 3 == 0 else (30, 45)])
def test_houses_on_units_negotiate_and_command_their_chargers(fates):
    bus = Loopback(UnitsCore({"units": units(3)}, seed=1), fates=fates)
    bus.run(3_000_000, readings(3))
    bus.close()
    rows = bus.table("negotiation")
    assert max(row["committed"] for row in rows) >= 1
    assert all(row["distance_after_w"] <= row["distance_before_w"] + 1e-6 for row in rows)
    commanded = {command.actuator for command in bus.commands}
    assert commanded == {f"actuator/ev/{i}" for i in range(3)}
    assert all(0 <= command.value["p_w"] <= 11_000 for command in bus.commands)
    if fates is None:
        first = {}
        for command in bus.commands:
            first.setdefault(command.actuator, command.at_ms)
        assert all(1_000_000 < at_ms < 1_001_000 for at_ms in first.values())


def test_units_without_a_network_command_nothing():
    bus = Loopback(UnitsCore({"units": units(2)}, seed=1), fates=lambda frame, t_ms: ())
    bus.run(3_000_000, readings(2))
    assert bus.frames
    assert not bus.commands
