"""The audit log: what is noted, kept, given out, and found when somebody meddled with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controllers.security.audit import Entry, first_break
from controllers.storage import DiskMemory
from controllers.unit import Loopback, Result, UnitsCore
from controllers.unit.auditing import AuditLog
from controllers.unit.notes import MemoryNotebook
from fernwatt.messages import Reading
from tests.controllers.unit.conftest import CUSTOMER, OPERATOR, Probe

AREA, METER = "lvgmu/a", "meter/a/x"


def entry(number: int, result: str = "denied") -> Entry:
    return Entry(number * 1000, f"lvgmu/a#{number}", OPERATOR, "probe", "query", "voltage",
                 CUSTOMER, result)  # fmt: skip


def tag(data: bytes) -> bytes:
    import hmac

    return hmac.digest(b"the unit's", data, "sha256")


def filled(count: int) -> tuple[AuditLog, MemoryNotebook]:
    notes = MemoryNotebook()
    log = AuditLog(notes, tag, "all")
    for number in range(1, count + 1):
        log.add(entry(number, "ok" if number % 3 else "denied"))
    return log, notes


def spec(**more: Any) -> dict[str, Any]:
    services: dict[str, Any] = {"metering": {}, "probe": {}}
    return {
        "units": [
            {"id": AREA, "children": [METER], "owner": OPERATOR,
             "services": services | {"audit-reader": {}},
             "stakeholders": {"audit-reader": "secaud"}},
            {"id": METER, "parent": AREA, "customer": CUSTOMER, "owner": CUSTOMER,
             "instruments": ["i/x"], "services": services},
        ],
        **more,
    }  # fmt: skip


def begin(memory: Any = None, **more: Any) -> Loopback:
    names = ("metering", "probe", "audit-reader")
    factories = {name: lambda _s, _p, _d, name=name: Probe(name) for name in names}
    bus = Loopback(UnitsCore(spec(**more), 1, factories=factories, memory=memory))
    bus.run(0, [Reading("i/x#1", "", "i/x", "voltage", 0, 0, 230.0, "V")])
    return bus


def ask(bus: Loopback, service: str, variable: str, unit: str = AREA, **how: Any) -> Any:
    probe: Any = bus.core.service(unit, service)
    issued = probe.context.data.query(variable, METER, **how)
    bus.poke()
    bus.run(bus.now_ms + 1000)
    return probe.outcomes(issued.id)[0]


def test_an_entry_is_its_text() -> None:
    odd = Entry(-5, "a#1", "3:x", "", "query", "5:", "\x1f", "ok")
    assert Entry.of_text(odd.text()) == odd
    for broken in ("", "3:ab", "1:x", odd.text()[:-1], odd.text() + "0:", "x:", ":"):
        with pytest.raises(ValueError):
            Entry.of_text(broken)


def test_denied_accesses_are_noted_by_default_and_all_where_that_is_wanted() -> None:
    for level, expected in {"off": [], "denied": ["denied"], "all": ["ok", "denied"]}.items():
        bus = begin(audit=level)
        ask(bus, "metering", "voltage")
        ask(bus, "probe", "voltage")
        found = [one.result for _, one, _ in bus.core.unit(METER).processor.log.entries()]
        assert found == expected
    assert begin().core.unit(METER).processor.log.level == "denied"


def test_notifications_are_accesses_too() -> None:
    bus = begin(audit="all")
    probe: Any = bus.core.service(AREA, "metering")
    probe.context.data.event("voltage", METER)
    bus.poke()
    bus.run(2000, [Reading("i/x#2", "", "i/x", "voltage", 1500, 1500, 231.0, "V")])
    noted = [one.operation for _, one, _ in bus.core.unit(METER).processor.log.entries()]
    assert noted == ["event", "notify"]


@pytest.mark.requirement("CP-03")
def test_a_denied_access_is_told_noted_and_read_by_the_auditor_alone() -> None:
    bus = begin()
    denied = ask(bus, "probe", "voltage")
    assert denied.result is Result.DENIED
    [event] = [event for event in bus.events if event.kind == "access_denied"]
    assert event.cause == denied.request
    assert ask(bus, "probe", "audit.log").result is Result.DENIED
    given = ask(bus, "audit-reader", "audit.log")
    assert given.result is Result.OK
    rows = [Entry(*row) for row in given.value["entries"]]
    assert [(row.request, row.variable, row.result) for row in rows] == [
        (denied.request, "voltage", "denied"),
        (f"{AREA}#2", "audit.log", "denied"),
    ]
    assert (
        rows[-1].chained(rows[0].chained(bytes.fromhex(given.value["before"]))).hex()
        == (given.value["head"])
    )
    own = ask(bus, "probe", "audit.log", unit=METER)
    assert own.value["entries"] == given.value["entries"]  # the owner's own


def test_nobody_writes_the_log() -> None:
    bus = begin()
    probe: Any = bus.core.service(METER, "probe")
    issued = probe.context.data.write("audit.log", METER, {"entries": []})
    bus.poke()
    assert probe.outcomes(issued.id)[0].result is Result.DENIED


def test_a_long_log_is_given_out_in_blocks_that_hang_together() -> None:
    bus = begin()
    for _ in range(70):
        ask(bus, "probe", "voltage")
    before, count = bytes(32), 0
    for first in (1, 33, 65):
        block = ask(bus, "audit-reader", "audit.log", condition=f"value.first == {first}").value
        assert bytes.fromhex(block["before"]) == before
        entries = [Entry(*row) for row in block["entries"]]
        hashes = []
        for one in entries:
            before = one.chained(before)
            hashes.append(before)
        assert before.hex() == block["head"]
        count += len(entries)
    assert count == 70


@pytest.mark.parametrize("kind", ["volatile", "disk"])
def test_the_log_goes_on_over_a_restart(kind: str, tmp_path: Path) -> None:
    memory = DiskMemory(tmp_path / "u.db", lambda unit: unit.encode().ljust(32))
    bus = begin(memory if kind == "disk" else None)
    for _ in range(3):
        ask(bus, "probe", "voltage")
    bus.core.kill(METER)
    bus.core.revive(METER)
    ask(bus, "probe", "voltage")
    log = bus.core.unit(METER).processor.log
    assert [number for number, _, _ in log.entries()] == [1, 2, 3, 4]
    assert (log.broken, log.check()) == (None, None)
    assert not [event for event in bus.events if event.kind == "audit_broken"]


def changed(notes: MemoryNotebook) -> None:
    text, stored = notes.items("audit")["6"]
    notes.put("audit", "6", [text.replace("denied", "ok".ljust(6)), stored])


def rewritten(notes: MemoryNotebook) -> None:
    """Change an entry and chain all that follow anew; but not the head, for want of the key."""
    items, before = notes.items("audit"), b""
    for number in range(5, 21):
        text = items[str(number)][0].replace("denied", "ok----")
        before = before or items[str(number - 1)][1]
        before = Entry.of_text(text).chained(before)
        notes.put("audit", str(number), [text, before])


def with_a_new_head(notes: MemoryNotebook) -> None:
    rewritten(notes)
    number, _, _ = notes.items("audit")["head"]
    head = notes.items("audit")[str(number)][1]
    notes.put("audit", "head", [number, head, bytes(32)])


TAMPERED: dict[str, tuple[Callable[[MemoryNotebook], None], int]] = {
    "changed": (changed, 6),
    "dropped": (lambda notes: notes.drop("audit", "7"), 7),
    "cut off": (lambda notes: notes.drop("audit", "20"), 20),
    "added": (lambda notes: notes.put("audit", "21", notes.items("audit")["20"]), 21),
    "unreadable": (lambda notes: notes.put("audit", "9", ["nonsense", b"x"]), 9),
    "no entry": (lambda notes: notes.put("audit", "9", None), 9),
    "rewritten": (rewritten, 20),
    "with a new head": (with_a_new_head, -1),
    "head gone": (lambda notes: notes.drop("audit", "head"), -1),
    "head is nonsense": (lambda notes: notes.put("audit", "head", [1]), -1),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_tampered_log_is_found(how: str) -> None:
    log, notes = filled(20)
    assert log.check() is None
    meddle, number = TAMPERED[how]
    meddle(notes)
    assert log.check() == number
    again = AuditLog(notes, tag, "all")
    assert again.broken == number
    again.add(entry(99))
    # what was done stays to be seen, but for what was put at the end: that is overwritten
    assert (again.check() is None) == (how == "added")
    assert list(again.instances(lambda value, t_ms: (value, t_ms)))  # type: ignore[arg-type,return-value]


def test_a_unit_that_finds_its_log_tampered_with_says_so() -> None:
    bus = begin()
    for _ in range(3):
        ask(bus, "probe", "voltage")
    notes = bus.core._memory.of(METER)[1]
    text, stored = notes.items("audit")["2"]
    notes.put("audit", "2", [text.replace("voltage", "VOLTAGE"), stored])
    bus.core.kill(METER)
    bus.core.revive(METER)
    bus.poke()
    [event] = [event for event in bus.events if event.kind == "audit_broken"]
    assert event.value == {"entry": 2}


@pytest.mark.parametrize("disk", [False, True])
def test_what_is_forgotten_stays_counted_and_sealed(disk: bool, tmp_path: Path) -> None:
    memory = DiskMemory(tmp_path / "u.db", lambda unit: unit.encode().ljust(32))
    notes: Any = memory.of("meter/x")[1] if disk else MemoryNotebook()
    log = AuditLog(notes, tag, "all")
    for number in range(1, 2001):
        log.add(entry(number, "ok" if number % 3 else "denied"))
    assert 512 <= len(log) <= 1024
    assert len(notes.items("audit")) == len(log) + 2
    summary = notes.items("audit")["summary"][0]
    gone = 2000 - len(log)
    assert dict(summary["results"]) == {"denied": gone // 3, "ok": gone - gone // 3}
    assert AuditLog(notes, tag, "all").broken is None
    hashes = [one[2] for one in log.entries()]
    entries = [one[1] for one in log.entries()]
    assert first_break(entries, hashes, bytes.fromhex(summary["before"])) is None
    notes.put("audit", "summary", [summary | {"results": [["ok", gone]]},
                                   notes.items("audit")["summary"][1]])  # fmt: skip
    assert log.check() == -1
