"""Meters that speak DLMS/COSEM in a run: the same sums, other bytes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from analysis import Run
from controllers.dlms.apdu import DataNotification, decode_apdu
from controllers.dlms.wrapper import Wrapped
from fernwatt.messages import Reading
from scenarios import load, run
from scenarios.assembly import assemble
from tests.scenarios.support.cyber import Cyber

SLOT_MS = 900_000
Settings = tuple[str, ...]


def cyber(*settings: str) -> Cyber:
    """Return units and network of the street, whose meters report by themselves."""
    plan = assemble(load("street", ["time.duration_h=1", *settings]))
    return Cyber(plan.params, {})


def meters(world: Cyber) -> dict[str, str]:
    """Return the instrument of each meter."""
    return {
        instrument: unit
        for unit, (spec, _) in world.units._specs.items()
        if spec["kind"] == "meter"
        for instrument in spec["instruments"]
    }


def slots(world: Cyber, count: int) -> None:
    """Have all meters read their registers at the boundaries of slots."""
    number = 0
    for slot in range(count):
        readings = []
        for place, instrument in enumerate(sorted(meters(world))):
            for variable, value in (
                ("energy.import", 1000.0 * place + 10 * slot * (place + 1)),
                ("energy.export", float(place * slot)),
                ("voltage", 230.0 + place / 10),
            ):
                number += 1
                at_ms = slot * SLOT_MS
                name = f"{instrument}#{number}"
                readings.append(Reading(name, "", instrument, variable, at_ms, at_ms, value, ""))
        world.run((slot + 1) * SLOT_MS - 1 if slot + 1 < count else slot * SLOT_MS + 400_000,
                  tuple(readings))  # fmt: skip
        world.now_ms = (slot + 1) * SLOT_MS


def sums(events: Any) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the sums of all areas by slot."""
    return {(one.element, one.value["t_ms"]): one.value for one in events
            if one.kind == "area_energy"}  # fmt: skip


def played(protocol: str, level: str) -> tuple[Cyber, dict[tuple[str, int], dict[str, Any]]]:
    """Return a world after four slots, and its sums."""
    world = cyber(f"units.protocols.meters={protocol}", f"units.security={level}")
    slots(world, 4)
    spoken = {
        frame.payload[:2] == b"\x00\x01"
        for frame in world.frames
        if {"meter", "lvgmu"} == {frame.src.split("/")[0], frame.dst.split("/")[0]}
    }
    assert spoken == {protocol == "dlms"}
    others = [frame for frame in world.frames if not frame.src.startswith(("meter", "lvgmu"))]
    assert not any(frame.payload[:2] == b"\x00\x01" for frame in others)
    assert not {"malformed", "refused-signature"} & set(world.units.counters)
    return world, sums(world.events)


@pytest.fixture(scope="module")
def own() -> dict[tuple[str, int], dict[str, Any]]:
    """The sums with the platform's own protocol."""
    return played("cbor", "none")[1]


@pytest.mark.requirement("CP-01")
@pytest.mark.parametrize("level", ["none", "integrity", "integrity+secrecy"])
def test_areas_sum_what_meters_say_in_either_protocol(
    own: dict[tuple[str, int], dict[str, Any]], level: str
) -> None:
    world, summed = played("dlms", level)
    assert summed == own
    count = len(meters(world))
    low = [one for (name, _), one in summed.items() if name == "lvgmu/lv4.101"][1:]
    assert len(low) == 2
    for one in low:
        assert (one["meters"], one["missing"]) == (count, 0)
        assert one["import_wh"] == 10 * count * (count + 1) / 2
        assert one["export_wh"] == count * (count - 1) / 2


def test_registers_are_pushed_as_the_standard_has_them() -> None:
    world = cyber("units.protocols.meters=dlms")
    slots(world, 2)
    apdus = [
        decode_apdu(Wrapped.read(frame.payload).apdu)
        for frame in world.frames
        if frame.src.startswith("meter/") and frame.payload[:2] == b"\x00\x01"
        if frame.payload[8] not in (0x60, 0x61)
    ]
    kinds = Counter(type(apdu).__name__ for apdu in apdus)
    count = len(meters(world))
    assert kinds["DataNotification"] >= 2 * count
    assert kinds["SetResponse"] >= 3 * count
    assert kinds["GetListResponse"] >= 2 * count
    assert "ActionResponse" not in kinds, "all that is said of registers has a form in COSEM"
    values = [one.data.parts[1].value for one in apdus
              if isinstance(one, DataNotification) and len(one.data.parts) == 3]  # fmt: skip
    assert {value % 10 for value in values if value < 2000} >= {0}


@pytest.mark.slow
def test_units_introduce_themselves_before_they_speak_dlms() -> None:
    world = cyber("units.protocols.meters=dlms", "units.security=integrity", "units.group={}")
    slots(world, 2)
    met: dict[frozenset[str], list[bool]] = {}
    for frame in world.frames:
        if {"meter", "lvgmu"} == {frame.src.split("/")[0], frame.dst.split("/")[0]}:
            ends = frozenset((frame.src, frame.dst))
            met.setdefault(ends, []).append(frame.payload[:2] == b"\x00\x01")
    assert len(met) == len(meters(world))
    assert all(not any(said[:2]) for said in met.values()), "certificates come first"
    assert sum(any(said) for said in met.values()) == len(met)
    kinds = Counter(event.kind for event in world.events)
    assert kinds["member_joined"] >= len(met)
    assert not kinds["refused"] + kinds["member_suspected"]


def test_the_setting_is_the_platforms_own_protocol_by_default() -> None:
    def spoken(*settings: str) -> list[tuple[str, dict[str, str]]]:
        spec = assemble(load("street", ["time.duration_h=1", *settings])).params["units"]["spec"]
        return [(unit["id"], unit["speaks"]) for unit in spec["units"] if "speaks" in unit]

    assert spoken() == []
    pairs = {
        (unit, peer) for unit, peers in spoken("units.protocols.meters=dlms") for peer in peers
    }
    assert len(pairs) == 82
    assert {(peer, unit) for unit, peer in pairs} == pairs
    assert all({one.split("/")[0], other.split("/")[0]} == {"meter", "lvgmu"}
               for one, other in pairs)  # fmt: skip


def go(folder: Path, protocol: str, security: str = "none", **units: object) -> Run:
    """Run three hours of the street."""
    source = YAML(typ="safe").load(Path("scenarios/street.yaml"))
    source["time"] = {"start": "2016-04-20T15:00:00Z", "duration_h": 3}
    source["services"]["balancing"]["mode"] = "local"  # or delays would steer devices
    changed = {"history_days": 1, "protocols": {"meters": protocol}, "security": security, **units}
    source["units"] |= changed
    folder.mkdir()
    with (folder / "case.yaml").open("w") as file:
        YAML().dump(source, file)
    made = run(load(str(folder / "case.yaml")), folder=folder / "run", with_report=False)
    return Run(made.check().folder)


def areas(found: Run) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the sums of all areas of a run by slot."""
    events = found.events
    rows = events[events["kind"] == "area_energy"]
    told = [(row.element, json.loads(row.value)) for row in rows.itertuples()]
    return {(element, value["t_ms"]): value for element, value in told}


@pytest.mark.slow
@pytest.mark.requirement("CP-01")
def test_a_whole_run_has_the_same_sums(tmp_path: Path) -> None:
    own, dlms = (go(tmp_path / name, name) for name in ("cbor", "dlms"))
    assert areas(own) == areas(dlms)
    assert len(areas(own)) > 20
    assert own.series("reading").equals(dlms.series("reading"))


@pytest.mark.slow
def test_meters_and_substation_begin_anew_in_the_middle_of_a_run(tmp_path: Path) -> None:
    failures = [
        {"unit": "lvgmu/lv4.101", "at_h": 0.9, "lasts_s": 400},
        {"unit": "meter/lv4.101/load-1*", "at_h": 1.3, "lasts_s": 120},
    ]
    found = go(tmp_path / "a", "dlms", "integrity+secrecy", failures=failures)
    events = found.events
    assert (events["kind"] == "unit_restarted").sum() > 8
    assert not (events["kind"] == "refused").sum(), "no counter comes twice over a restart"
    requests = found.series("request")
    again = requests[(requests["unit"] == "lvgmu/lv4.101") & (requests["t_ms"] > 0.9 * 3_600_000)]
    results = again[again["operation"] == "event"]["result"].value_counts()
    assert results["replaced"] >= 82
    last = max(start for name, start in areas(found) if name == "lvgmu/lv4.101")
    assert areas(found)["lvgmu/lv4.101", last]["missing"] == 0
