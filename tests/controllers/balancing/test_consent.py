"""A customer that withdraws: what it had agreed to is nobody's to reckon with any more."""

from __future__ import annotations

from typing import Any

import pytest

from controllers.unit.service import Notification, Result


@pytest.mark.parametrize(("result", "kept"), [(Result.DENIED, False), (Result.TIMEOUT, True)])
def test_who_refuses_is_forgotten_who_is_silent_is_not(
    Street: Any,
    result: Result,
    kept: bool,
) -> None:
    street = Street(houses=6)
    street.run(20)  # vehicles are there and planned
    parent, child = street.parent, "cmu/a/1"
    member = parent._members[child]
    assert member.p_w is not None
    street.bus.schedule = lambda src, dst, _: [] if child in (src, dst) else [20]
    parent.notify(Notification("n#1", "r", result, "balancing.request", child, "", None, -1))
    street.run(21)
    assert (member.p_w is not None) is kept
    assert not member.flexible
    assert sum(one.p_w is not None for one in parent._members.values()) == 5 + kept
    rows = [row for row in street.rows() if row["t_ms"] > 20 * 3_600_000]
    assert max(row["round"] for row in rows) > 0  # the others go on
    street.bus.schedule = lambda src, dst, _: [20]  # it takes part again
    street.run(22)
    assert member.p_w is not None
    assert member.heard_ms > 21 * 3_600_000
