"""Whatever comes over the network, a balancing service goes on."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controllers.balancing import build
from controllers.balancing.sound import is_sound
from controllers.unit.service import Notification, Result
from tests.controllers.balancing.conftest import START, Bus

HOUSE, SUBSTATION, METER, CAR, STORE = "cmu/x", "lvgmu/a", "meter/x", "dmu/x/ev", "dmu/x/battery"
NOW = 2_700_000
NAMES = [
    "child", "negotiation", "round", "profile", "slot", "slots", "unit_w", "p", "d", "k", "take",
    "improvement_w", "ask", "flexible", "steerable", "session", "energy_wh", "departure_ms",
    "p_max_w", "p_min_w", "start_ms", "step_ms", "import_wh", "export_wh", "exchange", "open",
    "mean_w", "distances", "beyond", "upper_w", "lower_w",
]  # fmt: skip
NUMBERS = st.one_of(
    st.integers(-3, 200), st.integers(-(1 << 62), 1 << 62), st.floats(allow_nan=False),
    st.sampled_from([NOW, NOW + 3_600_000, NOW // 1000, NOW // 1000 + 1, 0, 1, 96]),
)  # fmt: skip
LEAVES = st.one_of(NUMBERS, st.none(), st.booleans(), st.text(max_size=5), st.just(HOUSE))
VALUES = st.one_of(
    LEAVES,
    st.dictionaries(
        st.sampled_from(NAMES), st.one_of(LEAVES, st.lists(NUMBERS, max_size=100)), max_size=24
    ),
)
OWN = {
    HOUSE: ["balancing.request", "balancing.signal", "balancing.accept"],
    METER: ["energy.import", "energy.export", "load_profile"],
    CAR: ["ev.session", "device.energy"],
    STORE: ["battery.soc", "device.energy"],
    SUBSTATION: [
        "balancing.profile",
        "balancing.offer",
        "balancing.update",
        "energy.import",
        "balancing.limit",
    ],
}
SOURCES = [(place, name) for place, names in OWN.items() for name in names]
REQUEST = {"negotiation": 2701, "slot": 4, "slots": 8, "unit_w": 10}
SIGNAL = {"negotiation": 2701, "round": 1, "profile": 1, "k": 1, "d": [3] * 8}
WISH = {"negotiation": 2701, "round": 1, "k": 1, "p": [3] * 8}
SOUND: list[tuple[str, Any]] = [
    ("balancing.request", REQUEST), ("balancing.signal", SIGNAL),
    ("balancing.request", REQUEST | {"exchange": "distance"}), ("balancing.signal", WISH),
    ("balancing.signal", SIGNAL | {"beyond": True}),
    ("balancing.profile", {"child": HOUSE, "negotiation": 2701, "round": 0, "profile": 1,
                           "flexible": True, "open": 1, "mean_w": 500}),
    ("balancing.offer", {"child": HOUSE, "negotiation": 2701, "round": 1, "distances": [7]}),
    ("balancing.limit", {"slot": 4, "upper_w": [1e4, None], "lower_w": []}),
    ("balancing.accept", {"negotiation": 2701, "round": 1, "take": True}),
    ("ev.session", None), ("battery.soc", 4000.0), ("energy.import", 12),
    ("balancing.update", {"child": HOUSE, "negotiation": 0, "ask": True}),
    ("load_profile", {"start_ms": -9, "step_ms": 900_000, "import_wh": [5], "export_wh": [0]}),
]  # fmt: skip


def told(variable: str, location: str, value: Any, t_ms: int = NOW) -> Notification:
    return Notification("n#1", "r#1", Result.OK, variable, location, "", value, t_ms)


def world(exchange: str = "profile") -> Bus:
    """A parent and a house with a car and a battery, some while after their start."""
    bus = Bus()
    devices = [
        {"kind": "ev", "id": "ev/x", "unit": CAR, "p_max_w": 11_000.0},
        {"kind": "battery", "id": "b/x", "unit": STORE, "p_max_w": 4000.0, "capacity_wh": 8000.0},
    ]
    child = {"role": "child", "start": START, "parent": SUBSTATION, "meter": METER}
    bus.add(HOUSE, build("balancing", child | {"devices": devices}, {"id": HOUSE}))
    parent = {"role": "parent", "start": START, "children": [HOUSE], "replan_s": 900.0}
    parent |= {"exchange": exchange, "limited": True}
    bus.add(SUBSTATION, build("balancing", parent, {"id": SUBSTATION}))
    bus.start()
    bus.run(NOW)
    return bus


@pytest.mark.parametrize(("variable", "value"), SOUND)
def test_what_fellow_units_send_is_sound(variable: str, value: Any) -> None:
    assert is_sound(told(variable, HOUSE, value), NOW)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("balancing.request", REQUEST | {"slots": 10**9}),
        ("balancing.request", REQUEST | {"slot": 10**9}),
        ("balancing.request", {"negotiation": 1}),
        ("balancing.signal", SIGNAL | {"k": 0}),
        ("balancing.signal", SIGNAL | {"d": [1, None]}),
        ("balancing.signal", WISH | {"round": 0}),
        ("balancing.signal", WISH | {"p": [0.5] * 8}),
        ("balancing.profile", None),
        (
            "balancing.profile",
            {"child": HOUSE, "negotiation": 2701, "round": 0, "profile": 1, "flexible": True},
        ),
        ("balancing.offer", {"child": HOUSE, "negotiation": 2701, "round": 1, "distances": [None]}),
        ("balancing.limit", {"slot": 10**9, "upper_w": [1e4]}),
        ("balancing.limit", {"slot": 4, "upper_w": ["no"]}),
        ("energy.import", 1e300),
        ("load_profile", {"start_ms": 0, "step_ms": 1, "import_wh": [1], "export_wh": []}),
    ],
)
def test_what_would_break_a_service_is_not(variable: str, value: Any) -> None:
    assert not is_sound(told(variable, HOUSE, value), NOW)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.sampled_from(SOURCES), VALUES), max_size=12),
    st.sampled_from(["profile", "distance"]),
)
def test_no_value_of_any_variable_stops_a_service(
    came: list[tuple[tuple[str, str], Any]], exchange: str
) -> None:
    bus = world(exchange)
    for (location, variable), value in came:
        receiver = SUBSTATION if location == SUBSTATION else HOUSE
        bus.contexts[receiver].service.notify(told(variable, location, value))
        bus.run(bus.now_ms + 20_000)
    bus.run(NOW + 3_600_000)
    made = [d for d in bus.decisions if d[2] == "negotiation"]
    assert made[-1][0] > NOW + 1_800_000
