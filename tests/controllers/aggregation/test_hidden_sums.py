"""Sums over meters that their substation adds and cannot read."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given as fuzz
from hypothesis import settings
from hypothesis import strategies as st

from controllers.unit import CATALOGUE, Loopback, Notification, Result, UnitsCore
from controllers.unit.codec import CborCodec
from fernwatt.messages import Reading
from fernwatt.streams import stream

SLOT = 900_000
Spec = dict[str, Any]


def tree(areas: int = 1, size: int = 18, level: str = "with-privacy", **hiding: Any) -> Spec:
    """A substation with ``size`` hiding meters in each area, below one reader and the top."""
    params = {"hiding": {"min_customers": 15, **hiding}, "poll": {"count": 0}}
    lows = [f"lvgmu/lv{n}" for n in range(areas)]
    units: list[Spec] = [
        {"id": "tlgmu/top", "kind": "tlgmu", "children": ["mvgmu/mv"], "owner": "operator",
         "services": {"aggregation": params}},
        {"id": "mvgmu/mv", "kind": "mvgmu", "parent": "tlgmu/top", "children": lows,
         "owner": "operator", "services": {"aggregation": params}},
    ]  # fmt: skip
    for n, low in enumerate(lows):
        meters = [f"meter/lv{n}/load-{number}" for number in range(size)]
        units.append({"id": low, "kind": "lvgmu", "parent": "mvgmu/mv", "children": meters,
                      "area": f"lv{n}", "owner": "operator",
                      "services": {"aggregation": params}})  # fmt: skip
        units += [
            {"id": meter, "kind": "meter", "parent": low, "children": [], "host": "mcu",
             "customer": f"customer/{meter[6:]}", "owner": f"customer/{meter[6:]}",
             "instruments": [f"instrument/{meter[6:]}"],
             "policies": {"energy.import": [], "energy.export": []},
             "services": {"metering": {"spread_s": 60}, "privacy": params}}
            for meter in meters
        ]  # fmt: skip
    return {"units": units, "security": level}


def registers(spec: Spec, slots: int, seed: int = 3) -> tuple[list[Reading], dict[str, Any]]:
    """Registers that grow at random by thousandths of a Wh, read at slots' boundaries."""
    draws, out, energy, number = stream(seed, "test", "registers"), [], {}, 0
    for unit in spec["units"]:
        for instrument in unit.get("instruments", ()):
            growth = draws.uniform(0, 500, (slots, 2)).round(3)
            shown = np.vstack([[1e5, 2e5], 1e5 * np.array([1, 2]) + growth.cumsum(axis=0)])
            energy[unit["id"]] = np.diff(shown, axis=0)
            for slot, values in enumerate(shown.tolist()):
                for variable, value in zip(("energy.import", "energy.export"), values, strict=True):
                    number += 1
                    out.append(Reading(f"field#{number}", "", instrument, variable, slot * SLOT,
                                       slot * SLOT, value, "Wh"))  # fmt: skip
    return out, energy


def area(bus: Loopback, unit: str, variable: str = "area.energy") -> dict[int, Any]:
    owner = bus.core.directory.owner(unit, variable)
    store = bus.core.unit(unit).store.series(variable, owner, unit)
    return {one.value["t_ms"] // SLOT: one.value for one in store}


def run(spec: Spec, slots: int, **options: Any) -> tuple[Loopback, dict[str, Any]]:
    given, energy = registers(spec, slots)
    bus = Loopback(UnitsCore(spec, 1), **options)
    bus.run(slots * SLOT + 890_000, given)
    bus.close()
    return bus, energy


def decoded(bus: Loopback) -> Iterator[tuple[Any, Any]]:
    """What every frame said to its receiver, who alone could open it."""
    codec = CborCodec(CATALOGUE)
    for frame in bus.frames:
        yield frame, codec.decode(frame.payload, frame.src, frame.dst)


@pytest.mark.parametrize("scheme", ["masking", "elgamal"])
def test_the_reader_gets_the_exact_sum_and_the_adder_none(scheme: str) -> None:
    bus, energy = run(tree(areas=2, size=16, scheme=scheme), 3)
    for unit in ("mvgmu/mv", "tlgmu/top"):
        records = area(bus, unit)
        for slot in range(1 if unit == "tlgmu/top" else 3):
            total = sum(energy[meter][slot] for meter in energy)
            assert records[slot]["import_wh"] == pytest.approx(total[0], abs=1e-6)
            assert records[slot]["export_wh"] == pytest.approx(total[1], abs=1e-6)
            assert (records[slot]["meters"], records[slot]["missing"]) == (32, 0)
    assert area(bus, "lvgmu/lv0") == {}
    others = [row for row in bus.table("request") if row["service"] != "privacy"]
    assert {row["result"] for row in others} == {"ok"}


def without(meters: set[str], after_ms: int = 0) -> Callable[[Any, int], tuple[int, ...]]:
    """Frames from and to some meters are lost from a time on."""

    def fates(frame: Any, t_ms: int) -> tuple[int, ...]:
        gone = frame.src in meters or frame.dst in meters
        return () if gone and t_ms >= after_ms else (20,)

    return fates


def survivors(bus: Loopback, energy: dict[str, Any], slot: int, low: str = "lvgmu/lv0") -> set[str]:
    """Who took part in a hidden sum, as its record says."""
    from controllers.security.aggregator import Group

    group = Group.of([meter for meter in energy if f"/{low[6:]}/" in meter], "mvgmu/mv")
    missing = {group.members[n] for n in area(bus, low, "area.hidden")[slot]["missing"]}
    return set(group.members) - missing


@pytest.mark.parametrize("neighbours", [0, 6, 16])
def test_the_sum_is_exact_whoever_drops_out(neighbours: int) -> None:
    gone = {"meter/lv0/load-3", "meter/lv0/load-11"}
    bus, energy = run(tree(size=20, neighbours=neighbours), 4, fates=without(gone, SLOT + 100_000))
    records = area(bus, "mvgmu/mv")
    assert [(records[n]["meters"], records[n]["missing"]) for n in range(4)] == [
        (20, 0), (18, 2), (18, 2), (18, 2)
    ]  # fmt: skip
    for slot in range(4):
        there = survivors(bus, energy, slot)
        assert there == set(energy) - (gone if slot else set())
        total = sum(energy[meter][slot] for meter in there)
        assert records[slot]["import_wh"] == pytest.approx(total[0], abs=1e-6)
        assert records[slot]["export_wh"] == pytest.approx(total[1], abs=1e-6)
    rounds = [one.value["rounds"] for one in bus.events if one.kind == "hidden_sum"]
    assert rounds == [0, 1, 1, 1]
    told = {f.dst for f, m in asked(bus, "energy.missing")}
    assert len(told) == (18 if neighbours in {0, 16} else len(told))
    assert told < set(energy)


def asked(bus: Loopback, variable: str) -> list[tuple[Any, str]]:
    rows = [row for row in bus.table("request") if row["variable"] == variable]
    by_id = {frame.id: frame for frame in bus.frames}
    return [(by_id[row["id"]], row["result"]) for row in rows if row["id"] in by_id]


def test_who_falls_silent_between_the_rounds_is_missing_in_the_next() -> None:
    first, then = "meter/lv0/load-3", "meter/lv0/load-5"

    def fates(frame: Any, t_ms: int) -> tuple[int, ...]:
        silent = {first} if t_ms < 2 * SLOT + 180_000 else {first, then}
        return () if {frame.src, frame.dst} & silent and t_ms > SLOT + 100_000 else (20,)

    bus, energy = run(tree(size=20, neighbours=0), 3, fates=fates)
    record = area(bus, "mvgmu/mv")[1]
    there = survivors(bus, energy, 1)
    assert there == set(energy) - {first, then}
    assert record["import_wh"] == pytest.approx(sum(energy[m][1][0] for m in there), abs=1e-6)
    [rounds] = [e.value["rounds"] for e in bus.events
                if e.kind == "hidden_sum" and e.value["t_ms"] == SLOT]  # fmt: skip
    assert rounds == 2


def test_a_share_that_comes_after_its_sender_was_given_up_changes_nothing() -> None:
    late = "meter/lv0/load-6"

    def fates(frame: Any, t_ms: int) -> tuple[int, ...]:
        due_ms = SLOT + 200_000  # the round has begun
        return (due_ms - t_ms,) if frame.src == late and SLOT < t_ms < due_ms - 20 else (20,)

    bus, energy = run(tree(size=20, neighbours=4), 2, fates=fates)
    record = area(bus, "mvgmu/mv")[0]
    assert survivors(bus, energy, 0) == set(energy) - {late}
    total = sum(energy[meter][0] for meter in energy if meter != late)
    assert (record["meters"], record["import_wh"]) == (19, pytest.approx(total[0], abs=1e-6))
    rounds = {e.value["t_ms"]: e.value["rounds"] for e in bus.events if e.kind == "hidden_sum"}
    assert rounds == {0: 1, SLOT: 0}


def test_a_network_that_loses_a_fifth_never_makes_a_sum_wrong() -> None:
    draws = stream(5, "test", "losses")

    def fates(_frame: Any, _t_ms: int) -> tuple[int, ...]:
        return () if draws.random() < 0.2 else (int(draws.integers(10, 2000)),)

    bus, energy = run(tree(size=24, neighbours=8), 8, fates=fates)
    records, known = area(bus, "mvgmu/mv"), area(bus, "lvgmu/lv0", "area.hidden")
    made = [slot for slot in records if slot in known and records[slot]["meters"]]
    assert len(made) >= 5
    for slot in made:
        there = survivors(bus, energy, slot)
        assert records[slot]["meters"] == len(there) >= 15
        total = sum(energy[meter][slot] for meter in there)
        assert records[slot]["import_wh"] == pytest.approx(total[0], abs=1e-6)
        assert records[slot]["export_wh"] == pytest.approx(total[1], abs=1e-6)
    assert any(records[slot]["missing"] for slot in made)


def test_too_few_customers_send_nothing_at_all() -> None:
    bus, energy = run(tree(size=14), 3)
    assert {e.element for e in bus.events if e.kind == "sum_too_small"} == set(energy)
    assert [one.value["why"] for one in bus.events if one.kind == "sum_suppressed"] != []
    for meter in energy:
        unit = bus.core.unit(meter)
        assert unit.store.newest("energy.hidden", f"customer/{meter[6:]}", meter) is None
    record = area(bus, "mvgmu/mv")[0]
    assert (record["meters"], record["missing"], record["import_wh"]) == (0, 14, 0.0)


@pytest.mark.parametrize("scheme", ["masking", "elgamal"])
def test_where_too_many_drop_out_nothing_is_asked_and_no_sum_forwarded(scheme: str) -> None:
    gone = {f"meter/lv0/load-{n}" for n in range(4)}
    bus, _ = run(tree(size=18, scheme=scheme), 2, fates=without(gone))
    assert {e.value["why"] for e in bus.events if e.kind == "sum_suppressed"} == {"too-few"}
    assert {"v", "v_b64"} & set().union(*area(bus, "lvgmu/lv0", "area.hidden").values()) == set()
    assert asked(bus, "energy.missing") == []
    assert {r["meters"] for r in area(bus, "mvgmu/mv").values()} == {0}
    assert {r["suppressed"] for r in area(bus, "mvgmu/mv").values()} == {14}


def test_a_substation_that_asks_for_one_customer_gets_nothing() -> None:
    spec = tree(size=18, neighbours=0)
    given, _ = registers(spec, 2)
    bus = Loopback(UnitsCore(spec, 1))
    bus.run(SLOT + 70_000, given)
    data = bus.core.unit("lvgmu/lv0").context("aggregation").data
    asked_meter = "meter/lv0/load-0"
    place = [n for n in range(18) if tree_group(spec).members[n] != asked_meter]

    def ask(slot: int, missing: Any) -> list[dict[str, Any]]:
        before = len(bus.events)
        data.write("energy.missing", asked_meter, {"slot": slot, "missing": missing})
        bus.poke()
        bus.run(bus.now_ms + 1000)
        return [one.value for one in bus.events[before:] if one.kind == "unmasking_declined"]

    assert ask(0, place)[0]["why"] == "range"  # all others are missing
    assert ask(0, place[:4])[0]["why"] == "range"  # fourteen would be left
    assert ask(1, place[:1])[0]["why"] == "another slot"
    assert ask(0, place[:2]) == []  # which is answered
    assert ask(0, place[1:2])[0]["why"] == "fewer than before"
    assert ask(0, place[2:4])[0]["why"] == "fewer than before"
    assert ask(0, place[:3]) == []
    for garbage in ([99], [-1], ["x"], None, {"a": 1}):
        ask(0, garbage)
    unit = bus.core.unit(asked_meter)
    found = list(unit.store.series("energy.unmask", "customer/lv0/load-0", asked_meter))
    assert [len(one.value["missing"]) for one in found] == [2, 3]
    unit = bus.core.unit("lvgmu/lv0")
    issued = data.query("energy.import", asked_meter)
    bus.poke()
    bus.run(bus.now_ms + 1000)
    [row] = [row for row in bus.table("request") if row["id"] == issued.id]
    assert row["result"] == "denied"


def tree_group(spec: Spec) -> Any:
    from controllers.security.aggregator import Group

    meters = [unit["id"] for unit in spec["units"] if unit.get("kind") == "meter"]
    return Group.of(meters, "mvgmu/mv", 0, 15)


def test_a_meter_that_begins_anew_hides_no_slot_twice_and_goes_on() -> None:
    spec = tree(size=16)
    given, energy = registers(spec, 5)
    bus = Loopback(UnitsCore(spec, 1))
    meter = "meter/lv0/load-7"
    early = [one for one in given if one.t_sample_ms <= 2 * SLOT]
    bus.run(2 * SLOT + 30_000, early)
    bus.core.kill(meter)
    bus.core.revive(meter)
    again = [one for one in early if one.instrument == f"instrument/{meter[6:]}"]
    bus.run(2 * SLOT + 40_000, [one for one in again if one.t_sample_ms >= SLOT])
    bus.run(6 * SLOT, [one for one in given if one.t_sample_ms > 2 * SLOT])
    store = bus.core.unit(meter).store
    slots = [one.value["slot"] for one in store.series("energy.hidden",
                                                       f"customer/{meter[6:]}", meter)]  # fmt: skip
    assert slots == [0, 1, 2, 3, 4]
    record = area(bus, "mvgmu/mv")[4]
    assert record["import_wh"] == pytest.approx(sum(e[4][0] for e in energy.values()), abs=1e-6)


# -- what the substation knows ---------------------------------------------------------------


def numbers_of(*roots: Any) -> set[float]:
    """Every number within reach of some objects, numbers within texts as they stand."""
    seen: set[int] = set()
    found: set[float] = set()
    stack = list(roots)
    while stack:
        one = stack.pop()
        if id(one) in seen or isinstance(one, type) or callable(one):
            continue
        seen.add(id(one))
        if isinstance(one, int | float):
            found.add(float(one))
        elif isinstance(one, str):
            try:
                stack.append(json.loads(one))
            except ValueError:
                continue
        elif type(one).__name__ not in {"Surroundings", "module", "Security", "UnitsCore"}:
            stack += gc.get_referents(one)
    return found


def secrets_of(energy: dict[str, Any], meters: list[str]) -> set[float]:
    """Energies of single customers in all the forms they are ever in, and their registers."""
    out: set[float] = set()
    for meter in meters:
        base = np.array([1e5, 2e5])
        for growth, shown in zip(energy[meter], base + energy[meter].cumsum(axis=0), strict=True):
            for value in (*growth, *shown):
                out |= {float(round(value, 3)), float(round(value * 1e3)),
                        float(round(round(value, 3) * 1e9))}  # fmt: skip
    return out


@pytest.mark.parametrize("hidden", [True, False])
@pytest.mark.parametrize("scheme", ["masking", "elgamal"])
def test_no_customers_value_is_within_reach_of_the_substation(
    hidden: bool, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from controllers.unit.post import Post

    spec = tree(size=18, neighbours=6, scheme=scheme)
    if not hidden:  # the same in plain text: then it all is there, so the search does find it
        spec["security"] = "integrity+secrecy"
        for unit in spec["units"]:
            unit["services"] = {
                name: {key: value for key, value in params.items() if key != "hiding"}
                for name, params in unit["services"].items() if name != "privacy"
            }  # fmt: skip
            unit.pop("policies", None)
    received: list[Any] = []
    take_in = Post.take_in

    def spy(post: Any, delivery: Any) -> Any:
        message = take_in(post, delivery)
        if delivery.dst == "lvgmu/lv0" and message is not None:
            received.append(message)
        return message

    monkeypatch.setattr(Post, "take_in", spy)
    given, energy = registers(spec, 3)
    bus = Loopback(UnitsCore(spec, 1), fates=without({"meter/lv0/load-2"}, SLOT + 100_000))
    known: set[float] = set()
    for t_ms in range(0, 3 * SLOT + 800_000, 20_000):
        bus.run(t_ms, [one for one in given if t_ms - 20_000 < one.t_sample_ms <= t_ms])
        low = bus.core.unit("lvgmu/lv0")
        known |= numbers_of(low.service("aggregation"), low.store, low)
    known |= numbers_of(received)
    secret = secrets_of(energy, list(energy))
    assert len(received) > 60
    if hidden:
        assert not known & secret
        sums = [sum(energy[m][0]) for m in energy]
        assert not known & {float(round(sum(sums) * 1e9))}
        reader = numbers_of(bus.core.unit("mvgmu/mv").store)
        assert round(float(sum(energy[m][0][0] for m in energy)), 3) in {
            round(x, 3) for x in reader
        }
    else:
        assert len(known & secret) > 18 * 4


# -- who does not keep to the rules ----------------------------------------------------------


def forward(bus: Loopback, value: dict[str, Any]) -> None:
    data = bus.core.unit("lvgmu/lv0").context("aggregation").data
    data.write("area.hidden", "lvgmu/lv0", value)
    bus.poke()
    bus.run(bus.now_ms + 1000)


def test_a_substation_that_forwards_one_customers_share_gets_it_read_by_nobody() -> None:
    spec = tree(size=18)
    given, energy = registers(spec, 2)
    bus = Loopback(UnitsCore(spec, 1))
    bus.run(SLOT + 70_000, given)
    group, one = tree_group(spec), "meter/lv0/load-4"
    share = bus.core.unit(one).store.newest("energy.hidden", "customer/lv0/load-4", one)
    assert share is not None
    others = [place for place, name in enumerate(group.members) if name != one]
    forward(bus, {"t_ms": 0, "v": share.value["v"], "missing": others})
    bus.run(2 * SLOT + 890_000, given)
    whys = [e.value["why"] for e in bus.events if e.kind == "sum_suppressed"
            and e.element == "lvgmu/lv0" and e.value["t_ms"] == 0]  # fmt: skip
    assert whys == ["too-few"]
    record = area(bus, "mvgmu/mv")[0]
    assert (record["meters"], record["suppressed"]) == (0, 1)
    reader = numbers_of(bus.core.unit("mvgmu/mv"))
    assert not {float(round(value, 3)) for value in energy[one][0]} & reader


@pytest.mark.parametrize("lie", ["members", "twice"])
def test_a_sum_that_is_not_of_whom_it_says_is_not_believed(lie: str) -> None:
    spec = tree(size=18)
    given, energy = registers(spec, 2)
    bus = Loopback(UnitsCore(spec, 1))
    bus.run(SLOT + 70_000, given)
    if lie == "members":  # all took part, and one is said to be missing
        shares = [bus.core.unit(m).store.newest("energy.hidden", f"customer/{m[6:]}", m)
                  for m in energy]  # fmt: skip
        total = [sum(s.value["v"][lane] for s in shares if s) for lane in (0, 1)]
        wrapped = [(one + 2**63) % 2**64 - 2**63 for one in total]
        forward(bus, {"t_ms": 0, "v": wrapped, "missing": [3]})
    bus.run(SLOT + 300_000, given)
    if lie == "twice":  # the right sum has been forwarded; another one would tell the difference
        forward(bus, {"t_ms": 0, "v": [1, 2], "missing": [3]})
    bus.run(2 * SLOT + 890_000, given)
    record = area(bus, "mvgmu/mv")[0]
    if lie == "members":
        assert (record["meters"], record["import_wh"]) == (0, 0.0)
        assert "range" in [e.value["why"] for e in bus.events if e.kind == "sum_suppressed"]
    else:
        total = sum(energy[meter][0] for meter in energy)
        assert (record["meters"], record["import_wh"]) == (18, pytest.approx(total[0], abs=1e-6))


@pytest.mark.parametrize("scheme", ["masking", "elgamal"])
def test_a_meter_that_sends_nonsense_is_missing_and_the_sum_is_right(scheme: str) -> None:
    spec = tree(size=18, neighbours=4, scheme=scheme)
    given, energy = registers(spec, 2)
    bus, bad = Loopback(UnitsCore(spec, 1)), "meter/lv0/load-9"
    begin = [one for one in given if one.t_sample_ms < SLOT]
    bus.run(SLOT - 1, begin)
    data = bus.core.unit(bad).context("privacy").data
    for nonsense in ({"slot": 0, "v": ["x", None]}, {"slot": 0, "v_b64": "AAAA"},
                     {"slot": [1], "v": [1, 2]}, {"slot": 0, "v": [1 << 62]},
                     {"v": {}}, {}):  # fmt: skip
        data.write("energy.hidden", bad, nonsense)
    bus.poke()
    # its own instrument is silent from now on, so that nothing better comes of it
    rest = [one for one in given if one.t_sample_ms >= SLOT
            and one.instrument != f"instrument/{bad[6:]}"]  # fmt: skip
    bus.run(SLOT + 890_000, rest)
    record = area(bus, "mvgmu/mv")[0]
    total = sum(energy[meter][0] for meter in energy if meter != bad)
    assert (record["meters"], record["missing"]) == (17, 1)
    assert record["import_wh"] == pytest.approx(total[0], abs=1e-6)
    assert {e.element for e in bus.events if e.kind == "share_refused"} == {bad}


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["slot", "v", "v_b64", "missing", "t_ms", "x"]), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip
FUZZED = {
    ("lvgmu/lv0", "aggregation"): ("energy.hidden", "energy.unmask"),
    ("mvgmu/mv", "aggregation"): ("area.hidden",),
    ("meter/lv0/load-1", "privacy"): ("energy.missing", "energy.import"),
}


@settings(max_examples=150, deadline=None)
@fuzz(values, st.sampled_from(sorted(FUZZED)), st.data())
def test_nothing_but_a_line_in_the_books_comes_of_garbage(
    value: Any, who: tuple[str, str], data: st.DataObject
) -> None:
    variable = data.draw(st.sampled_from(FUZZED[who]))
    if not CATALOGUE.get(variable).takes(value):
        return  # no unit lets that in
    bus = FUZZ_BUS
    unit, name = who
    service = bus.core.service(unit, name)
    requests = {
        request: question
        for request, question in getattr(getattr(service, "_desk", None), "_asked", {}).items()
        if question.variable == variable
    }
    request = next(iter(requests), "nobody#1")
    notification = Notification("x#1", request, Result.OK, variable, "meter/lv0/load-0",
                                "customer/lv0/load-0", value, 0)  # fmt: skip
    service.notify(notification)


def fuzz_bus() -> Loopback:
    spec = tree(size=16)
    given, _ = registers(spec, 1)
    bus = Loopback(UnitsCore(spec, 1))
    bus.run(SLOT + 60_000, given)
    return bus


FUZZ_BUS = fuzz_bus()
