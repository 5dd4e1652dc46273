"""What a group of devices of one kind offers to the core that steps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from simulators.devices.setpoints import SetPoints
from simulators.devices.specbase import FloatArray

__all__ = ["Change", "Climate", "Group", "Now"]

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to one device of a group; ``row`` is its place there."""

    row: int
    kind: str
    value: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Climate:
    """The weather as devices feel it, means of each quarter of an hour ``[slots]``."""

    temperature_c: FloatArray
    ghi_w_m2: FloatArray


@dataclass(frozen=True, slots=True)
class Now:
    """An instant at which a group decides; ``live[n]`` tells who has supply.

    ``due[n]`` tells whose turn it is: all at each control period, and those whose set-point or
    supply changed. What others do never makes a device decide at another time. ``until_ms`` is
    when all are asked again.
    """

    t_ms: int
    until_ms: int
    slot: int
    live: BoolArray
    due: BoolArray


class Group(Protocol):
    """Devices of one kind, in arrays of length n, that hold their power between decisions.

    ``periodic`` tells whether they must decide at every control period.
    """

    periodic: bool
    p_w: FloatArray
    q_var: FloatArray
    set_points: SetPoints

    def draw(self, t_ms: int, span_ms: int) -> tuple[FloatArray, FloatArray]:
        """Let the powers hold for ``span_ms`` until ``t_ms``; return energy drawn and lost [Wh]."""

    def decide(self, now: Now) -> list[Change]:
        """Work out the powers from now on; return what happened."""

    @property
    def stored_wh(self) -> FloatArray | None:
        """Energy stored ``[n]`` [Wh]; None where devices of the kind store nothing."""

    def rows(self) -> Mapping[str, Any] | None:
        """Return the columns of table ``thermal`` for the interval that ends now, if any."""

    @property
    def due_ms(self) -> int:
        """The next tick at which something happens by itself, set-points left out."""
