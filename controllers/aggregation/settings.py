"""How one unit's aggregation is done, from its parameters and its place in the tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controllers.security.aggregator import SCHEMES, Group
from controllers.security.disclosure import Rule
from controllers.unit.directory import Directory
from fernwatt.errors import Fault, ScenarioError
from fernwatt.timebase import HOUR_MS, SLOT_MS

__all__ = ["HIDDEN", "AggregationSettings", "Hiding", "make_hiding", "make_rule", "make_settings"]

HIDDEN = "privacy"
"""Service of meters that hide what they measure."""

_AGGREGATION = "aggregation"
_LEVEL_MS, _GRACE_MS, _SETTLE_MS = 60_000, 120_000, 20_000


@dataclass(frozen=True, slots=True)
class AggregationSettings:
    """``subscribe`` is how areas below are followed; ``deadline_ms`` counts from a slot's end.

    Who is late ``ask_ms`` before the deadline is asked for the value itself (0: nobody is).
    Joins of children are spread over ``join_ms``; ``poll_count`` meters are asked for their
    voltage every ``poll_ms``. No customer takes or gives more than ``most_wh`` in a slot.
    """

    subscribe: str = "event"
    period_ms: int = SLOT_MS
    deadline_ms: int = _GRACE_MS
    ask_ms: int = 0
    join_ms: int = 300_000
    check: bool = True
    poll_count: int = 0
    poll_ms: int = 3_600_000
    most_wh: float = 25_000.0


@dataclass(frozen=True, slots=True)
class Hiding:
    """How sums are hidden: by which scheme, among how many, resolved in how many ``rounds``.

    A round of asking survivors takes ``round_ms``, the last ``ask_ms`` of it for who is late.
    """

    scheme: str = "masking"
    neighbours: int = 16
    minimum: int = 15
    rounds: int = 2
    round_ms: int = 180_000
    ask_ms: int = _GRACE_MS - _SETTLE_MS

    def group(self, directory: Directory, unit: str) -> Group:
        """Return the meters below ``unit`` that hide, and the unit above it, which reads."""
        entry = directory[unit]
        members = [child for child in entry.children if HIDDEN in directory[child].services]
        return Group.of(members, entry.parent, self.neighbours, self.minimum)


def make_hiding(params: Mapping[str, Any], path: str) -> Hiding | None:
    """Return how sums are hidden; None where they are not. Raises ScenarioError."""
    wanted = params.get("hiding")
    if wanted is None:
        return None
    scheme = wanted.get("scheme", "masking")
    if scheme not in SCHEMES:
        raise ScenarioError(
            [Fault(f"{path}.hiding.scheme", f"{scheme!r}", f"one of {', '.join(SCHEMES)}")]
        )
    usual = Hiding()
    return Hiding(
        scheme,
        int(wanted.get("neighbours", usual.neighbours)),
        int(wanted.get("min_customers", usual.minimum)),
        int(wanted.get("rounds", usual.rounds)),
        _ms(params, "spread_s", 60_000) + _GRACE_MS,
    )


def make_rule(params: Mapping[str, Any], path: str) -> Rule | None:
    """Return when a sum becomes the operator's; None where it does at once."""
    wanted = params.get("disclosure")
    if wanted is None:
        return None
    try:
        return Rule(
            int(wanted.get("min_customers", 15)),
            float(wanted.get("max_share", 0.15)),
            _ms(wanted, "min_span_s", 0),
        )
    except ValueError as error:
        raise ScenarioError([Fault(f"{path}.disclosure", str(error))]) from error


def make_settings(
    unit: str, params: Mapping[str, Any], directory: Directory
) -> AggregationSettings:
    """Return the settings of a unit's specification.

    ``params``: ``subscribe``, ``period_s``, ``spread_s`` of the meters below, ``deadline_s``,
    ``ask_s``, ``join_s``, ``check``, ``poll: {count, period_s}``, ``most_w`` (the largest
    power of a customer's connection, 100 kW), ``hiding: {scheme, neighbours,
    min_customers, rounds}``, ``disclosure: {min_customers, max_share, min_span_s}``. Raises
    ScenarioError.
    """
    path = f"units.{unit}.services.aggregation"
    areas = any(_AGGREGATION in directory[child].services for child in directory[unit].children)
    top = not directory[unit].parent
    subscribe = params.get("subscribe", "periodic" if top else "event")
    if subscribe not in {"event", "periodic"}:
        raise ScenarioError([Fault(f"{path}.subscribe", f"{subscribe!r}", "event or periodic")])
    period_ms = _ms(params, "period_s", SLOT_MS)
    level = directory.levels(unit, _AGGREGATION)
    deadline_ms = _ms(params, "spread_s", 60_000) + _GRACE_MS + _LEVEL_MS * (level - 1)
    deadline_ms += period_ms if subscribe == "periodic" and areas else 0
    hiding = make_hiding(params, path)
    if hiding is not None and level > 1:  # below, drop-outs may have to be resolved first
        deadline_ms += hiding.rounds * hiding.round_ms
    # meters have all reported after the spread, areas a level's time before the deadline
    ask_ms = _LEVEL_MS - _SETTLE_MS if areas else _GRACE_MS - _SETTLE_MS
    poll = params.get("poll") or {}
    return AggregationSettings(
        subscribe,
        period_ms,
        _ms(params, "deadline_s", deadline_ms),
        _ms(params, "ask_s", ask_ms),
        _ms(params, "join_s", 300_000),
        bool(params.get("check", True)),
        int(poll.get("count", 3 if top else 0)),
        _ms(poll, "period_s", 3_600_000),
        float(params.get("most_w", 100_000.0)) * SLOT_MS / HOUR_MS,
    )


def _ms(params: Mapping[str, Any], key: str, default_ms: int) -> int:
    value = params.get(key)
    return default_ms if value is None else round(value * 1000)
