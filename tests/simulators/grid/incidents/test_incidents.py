"""Faults and what they set off, on grids of SimBench: times by hand, causes, supply."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

from fernwatt.gridmodel import load_grid
from fernwatt.gridmodel.feeding import feeding
from simulators.grid.protection import fuse_curve

LOW = load_grid({"simbench": "1-LV-semiurb4--0-sw"})
HIGH = load_grid({"simbench": "1-MV-rural--0-sw"})
FED = feeding(LOW)
BUSBAR = LOW.areas[0].bus
HEADS = [line for line in LOW.lines if FED.head[line.id] == BUSBAR]
FEEDER = max(HEADS, key=lambda line: line.length_m)
HEAD = next(s.id for s in LOW.switches if (s.bus, s.element) == (BUSBAR, FEEDER.id))
RURAL = feeding(HIGH)
OVERHEAD = "line/mv1.101/line-69"
HIGH_HEAD = next(
    s.id for s in HIGH.switches
    if s.element == "line/mv1.101/line-68" and s.bus == RURAL.head["line/mv1.101/line-68"]
)  # fmt: skip


def fault(line: str, **changes: Any) -> dict[str, Any]:
    stage = {
        "phases": changes.pop("phases", (0, 1, 2)), "ground": changes.pop("ground", False),
        "r_ohm": changes.pop("r_ohm", 0.0),
    }  # fmt: skip
    return {"id": "fault/0", "t_us": 1_000_000, "element": line, "stages": [stage], **changes}


def relay(switch: str, pickup_a: float, delay_s: float, **changes: Any) -> dict[str, Any]:
    stage = {"pickup_a": pickup_a, "delay_s": delay_s}
    return {
        "kind": "breaker", "id": f"breaker/{switch}", "switch": switch, "stages": [stage], **changes
    }  # fmt: skip


def fuse(curve: str) -> dict[str, Any]:
    return {"kind": "fuse", "id": "fuse/head", "switch": HEAD, "curve": curve}


def through_fuse(stage: Any, r_ohm: float) -> float:
    """Return the largest current of the feeder's head with a three-phase fault of ``r_ohm``."""
    item = fault(FEEDER.id, r_ohm=r_ohm)
    play = stage(LOW, {"faults": [item]}, solver="four-wire", load=0.0)
    play.play(1.5)
    row = [line.id for line in LOW.lines].index(FEEDER.id)
    end = int(FEEDER.from_bus != BUSBAR)
    return float(np.abs(play.plant.state.conductors.i_line[row, end, :3]).max())


@pytest.mark.parametrize(("i_a", "melts_s"), [(920.0, 120.0), (1900.0, 7.0)])
def test_a_fuse_melts_when_its_curve_says(stage: Any, i_a: float, melts_s: float) -> None:
    r_ohm = brentq(lambda r: through_fuse(stage, r) - i_a, 1e-3, 2.0, rtol=1e-6)
    item = fault(FEEDER.id, r_ohm=r_ohm)
    play = stage(LOW, {"faults": [item], "protection": [fuse("NH-2-315")]}, solver="four-wire",
                 load=0.0)  # fmt: skip
    play.play(1.0 + 2 * melts_s)
    first_s = play.times_s("melted")[0] - 1.0
    assert first_s == pytest.approx(melts_s, rel=0.02)
    assert first_s == pytest.approx(float(fuse_curve("NH-2-315").melt_s(i_a)), rel=1e-3)
    assert ("switch_opened", HEAD) in play.kinds("switch_opened")


def test_one_phase_to_neutral_melts_one_link_and_leaves_the_others(stage: Any) -> None:
    item = fault(FEEDER.id, phases=(1,), ground=True)
    play = stage(LOW, {"faults": [item], "protection": [fuse("NH-2-250")]}, solver="four-wire")
    play.play(600.0)
    opened = [event for event in play.events if event.kind == "switch_opened"]
    assert [event.value for event in opened] == [{"closed": False, "phases": [2]}]
    assert play.times_s("supply_lost") == []  # all are on three phases here
    assert not play.plant.closed([s.id for s in LOW.switches].index(HEAD))


def test_a_transient_is_cleared_by_reclosing(stage: Any) -> None:
    item = fault(OVERHEAD, transient=True, arc_us=150_000)
    guard = relay(HIGH_HEAD, 400.0, 0.1, dead_ms=[300])
    play = stage(HIGH, {"faults": [item], "protection": [guard]})
    play.play(60.0)
    told = [e.kind for e in play.events if not e.kind.startswith("supply")]
    assert told == [
        "fault_begins", "pick-up", "trip", "switch_opened", "fault_goes_out", "reclose",
        "switch_closed", "reclaimed",
    ]  # fmt: skip
    # 0.1 s of the relay, 60 ms until open; the arc 150 ms later; 300 ms dead, 80 ms to close
    assert play.times_s("switch_opened") == [1.16]
    assert play.times_s("fault_goes_out") == [1.31]
    assert play.times_s("switch_closed") == [1.54]
    lost, back = play.kinds("supply_lost"), play.kinds("supply_restored")
    assert len(lost) > 5
    assert [element for _, element in lost] == [element for _, element in back]
    assert play.plant.energised().all()


def test_a_permanent_fault_ends_in_lockout_and_its_causes_lead_back_to_it(stage: Any) -> None:
    guard = relay(HIGH_HEAD, 400.0, 0.1, dead_ms=[300])
    play = stage(HIGH, {"faults": [fault(OVERHEAD)], "protection": [guard]})
    play.play(60.0)
    assert play.times_s("switch_opened") == [1.16, 1.70]
    assert play.kinds("lockout") == [("lockout", f"breaker/{HIGH_HEAD}")]
    by_id = {event.id: event for event in play.events}
    event = next(e for e in reversed(play.events) if e.kind == "supply_lost")
    trail = [event.kind]
    while event.cause:
        event = by_id[event.cause]
        trail.append(event.kind)
    assert trail == [
        "supply_lost", "switch_opened", "trip", "pick-up", "switch_closed", "reclose", "trip",
        "pick-up", "fault_begins",
    ]  # fmt: skip


def test_an_arc_to_earth_goes_out_by_itself_in_a_compensated_net_alone(stage: Any) -> None:
    item = fault(OVERHEAD, phases=(0,), ground=True, transient=True, hold_a=35.0)
    guard = relay(HIGH_HEAD, 400.0, 0.1)
    compensated = stage(HIGH, {"faults": [item], "protection": [guard]},
                        earthing={"mv_neutral": "compensated"})  # fmt: skip
    compensated.play(10.0)
    assert [e.kind for e in compensated.events] == ["fault_begins", "fault_goes_out"]
    solid = stage(HIGH, {"faults": [item], "protection": [guard]}, earthing={"mv_neutral": "solid"})
    solid.play(10.0)
    assert "trip" in [e.kind for e in solid.events]


def test_coils_that_share_a_grid_leave_a_few_percent_of_its_charging_current(stage: Any) -> None:
    item = fault(OVERHEAD, phases=(0,), ground=True)
    current = {}
    for neutral in ("isolated", "compensated"):  # two transformers, two coils, one section
        play = stage(HIGH, {"faults": [item]}, earthing={"mv_neutral": neutral})
        play.play(2.0)
        current[neutral] = play.plant.fault_currents()["fault/0"]
    assert 100 < current["isolated"] < 300
    assert 0.02 < current["compensated"] / current["isolated"] < 0.04


def test_after_repair_the_switch_may_be_closed_and_all_is_as_before(stage: Any) -> None:
    guard = relay(HIGH_HEAD, 400.0, 0.1)
    back = {"t_us": 30_000_000, "switch": HIGH_HEAD, "closed": True}
    play = stage(HIGH, {
        "faults": [fault(OVERHEAD, repaired_us=20_000_000)], "protection": [guard],
        "operations": [back],
    })  # fmt: skip
    before = play.plant.state
    play.play(60.0)
    assert np.array_equal(play.plant.state.vm_pu, before.vm_pu)
    assert play.plant.energised().all()


def test_closing_onto_the_fault_trips_again(stage: Any) -> None:
    guard = relay(HIGH_HEAD, 400.0, 0.1)
    back = {"t_us": 30_000_000, "switch": HIGH_HEAD, "closed": True}
    play = stage(HIGH, {"faults": [fault(OVERHEAD)], "protection": [guard], "operations": [back]})
    play.play(60.0)
    assert play.times_s("switch_opened") == [1.16, 30.16]


def test_interruptions_add_up(stage: Any) -> None:
    guard = relay(HIGH_HEAD, 400.0, 0.1, dead_ms=[300])
    play = stage(HIGH, {
        "faults": [fault(OVERHEAD, transient=True),
                   fault(OVERHEAD, id="fault/1", t_us=100_000_000)],
        "protection": [guard],
    })  # fmt: skip
    play.play(300.0)
    tables: dict[str, list[Any]] = {}
    for table, columns in play.incidents.interruptions.close(300_000):
        tables.setdefault(table, []).append(columns)
    rows = [row for block in tables["interruption"] for row in zip(*block.values(), strict=True)]
    lasted_us: dict[str, int] = {}
    for begin_us, end_us, terminal, *_ in rows:
        lasted_us[terminal] = lasted_us.get(terminal, 0) + end_us - begin_us
    behind = {t.id for t in HIGH.terminals if "line/mv1.101/line-68" in RURAL.path(t.bus)}
    assert set(lasted_us) == behind
    # opened at 1.16 for 0.38 s, at 100.16 for 0.38 s, and at 100.7 until the end
    assert set(lasted_us.values()) == {380_000 + 380_000 + 199_300_000}
    customers = [lasted_us[t.id] for t in HIGH.terminals if t.id in behind and t.customer]
    customer_h = sum(float(block["customer_h"].sum()) for block in tables["unsupplied"])
    assert customer_h == pytest.approx(sum(customers) / 3.6e9, rel=1e-12)
    missed = sum(row[-1] for row in rows)
    energy = sum(float(block["energy_wh"].sum()) for block in tables["unsupplied"])
    assert energy == pytest.approx(missed, rel=1e-12)
    assert energy > 0


BEHIND = "line/mv1.101/line-70"
MIDDLE = next(s.id for s in HIGH.switches if s.element == BEHIND and s.bus == RURAL.head[BEHIND])


def terminals_behind(line: str) -> set[str]:
    return {t.id for t in HIGH.terminals if line in RURAL.path(t.bus)}


@pytest.mark.requirement("GR-02")
def test_a_sectionaliser_counts_and_opens_while_the_recloser_is_open(stage: Any) -> None:
    guard = relay(HIGH_HEAD, 400.0, 0.1, dead_ms=[300, 2000])
    counts = {"kind": "sectionaliser", "id": "sectionaliser/1", "switch": MIDDLE,
              "pickup_a": 400.0, "counts": 2}  # fmt: skip
    play = stage(HIGH, {"faults": [fault("line/mv1.101/line-71")], "protection": [guard, counts]})
    play.play(60.0)
    moved = [(e.t_us / 1e6, e.element) for e in play.events if e.kind.startswith("switch_")]
    # 0.1 s of the relay and 60 ms to open; 0.3 s dead, 80 ms to close; the same again; the
    # sectionaliser 0.1 s after the second interruption; 2 s dead, 80 ms to close
    assert moved == [
        (1.16, HIGH_HEAD), (1.54, HIGH_HEAD), (1.7, HIGH_HEAD), (1.8, MIDDLE), (3.78, HIGH_HEAD),
    ]  # fmt: skip
    assert ("reclaimed", f"breaker/{HIGH_HEAD}") in play.kinds("reclaimed")
    live = play.plant.energised()
    dead = {t.id for t, on in zip(HIGH.terminals, live, strict=True) if not on}
    assert dead == terminals_behind(BEHIND)


def test_a_sectionaliser_without_voltage_opens_and_closes_again_by_itself(stage: Any) -> None:
    guard = relay(HIGH_HEAD, 400.0, 0.1, dead_ms=[3000])
    waits = {"kind": "sectionaliser", "id": "sectionaliser/1", "switch": MIDDLE, "mode": "voltage",
             "delay_ms": 500, "close_after_ms": 7000}  # fmt: skip
    item = fault(OVERHEAD, transient=True)
    play = stage(HIGH, {"faults": [item], "protection": [guard, waits]})
    play.play(60.0)
    moved = [(e.t_us / 1e6, e.element) for e in play.events if e.kind.startswith("switch_")]
    # the short circuit before it takes all voltage from 1 s on
    assert moved == [
        (1.16, HIGH_HEAD), (1.5, MIDDLE), (4.24, HIGH_HEAD), (11.24, MIDDLE),
    ]  # fmt: skip
    assert play.plant.energised().all()
