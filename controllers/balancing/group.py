"""Houses that have no unit to speak for them: predicted as a group, from their meters.

What is predicted is the group's sum, by one predictor: the mean of the meters that are known in a
quarter-hour, times the number of houses. So a house whose customer lets nobody read its meter, or
whose report was lost, is taken for a house like the others; where nobody may be read, for one like
any. Of what single meters said nothing leaves this unit, nor is it kept beyond some hours.

Where meters tell nobody what they measure (hidden sums), the group is what the feeder draws beyond
what the houses with units have agreed to, losses and what these do otherwise included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from controllers.balancing.boosted import make_predictor
from controllers.balancing.devices import Ints
from controllers.balancing.house import slot_means
from controllers.balancing.issue import Said
from controllers.balancing.loads import LoadPredictor
from controllers.balancing.registers import Register
from controllers.balancing.subscriptions import Subscriptions
from controllers.unit.service import Notification
from fernwatt.timebase import Clock

__all__ = ["Group"]

_PATIENCE = 4
_KEPT = 96  # slots whose measurement may still come
_COLD_START_W = 400.0


class _Metered:
    """One meter: its registers, and its memory of earlier days until that is in the sum."""

    __slots__ = ("_export", "_import", "memory")

    def __init__(self) -> None:
        self._import, self._export = Register(), Register()
        self.memory: Mapping[str, Any] | None = None

    def add(self, variable: str, t_ms: int, energy_wh: float) -> None:
        """Take a reading of one of the registers."""
        (self._import if variable == "energy.import" else self._export).add(t_ms, energy_wh)

    @property
    def first_slot(self) -> int | None:
        """Return the first slot that both registers cover, None while there is none."""
        first = (self._import.first_slot, self._export.first_slot)
        return None if first[0] is None or first[1] is None else max(first[0], first[1])

    def net_w(self, slot: int) -> float | None:
        """Return the net mean power of a slot; None while it is not measured."""
        drawn, fed = self._import.mean_w(slot), self._export.mean_w(slot)
        return None if drawn is None or fed is None else drawn - fed


class Group:
    """Predicts the sum of houses without units, and tells how good that was.

    ``hidden``: their meters are not asked, ``beyond`` tells what is known instead.
    """

    def __init__(
        self,
        start: Clock,
        meters: Sequence[str],
        settings: Mapping[str, Any],
        *,
        hidden: bool = False,
    ) -> None:
        self._hidden, self._plan_w = hidden, dict[int, float]()
        self._start, self._settings = start, {"cold_start_w": _COLD_START_W, **settings}
        self._meters = {meter: _Metered() for meter in sorted(meters)}
        self._predictor = self._new_predictor()
        self._remembered = 0  # how many memories of earlier days the predictor has
        self._sums: list[tuple[int, float]] = []
        self._next_slot: int | None = None
        self._said: list[tuple[int, float, Said]] = []

    def __len__(self) -> int:
        return len(self._meters)

    def follow(self, subscriptions: Subscriptions) -> None:
        """Follow the meters, and ask for their memory of earlier days."""
        for meter in () if self._hidden else self._meters:
            subscriptions.want("energy.import", meter)
            subscriptions.want("energy.export", meter)
            subscriptions.ask("load_profile", meter)

    def take(self, notification: Notification) -> bool:
        """Take what a meter tells; return False if it is none of the group's."""
        metered = self._meters.get(notification.location)
        if metered is None:
            return False
        if notification.variable == "load_profile":
            metered.memory = metered.memory or notification.value
        else:
            metered.add(notification.variable, notification.t_ms, float(notification.value))
        return True

    def beyond(
        self, first_slot: int, agreed_w: Ints, until_slot: int, net_w: Callable[[int], float | None]
    ) -> None:
        """Learn what the feeder drew beyond what was agreed from ``first_slot`` on, if hidden.

        ``net_w`` gives the feeder's mean power of a slot, None while it is not measured; what was
        agreed held until ``until_slot``, when something else is.
        """
        if not (self._hidden and self._meters):
            return
        held = agreed_w[: max(until_slot - first_slot, 0)].tolist()
        self._plan_w |= {slot: float(p_w) for slot, p_w in enumerate(held, first_slot)}
        for slot in sorted(self._plan_w):
            drawn_w = net_w(slot)
            if drawn_w is not None:
                self._observe(slot, drawn_w - self._plan_w.pop(slot))
        while len(self._plan_w) > _KEPT:
            del self._plan_w[min(self._plan_w)]

    def predict(self, first_slot: int, slots: int, unit_w: int) -> Ints:
        """Return what the group is expected to draw [W], in whole ``unit_w``.

        Where nobody may be read that is the cold start's power for each house.
        """
        if not self._meters:
            return np.zeros(slots, dtype=np.int64)
        self._remember()
        self._learn()
        forecast = self._predictor.predict(first_slot, slots)
        whole: Ints = unit_w * np.rint(forecast / unit_w).astype(np.int64)
        return whole

    def said(self) -> Iterator[tuple[int, float, Said]]:
        """Return, once, what was said a day ahead of each slot learnt, and what was measured."""
        out, self._said = self._said, []
        return iter(out)

    def _new_predictor(self) -> LoadPredictor:
        cold_w = float(self._settings["cold_start_w"]) * max(len(self._meters), 1)
        return make_predictor(self._start, {**self._settings, "cold_start_w": cold_w})

    def _remember(self) -> None:
        """Begin anew from the memories of earlier days whenever one more has come."""
        known = [metered.memory for metered in self._meters.values() if metered.memory is not None]
        if len(known) == self._remembered:
            return
        self._remembered = len(known)
        total, count = dict[int, float](), dict[int, int]()
        for memory in known:
            first, net_w = slot_means(memory)
            for slot, p_w in enumerate(net_w.tolist(), first):
                total[slot] = total.get(slot, 0.0) + p_w
                count[slot] = count.get(slot, 0) + 1
        self._predictor = self._new_predictor()
        for slot in sorted(total):
            mean_w = total[slot] / count[slot]
            self._predictor.load_history(slot, [len(self._meters) * mean_w])
        for slot, p_w in self._sums:
            self._predictor.observe(slot, p_w)

    def _learn(self) -> None:
        """Observe each slot that all meters have told of, or that is late."""
        heard = [one for one in self._meters.values() if one.first_slot is not None]
        if self._next_slot is None:
            firsts = [one.first_slot for one in heard if one.first_slot is not None]
            self._next_slot = min(firsts, default=None)
        while self._next_slot is not None:
            slot = self._next_slot
            known = [p_w for one in heard if (p_w := one.net_w(slot)) is not None]
            late = any(one.net_w(slot + _PATIENCE) is not None for one in heard)
            if len(known) < len(heard) and not late:
                return
            if known:
                self._observe(slot, len(self._meters) * sum(known) / len(known))
            self._next_slot = slot + 1

    def _observe(self, slot: int, p_w: float) -> None:
        said = self._predictor.said(slot)
        if said is not None:
            self._said.append((slot, p_w, said))
        self._predictor.observe(slot, p_w)
        self._sums.append((slot, p_w))
