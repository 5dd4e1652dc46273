"""Policies travel with instances; copies obey them without asking the source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cbor2
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from controllers.unit import CATALOGUE, Loopback, Result, UnitsCore
from controllers.unit.codec import CborCodec
from controllers.unit.copies import Policies, reference
from controllers.unit.notes import MemoryNotebook
from controllers.unit.policy import Policy
from controllers.unit.service import Notification, UnitContext
from controllers.unit.wire import Notify
from fernwatt.messages import Reading

OPERATOR, CUSTOMER = "operator", "customer/a"
TOP, AREA, METER, CMU, DMU = "mvgmu/m", "lvgmu/a", "meter/a/x", "cmu/a/x", "dmu/a/x/ev"
SERVICES = ("aggregation", "metering", "probe")


class Listener:
    def __init__(self, name: str) -> None:
        self.name = name
        self.heard: list[Notification] = []

    def start(self, context: UnitContext) -> None:
        self.context = context

    def notify(self, notification: Notification) -> None:
        self.heard.append(notification)

    def timer(self, name: str) -> None:
        raise AssertionError(name)

    def outcome(self, request: str) -> Notification:
        [found] = [one for one in self.heard if one.request == request and one.t_ms != -1] or [
            one for one in self.heard if one.request == request
        ]
        return found


def tree(**more: dict[str, Any]) -> dict[str, Any]:
    services: dict[str, Any] = {name: {} for name in SERVICES}
    house = {"customer": CUSTOMER, "owner": CUSTOMER, "services": services}
    units = [
        {"id": TOP, "kind": "mvgmu", "children": [AREA], "owner": OPERATOR, "services": services,
         "stakeholders": {"probe": "supplier"}},
        {"id": AREA, "kind": "lvgmu", "parent": TOP, "children": [METER], "area": "a",
         "owner": OPERATOR, "services": services, "copies": ["energy.import", "voltage"]},
        {"id": METER, "kind": "meter", "parent": AREA, "children": [CMU], **house,
         "instruments": ["i/x"]},
        {"id": CMU, "kind": "cmu", "parent": METER, "children": [DMU], **house,
         "copies": ["device.energy"]},
        {"id": DMU, "kind": "dmu", "parent": CMU, **house, "instruments": ["i/ev"], "shut": True},
    ]  # fmt: skip
    return {"units": [unit | more.get(unit["id"], {}) for unit in units]}  # type: ignore[operator]


def start(level: str = "none", fates: Any = None, **more: dict[str, Any]) -> Loopback:
    factories = {name: lambda _s, _p, _d, name=name: Listener(name) for name in SERVICES}
    core = UnitsCore({**tree(**more), "security": level}, 1, factories=factories)
    bus = Loopback(core, fates=fates)
    bus.run(0)
    return bus


def service(bus: Loopback, unit: str, name: str = "aggregation") -> Any:
    return bus.core.service(unit, name)


def settle(bus: Loopback, ms: int = 200) -> None:
    bus.poke()
    bus.run(bus.now_ms + ms)
    bus.poke()


def read(bus: Loopback, value: float, variable: str = "energy.import", at: str = "i/x") -> None:
    bus.run(bus.now_ms + 10)
    t_ms = bus.now_ms
    name = f"f#{t_ms}{variable}"
    bus.run(t_ms, [Reading(name, "", at, variable, t_ms, t_ms, value, "Wh")])
    settle(bus)


def ask(bus: Loopback, unit: str, name: str, **options: Any) -> Notification:
    variable, location = options.pop("variable", "energy.import"), options.pop("of", METER)
    bus.poke()
    issued = service(bus, unit, name).context.data.query(variable, location, **options)
    settle(bus)
    return service(bus, unit, name).outcome(issued.id)  # type: ignore[no-any-return]


def follow(bus: Loopback, unit: str = AREA, name: str = "aggregation", **what: str) -> str:
    variable, location = what.get("variable", "energy.import"), what.get("of", METER)
    issued = service(bus, unit, name).context.data.event(variable, location)
    settle(bus)
    return issued.id  # type: ignore[no-any-return]


def put_in_force(bus: Loopback, grants: list[list[Any]], variable: str = "energy.import") -> Any:
    value = {"variable": variable, "grants": grants}
    issued = service(bus, CMU, "probe").context.data.write("access.policy", METER, value)
    settle(bus)
    return service(bus, CMU, "probe").outcome(issued.id).result


def ids_of(bus: Loopback, unit: str, owner: str = CUSTOMER, location: str = METER) -> list[Any]:
    return list(bus.core.unit(unit).store.series("energy.import", owner, location))


@pytest.mark.parametrize("level", ["none", "integrity+secrecy"])
def test_a_copy_has_owner_and_policy_and_is_ruled_by_it(level: str) -> None:
    grants = [[OPERATOR, "aggregation", 1, 0], ["supplier", "probe", 1, 60_000]]
    bus = start(level, **{METER: {"policies": {"energy.import": grants}}})
    follow(bus)
    read(bus, 5.0)
    [copy] = ids_of(bus, AREA)
    assert (copy.value, copy.owner, copy.location) == (5.0, CUSTOMER, METER)
    assert copy.policy.plain() == grants
    sent = len([frame for frame in bus.frames if frame.dst == METER])
    first = ask(bus, TOP, "probe", at=AREA)
    assert (first.result, first.value, first.owner) == (Result.OK, 5.0, CUSTOMER)
    assert ask(bus, TOP, "probe", at=AREA).result is Result.RATE
    assert ask(bus, TOP, "metering", at=AREA).result is Result.DENIED
    assert ask(bus, AREA, "aggregation", at=AREA).value == 5.0
    assert len([frame for frame in bus.frames if frame.dst == METER]) == sent  # nobody asked it
    bus.run(bus.now_ms + 60_000)
    assert ask(bus, TOP, "probe", at=AREA).result is Result.OK


@pytest.mark.requirement("DI-07")
def test_a_change_of_policy_holds_for_new_instances_only() -> None:
    bus = start()
    follow(bus)
    read(bus, 1.0)
    assert put_in_force(bus, [[OPERATOR, "aggregation", 1, 0]]) is Result.OK
    read(bus, 2.0)
    old, new = ids_of(bus, AREA)
    assert old.policy.allows(1, OPERATOR, "balancing")
    assert not new.policy.allows(1, OPERATOR, "balancing")
    # the sum over both needs the grant of both, at the source and at the copy
    for at in ("", AREA):
        assert ask(bus, TOP, "aggregation", at=at, function="sum").value == 3.0
        older = ask(bus, TOP, "metering", at=at, function="sum", condition="value < 2")
        assert (older.result, older.value) == (Result.OK, 1.0)
        assert ask(bus, TOP, "metering", at=at, function="sum").result is Result.DENIED
    assert put_in_force(bus, []) is Result.OK
    read(bus, 3.0)
    assert len(ids_of(bus, AREA)) == 2  # the right was lost, and the subscription with it
    assert ask(bus, AREA, "aggregation", at=AREA).value == 2.0  # what was given stays given


def test_only_the_owner_puts_a_policy_in_force_and_only_for_what_is_hers() -> None:
    bus = start()
    data = service(bus, AREA).context.data
    issued = data.write("access.policy", METER, {"variable": "energy.import", "grants": []})
    settle(bus)
    assert service(bus, AREA).outcome(issued.id).result is Result.DENIED
    read(bus, 1.0)
    assert ids_of(bus, METER)[0].policy == CATALOGUE.get("energy.import").policy
    for value in (
        {"variable": "weather.forecast", "grants": []},
        {"variable": "nothing", "grants": []},
        {"variable": "energy.import", "grants": [[1]]},
        {"variable": "energy.import"},
        None,
    ):
        issued = service(bus, CMU).context.data.write("access.policy", METER, value)
        settle(bus)
        assert service(bus, CMU).outcome(issued.id).result is Result.MALFORMED


@pytest.mark.requirement("DI-08")
@pytest.mark.parametrize("prefer", ["latest", "default"])
def test_writes_by_others_take_the_owners_latest_policy_or_the_default(prefer: str) -> None:
    default = [[OPERATOR, "aggregation", 3, 0]]
    latest = [[OPERATOR, "aggregation", 3, 0], [OPERATOR, "metering", 1, 0]]
    bus = start(**{METER: {"policies": {"voltage": default}, "prefer": prefer}})
    service(bus, METER).context.data.write("voltage", METER, 230.0, policy=latest)
    service(bus, AREA).context.data.write("voltage", METER, 231.0, policy=[["all", "all", 3, 0]])
    settle(bus)
    own, others = bus.core.unit(METER).store.series("voltage", CUSTOMER, METER)
    assert own.policy.plain() == latest
    assert others.policy.plain() == (latest if prefer == "latest" else default)
    assert others.owner == CUSTOMER


def test_what_a_unit_was_given_counts_as_its_access_to_the_copy() -> None:
    grants = [[OPERATOR, "aggregation", 1, 10_000]]
    bus = start(**{METER: {"policies": {"energy.import": grants}}})
    follow(bus)
    read(bus, 1.0)
    assert ask(bus, AREA, "aggregation", at=AREA).result is Result.RATE
    assert ask(bus, TOP, "aggregation", at=AREA).result is Result.RATE
    bus.run(bus.now_ms + 10_000)
    assert ask(bus, TOP, "aggregation", at=AREA).result is Result.OK
    bus.core.kill(AREA)
    bus.core.revive(AREA)
    settle(bus)
    assert ask(bus, TOP, "aggregation", at=AREA).result is Result.RATE  # over a restart, too


# -- on the wire -----------------------------------------------------------------------------


def policies_sent(bus: Loopback) -> list[Any]:
    fields = [cbor2.loads(frame.payload) for frame in bus.frames if frame.src == METER]
    return [one.get(13) for one in fields if one[0] == 0 and one.get(16)]


def test_a_usual_policy_costs_nothing_and_another_one_ten_bytes() -> None:
    bus = start()
    follow(bus)
    read(bus, 1.0)
    assert policies_sent(bus) == [None]
    grants = [[OPERATOR, "aggregation", 1, 0], ["supplier", "billing", 1, 900_000]]
    put_in_force(bus, grants)
    for value in range(20):
        read(bus, 2.0 + value)
    sent = policies_sent(bus)[1:]
    assert [sent.index(grants), sent.count(grants)] == [0, 3]  # the first two, the seventeenth
    short = bytes.fromhex(reference(grants))
    assert sent.count(short) == 17
    assert all(one.policy.plain() == grants for one in ids_of(bus, AREA)[1:])
    codec = CborCodec(CATALOGUE)
    notify = Notify(f"{AREA}#1", Result.OK, "energy.import", METER, "", 5.0, 1000, 7)
    sizes = [
        len(codec.encode(replace(notify, policy=policy), METER, AREA))
        for policy in (None, reference(grants), grants)
    ]
    assert sizes[1] - sizes[0] == 10
    assert sizes[2] - sizes[0] > 40


def test_a_copy_whose_policy_got_lost_is_its_owners_alone() -> None:
    lost = {"now": False}

    def fates(frame: Any, _t_ms: int) -> tuple[int, ...]:
        return () if lost["now"] and frame.src == METER and frame.dst == AREA else (20,)

    bus = start(fates=fates)
    follow(bus)
    grants = [[OPERATOR, "aggregation", 1, 0]]
    put_in_force(bus, grants)
    lost["now"] = True
    read(bus, 1.0)
    read(bus, 2.0)
    lost["now"] = False
    read(bus, 3.0)
    assert [one.policy.plain() for one in ids_of(bus, AREA)] == [[]]
    assert ask(bus, TOP, "aggregation", at=AREA).result is Result.DENIED
    for value in range(14):
        read(bus, 4.0 + value)
    copies = ids_of(bus, AREA)
    assert [one.policy.plain() for one in copies[-2:]] == [[], grants]
    assert ask(bus, TOP, "aggregation", at=AREA).value == 17.0


def test_policies_are_known_again_after_a_restart() -> None:
    bus = start()
    follow(bus)
    grants = [[OPERATOR, "aggregation", 1, 0]]
    put_in_force(bus, grants)
    for value in range(3):
        read(bus, 1.0 + value)
    bus.core.kill(AREA)
    bus.core.revive(AREA)
    follow(bus)
    read(bus, 9.0)  # by reference: the meter has sent it in full twice
    assert ids_of(bus, AREA)[-1].policy.plain() == grants


def test_garbage_for_a_policy_grants_nothing() -> None:
    known = Policies(MemoryNotebook())
    for garbage in ("00" * 8, "", [[1]], [[OPERATOR, "x", 9, 0]], [None]):
        assert known.incoming(garbage).plain() == []
    codec = CborCodec(CATALOGUE)
    for field in (1, "text", {1: 2}, True, 1.5):
        payload = cbor2.dumps({0: 0, 1: 1, 2: 1, 6: 5.0, 13: field}, canonical=True)
        with pytest.raises(ValueError, match="policy"):
            codec.decode(payload, METER, AREA)


# -- houses and contracts ----------------------------------------------------------------------


def test_data_of_a_device_leave_the_house_by_the_customers_unit_alone() -> None:
    grants = [["supplier", "probe", 1, 0]]
    bus = start(**{DMU: {"policies": {"device.energy": grants}}})
    follow(bus, CMU, variable="device.energy", of=DMU)
    read(bus, 42.0, "device.energy", "i/ev")
    refused = ask(bus, TOP, "probe", variable="device.energy", of=DMU)
    assert refused.result is Result.DENIED  # though the policy grants it
    answer = ask(bus, TOP, "probe", variable="device.energy", of=DMU, at=CMU)
    assert (answer.result, answer.value, answer.owner) == (Result.OK, 42.0, CUSTOMER)
    other = ask(bus, TOP, "aggregation", variable="device.energy", of=DMU, at=CMU)
    assert other.result is Result.DENIED
    denied = [one.element for one in bus.events if one.kind == "access_denied"]
    assert denied == [DMU, CMU]
    for operation in (
        lambda data: data.event("device.energy", DMU),
        lambda data: data.periodic("device.energy", DMU, 1000),
        lambda data: data.write("set_point", DMU, {"p_w": 1}),
    ):
        issued = operation(service(bus, TOP, "probe").context.data)
        settle(bus)
        assert service(bus, TOP, "probe").outcome(issued.id).result is Result.DENIED


def test_what_a_contract_grants_and_a_policy_denies_is_told_to_both() -> None:
    contract = {"energy.import": [["supplier", "probe", 1, 900_000]]}
    bus = start(**{METER: {"contracts": contract, "policies": {
        "energy.import": [["supplier", "probe", 1, 3_600_000]]}}})  # fmt: skip
    heard = service(bus, CMU, "probe")
    follow(bus, CMU, "probe", variable="access.conflict")
    read(bus, 1.0)
    assert ask(bus, TOP, "probe").result is Result.OK
    early = ask(bus, TOP, "probe")
    assert (early.result, early.value) == (Result.RATE, None)  # sooner than the contract says, too
    bus.run(bus.now_ms + 900_000)
    rated = ask(bus, TOP, "probe")
    assert (rated.result, rated.value) == (Result.RATE, {"conflict": "contract"})
    put_in_force(bus, [])
    read(bus, 2.0)
    denied = ask(bus, TOP, "probe")
    assert (denied.result, denied.value) == (Result.DENIED, {"conflict": "contract"})
    assert ask(bus, TOP, "metering").value is None  # what no contract grants is no conflict
    events = [one.value for one in bus.events if one.kind == "access_conflict"]
    assert [(one["stakeholder"], one["result"]) for one in events] == [
        ("supplier", "rate"), ("supplier", "denied")
    ]  # fmt: skip
    told = [one.value["result"] for one in heard.heard if one.variable == "access.conflict"
            and one.t_ms != -1]  # fmt: skip
    assert told == ["rate", "denied"]


def test_a_notification_that_a_contract_grants_is_a_conflict_where_it_is_withheld() -> None:
    bus = start(**{METER: {"contracts": {"energy.import": [[OPERATOR, "aggregation", 1, 0]]}}})
    follow(bus)
    read(bus, 1.0)
    put_in_force(bus, [])
    read(bus, 2.0)
    [event] = [one.value for one in bus.events if one.kind == "access_conflict"]
    assert (event["operation"], event["result"]) == ("event", "denied")


# -- never a grant without policy --------------------------------------------------------------

some_grants = st.lists(
    st.tuples(
        st.sampled_from([OPERATOR, "supplier", "all"]),
        st.sampled_from(["aggregation", "probe", "all"]),
        st.sampled_from([0, 1, 1, 3]),
        st.sampled_from([0, 0, 3000]),
    ).map(list),
    max_size=3,
)
CALLERS: dict[str, Callable[[], tuple[str, str, str]]] = {
    "top": lambda: (TOP, "aggregation", OPERATOR),
    "supplier": lambda: (TOP, "probe", "supplier"),
    "area": lambda: (AREA, "aggregation", OPERATOR),
}


class CopiesMachine(RuleBasedStateMachine):
    """Whoever reads whichever copy when: each value goes only where its own policy lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = 0

    @initialize(level=st.sampled_from(["none", "integrity"]))
    def begin(self, level: str) -> None:
        def fates(frame: Any, _t_ms: int) -> tuple[int, ...]:
            if self.lost and frame.cause.startswith("f#") and frame.dst == AREA:
                self.lost -= 1
                return ()
            return (20,)

        self.bus = start(level, fates=fates)
        self.policy = CATALOGUE.get("energy.import").policy.plain()
        self.of: dict[float, list[list[Any]]] = {}
        self.given: list[tuple[str, str, float]] = []
        self.accesses: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
        self.asked: dict[str, tuple[str, str, str, int, str]] = {}
        follow(self.bus)

    @rule(times=st.integers(1, 3))
    def the_network_loses(self, times: int) -> None:
        self.lost = times

    @rule()
    def the_meter_is_read(self) -> None:
        value = float(len(self.of) + 1)
        self.of[value] = self.policy
        read(self.bus, value)

    @rule(grants=some_grants)
    def the_customer_changes_her_mind(self, grants: list[list[Any]]) -> None:
        assert put_in_force(self.bus, grants) is Result.OK
        self.policy = grants

    @rule()
    def the_substation_follows(self) -> None:
        follow(self.bus)

    @rule(unit=st.sampled_from([AREA, METER]))
    def a_unit_begins_anew(self, unit: str) -> None:
        self.bus.core.kill(unit)
        self.bus.core.revive(unit)
        settle(self.bus)

    @rule(ms=st.integers(1, 4000))
    def time_passes(self, ms: int) -> None:
        self.bus.run(self.bus.now_ms + ms)
        self.bus.poke()

    @rule(who=st.sampled_from(sorted(CALLERS)), at=st.sampled_from(["", AREA]))
    def somebody_reads(self, who: str, at: str) -> None:
        unit, name, stakeholder = CALLERS[who]()
        t_ms = self.bus.now_ms
        answer = ask(self.bus, unit, name, at=at)
        if answer.result is Result.OK:
            self.checked(answer.value, stakeholder, name)
            where = (at or METER, stakeholder, name)
            policy = Policy.from_plain(self.of[answer.value])
            grant = policy.find(stakeholder, name)
            assert grant is not None
            for earlier, _ in self.accesses.get(where, ()):
                assert t_ms - earlier >= grant.min_delay_ms - 40  # both took up to 20 ms to come
            self.accesses.setdefault(where, []).append((t_ms, grant.min_delay_ms))

    def checked(self, value: float, stakeholder: str, name: str) -> None:
        assert Policy.from_plain(self.of[value]).allows(1, stakeholder, name)

    @invariant()
    def whatever_was_told_was_granted(self) -> None:
        if not hasattr(self, "bus"):
            return
        for one in service(self.bus, AREA).heard:
            if one.result is Result.OK and one.t_ms != -1 and one.value is not None:
                self.checked(one.value, OPERATOR, "aggregation")

    @invariant()
    def copies_never_grant_more_than_the_source(self) -> None:
        if not hasattr(self, "bus"):
            return
        for copy in ids_of(self.bus, AREA):
            assert copy.policy.plain() in (self.of[copy.value], [])


CopiesMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
test_no_copy_is_ever_given_out_without_a_policy_that_lets_it = CopiesMachine.TestCase
