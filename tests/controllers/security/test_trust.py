"""Units that get to know each other by certificates, over a wire that anybody may meddle with."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers.security.envelope import Signed
from controllers.security.errors import Refusal, RefusedError
from controllers.security.introduced import Greeting, Introduced
from controllers.security.introduction import IntroductionRefusedError, Introductions
from controllers.security.keys import Keys
from controllers.security.pki import FAULTS, Applicant, Pki
from controllers.security.trust import Trust
from controllers.unit.notes import MemoryNotebook

SECRET, START = bytes(range(32)), datetime(2026, 1, 1, tzinfo=UTC)
HOUR = 3_600_000
SUB, METER, OTHER = "lvgmu/lv4.101", "meter/lv4.101/load-7", "lvgmu/lv4.102"


class World:
    """An operator, and units as they are needed."""

    def __init__(self, faults: dict[str, str] | None = None, hours: int = 1000) -> None:
        self.pki = Pki(
            SECRET, START, certificate_ms=hours * HOUR, list_ms=100 * HOUR, faults=faults
        )
        self.checker = Introductions([self.pki.root], "1")
        self.notes: dict[str, MemoryNotebook] = {}
        self.charged = 0
        for unit, fault in (faults or {}).items():
            if fault == "revoked":
                self.pki.credential(unit, self.applicant(unit))

    def applicant(self, unit: str) -> Applicant:
        return Applicant(Keys(unit, SECRET), ("operator",))

    def trust(self, unit: str, t_ms: int = 0, run: str = "1") -> Trust:
        keys = Keys(unit, SECRET)
        speakers = [("operator", "group", keys.public_signing("operator", "group"))]
        credential = self.pki.credential(unit, self.applicant(unit))
        notes = self.notes.setdefault(unit, MemoryNotebook())
        return Trust(
            credential, speakers, pki=self.pki, checker=self.checker, run=run, notes=notes,
            t_ms=t_ms, charge=self.charge,
        )  # fmt: skip

    def envelope(self, trust: Trust, unit: str, *, secret: bool = False) -> Introduced:
        signed = Signed("1", Keys(unit, SECRET), trust.keys, secret=secret)
        return Introduced(signed, trust)

    def charge(self, count: int) -> None:
        self.charged += count


def greet(one: Introduced, name: str, other: Introduced, its: str, t_ms: int = 0) -> list[int]:
    """Have one unit greet another; return the sizes of the frames."""
    greeting = one.greeting(its, t_ms)
    with pytest.raises(Greeting) as answer:
        other.open(greeting, name, t_ms + 10)
    with pytest.raises(Greeting) as confirmed:
        one.open(answer.value.answer, its, t_ms + 20)
    with pytest.raises(Greeting) as nothing:
        other.open(confirmed.value.answer, name, t_ms + 30)
    assert nothing.value.answer == b""
    return [len(one) for one in (greeting, answer.value.answer, confirmed.value.answer)]


def test_two_who_never_met_introduce_themselves_before_they_speak() -> None:
    world = World()
    up, down = (world.envelope(world.trust(unit), unit) for unit in (SUB, METER))
    assert not down.ready(SUB)
    sizes = greet(down, METER, up, SUB)
    assert all(1_600 < size < 2_000 for size in sizes[:2])
    assert sizes[2] == 3
    assert down.ready(SUB)
    assert up.ready(METER)
    opened = up.open(down.seal(b"join", SUB, 30, "operator", "group"), METER, 40)
    assert (opened.payload, opened.identity.service) == (b"join", "group")  # type: ignore[union-attr]
    answer = up.seal(b"welcome", METER, 50)
    assert len(answer) < 110
    assert down.open(answer, SUB, 60).payload == b"welcome"
    assert world.charged == 8  # four signatures on each side


def test_what_must_be_secret_is_so_from_the_first_message() -> None:
    world = World()
    up, down = (world.envelope(world.trust(unit), unit, secret=True) for unit in (SUB, METER))
    assert b"secret" not in down.seal(b"secret", SUB, 0)  # only a greeting
    greet(down, METER, up, SUB, 1000)
    sealed = down.seal(b"secret", SUB, 2000)
    assert b"secret" not in sealed
    assert len(sealed) < 200
    assert up.open(sealed, METER, 2010).payload == b"secret"


def test_two_greetings_that_cross_are_answered_in_short() -> None:
    world = World()
    up, down = (world.envelope(world.trust(unit), unit) for unit in (SUB, METER))
    first, second = down.greeting(SUB, 0), up.greeting(METER, 0)
    assert down.greeting(SUB, 5) == b""  # it was just asked
    answers = []
    for who, wire, src in ((up, first, METER), (down, second, SUB)):
        with pytest.raises(Greeting) as answer:
            who.open(wire, src, 10)
        answers.append(answer.value.answer)
    assert [len(answer) for answer in answers] == [3, 3]
    for who, wire, src in ((down, answers[0], SUB), (up, answers[1], METER)):
        with pytest.raises(Greeting) as nothing:
            who.open(wire, src, 15)
        assert nothing.value.answer == b""
    assert up.open(down.seal(b"a", SUB, 20), METER, 30).payload == b"a"
    assert down.open(up.seal(b"b", METER, 20), SUB, 30).payload == b"b"


def test_a_lost_answer_is_asked_for_again() -> None:
    world = World()
    up, down = (world.envelope(world.trust(unit), unit) for unit in (SUB, METER))
    with pytest.raises(Greeting):
        up.open(down.greeting(SUB, 0), METER, 10)  # its answer is lost
    greet(down, METER, up, SUB, 20_000)
    assert down.open(up.seal(b"b", METER, 30_000), SUB, 30_010).payload == b"b"


def test_who_has_forgotten_asks() -> None:
    world = World()
    up, down = (world.envelope(world.trust(unit), unit) for unit in (SUB, METER))
    greet(down, METER, up, SUB)
    bare = down.seal(b"c", SUB, 100)
    world.notes[SUB] = MemoryNotebook()
    anew = world.envelope(world.trust(SUB, 105), SUB)
    with pytest.raises(RefusedError) as refused:
        anew.open(bare, METER, 105)
    question = anew.question(METER, refused.value.why, 105)
    assert 0 < len(question) < 10
    assert anew.question(METER, refused.value.why, 106) == b""
    with pytest.raises(Greeting) as answer:
        down.open(question, SUB, 107)
    with pytest.raises(Greeting):
        anew.open(answer.value.answer, METER, 108)
    assert anew.open(bare, METER, 109).payload == b"c"


def test_a_restart_forgets_nobody() -> None:
    world = World()
    up, down = (world.envelope(world.trust(unit), unit) for unit in (SUB, METER))
    greet(down, METER, up, SUB)
    anew = world.envelope(world.trust(SUB, 100), SUB)
    assert anew.open(down.seal(b"c", SUB, 111), METER, 112).payload == b"c"


WHY = {
    "forged": Refusal.FORGED,
    "expired": Refusal.EXPIRED,
    "revoked": Refusal.REVOKED,
    "role": Refusal.ROLE,
    "area": Refusal.AREA,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_certificate_changes_nothing(fault: str) -> None:
    world = World({METER: fault})
    trust = world.trust(SUB)
    up, down = world.envelope(trust, SUB), world.envelope(world.trust(METER), METER)
    with pytest.raises(IntroductionRefusedError) as refused:
        up.open(down.greeting(SUB, 0), METER, 10)
    assert refused.value.why is WHY[fault]
    assert not trust.knows(METER)
    assert world.notes[SUB].items("introductions") == {}


def test_one_unit_cannot_show_the_certificate_of_another() -> None:
    world = World()
    up = world.envelope(world.trust(SUB), SUB)
    with pytest.raises(IntroductionRefusedError) as refused:
        up.open(world.envelope(world.trust(OTHER), OTHER).greeting(SUB, 0), METER, 1)
    assert refused.value.why is Refusal.FORGED


def test_an_introduction_of_another_run_does_not_hold() -> None:
    world = World()
    trust, stranger = world.trust(SUB), world.trust(METER, run="2")
    with pytest.raises(IntroductionRefusedError) as refused:
        trust.meet(METER, stranger.introduction(), 0)
    assert refused.value.why is Refusal.SIGNATURE


def test_a_service_speaks_only_for_those_in_the_certificate() -> None:
    world = World()
    keys = Keys(METER, SECRET)
    credential = world.pki.credential(METER, world.applicant(METER))
    speakers = [("customer/a", "group", keys.public_signing("customer/a", "group"))]
    liar = Trust(
        credential, speakers, pki=world.pki, checker=world.checker, run="1",
        notes=MemoryNotebook(), t_ms=0,
    )  # fmt: skip
    with pytest.raises(IntroductionRefusedError) as refused:
        world.trust(SUB).meet(METER, liar.introduction(), 0)
    assert refused.value.why is Refusal.ROLE


def test_a_revocation_ends_trust_that_was_there_and_keeps_it_away() -> None:
    world = World()
    trust, meter = world.trust(SUB), world.trust(METER)
    trust.meet(METER, meter.introduction(), 0)
    before = trust.up_to({"lv4.101"})
    der = world.pki.revoke(METER, world.applicant(METER), HOUR)
    assert trust.take_list(der, HOUR)
    assert not trust.take_list(der, HOUR)
    assert trust.up_to({"lv4.101"}) == before + 1
    assert trust.ended(HOUR) == {METER: "revoked"}
    trust.forget(METER)
    with pytest.raises(IntroductionRefusedError) as refused:  # it still staples the old list
        trust.meet(METER, meter.introduction(), HOUR)
    assert refused.value.why is Refusal.REVOKED
    assert len(trust.lists({"lv4.101"})) == 3
    assert len(trust.lists({"lv4.102"})) == 2  # the root's and the operator's


def test_whose_lists_are_too_old_asks_for_all() -> None:
    world = World()
    late = world.envelope(world.trust(METER), METER)
    up = world.trust(SUB)
    for der in world.pki.lists(150 * HOUR):
        assert up.take_list(der, 150 * HOUR)
    head = world.envelope(up, SUB)
    with pytest.raises(Greeting) as answer:
        head.open(late.greeting(SUB, 150 * HOUR), METER, 150 * HOUR)
    with pytest.raises(Greeting) as question:
        late.open(answer.value.answer, SUB, 150 * HOUR + 1000)
    assert len(question.value.answer) == 3
    with pytest.raises(Greeting) as complete:
        head.open(question.value.answer, METER, 150 * HOUR)
    assert 300 < len(complete.value.answer) - len(answer.value.answer) < 800
    with pytest.raises(Greeting):
        late.open(complete.value.answer, SUB, 150 * HOUR)
    assert late.ready(SUB)


def test_two_revocations_at_one_instant_both_count() -> None:
    world = World()
    trust = world.trust(SUB)
    others = [f"meter/lv4.101/load-{n}" for n in (1, 2)]
    for unit in others:
        trust.meet(unit, world.trust(unit).introduction(), 0)
    for unit in others:
        assert trust.take_list(world.pki.revoke(unit, world.applicant(unit), 0), 0)
    assert trust.ended(0) == dict.fromkeys(others, "revoked")


def test_a_list_of_an_impostor_is_not_taken() -> None:
    world, fake = World(), Pki(bytes(32), START, certificate_ms=HOUR, list_ms=HOUR)
    trust = world.trust(SUB)
    applicant = Applicant(Keys(METER, SECRET), ())
    for _ in range(3):
        assert not trust.take_list(fake.revoke(METER, applicant, HOUR), HOUR)
    assert not trust.take_list(b"garbage", HOUR)


def test_trust_ends_with_the_certificate() -> None:
    world = World(hours=2)
    trust, meter = world.trust(SUB), world.trust(METER)
    trust.meet(METER, meter.introduction(), 0)
    due_ms = trust.next_expiry_ms()
    assert due_ms == 2 * HOUR + 1000
    assert trust.ended(2 * HOUR) == {}
    assert trust.ended(due_ms) == {METER: "expired"}
    anew = world.trust(SUB, due_ms)
    assert not anew.knows(METER)


def test_certificates_do_not_depend_on_who_was_first() -> None:
    one, other = World(), World()
    units = [METER, "meter/lv4.101/load-8", SUB, "mvgmu/mv1.101", "tlgmu/top"]
    chains = {unit: one.pki.credential(unit, one.applicant(unit)).chain for unit in units}
    for unit in reversed(units):
        assert other.pki.credential(unit, other.applicant(unit)).chain == chains[unit]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_changed_introduction_holds(data: st.DataObject) -> None:
    world, wire = _INTRODUCED
    world.notes.clear()
    trust = world.trust(SUB)
    at = data.draw(st.integers(0, len(wire) - 1))
    changed = bytearray(wire)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        trust.meet(METER, bytes(changed), 0)
    except RefusedError:
        assert not trust.knows(METER)
    else:  # the list alone is not signed by the unit: another one may stand there
        assert trust.knows(METER)
        assert _same_but_for_the_list(wire, bytes(changed))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_garbage_is_refused(garbage: bytes) -> None:
    world, _ = _INTRODUCED
    trust = world.trust(SUB)
    for wire in (garbage, b"\x82" + garbage):
        with pytest.raises((RefusedError, Greeting)):
            world.envelope(trust, SUB).open(wire, METER, 0)
    with pytest.raises(RefusedError):
        trust.meet(METER, garbage, 0)


def _same_but_for_the_list(one: bytes, other: bytes) -> bool:
    import cbor2

    first, second = cbor2.loads(one), cbor2.loads(other)
    return [first[i] for i in (0, 2, 3)] == [second[i] for i in (0, 2, 3)]


def _introduced() -> tuple[World, bytes]:
    world = World()
    return world, world.trust(METER).introduction()


_INTRODUCED = _introduced()
