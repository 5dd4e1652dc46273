"""Whatever a certified unit writes to another one's group management does no harm to others."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controllers.unit import Loopback, UnitsCore
from tests.controllers.group.conftest import START, group, tree

SUB, OTHER, TOP = "lvgmu/lv1", "lvgmu/lv2", "tlgmu/top"
_LEAF = st.one_of(
    st.none(), st.booleans(), st.integers(-(1 << 63), (1 << 63) - 1), st.text(max_size=8),
    st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip
_KEYS = ("why", "generation", "step", "tag", "up_to", "key_b64", "list_b64", "unit", "x")
_VALUE = st.one_of(
    st.none(), st.dictionaries(st.sampled_from(_KEYS), st.one_of(_LEAF, st.lists(_LEAF)))
)
_VARIABLES = ("group.join", "group.admit", "group.beat", "group.leave", "group.revocations")


@pytest.mark.parametrize("security", ["none", "integrity"])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(writes=st.lists(st.tuples(st.sampled_from(_VARIABLES), _VALUE), min_size=1, max_size=6))
def test_nonsense_from_a_stranger_changes_no_group(
    security: str, writes: list[tuple[str, Any]]
) -> None:
    spec = {"units": tree(meters=2), "security": security, "group": {"start": START}}
    bus = Loopback(UnitsCore(spec, 1))
    bus.run(200_000)
    stranger = bus.core.unit(OTHER).context("group")  # a unit, but not of this group
    for variable, value in writes:
        for victim in (SUB, "meter/lv1/load-0"):
            stranger.write(variable, victim, value)
    bus.poke()
    bus.run(600_000)
    core = bus.core
    assert group(core, SUB).members == ["meter/lv1/load-0", "meter/lv1/load-1"]
    assert group(core, "meter/lv1/load-0").parent == SUB
    assert group(core, TOP).members == [SUB, OTHER]
    told = {row["state"] for row in bus.table("membership")}
    assert told <= {"joined", "refused"}
    ring = group(core, SUB)._head._ring
    assert ring.generation == 0
