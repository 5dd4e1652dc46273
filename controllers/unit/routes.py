"""Ways through the tree of units: up to the first unit above both, then down.

Units without a parent are neighbours of one another, so a provider beside the top is one hop
from it.
"""

from __future__ import annotations

from controllers.unit.directory import Directory

__all__ = ["ROUTINGS", "Routes"]

ROUTINGS = ("direct", "levels")
_MAX_WAYS = 1 << 18


class Routes:
    """Who is next on the way from one unit to another, and how many hops it has.

    With routing ``direct`` every unit is one hop from every other. ``move`` puts a unit below
    another parent than the directory's; ways change at once, as if all units had heard of it.
    """

    __slots__ = ("_beside", "_directory", "_levels", "_parents", "_ways")

    def __init__(self, directory: Directory, routing: str = "direct") -> None:
        self._directory, self._levels = directory, routing == "levels"
        self._parents: dict[str, str] = {}
        self._beside: set[tuple[str, str]] = set()
        self._ways: dict[tuple[str, str], tuple[str, ...]] = {}

    @property
    def by_levels(self) -> bool:
        """Whether what is for others passes the units between."""
        return self._levels

    def parent(self, unit: str) -> str:
        """Return the unit above, empty at the top."""
        moved = self._parents.get(unit)
        return self._directory[unit].parent if moved is None else moved

    def move(self, unit: str, parent: str) -> None:
        """Have ``unit`` below another parent from now on."""
        self._parents[unit] = parent
        self._ways.clear()

    def beside(self, unit: str, other: str) -> None:
        """Let two units be neighbours, though neither is the other's parent: a backup's place."""
        self._beside |= {(unit, other), (other, unit)}

    def is_above(self, unit: str, other: str) -> bool:
        """Tell whether ``unit`` is an ancestor of ``other``."""
        return unit in self._line(other)[1:]

    def way(self, here: str, there: str) -> tuple[str, ...]:
        """Return the units on the way from ``here`` to ``there``, which is the last of them.

        Empty where either is no unit, or both are the same.
        """
        key = (here, there)
        found = self._ways.get(key)
        if found is None:
            if len(self._ways) >= _MAX_WAYS:
                self._ways.clear()
            found = self._ways[key] = self._find(here, there)
        return found

    def next(self, here: str, there: str) -> str:
        """Return the neighbour that is next on the way; ``there`` itself if there is none."""
        if not self._levels:
            return there
        way = self.way(here, there)
        return way[0] if way else there

    def hops(self, here: str, there: str) -> int:
        """Return how many hops it is, at least 1."""
        return max(1, len(self.way(here, there))) if self._levels else 1

    def _find(self, here: str, there: str) -> tuple[str, ...]:
        if here == there or here not in self._directory or there not in self._directory:
            return ()
        if (here, there) in self._beside:
            return (there,)
        up, down = self._line(here), self._line(there)
        while len(up) > 1 and len(down) > 1 and up[-2] == down[-2] and up[-1] == down[-1]:
            up.pop()
            down.pop()
        if up[-1] == down[-1]:  # the first unit above both, or one of the two
            down.pop()
        return (*up[1:], *reversed(down))

    def _line(self, unit: str) -> list[str]:
        """Return ``unit`` and all above it; a ring of parents ends where it closes."""
        line = [unit]
        while (above := self.parent(line[-1])) and above not in line:
            line.append(above)
        return line
