"""What a customer could save: worked out of what was drawn, fed in, and of its prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Advice", "Slot", "advise"]

_DEAR = 0.25
_LEAST_CENT = 1.0


@dataclass(frozen=True, slots=True)
class Slot:
    """Energy of a quarter of an hour [Wh], price of what is drawn and fed in [cent/MWh]."""

    drawn_wh: float
    fed_in_wh: float
    price: int
    feed_in_price: int


@dataclass(frozen=True, slots=True)
class Advice:
    """``kind`` ``shift`` (from dear to cheap hours) or ``own-use`` (of what was fed in)."""

    kind: str
    energy_wh: float
    saving_cent: float


def advise(slots: Sequence[Slot]) -> Advice | None:
    """Return what would have saved most of all in these slots, None where nothing would.

    ``shift``: what was drawn in the dearest quarter of them, at the lowest of their prices instead.
    ``own-use``: what was fed in, drawn instead of as much that was bought at the mean price paid.
    """
    if not slots:
        return None
    found = [_shift(slots), _own_use(slots)]
    best = max(found, key=lambda advice: advice.saving_cent)
    return best if best.saving_cent >= _LEAST_CENT else None


def _shift(slots: Sequence[Slot]) -> Advice:
    cheapest = min(slot.price for slot in slots)
    dearest = sorted(slots, key=lambda slot: -slot.price)[: max(1, round(_DEAR * len(slots)))]
    moved = [slot for slot in dearest if slot.price > cheapest]
    energy_wh = sum(slot.drawn_wh for slot in moved)
    saving = sum(slot.drawn_wh * (slot.price - cheapest) for slot in moved) / 1e6
    return Advice("shift", energy_wh, saving)


def _own_use(slots: Sequence[Slot]) -> Advice:
    drawn_wh = sum(slot.drawn_wh for slot in slots)
    fed_in_wh = sum(slot.fed_in_wh for slot in slots)
    energy_wh = min(drawn_wh, fed_in_wh)
    if energy_wh <= 0:
        return Advice("own-use", 0.0, 0.0)
    paid = sum(slot.drawn_wh * slot.price for slot in slots) / drawn_wh
    got = sum(slot.fed_in_wh * slot.feed_in_price for slot in slots) / fed_in_wh
    return Advice("own-use", energy_wh, energy_wh * (paid - got) / 1e6)
