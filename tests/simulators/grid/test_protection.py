"""Protection at work: sequences of trips, grading, directions, and what causes what.

``Line`` is a radial feeder of one current: a plant of its own, small enough to work out by hand.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fernwatt.errors import ScenarioError, SimulationError
from simulators.grid.protection import Place, Protection, fuse_curve, grade, parse_devices

VOLT = 11_500.0
TURN = np.exp(-2j * np.pi / 3 * np.arange(3))


class Line:
    """Devices in a row, or a tree of them: a fault beyond some is fed through all above it.

    ``above[i]`` is the device that feeds device i (-1: the source). Load current is 0.
    """

    def __init__(self, devices, above, seed=1):
        specs = parse_devices(devices)
        self.ids = [spec.id for spec in specs]
        self.switches = [spec.switch for spec in specs]
        self.above = above
        self.protection = Protection(specs, seed)
        self.closed = np.ones((len(specs), 3), dtype=bool)
        self.fault = None  # place beyond which it is, current
        self.clears_dead = False
        self.events, self.moves = [], []
        self.observe(0, "")

    def path(self, place):
        while place >= 0:
            yield place
            place = self.above[place]

    def seen(self):
        i_a = np.zeros((len(self.ids), 3), dtype=complex)
        v_v = np.zeros((len(self.ids), 3), dtype=complex)
        for place in range(len(self.ids)):
            fed = [self.closed[p] for p in self.path(self.above[place])]
            v_v[place] = VOLT * TURN * np.logical_and.reduce([np.ones(3, dtype=bool), *fed])
        if self.fault:
            place, current = self.fault
            path = list(self.path(place))
            whole = np.logical_and.reduce([self.closed[p] for p in path])
            if not whole.any() and self.clears_dead:
                self.fault = None
            for p in path:
                i_a[p] = current * TURN * np.exp(-1j) * whole
        return i_a, v_v

    def observe(self, t_us, cause):
        self.protection.observe(t_us, *self.seen(), cause)

    def run(self, until_us):
        while True:
            outcome = self.protection.advance(until_us)
            self.events += outcome.events
            if not outcome.operations:
                return
            for move in outcome.operations:
                row = self.switches.index(move.switch)
                self.closed[row, list(move.phases)] = move.closed
                self.moves.append((move.t_us, self.ids[row], move.closed))
            self.observe(outcome.t_us, outcome.operations[0].cause)

    def strike(self, t_us, place, current, cause="fault#1"):
        self.run(t_us)
        self.fault = (place, current)
        self.observe(t_us, cause)

    def kinds(self, name=None):
        return [(e.t_us, e.kind) for e in self.events if name in (None, e.element)]


def breaker(name, *stages, **given_fields):
    return {"kind": "breaker", "id": name, "switch": f"switch/{name}", "stages": list(stages),
            **given_fields}  # fmt: skip


def definite(pickup_a=400.0, delay_s=0.5, **more):
    return {"pickup_a": pickup_a, "delay_s": delay_s, **more}


def fuse(name, curve, **more):
    return {"kind": "fuse", "id": name, "switch": f"switch/{name}", "curve": curve, **more}


def test_an_inverse_time_trip_to_the_microsecond_and_its_causes() -> None:
    line = Line([breaker("cb/a", {"pickup_a": 200.0, "curve": "very-inverse", "tms": 0.2})], [-1])
    line.strike(1_000_000, 0, 2_000.0)
    line.run(10_000_000)
    # 0.2 * 13.5 / (10 - 1) = 0.3 s; then 60 ms until the contacts are open
    assert line.kinds() == [
        (1_000_000, "pick-up"), (1_300_000, "trip"), (1_360_000, "lockout"),
    ]  # fmt: skip
    assert line.moves == [(1_360_000, "cb/a", False)]
    start, trip, lockout = line.events
    assert (start.cause, trip.cause, lockout.cause) == ("fault#1", start.id, trip.id)
    assert trip.value == {"stage": 0, "i_a": pytest.approx(2_000.0), "shot": 0}
    assert line.protection.due_us is None


RECLOSER = breaker(
    "cb/a",
    {"pickup_a": 400.0, "delay_s": 0.05, "shots": [0]},
    {"pickup_a": 400.0, "delay_s": 0.4, "shots": [1, 2]},
    dead_ms=[300, 15_000], reclaim_ms=20_000, open_ms=50, close_ms=100,
)  # fmt: skip


def test_a_permanent_fault_goes_through_the_whole_sequence() -> None:
    line = Line([RECLOSER], [-1])
    line.strike(0, 0, 3_000.0)
    line.run(60_000_000)
    assert line.kinds() == [
        (0, "pick-up"), (50_000, "trip"), (400_000, "reclose"),
        (500_000, "pick-up"), (900_000, "trip"), (15_950_000, "reclose"),
        (16_050_000, "pick-up"), (16_450_000, "trip"), (16_500_000, "lockout"),
    ]  # fmt: skip
    assert [(t, closed) for t, _, closed in line.moves] == [
        (100_000, False), (500_000, True), (950_000, False), (16_050_000, True),
        (16_500_000, False),
    ]  # fmt: skip
    assert line.protection.state() == {"cb/a": "lockout"}
    by_id = {event.id: event for event in line.events}
    event, chain = line.events[-1], []
    while event is not None:
        chain.append(event.kind)
        cause, event = event.cause, by_id.get(event.cause)
    # a pick-up after a reclosing is caused by the move of the switch, which names the reclosing
    assert chain == ["lockout", *["trip", "pick-up", "reclose"] * 2, "trip", "pick-up"]
    assert cause == "fault#1"


def test_a_transient_fault_is_gone_after_the_first_dead_time_and_the_sequence_begins_anew() -> None:
    line = Line([RECLOSER], [-1])
    line.clears_dead = True
    line.strike(0, 0, 3_000.0)
    line.run(25_000_000)
    assert line.kinds() == [
        (0, "pick-up"), (50_000, "trip"), (400_000, "reclose"), (20_500_000, "reclaimed"),
    ]  # fmt: skip
    line.clears_dead = False
    line.strike(25_000_000, 0, 3_000.0)
    line.run(25_100_000)
    assert line.kinds()[-1] == (25_050_000, "trip")
    assert line.events[-1].value["shot"] == 0


def test_closed_by_hand_onto_a_fault_it_locks_out_at_once() -> None:
    line = Line([RECLOSER], [-1])
    line.strike(0, 0, 3_000.0)
    line.run(40_000_000)
    line.closed[:] = True
    line.protection.notice(40_000_000, "switch/cb/a", True, "order#1")
    line.observe(40_000_000, "order#1")
    line.run(80_000_000)
    assert line.kinds()[-3:] == [
        (40_000_000, "pick-up"), (40_400_000, "trip"), (40_450_000, "lockout"),
    ]  # fmt: skip


def test_opened_by_hand_during_a_dead_time_it_stays_open() -> None:
    line = Line([RECLOSER], [-1])
    line.strike(0, 0, 3_000.0)
    line.run(200_000)
    line.protection.notice(200_000, "switch/cb/a", False, "order#1")
    line.run(90_000_000)
    assert line.moves == [(100_000, "cb/a", False)]
    assert line.protection.state() == {"cb/a": "open"}


def test_a_breaker_that_fails_is_cleared_by_its_backup() -> None:
    upstream = breaker("cb/a", definite(delay_s=3.0))
    stuck = breaker("cb/b", definite(), failure_probability=1.0, backup="cb/a", backup_ms=250)
    line = Line([upstream, stuck], [-1, 0])
    line.strike(0, 1, 3_000.0)
    line.run(9_000_000)
    assert line.kinds("cb/b")[1:] == [
        (500_000, "trip"), (560_000, "breaker-failed"), (810_000, "reset"),
    ]  # fmt: skip
    assert line.kinds("cb/a") == [(0, "pick-up"), (750_000, "trip"), (810_000, "lockout")]
    trip = next(e for e in line.events if e.kind == "trip" and e.element == "cb/a")
    assert trip.cause == next(e.id for e in line.events if e.kind == "breaker-failed")
    assert line.moves == [(810_000, "cb/a", False)]


def test_a_stuck_breaker_does_nothing_until_it_is_mended() -> None:
    line = Line([breaker("cb/a", definite(), failure_probability=1.0)], [-1])
    line.strike(0, 0, 3_000.0)
    line.run(5_000_000)
    assert line.protection.state() == {"cb/a": "stuck"}
    assert line.protection.due_us is None
    line.protection.notice(5_000_000, "switch/cb/a", True, "crew#1")
    line.run(7_000_000)
    assert [t for t, kind in line.kinds() if kind == "trip"] == [500_000, 5_500_000]


def test_failures_are_drawn_as_often_as_stated() -> None:
    names = [f"cb/{n:04}" for n in range(1_000)]
    line = Line([breaker(n, definite(), failure_probability=0.2) for n in names], [-1] * 1_000)
    line.protection.observe(0, np.full((1_000, 3), 900.0 + 0j), np.full((1_000, 3), VOLT + 0j), "f")
    line.run(1_000_000)
    failed = sum(kind == "breaker-failed" for _, kind in line.kinds())
    assert 160 < failed < 240
    assert len(line.moves) == 1_000 - failed


def test_a_counting_sectionaliser_opens_in_the_second_dead_time_and_saves_the_feeder() -> None:
    counter = {"kind": "sectionaliser", "id": "sec/b", "switch": "switch/sec/b", "counts": 2,
               "pickup_a": 500.0, "open_ms": 150}  # fmt: skip
    line = Line([RECLOSER, counter], [-1, 0])
    line.strike(0, 1, 3_000.0)
    line.run(90_000_000)
    assert line.kinds("sec/b") == [
        (100_000, "count"), (950_000, "count"), (1_100_000, "sectionalised"),
    ]  # fmt: skip
    assert (1_100_000, "sec/b", False) in line.moves
    assert line.kinds("cb/a")[-1] == (36_050_000, "reclaimed")
    assert line.protection.state() == {"cb/a": "closed", "sec/b": "lockout"}


def test_a_counting_sectionaliser_too_slow_for_one_dead_time_never_breaks_current() -> None:
    slow = {"kind": "sectionaliser", "id": "sec/b", "switch": "switch/sec/b", "counts": 1,
            "pickup_a": 500.0, "open_ms": 5_000}  # fmt: skip
    line = Line([RECLOSER, slow], [-1, 0])
    line.strike(0, 1, 3_000.0)
    line.run(90_000_000)
    # the first dead time (300 ms) is too short; in the second one it opens
    assert line.kinds("sec/b")[-1] == (5_950_000, "sectionalised")


def test_a_counting_sectionaliser_forgets() -> None:
    counter = {"kind": "sectionaliser", "id": "sec/b", "switch": "switch/sec/b", "counts": 2,
               "pickup_a": 500.0, "memory_ms": 10_000}  # fmt: skip
    line = Line([RECLOSER, counter], [-1, 0])
    line.clears_dead = True
    for t_us in (0, 60_000_000):
        line.strike(t_us, 1, 3_000.0)
    line.run(120_000_000)
    counts = [e.value["count"] for e in line.events if e.kind == "count"]
    assert counts == [1, 1]
    assert line.protection.state()["sec/b"] == "closed"


def test_voltage_sectionalisers_find_the_faulty_section_and_lock_there() -> None:
    def switch(name):
        return {"kind": "sectionaliser", "id": name, "switch": f"switch/{name}",
                "mode": "voltage", "delay_ms": 200, "close_after_ms": 7_000,
                "lock_within_ms": 5_000}  # fmt: skip

    head = breaker("cb/a", definite(delay_s=0.1), dead_ms=[1_000, 1_000], reclaim_ms=60_000)
    line = Line([head, switch("sec/b"), switch("sec/c")], [-1, 0, 1])
    line.strike(0, 2, 2_000.0)  # beyond the last one
    line.run(200_000_000)
    assert line.protection.state() == {"cb/a": "closed", "sec/b": "closed", "sec/c": "lockout"}
    assert [e.kind for e in line.events if e.element == "sec/c"] == [
        "sectionalised", "engaged", "lockout",
    ]  # fmt: skip
    assert [e.kind for e in line.events if e.element == "cb/a"].count("trip") == 2


def test_a_forward_fault_trips_the_directional_relay_and_a_reverse_one_does_not() -> None:
    def trips(turn, v_fault=0.3, angle=-60.0, fallback=False):
        stage = definite(delay_s=0.1, direction="forward")
        device = parse_devices([breaker("cb/a", stage)])
        protection = Protection(device, 1)
        protection.observe(0, np.zeros((1, 3), complex), VOLT * TURN[None, :])
        i_a = 2_000.0 * turn * TURN[None, :] * np.exp(1j * np.deg2rad(angle))
        protection.observe(1, i_a, (0.0 if fallback else v_fault) * VOLT * TURN[None, :], "f")
        return protection.due_us is not None

    for angle in (-30.0, -60.0, -80.0):
        assert trips(1.0, angle=angle)
        assert not trips(-1.0, angle=angle)
    # at the busbar itself there is no voltage left: the remembered one tells
    assert trips(1.0, fallback=True)
    assert not trips(-1.0, fallback=True)


@pytest.mark.parametrize("phase", [0, 1, 2])
def test_phase_to_earth_faults_and_the_residual_direction(phase) -> None:
    stage = {"pickup_a": 40.0, "quantity": "earth", "direction": "forward", "delay_s": 0.2}
    for sense, sees in ((1.0, True), (-1.0, False)):
        protection = Protection(parse_devices([breaker("cb/a", stage)]), 1)
        v_v = VOLT * TURN[None, :].copy()
        v_v[0, phase] = 0.1 * v_v[0, phase]
        i_a = np.zeros((1, 3), complex)
        # resistance-earthed: the fault current is in phase with the voltage that drives it
        i_a[0, phase] = sense * 100.0 * TURN[phase]
        protection.observe(0, i_a, v_v, "f")
        assert (protection.due_us == 200_000) is sees


def test_each_link_of_a_fuse_melts_for_itself() -> None:
    protection = Protection(parse_devices([fuse("fuse/a", "NH-2-315", arc_ms=8.0)]), 1)
    i_a = np.array([[920.0, 1_900.0, 100.0]], dtype=complex)
    protection.observe(0, i_a, np.full((1, 3), 230.0 + 0j), "fault#7")
    first = protection.advance(10**9)
    (melted,) = first.events
    assert (melted.kind, melted.cause, melted.value["phase"]) == ("melted", "fault#7", 2)
    assert melted.t_us == pytest.approx(7e6, rel=0.02)
    assert first.t_us == melted.t_us + 8_000
    (operation,) = first.operations
    assert (operation.phases, operation.closed) == ((1,), False)
    i_a[0, 1] = 0.0
    protection.observe(first.t_us, i_a, np.full((1, 3), 230.0 + 0j), operation.cause)
    second = protection.advance(10**9)
    assert second.events[0].t_us == pytest.approx(120e6, rel=0.02)
    assert second.operations[0].phases == (0,)
    i_a[0, 0] = 0.0
    protection.observe(second.t_us, i_a, np.full((1, 3), 230.0 + 0j))
    assert protection.due_us is None


def test_a_replaced_fuse_is_cold_and_one_that_only_cooled_is_not() -> None:
    for replaced, share in ((True, 1.0), (False, 1.0 - 0.5 * np.exp(-1.0))):
        line = Line([fuse("fuse/a", "NH-2-315", cooling_s=120.0)], [-1])
        line.strike(0, 0, 920.0)
        line.run(60_000_000)
        line.fault = None
        line.observe(60_000_000, "")
        line.run(180_000_000)
        if replaced:
            line.protection.notice(180_000_000, "switch/fuse/a", True, "crew#1")
        line.strike(180_000_000, 0, 920.0)
        assert line.protection.due_us == pytest.approx(180e6 + share * 120e6, rel=1e-6)


def test_a_melted_fuse_protects_again_after_it_was_replaced() -> None:
    line = Line([fuse("fuse/a", "NH-2-315")], [-1])
    line.strike(0, 0, 1_900.0)
    line.run(60_000_000)
    assert line.protection.state() == {"fuse/a": "melted"}
    assert not line.closed.any()
    line.closed[:] = True
    line.protection.notice(60_000_000, "switch/fuse/a", True, "crew#1")
    line.observe(60_000_000, "crew#1")
    line.run(120_000_000)
    melted = [(e.t_us, e.cause) for e in line.events if e.kind == "melted"]
    assert [cause for _, cause in melted] == ["fault#1"] * 3 + ["crew#1"] * 3
    assert melted[3][0] - 60_000_000 == pytest.approx(melted[0][0], abs=1)


# -- grading ------------------------------------------------------------------------------------


@st.composite
def feeders(draw):
    """A random radial grid with graded relays, and a fault somewhere in it."""
    n = draw(st.integers(1, 9))
    above = [-1] + [draw(st.integers(0, k - 1)) for k in range(1, n)]
    through = [draw(st.floats(2_000.0, 20_000.0))]
    pickup = [0.0] * n
    for k in range(1, n):
        through.append(through[above[k]] * draw(st.floats(0.5, 0.98)))
    for k in range(n - 1, -1, -1):
        fed = [pickup[c] for c in range(n) if above[c] == k]
        pickup[k] = max([draw(st.floats(20.0, 100.0)), *fed]) * draw(st.floats(1.0, 1.3))
    # a relay that does not see the faults beyond it cannot be graded at all
    assume(all(t > 1.2 * p for t, p in zip(through, pickup, strict=True)))
    curve = draw(st.sampled_from(["normal-inverse", "very-inverse", "extremely-inverse",
                                  "long-inverse", "ieee-moderately-inverse", "ieee-very-inverse",
                                  "ieee-extremely-inverse"]))  # fmt: skip
    place = draw(st.integers(0, n - 1))
    path = [place]
    while above[path[-1]] >= 0:
        path.append(above[path[-1]])
    # a fault that the relay sees clearly, up to the largest one just beyond it
    least = min(pickup[place] * 1.05, through[place])
    current = draw(st.floats(least, through[place]))
    return above, pickup, through, curve, place, current


@settings(max_examples=150, deadline=None)
@given(feeders())
def test_with_graded_settings_the_device_nearest_to_the_fault_clears_it_alone(feeder) -> None:
    above, pickup, through, curve, place, current = feeder
    places = [Place(p, t, a) for p, t, a in zip(pickup, through, above, strict=True)]
    tms = grade(places, curve, margin_s=0.3, least_s=0.1)
    line = Line(
        [
            breaker(f"cb/{k}", {"pickup_a": p, "curve": curve, "tms": m}, open_ms=80)
            for k, (p, m) in enumerate(zip(pickup, tms, strict=True))
        ],
        above,
    )
    line.strike(0, place, current)
    line.run(10**13)
    assert [(name, closed) for _, name, closed in line.moves] == [(f"cb/{place}", False)]
    assert [e.element for e in line.events if e.kind == "trip"] == [f"cb/{place}"]


def test_settings_that_cannot_be_graded_are_refused() -> None:
    with pytest.raises(ValueError, match="must not fall"):
        grade([Place(100.0, 5_000.0), Place(200.0, 3_000.0, 0)], "very-inverse")
    with pytest.raises(ValueError, match="does not see"):
        grade([Place(100.0, 90.0)], "very-inverse")


def test_nh_fuses_one_and_six_tenths_apart_are_selective() -> None:
    for small, large in (("NH-2-200", "NH-2-315"), ("NH-1-100", "NH-1-160")):
        lower, upper = fuse_curve(small), fuse_curve(large)
        currents = np.geomspace(upper.i_a[0], lower.i_a[-1], 200)
        assert (upper.melt_s(currents) > 1.5 * lower.melt_s(currents)).all()
    line = Line([fuse("fuse/a", "NH-2-315"), fuse("fuse/b", "NH-2-200")], [-1, 0])
    line.strike(0, 1, 2_500.0)
    line.run(10**9)
    assert {name for _, name, _ in line.moves} == {"fuse/b"}


# -- what is refused -----------------------------------------------------------------------------


def test_bad_devices_are_all_named() -> None:
    items = [
        breaker("cb/a", definite(pickup_a=0.0)), breaker("cb/b"), fuse("fuse/a", "NH-9-1"),
        breaker("cb/c", definite(curve="steep"), dead_ms=[0]), {"kind": "spell", "id": "x"},
        breaker("cb/d", definite(), colour=1, failure_probability=2.0),
    ]  # fmt: skip
    with pytest.raises(ScenarioError) as caught:
        parse_devices(items)
    assert [f.path for f in caught.value.faults] == [
        "protection[0].stages[0].pickup_a", "protection[1].stages", "protection[2].curve",
        "protection[3].stages[0].curve", "protection[3].dead_ms", "protection[4].kind",
        "protection[5].colour", "protection[5].failure_probability",
    ]  # fmt: skip
    twice = [breaker("cb/a", definite(), backup="cb/z")] * 2
    with pytest.raises(ScenarioError, match="there twice"):
        parse_devices(twice)


def test_what_it_sees_has_to_be_numbers_in_time() -> None:
    protection = Protection(parse_devices([breaker("cb/a", definite())]), 1)
    nothing = np.zeros((1, 3), complex)
    with pytest.raises(SimulationError, match="no number"):
        protection.observe(0, nothing * np.nan, nothing)
    with pytest.raises(SimulationError, match="its devices"):
        protection.observe(0, np.zeros((2, 3), complex), np.zeros((2, 3), complex))
    protection.observe(0, nothing + 900.0, nothing)
    with pytest.raises(SimulationError, match="not advanced"):
        protection.observe(600_000, nothing, nothing)


def test_ten_thousand_elements_are_a_matter_of_milliseconds() -> None:
    import time

    n = 3_000
    stages = [definite(5_000.0 + k) for k in range(3)]
    devices = parse_devices([breaker(f"cb/{k:05}", *stages) for k in range(n)])
    protection = Protection(devices, 1)
    i_a = np.tile(100.0 * TURN, (n, 1))
    v_v = np.tile(VOLT * TURN, (n, 1))
    protection.observe(0, i_a, v_v)
    begin = time.perf_counter()
    for step in range(1, 21):
        protection.advance(step * 1000)
        protection.observe(step * 1000, i_a, v_v)
    assert (time.perf_counter() - begin) / 20 < 0.1


def test_the_same_seed_gives_the_same_events() -> None:
    def run():
        line = Line([RECLOSER, fuse("fuse/b", "NH-2-315")], [-1, 0], seed=3)
        line.strike(5, 1, 1_900.0)
        line.run(10**9)
        return line.events, line.moves

    assert run() == run()
