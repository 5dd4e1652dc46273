"""Heat-led CHP plants: they feed in while they heat a store, and may do so earlier or later.

To the planner a boiler whose heating feeds in: the same store, the heat that is called for learnt
in the same way. A plant runs for half an hour at least, so it is planned in blocks of two slots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from controllers.balancing.devices import Ints, Problem
from controllers.balancing.kinds.boiler import Boiler
from controllers.balancing.kinds.onoff import OnOff
from controllers.balancing.planners import Watts
from controllers.balancing.switched import Switched, switch_on

__all__ = ["Chp"]

_BLOCK = 2


@dataclass(frozen=True, slots=True)
class _Blocks(OnOff):
    """On or off for two slots each; ``switched`` is in blocks, ``slots`` the horizon."""

    slots: int = 0

    def plan(self, target_w: Watts) -> Ints:
        odd = np.append(target_w, target_w[-1:]) if len(target_w) % _BLOCK else target_w
        on = switch_on(self.switched, odd.reshape(-1, _BLOCK).mean(axis=1))
        p_w = np.where(on, self.switched.on_w, 0.0).astype(np.int64)
        return np.repeat(p_w, _BLOCK)[: self.slots]


@dataclass(slots=True)
class Chp(Boiler):
    """A plant with its store; powers are negative while it runs."""

    sign: ClassVar[float] = -1.0

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Chp:
        """Return the device of its configuration."""
        rated_w, ratio = float(config["p_rated_w"]), float(config["heat_ratio"])
        common = cls._common({**config, "p_max_w": rated_w})
        made = cls(**common, plate={**config, "cop": ratio})
        made.drawn_w[:] = rated_w * ratio / 2  # until more is known
        return made

    @property
    def least_w(self) -> float:
        """Return what it draws at least, < 0: feeds in [W]."""
        return -self.p_max_w

    def _limits(self, capacity: float) -> tuple[float, float, float]:
        """Return the store's lowest and highest temperature as planned, and its middle [degC]."""
        del capacity
        low_c, high_c, set_c, switch_k = (
            float(self.plate[name]) for name in ("low_c", "high_c", "set_c", "switch_k")
        )
        margin = 0.1 * (high_c - low_c)  # its firmware's
        return low_c + 1.5 * margin, high_c - margin, set_c - switch_k / 2

    def _problem(self, switched: Switched, least_w: float, free: Ints) -> Problem:
        slots = len(switched.on_w)
        pad = slots % _BLOCK
        columns = {
            name: np.append(column, column[-1:]) if pad else column
            for name in ("on_w", "drift", "gain", "low", "high")
            if (column := getattr(switched, name)) is not None
        }
        pairs = {name: column.reshape(-1, _BLOCK) for name, column in columns.items()}
        keep = switched.keep
        count = None if switched.count is None else switched.count / _BLOCK
        blocks = Switched(
            on_w=pairs["on_w"][:, 0],
            start=switched.start,
            keep=keep**_BLOCK,
            drift=keep * pairs["drift"][:, 0] + pairs["drift"][:, 1],
            gain=keep * pairs["gain"][:, 0] + pairs["gain"][:, 1],
            low=pairs["low"][:, 1],
            high=pairs["high"][:, 1],
            most_on=switched.most_on - float(switched.gain[0]),
            count=count,
        )
        return _Blocks(blocks, least_w, free, slots)
