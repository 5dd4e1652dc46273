"""What customers would have drawn: by the plan they had agreed to, or by the days before.

**agreed**: the plan that was in force when the request came. **days**: of the last ``of`` days of
the same kind (working day, Saturday or Sunday) without a request at that time, the ``highest`` by
energy in the window, their mean, slot by slot; moved by what the customer drew beyond it in the
``adjust_slots`` before the request. Both know nothing that came after the request.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from controllers.balancing.registers import Register
from fernwatt.timebase import DAY_MS, SLOT_MS, Clock

__all__ = ["Days", "Metered", "Rule"]

_PER_DAY = DAY_MS // SLOT_MS
_FRIDAY = 4
_KEPT_DAYS = 60


@dataclass(frozen=True, slots=True)
class Rule:
    """Which of the days before count, and how long before the request is looked at."""

    highest: int = 5
    of: int = 10
    adjust_slots: int = 8


class Metered:
    """Net mean power of one meter, by slot [W]."""

    __slots__ = ("_net_w",)

    def __init__(self) -> None:
        self._net_w: dict[int, float] = {}

    def net_w(self, slot: int) -> float | None:
        """Return the mean of a slot, None where it was not measured."""
        return self._net_w.get(slot)

    def misses(self, slots: Iterable[int]) -> bool:
        """Tell whether any slot is not known."""
        return any(slot not in self._net_w for slot in slots)

    def take(self, imported: Sequence[Any], exported: Sequence[Any]) -> None:
        """Take readings of both registers, each as (time stamp [ms], register [Wh])."""
        drawn, fed = _register(imported), _register(exported)
        firsts = [one.first_slot for one in (drawn, fed)]
        lasts = [one.newest_ms for one in (drawn, fed)]
        if None in firsts or None in lasts:
            return
        first = max(one for one in firsts if one is not None)
        end = min(one for one in lasts if one is not None) // SLOT_MS
        for slot in range(first, end):
            in_w, out_w = drawn.mean_w(slot), fed.mean_w(slot)
            if in_w is not None and out_w is not None:
                self._net_w[slot] = in_w - out_w
        oldest = end - _KEPT_DAYS * _PER_DAY
        for slot in [slot for slot in self._net_w if slot < oldest]:
            del self._net_w[slot]


def _register(readings: Sequence[Any]) -> Register:
    register = Register()
    for reading in readings:
        pair = reading if type(reading) is list and len(reading) == 2 else (None, None)
        if type(pair[0]) is int and type(pair[1]) in (int, float):
            register.add(pair[0], float(pair[1]))
    return register


class Days:
    """The baseline of the days before, of one customer after the other."""

    __slots__ = ("_clock", "_rule")

    def __init__(self, rule: Rule, clock: Clock) -> None:
        self._rule, self._clock = rule, clock

    def baseline_w(
        self,
        metered: Metered,
        window: range,
        slots: Sequence[int],
        asked_slot: int,
        spoiled: Collection[int] = (),
    ) -> list[float] | None:
        """Return the mean power in each of ``slots``; None where no day before is known.

        ``asked_slot`` is when the request came; ``spoiled`` are slots of other requests.
        """
        found = [
            back
            for back in range(_PER_DAY, (_KEPT_DAYS + 1) * _PER_DAY, _PER_DAY)
            if slots[-1] - back < asked_slot
            and self._is_like(window, back)
            and not metered.misses(slot - back for slot in slots)
            and not any(slot - back in spoiled for slot in window)
        ][: self._rule.of]
        if not found:
            return None
        energy = {back: sum(metered.net_w(slot - back) or 0.0 for slot in window) for back in found}
        best = sorted(found, key=lambda back: (-energy[back], back))[: self._rule.highest]
        means = {slot: _mean(metered, slot, best) for slot in slots}
        moved = self._moved(metered, best, asked_slot)
        return [means[slot] + moved for slot in slots]

    def _is_like(self, window: range, back: int) -> bool:
        """Tell whether an earlier day is of the window's kind."""
        days = [self._clock.at(slot * SLOT_MS).weekday() for slot in (window[0], window[0] - back)]
        return len({max(day - _FRIDAY, 0) for day in days}) == 1

    def _moved(self, metered: Metered, best: Sequence[int], asked_slot: int) -> float:
        """Return what was drawn beyond the days' mean just before the request [W]."""
        beyond = []
        for slot in range(asked_slot - self._rule.adjust_slots, asked_slot):
            now_w = metered.net_w(slot)
            if now_w is not None and not any(metered.misses([slot - back]) for back in best):
                beyond.append(now_w - _mean(metered, slot, best))
        return sum(beyond) / len(beyond) if beyond else 0.0


def _mean(metered: Metered, slot: int, backs: Sequence[int]) -> float:
    return sum(metered.net_w(slot - back) or 0.0 for back in backs) / len(backs)
