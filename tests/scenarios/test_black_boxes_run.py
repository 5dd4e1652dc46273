"""Devices that know nothing of the platform work behind their gateways as the others do."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.modbus.codec import FRAMINGS, Read, Write, decode_request
from controllers.zigbee.codec import Data, decode_aps, decode_report
from fernwatt.errors import ScenarioError
from fernwatt.messages import Frame
from scenarios import load
from scenarios.assembly import assemble
from tests.scenarios.test_gateway_run import SMALL, Kept, carried_out

BALANCED = [
    "services.balancing={mode: steering, replan_s: 3600}", "time.duration_h=3",
    "units.control=[ev, battery]",
]  # fmt: skip
BOXES = "units.black_boxes={battery: modbus, pv: zigbee}"


def series(kept: Kept, unit: str, variable: str) -> list[Any]:
    owner = kept.core.directory.owner(unit, variable)
    return list(kept.core.unit(unit).store.series(variable, owner, unit))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """The same street, its batteries and panels once as units of the platform, once as boxes."""
    folder = tmp_path_factory.mktemp("boxes")
    return (
        carried_out(folder / "plain", *BALANCED), carried_out(folder / "boxes", *BALANCED, BOXES),
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.requirement("CP-08")
def test_boxes_are_read_and_moved_in_their_own_protocols_and_balance_as_others(
    both: tuple[Any, Any],
) -> None:
    (plain, _), (boxes, kept) = both
    devices = [unit for unit in boxes.topology["units"] if unit["kind"] == "device"]
    assert len(devices) > 4
    for device in devices:
        name, gateway = device["id"], device["parent"]
        assert device["actuators"] or name.endswith("/pv")
        frames = [f for f in kept.frames if name in {f.src, f.dst}]
        assert {frozenset((f.src, f.dst)) for f in frames} == {frozenset((name, gateway))}
        told = [one.value for one in series(kept, name, "device.energy")]
        heard = [one.value for one in series(kept, gateway, "device.energy")]
        assert len(heard) >= 11
        # each of what the unit in front has is one of the device's own readings, to a step
        assert all(min(abs(one - other) for other in told) < 0.001 for one in heard)
    # set-points of the negotiation move the batteries, as those of the platform's own units
    moved = {
        name: sorted(one for one in run_.events.loc[
            run_.events["kind"] == "set_point_changed", "element"] if one.startswith("battery/"))
        for name, run_ in (("plain", plain), ("boxes", boxes))
    }  # fmt: skip
    assert set(moved["boxes"]) == set(moved["plain"])
    assert len(moved["boxes"]) >= 0.8 * len(moved["plain"]) > 8
    # and to the same end, but for what asking every so often costs
    for kpi, tolerance in (("end_state_wh", 0.1), ("peak_export_w", 0.05)):
        values = [run_.kpis[kpi]["value"] for run_ in (plain, boxes)]
        assert values[1] == pytest.approx(values[0], rel=tolerance)


@pytest.mark.slow
def test_the_frames_are_modbus_and_zigbee(both: tuple[Any, Any]) -> None:
    _, (_, kept) = both
    frames: list[Frame] = kept.frames
    asked = [FRAMINGS["tcp"].decode(f.payload).pdu for f in frames
             if f.dst.startswith("device/") and f.dst.endswith("/battery")]  # fmt: skip
    requests = [decode_request(pdu) for pdu in asked]
    assert {type(one) for one in requests} == {Read, Write}
    said = [decode_aps(f.payload) for f in frames
            if f.src.startswith("device/") and f.src.endswith("/pv")]  # fmt: skip
    assert said
    assert all(isinstance(one, Data) and decode_report(one.payload).attributes for one in said)


@pytest.mark.slow
def test_what_a_box_is_ordered_is_what_was_written_to_its_unit(both: tuple[Any, Any]) -> None:
    _, (_, kept) = both
    orders = [c for c in kept.commands if c.unit.startswith("device/")]
    assert orders
    for order in orders:
        gateway = "dmu" + order.unit.removeprefix("device")
        written = [one.value for one in series(kept, gateway, "set_point")]
        fits = [it for it in written if abs(it["p_w"] - order.value["p_w"]) <= 0.5
                and abs(it["until_ms"] - order.value["until_ms"]) < 10_000
                and it.get("at") == order.value.get("at")]  # fmt: skip
        assert fits


def test_a_dead_box_is_told_and_its_return(tmp_path: Any) -> None:
    name = "device/lv1.101/load-1/battery"
    failure = f"units.failures=[{{unit: {name}, at_h: 0.3, lasts_s: 1800}}]"
    found, _ = carried_out(tmp_path / "run", BOXES, failure, "time.duration_h=1.5")
    told = found.events[found.events["kind"].isin(["device_silent", "device_back"])]
    assert list(zip(told["kind"], told["element"], strict=True)) == [
        ("device_silent", name), ("device_back", name),
    ]  # fmt: skip


def test_a_protocol_without_a_place_for_an_order_is_named() -> None:
    with pytest.raises(ScenarioError) as caught:
        assemble(load("street", [*SMALL, "units.black_boxes={battery: zigbee}"]))
    assert caught.value.faults[0].path == "units.black_boxes.battery"
