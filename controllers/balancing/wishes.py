"""What a customer wants of balancing: weights of aims, and limits that nothing from above moves.

A strategy comes with the scenario or, over the Data Interface, as ``customer.strategy``::

    weights  {requests, cost, self_consumption, comfort}   each >= 0, one of them at least > 0
    limits   {import_max_w, export_max_w, vehicle_max_w, vehicle_first_percent,
              battery_min_percent, beyond}

Of the record's other fields (``follow``, ``max_percent``, ``max_h``) device control takes notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Limits", "Strategy", "Weights"]

_OF_OTHERS = {"follow", "max_percent", "max_h"}
_HEAVIEST, _MOST_W, _PERCENT = 1000.0, 1e7, 100.0


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each aim counts against the others.

    ``requests``: come near to what the parent asks for; ``cost``: pay little; ``self_consumption``:
    exchange little with the grid; ``comfort``: devices do what they would do by themselves.
    """

    requests: float = 1.0
    cost: float = 0.0
    self_consumption: float = 0.0
    comfort: float = 0.0

    @property
    def own(self) -> bool:
        """Whether there is an aim besides the requests."""
        return self.cost > 0 or self.self_consumption > 0 or self.comfort > 0

    @property
    def quadratic(self) -> float:
        """Sum of the weights that stand for a distance from a profile."""
        return self.requests + self.self_consumption + self.comfort


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds whatever is asked; None: no limit of that kind.

    ``import_max_w`` and ``export_max_w`` are of the whole house, ``vehicle_max_w`` of each vehicle.
    A vehicle gets the first ``vehicle_first_percent`` of what it needs at once; a battery is not
    emptied below ``battery_min_percent`` of its capacity. ``beyond`` says whether comfort may be
    given up where a limit of the grid cannot be kept otherwise.
    """

    import_max_w: float | None = None
    export_max_w: float | None = None
    vehicle_max_w: float | None = None
    vehicle_first_percent: float = 0.0
    battery_min_percent: float = 0.0
    beyond: bool = True


@dataclass(frozen=True, slots=True)
class Strategy:
    """A customer's weights and hard limits."""

    weights: Weights = field(default_factory=Weights)
    limits: Limits = field(default_factory=Limits)

    def changed(self, value: Any) -> Strategy | None:
        """Return the strategy with what a record says; None where it is no strategy.

        What the record leaves out stays; a limit of null is lifted.
        """
        if not isinstance(value, Mapping) or not value.keys() <= _OF_OTHERS | {"weights", "limits"}:
            return None
        weights, limits = (
            {} if (part := value.get(name)) is None else part for name in ("weights", "limits")
        )
        if not _are(weights, _WEIGHTS) or not _are(limits, _LIMITS):
            return None
        new = Strategy(
            Weights(**asdict(self.weights) | dict(weights)),
            Limits(**asdict(self.limits) | dict(limits)),
        )
        return new if any(asdict(new.weights).values()) else None


def _are(record: Any, rules: Mapping[str, Any]) -> bool:
    return isinstance(record, Mapping) and all(
        name in rules and rules[name](value) for name, value in record.items()
    )


def _up_to(most: float) -> Any:
    return lambda value: type(value) in (int, float) and 0 <= value <= most


def _watts(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 <= value <= _MOST_W)


def _truth(value: Any) -> bool:
    return type(value) is bool


_WEIGHTS = dict.fromkeys(("requests", "cost", "self_consumption", "comfort"), _up_to(_HEAVIEST))
_LIMITS: dict[str, Any] = {
    "import_max_w": _watts,
    "export_max_w": _watts,
    "vehicle_max_w": _watts,
    "vehicle_first_percent": _up_to(_PERCENT),
    "battery_min_percent": _up_to(_PERCENT),
    "beyond": _truth,
}
