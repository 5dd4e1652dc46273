"""What a child knows of a device, and the device's planning problem over a horizon.

Each kind of device is a module in ``controllers.balancing.kinds``: a ``Flexible``, which keeps what
was heard of one device, and the ``Problem`` that it makes of that for each negotiation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from controllers.balancing.planners import Watts
from controllers.balancing.registers import Register
from fernwatt.timebase import HOUR_MS, SLOT_MS

__all__ = [
    "STEP_H",
    "Flexible",
    "GivenUp",
    "Ints",
    "Order",
    "Power",
    "Problem",
    "Span",
    "ordered_wh",
    "round_profile",
]

STEP_H = SLOT_MS / HOUR_MS
Ints = NDArray[np.int64]
Power = list[tuple[int, float]]


def round_profile(p_w: Watts, unit_w: int = 1) -> Ints:
    """Return whole multiples of ``unit_w`` whose running sum stays within half of one of the
    profile's; a value that is such a multiple is never exceeded.
    """
    units = np.floor(np.cumsum(p_w / unit_w) + (0.5 + 1e-9))
    return unit_w * np.diff(units, prepend=0.0).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Span:
    """What a problem reaches over: ``slots`` from ``first_slot`` on, devices as of ``from_ms``."""

    from_ms: int
    first_slot: int
    slots: int
    unit_w: int = 1


@dataclass(frozen=True, slots=True)
class Order:
    """A value to write to a device's unit when ``slot`` begins, at once if that is over."""

    slot: int
    variable: str
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GivenUp:
    """What a profile takes of its customer's comfort: so many ``unit`` (Wh, Kh) of ``what``."""

    what: str
    amount: float
    unit: str


class Problem:
    """One device over a horizon: its constraints are frozen, its target is not.

    ``exact``: its plan is the nearest there is, so never farther from a target than another one.
    """

    __slots__ = ()
    exact: ClassVar[bool] = True

    @property
    def exceeds(self) -> bool:
        """Tell whether comfort may be given up: it is what ``beyond`` returned."""
        return False

    def plan(self, target_w: Watts) -> Ints:
        """Return the feasible profile nearest to the target [W], in whole units."""
        raise NotImplementedError

    def uncontrolled(self) -> Ints:
        """Return what the device does by itself [W]."""
        raise NotImplementedError

    def set_points(self, profile_w: Ints) -> list[float]:
        """Return the power that gives each slot's mean: more where it is there for a part."""
        return [float(p_w) for p_w in profile_w]

    def orders(self, profile_w: Ints) -> list[Order] | None:  # noqa: ARG002
        """Return what to order, oldest first, of a device that takes no power; None: it does."""
        return None

    def beyond(self) -> Problem | None:
        """Return the same device where comfort may be given up, as far as hard limits allow.

        None where there is nothing more. Its profile nearest to a target is never farther from it.
        """
        return None

    def given_up(self, profile_w: Ints) -> GivenUp | None:  # noqa: ARG002
        """Return what this profile takes of the customer's comfort; None: nothing."""
        return None


@dataclass(slots=True)
class Flexible:
    """What a child knows of one device: settings, newest readings and their identifiers.

    ``holds``: it can hold the house at a profile by its clamp. ``weather``: it wants forecasts.
    ``on_off``: it has one power, so where less is allowed it waits.
    """

    holds: ClassVar[bool] = False
    weather: ClassVar[bool] = False
    on_off: ClassVar[bool] = False

    id: str
    unit: str
    p_max_w: float
    energy: Register = field(default_factory=Register)
    causes: dict[str, str] = field(default_factory=dict)  # variable: newest notification

    @classmethod
    def _common(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "id": str(config["id"]),
            "unit": str(config["unit"]),
            "p_max_w": float(config["p_max_w"]),
        }

    def present(self, now_ms: int) -> bool:
        """Tell whether there is something to plan."""
        raise NotImplementedError

    def take(self, variable: str, value: Any, t_ms: int) -> bool:
        """Take a reading; return True when it calls for a new plan at once."""
        raise NotImplementedError

    def take_forecast(self, record: Mapping[str, Any]) -> None:
        """Take a weather forecast ``{start_ms, step_ms, ghi_w_per_m2, temperature_c}``."""

    @property
    def least_w(self) -> float:
        """Return what it draws at least, < 0: feeds in [W]."""
        return 0.0

    def followed(self, first_slot: int, profile_w: Ints) -> None:
        """Take note of a plan that is in effect."""

    def tells(self, slot: int) -> bool:  # noqa: ARG002
        """Tell whether a slot's energy says what the device would have done by itself."""
        return True

    def gone(self, variable: str, value: Any) -> bool:  # noqa: ARG002
        """Tell whether a reading says that what was planned is no longer there."""
        return False

    def problem(self, span: Span, power: Power) -> Problem | None:
        """Return the problem over ``span``; ``power`` is what was ordered, oldest first."""
        raise NotImplementedError


def ordered_wh(power: Power, since_ms: int, until_ms: int, unordered_w: float) -> float:
    """Return the energy of the orders in force between two instants."""
    edges = [(since_ms, unordered_w), *sorted(p for p in power if p[0] < until_ms)]
    total = 0.0
    for (begin, p_w), (end, _) in zip(edges, [*edges[1:], (until_ms, 0.0)], strict=True):
        total += p_w * max(end - max(begin, since_ms), 0) / HOUR_MS
    return total
