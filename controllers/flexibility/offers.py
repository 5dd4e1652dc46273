"""Flex-offers: what may be moved, within which bounds, and what is done with it.

A flex-offer (MIRABEL) says of some consumption when it may begin, how much energy each slice of a
quarter-hour may take, and how much all of them together. An assignment fixes the begin and the
energy of each slice. Energies are whole Wh, positive = drawn; slots are quarter-hours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

__all__ = ["Assignment", "FlexOffer", "OfferError", "Profile"]

_MOST_SLICES, _MOST_WH, _FAR = 400, 1 << 40, 1 << 40
_LONGEST = 200


class OfferError(ValueError):
    """A flex-offer that nothing can satisfy, or an assignment that does not keep to one."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Energies of consecutive slots [Wh] from ``slot`` on; nothing before and after."""

    slot: int
    wh: tuple[int, ...] = ()

    def at(self, slot: int) -> int:
        """Return the energy of a slot."""
        place = slot - self.slot
        return self.wh[place] if 0 <= place < len(self.wh) else 0

    @property
    def total_wh(self) -> int:
        """The energy of all slots."""
        return sum(self.wh)


Assignment = Profile
"""What is fixed of an offer: ``slot`` is the begin, ``wh`` the energy of each slice."""


@dataclass(frozen=True, slots=True)
class FlexOffer:
    """``low_wh`` to ``high_wh`` in each slice, ``least_wh`` to ``most_wh`` in all of them.

    It begins in a slot of ``earliest`` to ``latest``. ``default`` is what happens if nothing is
    assigned; it need not be within the offer. ``cent_per_mwh`` is asked for what is drawn less than
    by default in the slots where it is less. It is to be taken by ``accept_ms``, and assigned by
    ``assign_ms``. Raises OfferError where no assignment is possible.
    """

    id: str
    earliest: int
    latest: int
    low_wh: tuple[int, ...]
    high_wh: tuple[int, ...]
    least_wh: int
    most_wh: int
    default: Profile
    cent_per_mwh: int = 0
    accept_ms: int = _FAR
    assign_ms: int = _FAR

    def __post_init__(self) -> None:
        if not 0 < len(self.low_wh) == len(self.high_wh) <= _MOST_SLICES:
            raise OfferError(f"{self.id}: as many lower as upper bounds, at least one")
        if self.latest < self.earliest:
            raise OfferError(f"{self.id}: the latest start is before the earliest")
        if any(low > high for low, high in zip(self.low_wh, self.high_wh, strict=True)):
            raise OfferError(f"{self.id}: a slice's least energy is above its most")
        if max(self.least_wh, sum(self.low_wh)) > min(self.most_wh, sum(self.high_wh)):
            raise OfferError(f"{self.id}: slices and total cannot both be kept")

    @property
    def slices(self) -> int:
        """How many quarter-hours it takes."""
        return len(self.low_wh)

    @property
    def totals_wh(self) -> tuple[int, int]:
        """Least and most energy of all slices, as slices and total together allow it."""
        least, most = sum(self.low_wh), sum(self.high_wh)
        return max(self.least_wh, least), min(self.most_wh, most)

    @property
    def binds(self) -> bool:
        """Whether the total allows less than the slices do."""
        return self.totals_wh != (sum(self.low_wh), sum(self.high_wh))

    def check(self, assignment: Assignment) -> None:
        """Raise OfferError where an assignment does not keep to the offer, with what is wrong."""
        if not self.earliest <= assignment.slot <= self.latest:
            raise OfferError(f"{self.id}: cannot begin in slot {assignment.slot}")
        if len(assignment.wh) != self.slices:
            raise OfferError(f"{self.id}: {len(assignment.wh)} slices instead of {self.slices}")
        for number, wh in enumerate(assignment.wh):
            if not self.low_wh[number] <= wh <= self.high_wh[number]:
                raise OfferError(f"{self.id}: {wh} Wh in slice {number}")
        if not self.least_wh <= assignment.total_wh <= self.most_wh:
            raise OfferError(f"{self.id}: {assignment.total_wh} Wh in all")

    def allows(self, assignment: Assignment) -> bool:
        """Tell whether an assignment keeps to the offer."""
        try:
            self.check(assignment)
        except OfferError:
            return False
        return True

    def plain(self) -> dict[str, Any]:
        """Return the record that goes over the network; bounds as runs of equal slices."""
        return {
            "id": self.id,
            "start": [self.earliest, self.latest],
            "slices": _runs(list(zip(self.low_wh, self.high_wh, strict=True))),
            "total": [self.least_wh, self.most_wh],
            "default": [self.default.slot, *self.default.wh],
            "price": self.cent_per_mwh,
            "until": [self.accept_ms, self.assign_ms],
        }

    @classmethod
    def of(cls, value: Any) -> FlexOffer | None:
        """Return the offer of a record, None where it is none."""
        record: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        name, price, default = (record.get(key) for key in ("id", "price", "default"))
        pairs = [_pair(record.get(key)) for key in ("start", "total", "until")]
        bounds = _unrolled(record.get("slices"))
        if not isinstance(name, str) or len(name) >= _LONGEST or not _whole(price):
            return None
        if not _wholes(default) or not 0 < len(default) <= _MOST_SLICES + 1 or bounds is None:
            return None
        start, total, until = pairs
        if start is None or total is None or until is None:
            return None
        low, high = (tuple(bound[side] for bound in bounds) for side in (0, 1))
        alone = Profile(default[0], tuple(default[1:]))
        try:
            return cls(name, *start, low, high, *total, alone, price, *until)
        except OfferError:
            return None


def _whole(value: Any) -> TypeGuard[int]:
    return type(value) is int and abs(value) <= _MOST_WH


def _wholes(values: Any) -> TypeGuard[list[int]]:
    return isinstance(values, list) and all(map(_whole, values))


def _pair(values: Any) -> tuple[int, int] | None:
    return (values[0], values[1]) if _wholes(values) and len(values) == 2 else None


def _runs(bounds: list[tuple[int, int]]) -> list[list[int]]:
    runs: list[list[int]] = []
    for low, high in bounds:
        if runs and runs[-1][1:] == [low, high]:
            runs[-1][0] += 1
        else:
            runs.append([1, low, high])
    return runs


def _unrolled(runs: Any) -> list[tuple[int, int]] | None:
    if not isinstance(runs, list) or not all(_wholes(run) and len(run) == 3 for run in runs):
        return None
    if any(run[0] < 1 for run in runs) or not 0 < sum(run[0] for run in runs) <= _MOST_SLICES:
        return None
    return [(low, high) for count, low, high in runs for _ in range(count)]
