"""Services take what fits from whoever may write, and never fail for the rest."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controllers.unit import CATALOGUE, Loopback, UnitsCore
from controllers.unit.shapes import _SHAPES, fits

TOP, LV, METER, CMU, DER = "tlgmu/top", "lvgmu/a", "meter/a/1", "cmu/a/1", "dermu/a/1/pv"
PLATE = {"kind": "pv", "p_max_w": 5000.0, "q_max_var": 2180.0, "start_s": 60, "restart_s": 30,
         "stop_s": 1, "ramp_w_per_s": 83.0}  # fmt: skip
PLATE["takes"] = ["set_point", "reactive_set_point"]
SUMS = {"meters": [METER], "houses": [CMU], "ders": [DER], "join_s": 1.0}
NAMES = ["t_ms", "p_w", "v_v", "items", "version", "units", "kind", "active", "interruptions",
         "at 06:00", "at 6", "export_max_w", "power_factor", "element", "x"]  # fmt: skip
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-(1 << 60), 1 << 60),
    st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(NAMES),
)  # fmt: skip
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=8,
)

NUMBERS = st.one_of(st.floats(-1e15, 1e15, exclude_min=True, exclude_max=True), st.integers(-9, 9))
INTEGERS = st.one_of(st.integers(-3, 3), st.integers(-(1 << 50), 1 << 50))
ITEMS = st.dictionaries(st.sampled_from([*NAMES, "at 22:00", "price T1"]), LEAVES, max_size=5)
NUMBER_LISTS = st.lists(st.one_of(st.none(), NUMBERS), max_size=4)
OF_KIND = {
    "n": NUMBERS, "i": INTEGERS, "s": st.sampled_from(["", LV, METER, "grid.model", "x"]),
    "b": st.booleans(), "d": ITEMS, "l": st.lists(LEAVES, max_size=3), "N": NUMBER_LISTS,
    "P": st.lists(st.lists(INTEGERS, min_size=2, max_size=2), max_size=2),
    "S": st.dictionaries(st.sampled_from(NAMES), ITEMS, max_size=2),
}  # fmt: skip


def shaped(variable):
    """Return values of a variable's shape: any content, of the right kinds."""
    parts = [part.partition(":") for part in _SHAPES[variable].split()]
    always = {key: OF_KIND[kind[0]] for key, _, kind in parts if not kind.endswith("?")}
    maybe = {key: st.one_of(st.none(), OF_KIND[kind[0]]) for key, _, kind in parts if kind[1:]}
    return st.fixed_dictionaries(always, optional=maybe)


WRITES = st.sampled_from(sorted(_SHAPES)).flatmap(
    lambda name: st.tuples(
        st.sampled_from([TOP, LV, METER, CMU, DER]), st.just(name), st.one_of(shaped(name), JSON)
    )
)


class Hand:
    """Writes what the test says, in the name of a unit's own stakeholder."""

    name = "hand"

    def start(self, context):
        self.context = context

    def notify(self, notification):
        del notification

    def timer(self, name):
        del name


def world():
    home = {"customer": "customer/1", "owner": "customer/1"}
    registry = {"parent": LV}
    units = [
        {"id": TOP, "kind": "tlgmu", "owner": "operator", "children": [LV], "services": {
            "concentrator": {"areas": [LV], "deadline_s": 240.0}, "hand": {},
            "inspection": {"areas": {LV: [METER]}}, "exports": {"interfaces": {}},
            "registry": {"below": {LV: [LV, METER, DER]}}, "orders": {}}},
        {"id": LV, "kind": "lvgmu", "parent": TOP, "owner": "operator", "children": [METER, DER],
         "services": {"concentrator": SUMS, "values": {"sensors": []}, "hand": {},
                      "registry": {"parent": TOP, "below": {METER: [METER], DER: [DER]}},
                      "orders": {"meters": [METER], "ders": {DER: 5000.0}}}},
        {"id": METER, "kind": "meter", "parent": LV, "children": [CMU], **home,
         "stakeholders": {"registry": "operator", "hand": "operator"},
         "services": {"values": {}, "tariffs": {}, "registry": registry, "hand": {}}},
        {"id": CMU, "kind": "cmu", "parent": METER, **home,
         "services": {"home": {"meter": METER, "devices": {}}, "hand": {}}},
        {"id": DER, "kind": "dermu", "parent": LV, **home,
         "actuators": dict.fromkeys(PLATE["takes"], "actuator/1"),
         "stakeholders": {"registry": "operator"},
         "services": {"der": PLATE, "registry": registry, "hand": {}}},
    ]  # fmt: skip
    bus = Loopback(UnitsCore({"units": units}, 1, factories={"hand": lambda *_: Hand()}))
    bus.run(120_000)
    return bus


@given(st.sampled_from(sorted(_SHAPES)).flatmap(
    lambda name: st.tuples(st.just(name), shaped(name))))  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_what_has_the_shape_fits(write):
    assert fits(*write)


def test_the_shapes_are_of_declared_variables():
    assert all(CATALOGUE.get(name) is not None for name in _SHAPES)


@given(st.lists(WRITES, min_size=1, max_size=30))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_written_no_service_fails(values):
    bus = world()
    for unit, variable, value in values:
        bus.poke()
        port = bus.core.unit(unit).context("hand")
        for stakeholder in ("operator", "customer/1", "supplier"):
            port._stakeholder = stakeholder
            port.data.write(variable, unit, value)
        bus.poke()
        bus.run(bus.now_ms + 1000)
    bus.run(bus.now_ms + 3_600_000)  # summaries are made of what was taken


@given(WRITES)
@settings(max_examples=300, deadline=None)
def test_what_fits_has_all_that_its_readers_rely_on(write):
    _, variable, value = write
    if fits(variable, value):
        for part in _SHAPES[variable].split():
            key, _, kind = part.partition(":")
            assert kind.endswith("?") or value.get(key) is not None
