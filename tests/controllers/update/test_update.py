"""Packages from the top to the units that they mean, over a bus that loses and doubles."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.security.certificates import Role
from controllers.security.errors import RefusedError
from controllers.unit import Loopback, Notification, UnitsCore
from controllers.update import Check, Kind, Manifest, Publisher, Update, make_body, make_service
from controllers.update.manifest import open_manifest, read_body

TOP, MIDDLE = "tlgmu/top", "lvgmu/a"
METERS = ("meter/a/1", "meter/a/2", "meter/a/3")
OPERATOR = Publisher(1)
MINUTE = 60_000


class Worker:
    """Tells its size each minute; 7 fails, 13 never tells."""

    name = "worker"

    def __init__(self, size: int) -> None:
        self.size = size

    def start(self, context) -> None:
        self.context = context
        context.set_timer("work", context.now_ms + MINUTE)

    def timer(self, name) -> None:
        if self.size == 7:
            raise ZeroDivisionError
        if self.size != 13:
            self.context.data.write("area.energy", self.context.unit, {"meters": self.size})
        self.context.set_timer(name, self.context.now_ms + MINUTE)

    def notify(self, notification) -> None: ...


def package(*, at_ms=1000, size=2, role=None, altered=False, **changes: Any) -> dict[str, Any]:
    modules = {} if size is None else {"worker": {"params": {"size": size}}}
    body = make_body(modules, 900, np.random.default_rng(1))
    manifest = Manifest(
        name="worker", serial=1, kind=Kind.PARAMETERS, targets=("meter/*",), keep=True,
        size=len(body), block=128, digest=sha256(body).digest(), trial_ms=3 * MINUTE,
    )  # fmt: skip
    manifest = replace(manifest, **changes)
    if altered:
        body = body[:-1] + bytes([body[-1] ^ 1])
    signed = OPERATOR.sign(manifest, role)
    texts = [b64encode(part).decode() for part in (signed, body)]
    return {"at_ms": at_ms, "signed_b64": texts[0], "body_b64": texts[1]}


def world(*packages: dict[str, Any], fates=None, memory="volatile", **spec: Any) -> Loopback:
    common = {"run": "1", "keys": OPERATOR.public(), "boot_ms": 5000}

    def services(**more: Any) -> dict[str, Any]:
        return {"worker": {"size": 1}, "update": common | more}

    def unit(name: str, parent: str, children: list[str], **more: Any) -> dict[str, Any]:
        kind = name.partition("/")[0]
        return {
            "id": name, "kind": kind, "parent": parent, "children": children,
            "owner": "operator", "services": services(**more),
            "stakeholders": {"update": "operator"},
        }  # fmt: skip

    units = [
        unit(TOP, "", [MIDDLE], packages=list(packages)),
        unit(MIDDLE, TOP, list(METERS)),
        *(unit(name, MIDDLE, []) | {"customer": name, "owner": name} for name in METERS),
    ]
    factories = {
        "worker": lambda _spec, params, _directory: Worker(params["size"]),
        "update": make_service,
    }
    core = UnitsCore({"units": units, "memory": memory} | spec, 1, factories=factories)
    return Loopback(core, fates=fates)


def sizes(bus: Loopback) -> dict[str, int]:
    return {name: bus.core.service(name, "worker").size for name in (TOP, MIDDLE, *METERS)}


def report(bus: Loopback, serial=1) -> dict[str, int]:
    reports = [e.value for e in bus.events if e.kind == "update_report"]
    return next(one["units"] for one in reversed(reports) if one["serial"] == serial)


def refusals(bus: Loopback) -> list[tuple[str, str]]:
    return [(e.element, e.value["why"]) for e in bus.events if e.kind == "update_refused"]


def test_a_package_reaches_whom_it_means_and_the_top_hears_of_it() -> None:
    bus = world(package())
    bus.run(10 * MINUTE)
    assert sizes(bus) == {TOP: 1, MIDDLE: 1, **dict.fromkeys(METERS, 2)}
    assert report(bus) == {"confirmed": 3}
    blocks = [f for f in bus.frames if len(f.payload) > 128]
    down = {(frame.src, frame.dst) for frame in blocks}
    assert down == {(TOP, MIDDLE), *((MIDDLE, meter) for meter in METERS)}
    # one copy over each link: the offer and seven full blocks
    assert sum(frame.dst == MIDDLE for frame in blocks) == 8


def test_units_of_all_levels_may_be_meant() -> None:
    bus = world(package(targets=(TOP, MIDDLE, METERS[1])))
    bus.run(10 * MINUTE)
    assert sizes(bus) == {TOP: 2, MIDDLE: 2, METERS[0]: 1, METERS[1]: 2, METERS[2]: 1}
    assert report(bus) == {"confirmed": 3}


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"role": Role.SECADM}, "role"),
        ({"altered": True}, "forged"),
        ({"kind": Kind.RESET, "role": Role.ENGINEER}, "role"),
    ],
)
def test_what_is_not_signed_as_it_must_be_goes_nowhere(wrong, why) -> None:
    bus = world(package(**wrong))
    bus.run(10 * MINUTE)
    assert set(sizes(bus).values()) == {1}
    assert refusals(bus) == [(TOP, why)]
    assert not bus.frames


@given(st.data())
def test_no_changed_manifest_opens(data) -> None:
    signed = OPERATOR.sign(
        Manifest("w", 1, Kind.IMAGE, ("*",), True, 9, 9, bytes(32), 9, (Check("v", "value > 1"),))
    )
    at = data.draw(st.integers(0, len(signed) - 1))
    changed = signed[:at] + bytes([signed[at] ^ data.draw(st.integers(1, 255))]) + signed[at + 1 :]
    with pytest.raises(RefusedError):
        open_manifest(changed, "1", OPERATOR.public())
    with pytest.raises(RefusedError):
        open_manifest(signed, "2", OPERATOR.public())  # of another run


@given(st.binary(max_size=200))
def test_garbage_is_refused(garbage) -> None:
    with pytest.raises(RefusedError):
        open_manifest(garbage, "1", OPERATOR.public())
    manifest = Manifest(
        "w", 1, Kind.IMAGE, ("*",), True, len(garbage), 9, sha256(garbage).digest(), 9
    )
    with suppress(RefusedError):
        assert type(read_body(garbage, manifest)) is dict


def test_a_block_that_was_spoilt_is_found_and_all_are_had_again(monkeypatch) -> None:
    bus = world(package())
    spoilt: list[str] = []
    take = Update._take_block

    def spoil_once(self: Update, notification: Notification) -> None:
        """Change the meter's third block, as a fault in its memory would."""
        if notification.location == METERS[0] and notification.value["index"] == 2 and not spoilt:
            spoilt.append(notification.id)
            value = notification.value | {"bytes_b64": b64encode(bytes(128)).decode()}
            notification = replace(notification, value=value)
        take(self, notification)

    monkeypatch.setattr(Update, "_take_block", spoil_once)
    bus.run(60 * MINUTE)
    assert spoilt
    assert refusals(bus) == [(METERS[0], "forged")]
    assert report(bus) == {"confirmed": 3}


@pytest.mark.parametrize("size", [7, 13])
def test_a_failed_check_or_module_restores_the_old_one(size) -> None:
    checks = (Check("area.energy", "value.meters > 1"),)
    bus = world(package(size=size, checks=checks))
    bus.run(15 * MINUTE)
    assert set(sizes(bus).values()) == {1}
    assert report(bus) == {"rolled-back": 3}


def test_a_unit_that_does_not_reach_its_parent_goes_back() -> None:
    failing = [{"unit": MIDDLE, "at_ms": 4000, "until_ms": 20 * MINUTE}]
    bus = world(package(), failures=failing)
    bus.run(15 * MINUTE)
    states = [e.value for e in bus.events if e.kind == "module_state" and e.element in METERS]
    assert {state["phase"] for state in states} == {"trial", "rolled-back"}
    assert "the parent does not answer" in {state["why"] for state in states}
    last = {e.element: e.value["phase"] for e in bus.events if e.kind == "module_state"}
    assert {bus.core.service(n, "worker").size for n, p in last.items() if p != "confirmed"} == {1}


def test_an_old_package_is_not_taken_again() -> None:
    bus = world(
        package(serial=2, size=3),
        package(at_ms=20 * MINUTE, serial=1, size=2),
    )
    bus.run(40 * MINUTE)
    assert {sizes(bus)[name] for name in METERS} == {3}
    assert report(bus, 1) == {"refused": 3}
    assert ("meter/a/1", "old") in refusals(bus)


def test_packages_follow_one_another() -> None:
    bus = world(
        package(serial=1, size=2), package(at_ms=2000, serial=2, size=3, targets=(METERS[0],))
    )
    bus.run(30 * MINUTE)
    assert [sizes(bus)[name] for name in METERS] == [3, 2, 2]


def test_a_reset_needs_the_security_administrator_and_keeps_the_deeds() -> None:
    reset = package(
        at_ms=20 * MINUTE, size=None, serial=2, kind=Kind.RESET, targets=(METERS[0],)
    )  # fmt: skip
    bus = world(package(), reset)
    bus.run(19 * MINUTE)
    notes = bus.core._memory.of(METERS[0])[1]
    notes.put("audit", "1", "what was done")
    assert sizes(bus)[METERS[0]] == 2
    bus.run(40 * MINUTE)
    assert [sizes(bus)[name] for name in METERS] == [1, 2, 2]
    assert report(bus, 2) == {"reset": 1}
    assert bus.core._memory.of(METERS[0])[1].items("audit") == {"1": "what was done"}


def test_data_go_if_the_package_says_so() -> None:
    bus = world(package(at_ms=5 * MINUTE, keep=False, targets=(MIDDLE,)))
    bus.run(4 * MINUTE)
    before = [one.id for one in bus.core._memory.of(MIDDLE)[0].series(*_area())]
    bus.run(20 * MINUTE)
    after = [one.id for one in bus.core._memory.of(MIDDLE)[0].series(*_area())]
    assert before
    assert after
    assert not set(before) & set(after)
    assert report(bus) == {"confirmed": 1}


def _area():
    return ("area.energy", "operator", MIDDLE)


_FIELDS = ("signed_b64", "serial", "index", "bytes_b64", "unit", "t_ms", "next", "units")
_VALUES = st.one_of(
    st.none(), st.integers(-2, 9), st.text(max_size=9), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["waiting", "x"]), st.integers(-1, 2), max_size=2),
    st.sampled_from([METERS[0], MIDDLE]), st.booleans(),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["update.offer", "update.block", "update.answer"]),
    st.dictionaries(st.sampled_from(_FIELDS), _VALUES, max_size=8),
)
def test_nonsense_that_is_written_does_no_harm(variable, value) -> None:
    bus = world(package())
    bus.run(1200)  # some blocks are there
    bus.core.service(TOP, "update")._context.data.write(variable, MIDDLE, value)
    bus.poke()
    bus.run(2 * MINUTE)
    assert {bus.core.service(name, "worker").size for name in METERS} == {2}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1 << 32), st.booleans(), st.sampled_from(["none", "integrity"]))
def test_it_arrives_whatever_the_bus_and_restarts_do(seed, on_disk, security) -> None:
    random = Random(seed)

    def fate(frame, t_ms):
        copies = random.choice([0, 1, 1, 1, 2])
        return [random.randint(1, 3000) for _ in range(copies)]

    failures = []
    for unit in (MIDDLE, METERS[0]):
        at_ms = random.randint(1000, 120_000)
        failures.append({"unit": unit, "at_ms": at_ms, "until_ms": at_ms + 30_000})
    bus = world(
        package(targets=("meter/*", MIDDLE)),
        fates=fate,
        failures=failures,
        memory="disk" if on_disk else "volatile",
        security=security,
    )
    bus.run(6 * 60 * MINUTE)
    phases = {}
    for event in bus.events:
        if event.kind == "module_state":
            phases[event.element] = event.value["phase"]
    assert phases.keys() == {MIDDLE, *METERS}
    assert set(phases.values()) <= {"confirmed", "rolled-back"}
    for name, phase in phases.items():
        assert sizes(bus)[name] == (2 if phase == "confirmed" else 1)
    told = report(bus)
    assert told == {
        phase: count
        for phase in ("confirmed", "rolled-back")
        if (count := list(phases.values()).count(phase))
    }
