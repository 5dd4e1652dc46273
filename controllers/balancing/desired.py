"""What a parent desires of its children's sum: a level, and windows of demand response in it.

Without a window every slot is to be at one level. In a window its members are to draw a given
power together, whatever the others do, and the others are to make up the level with what the
members would draw without it: who has not promised anything is neither asked for help nor moved
into the gap. So a window's slots count twice, once for the members' sum and once for that of all
others, and a child's signal has the one that it belongs to. A vector of a
negotiation is hence the slots of the horizon, in windows of the members alone, followed by the
others' sum in each window's slots.

k winners with ``|d_m/k + c_m| <= |d_m/k|``, each by the slots that it counts in, still satisfy
``|d + sum c_m| <= |d|``: embedding a child's change changes no product and no norm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controllers.balancing.devices import Ints

__all__ = ["AGREED", "WINDOWS", "Aim", "Desired", "Window"]

WINDOWS = "balancing.windows"
AGREED = "balancing.agreed"


@dataclass(frozen=True, slots=True)
class Window:
    """What members are to draw together from ``first_slot`` on, and would draw without it [W].

    Negotiations aim lower by ``press_w``, so as to get there where all other slots are scarce, too.
    """

    id: str
    first_slot: int
    target_w: tuple[int, ...]
    base_w: tuple[int, ...]
    press_w: tuple[int, ...]
    members: frozenset[str]

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Window:
        """Return the window of its record."""
        target_w, base_w = tuple(value["p_w"]), tuple(value["base_w"])
        press_w, members = tuple(value["press_w"]), frozenset(value["members"])
        return cls(value["id"], value["slot"], target_w, base_w, press_w, members)

    @property
    def end_slot(self) -> int:
        """The slot after the last one."""
        return self.first_slot + len(self.target_w)


@dataclass(frozen=True, slots=True)
class _Part:
    """The slots of a window within a horizon, where the others' are, and from which of it on."""

    window: Window
    inside: NDArray[np.int64]
    aside: NDArray[np.int64]
    begin: int


class Aim:
    """How the children of one negotiation count, from ``first_slot`` on."""

    __slots__ = ("_parts", "size", "slots")

    def __init__(self, first_slot: int, slots: int, windows: Iterable[Window] = ()) -> None:
        self.slots, self.size = slots, slots
        self._parts: list[_Part] = []
        free = np.ones(slots, dtype=bool)
        for window in windows:
            at = np.arange(window.first_slot, window.end_slot) - first_slot
            inside = at[(at >= 0) & (at < slots)]
            if not len(inside) or not free[inside].all():
                continue
            free[inside] = False
            aside = np.arange(self.size, self.size + len(inside))
            self._parts.append(_Part(window, inside, aside, int(inside[0] - at[0])))
            self.size += len(inside)

    @classmethod
    def plain(cls, slots: int) -> Aim:
        """Return the aim without any window."""
        return cls(0, slots)

    @property
    def windows(self) -> list[str]:
        """The windows that are within the horizon."""
        return [part.window.id for part in self._parts]

    def place(self, child: str, p_w: Ints) -> Ints:
        """Return a child's profile, or a change of it, where it counts."""
        if not self._parts:
            return p_w
        out = np.zeros(self.size, dtype=np.int64)
        out[: self.slots] = p_w
        for part in self._parts:
            if child not in part.window.members:
                out[part.inside], out[part.aside] = 0, p_w[part.inside]
        return out

    def seen(self, child: str, d_w: Ints) -> Ints:
        """Return the distance as it is for a child, over the slots of the horizon."""
        out = d_w[: self.slots].copy()
        for part in self._parts:
            if child not in part.window.members:
                out[part.inside] = d_w[part.aside]
        return out

    def desired_w(
        self,
        plans: Mapping[str, Ints],
        rest_w: Ints,
        level_w: float | None = None,
        unit_w: int = 1,
    ) -> Ints:
        """Return what is desired: windows as they say, all else at ``level_w``, or evenly.

        In a window the others are to be at the level that there would be without it; what members
        are asked to draw elsewhere is spread over all other slots. ``rest_w`` is drawn by nobody
        who could be a member.
        """
        total = rest_w + sum(plans.values())
        even_w = float(total.mean()) if level_w is None else level_w
        fixed = np.zeros(self.size, dtype=np.int64)
        free, moved_w = np.ones(self.slots, dtype=bool), 0
        for part in self._parts:
            span, window = slice(part.begin, part.begin + len(part.inside)), part.window
            target_w, base_w = (
                _rounded(one[span], unit_w) for one in (window.target_w, window.base_w)
            )
            fixed[part.inside] = target_w - _rounded(window.press_w[span], unit_w)
            fixed[part.aside] = unit_w * round(even_w / unit_w) - base_w
            free[part.inside], moved_w = False, moved_w + int((base_w - target_w).sum())
        outside_w = even_w + (moved_w / int(free.sum()) if level_w is None and free.any() else 0.0)
        fixed[: self.slots][free] = unit_w * round(outside_w / unit_w)
        return fixed


def _rounded(p_w: Sequence[int], unit_w: int) -> Ints:
    return unit_w * np.rint(np.array(p_w, dtype=float) / unit_w).astype(np.int64)


class Desired:
    """The windows that are open at one parent."""

    __slots__ = ("_windows",)

    def __init__(self) -> None:
        self._windows: tuple[Window, ...] = ()

    def take(self, value: Mapping[str, Any], slot: int) -> bool:
        """Take the windows as they are now; return whether any that is not over has changed."""
        windows = (Window.of(one) for one in value["windows"])
        new = tuple(one for one in windows if one.end_slot > slot)
        old = tuple(one for one in self._windows if one.end_slot > slot)
        self._windows = new
        return new != old

    def aim(self, first_slot: int, slots: int) -> Aim:
        """Return how children count in a negotiation."""
        return Aim(first_slot, slots, self._windows)
