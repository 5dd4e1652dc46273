"""Sums of a unit that manages a group: they follow who is there."""

from __future__ import annotations

from typing import Any

from controllers.unit import Loopback, UnitsCore
from fernwatt.messages import Reading

SUB, TOP = "lvgmu/lv1", "tlgmu/top"
METERS = [f"meter/lv1/load-{number}" for number in range(3)]
STRAY = "meter/lv2/load-0"
SLOT, HOUR = 900_000, 3_600_000


def unit(name: str, kind: str, parent: str, children: list[str], **services: Any) -> dict[str, Any]:
    group = {"beat_s": 60.0, "join_s": 30.0, "rekey_s": 10.0} | services.pop("group", {})
    owner = f"customer/{name[6:]}" if kind == "meter" else "operator"
    return {
        "id": name, "kind": kind, "parent": parent, "children": children, "owner": owner,
        "instruments": [f"{name}/i"] if kind == "meter" else [],
        "customer": owner if kind == "meter" else "",
        "services": {"group": group, **services},
    }  # fmt: skip


def world(**more: Any) -> Loopback:
    sums: dict[str, Any] = {"aggregation": {"spread_s": 0, "poll": {"count": 0}}}
    units = [
        unit(TOP, "tlgmu", "", [SUB, "lvgmu/lv2"], **sums),
        unit(SUB, "lvgmu", TOP, METERS, group={"accepts": [STRAY]}, **sums),
        unit("lvgmu/lv2", "lvgmu", TOP, [STRAY], **sums),
        unit(STRAY, "meter", "lvgmu/lv2", [], metering={}, group={"backups": [SUB]}),
        *(unit(meter, "meter", SUB, [], metering={}) for meter in METERS),
    ]
    spec = {"units": units, "security": "integrity", "group": {"start": "2026-01-01T00:00:00Z"}}
    return Loopback(UnitsCore(spec | more, 1))


def readings(hours: int) -> list[Reading]:
    out: list[Reading] = []
    for meter in [*METERS, STRAY]:
        for slot in range(hours * 4):
            for name in ("energy.import", "energy.export"):
                number, t_ms = len(out), slot * SLOT
                value = 100.0 * slot if name.endswith("import") else 0.0
                out.append(
                    Reading(f"{meter}/i#{number}", "", f"{meter}/i", name, t_ms, t_ms, value, "Wh")
                )
    return out


def sums(bus: Loopback, of: str) -> dict[int, tuple[int, int, float]]:
    found = {}
    for event in bus.events:
        if event.kind == "area_energy" and event.element == of:
            value: Any = event.value
            found[value["t_ms"] // SLOT] = (value["meters"], value["missing"], value["import_wh"])
    return found


def asked(bus: Loopback, meter: str, since_ms: int, until_ms: int) -> int:
    rows = bus.table("request")
    return sum(
        row["unit"] == SUB and row["location"] == meter and row["operation"] == "query"
        and row["variable"] == "energy.import"
        and since_ms <= row["t_ms"] - row["latency_ms"] < until_ms
        for row in rows
    )  # fmt: skip


def test_who_is_lost_is_missing_and_not_asked_and_counted_again_when_it_returns() -> None:
    dead = METERS[0]
    bus = world(failures=[{"unit": dead, "at_ms": HOUR, "until_ms": 3 * HOUR}])
    bus.run(6 * HOUR, readings(6))
    found = sums(bus, SUB)
    assert found[2] == (3, 0, 300.0)
    assert found[6] == (2, 1, 200.0)
    assert found[18] == (3, 0, 300.0)
    assert asked(bus, dead, HOUR + 600_000, 3 * HOUR) == 0


def test_who_joins_late_is_followed_from_then_on() -> None:
    late = METERS[1]
    bus = world(failures=[{"unit": late, "at_ms": 0, "until_ms": 2 * HOUR}])
    bus.run(5 * HOUR, readings(5))
    found = sums(bus, SUB)
    assert found[3] == (2, 1, 200.0)
    assert found[14] == (3, 0, 300.0)
    assert asked(bus, late, 60_000, 2 * HOUR) == 0


def test_a_meter_of_another_area_is_summed_where_it_is() -> None:
    bus = world(failures=[{"unit": "lvgmu/lv2", "at_ms": HOUR, "until_ms": 3 * HOUR}])
    bus.run(6 * HOUR, readings(6))
    found = sums(bus, SUB)
    assert found[2] == (3, 0, 300.0)
    assert found[8] == (4, 0, 400.0)
    assert found[19] == (3, 0, 300.0)
    assert sums(bus, "lvgmu/lv2")[19] == (1, 0, 100.0)


def test_a_restart_of_the_sum_forgets_no_member() -> None:
    bus = world(failures=[{"unit": SUB, "at_ms": HOUR, "until_ms": HOUR + 60_000}])
    bus.run(4 * HOUR, readings(4))
    assert sums(bus, SUB)[10] == (3, 0, 300.0)
