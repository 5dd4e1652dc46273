"""Any sequence of operations against a model of a few lines: what is granted, to whom, when.

The unit that holds the data is killed now and then, and built anew from its memory.

The bus doubles and delays frames at will; what the services see must not depend on it.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from controllers.storage import DiskMemory
from controllers.unit import Loopback, Result, UnitsCore
from fernwatt.messages import Reading

OPERATOR, CUSTOMER = "operator", "customer/a"
AREA, METER = "lvgmu/a", "meter/a/x"
SERVICES = ("aggregation", "metering")
BETWEEN = "concentrator/a"
VARIABLE = "voltage"

some_policies = st.lists(
    st.tuples(
        st.sampled_from([OPERATOR, "all", "other"]),
        st.sampled_from([*SERVICES, "all"]),
        st.sampled_from([0, 1, 2, 3]),
        st.sampled_from([0, 0, 400, 5000]),
    ).map(list),
    max_size=3,
)
# so that others write, too, and that delays hold
policies = some_policies | st.sampled_from([[["all", "all", 3, 0]], [["all", "all", 1, 5000]]])
services = st.sampled_from(SERVICES)


class Listener:
    def __init__(self, name):
        self.name, self.heard = name, []

    def start(self, context):
        self.context = context

    def notify(self, notification):
        self.heard.append(notification)

    def timer(self, name):
        raise AssertionError("no timer was set")


class DataInterfaceMachine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        services = {name: {} for name in SERVICES}
        spec = {
            "units": [
                {"id": AREA, "children": [BETWEEN], "owner": OPERATOR, "services": services},
                {"id": BETWEEN, "parent": AREA, "children": [METER], "owner": OPERATOR},
                {"id": METER, "parent": BETWEEN, "customer": CUSTOMER, "owner": CUSTOMER,
                 "instruments": ["i/x"], "services": services},
            ]
        }  # fmt: skip
        self.spec, self.extra = spec, ()
        self.folder, self.memory = TemporaryDirectory(), None

    @initialize(
        level=st.sampled_from(["none", "integrity"]), on_disk=st.booleans(), far=st.booleans()
    )
    def the_units_begin(self, level, on_disk, far):
        # far: requests travel over a unit between, and take twice as long
        self.one_way_ms, routing = (40, "levels") if far else (20, "direct")
        factories = {name: lambda _s, _p, _d, name=name: Listener(name) for name in SERVICES}
        self.memory = (
            DiskMemory(Path(self.folder.name) / "units.db", lambda unit: unit.encode().ljust(32))
            if on_disk
            else None
        )
        core = UnitsCore(
            {**self.spec, "security": level, "routing": routing},
            1,
            factories=factories,
            memory=self.memory,
        )
        self.bus = Loopback(core, fates=lambda frame, t: (20, *self.extra))
        self.bus.run(0)
        default = [[OPERATOR, name, 1, 0] for name in (*SERVICES, "balancing")]
        # the model
        self.policy = self.index(default)
        self.instances: list[tuple[float, dict]] = []
        self.events: dict[str, tuple[str, float]] = {}
        self.expected: dict[str, list[tuple[Result, float | None]]] = {}
        self.last: dict[tuple[str, int], int] = {}
        self.number = 0

    @staticmethod
    def index(policy):
        return {(who, service): (rights, delay) for who, service, rights, delay in policy}

    def grant(self, policies, right, service, t_ms):
        """The model's own decision for the operator."""
        delay = 0
        for policy in policies:
            for who, what in ((OPERATOR, service), (OPERATOR, "all"), ("all", service),
                              ("all", "all")):  # fmt: skip
                if (who, what) in policy:
                    rights, wanted = policy[who, what]
                    break
            else:
                return Result.DENIED
            if not rights & right:
                return Result.DENIED
            delay = max(delay, wanted)
        if delay:
            if t_ms - self.last.get((service, right), -(10**9)) < delay:
                return Result.RATE
            self.last[service, right] = t_ms
        return Result.OK

    def written(self, value, t_ms):
        self.instances.append((value, self.policy))
        for event, (service, limit) in list(self.events.items()):
            if value <= limit:
                continue
            result = self.grant([self.policy], 1, service, t_ms)
            if result is Result.DENIED:
                del self.events[event]
            if result is not Result.RATE:
                shown = value if result is Result.OK else None
                self.expected[event].append((result, shown))

    def listener(self, service, unit=AREA):
        return self.bus.core.service(unit, service)

    def settle(self):
        self.bus.poke()
        self.pass_time(100)

    def pass_time(self, ms):
        self.bus.run(self.bus.now_ms + ms)
        self.bus.poke()  # what a rule asks next is asked at this instant, not at the last event's

    @rule(extra=st.lists(st.integers(21, 90), max_size=2))
    def the_network_doubles(self, extra):
        self.extra = tuple(extra)

    @rule(value=st.floats(0, 400))
    def the_instrument_reads(self, value):
        self.number += 1
        t_ms = self.bus.now_ms
        reading = Reading(f"f#{self.number}", "", "i/x", VARIABLE, t_ms, t_ms, value, "V")
        self.bus.run(t_ms, [reading])
        self.written(value, t_ms)
        self.settle()

    @rule(value=st.floats(0, 400), policy=st.none() | policies)
    def the_owner_writes(self, value, policy):
        t_ms = self.bus.now_ms
        self.listener("metering", METER).context.data.write(VARIABLE, METER, value, policy=policy)
        if policy is not None:
            self.policy = self.index(policy)
        self.written(value, t_ms)
        self.settle()

    @rule(value=st.floats(0, 400), service=services)
    def the_operator_writes(self, value, service):
        t_ms = self.bus.now_ms + self.one_way_ms
        listener = self.listener(service)
        issued = listener.context.data.write(VARIABLE, METER, value, policy=[["all", "all", 3, 0]])
        result = self.grant([self.policy], 2, service, t_ms)
        if result is Result.OK:
            self.written(value, t_ms)
        self.expected[issued.id] = [(result, None)]
        self.settle()

    @rule(service=services, function=st.sampled_from(["last", "count", "max"]),
          limit=st.none() | st.floats(0, 400))  # fmt: skip
    def somebody_asks(self, service, function, limit):
        condition = "" if limit is None else f"value > {limit!r}"
        issued = self.listener(service).context.data.query(
            VARIABLE, METER, condition=condition, function=function
        )
        chosen = [one for one in self.instances if limit is None or one[0] > limit]
        if function == "last" and limit is None:
            chosen = chosen[-1:]
        policies = [policy for _, policy in chosen] or [self.policy]
        result, value = self.grant(policies, 1, service, self.bus.now_ms + self.one_way_ms), None
        if result is Result.OK and not chosen and function != "count":
            result = Result.NO_DATA
        elif result is Result.OK:
            values = [one[0] for one in chosen]
            value = {"last": lambda: values[-1], "count": lambda: len(values),
                     "max": lambda: max(values)}[function]()  # fmt: skip
        self.expected[issued.id] = [(result, value)]
        self.settle()

    @rule(service=services, limit=st.sampled_from([-1.0, 100.0, 230.0]))
    def somebody_subscribes(self, service, limit):
        issued = self.listener(service).context.data.event(
            VARIABLE, METER, condition=f"value > {limit}"
        )
        rights = [self.policy.get(key) for key in ((OPERATOR, service), (OPERATOR, "all"),
                                                   ("all", service), ("all", "all"))]  # fmt: skip
        found = next((one for one in rights if one is not None), (0, 0))
        allowed = bool(found[0] & 1)
        same = [key for key, what in self.events.items() if what == (service, limit)]
        result = Result.REPLACED if same else Result.OK
        self.expected[issued.id] = [(result if allowed else Result.DENIED, None)]
        if allowed:
            for key in same:
                del self.events[key]
            self.events[issued.id] = (service, limit)
        self.settle()

    @rule(data=st.data())
    def somebody_unsubscribes(self, data):
        if not self.events:
            return
        event = data.draw(st.sampled_from(sorted(self.events)))
        service = data.draw(services)
        issued = self.listener(service).context.data.unsubscribe(event, METER)
        own = self.events[event][0] == service
        if own:
            del self.events[event]
        result = Result.OK if own else Result.UNKNOWN_SUBSCRIPTION
        self.expected[issued.id] = [(result, None)]
        self.settle()

    @rule(down_ms=st.integers(0, 2000))
    def the_meter_is_killed_and_begins_anew(self, down_ms):
        self.bus.core.kill(METER)
        self.pass_time(down_ms)
        self.bus.core.revive(METER)
        self.settle()

    @rule(down_ms=st.integers(0, 2000))
    def the_unit_between_is_killed_and_begins_anew(self, down_ms):
        self.bus.core.kill(BETWEEN)
        self.pass_time(down_ms)
        self.bus.core.revive(BETWEEN)
        self.settle()

    @rule(ms=st.integers(1, 3000))
    def time_passes(self, ms):
        self.pass_time(ms)

    def teardown(self):
        if self.memory is not None:
            self.memory.close()
        self.folder.cleanup()

    @invariant()
    def everybody_heard_exactly_what_the_model_says(self):
        heard: dict[str, list] = {}
        for service in SERVICES:
            for one in self.listener(service).heard:
                heard.setdefault(one.request, []).append((one.result, one.value))
        assert heard == self.expected

    @invariant()
    def no_instance_is_lost(self):
        store = self.bus.core.unit(METER).store.series(VARIABLE, CUSTOMER, METER)
        assert [one.value for one in store] == [value for value, _ in self.instances]


DataInterfaceMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None
)
test_the_data_interface_does_what_the_model_does = DataInterfaceMachine.TestCase
