"""How a device follows a signal: pure functions of device, signals and time, in one register.

Each returns an order, or None where the device is free. Of several orders the lower one holds.
Whatever is ordered, the device's firmware keeps its limits and charges a vehicle that must be.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, takewhile

from controllers.signals.records import CONSUMERS, Command, GridState, Price
from fernwatt.timebase import HOUR_MS

__all__ = ["OBEYED", "STRATEGIES", "Device", "Order", "Prices", "Signals", "decide"]

_AMBER, _RED = 50, 0
_EVER_MS = 1 << 62
_ENOUGH_MS = 30_000  # registers are rounded: for less than this no further hour is taken
_LEVEL_PERCENT: tuple[int | None, ...] = (None, _AMBER, _RED)


@dataclass(frozen=True, slots=True)
class Device:
    """What is known of a device: name plate, and of a vehicle what it still needs.

    ``p_max_w`` is the rated power, of whatever sign. ``missing_wh`` is None without a vehicle.
    ``since_ms`` is when the vehicle came, 0 for other devices.
    """

    kind: str
    p_max_w: float
    efficiency: float = 1.0
    missing_wh: float | None = None
    departure_ms: int = 0
    since_ms: int = 0


@dataclass(frozen=True, slots=True)
class Order:
    """A power [W] to hold until ``until_ms``; ``due_ms`` is since when it ought to be held."""

    p_w: float
    until_ms: int
    due_ms: int


class Prices:
    """Several records of prices, of which the newest that says something counts; immutable."""

    __slots__ = ("_begins", "_course", "_newest_first")

    def __init__(self, records: Sequence[Price] = ()) -> None:
        self._newest_first = sorted(records, key=lambda one: -one.issued_ms)
        self._course = self._merged()
        self._begins = [piece[0] for piece in self._course]

    def _merged(self) -> list[tuple[int, int, int, int]]:
        """Return (begin, end, price, when it was issued) of all that is known, in order."""
        edges: set[int] = set()
        for one in self._newest_first:
            edges.update(range(one.start_ms, one.end_ms + 1, one.step_ms))
        pieces = []
        for begin_ms, end_ms in pairwise(sorted(edges)):
            newest = next((o for o in self._newest_first if o.at(begin_ms) is not None), None)
            price = None if newest is None else newest.at(begin_ms)
            if newest is not None and price is not None:
                pieces.append((begin_ms, end_ms, price, newest.issued_ms))
        return pieces

    def with_new(self, price: Price, now_ms: int) -> Prices:
        """Return prices with a new record, and without those that are over."""
        kept = [
            one
            for one in self._newest_first
            if one.end_ms > now_ms and one.issued_ms != price.issued_ms
        ]
        return Prices([*kept, price])

    def end_ms(self, from_ms: int) -> int:
        """Return until when prices are known without a gap."""
        steps = self.steps(from_ms, _EVER_MS)
        return steps[-1][1] if steps else from_ms

    def steps(self, from_ms: int, until_ms: int) -> list[tuple[int, int, int]]:
        """Return (begin, end, price) of what is known from ``from_ms`` on, without a gap."""
        out: list[tuple[int, int, int]] = []
        t_ms = from_ms
        for at in range(max(bisect_right(self._begins, from_ms) - 1, 0), len(self._course)):
            begin_ms, end_ms, price, _ = self._course[at]
            if not begin_ms <= t_ms < min(end_ms, until_ms):
                break
            out.append((t_ms, min(end_ms, until_ms), price))
            t_ms = end_ms
        return out

    def issued_ms(self, t_ms: int) -> int:
        """Return when the price that holds at ``t_ms`` was issued; 0 where there is none."""
        at = bisect_right(self._begins, t_ms) - 1
        return self._course[at][3] if at >= 0 and t_ms < self._course[at][1] else 0


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known of the world outside: commands in force, prices, the grid's state."""

    commands: Mapping[str, Command] = field(default_factory=dict)
    prices: Prices = field(default_factory=Prices)
    grid: GridState | None = None


Strategy = Callable[[Device, Signals, int], Order | None]


def follow_commands(device: Device, signals: Signals, now_ms: int) -> Order | None:
    """Do as is commanded: consumers at most ``percent`` of their power, others where it is set.

    A limit leaves batteries to their own rule, which draws surplus alone, and generators as well.
    """
    orders: list[Order] = []
    for number in sorted(signals.commands):
        command = signals.commands[number]
        interval = command.interval(now_ms)
        if interval is None or interval[2] is None or device.kind not in command.kinds:
            continue
        if command.action == "limit" and device.kind not in CONSUMERS:
            continue
        due_ms = max(interval[0], command.issued_ms, device.since_ms)
        share = interval[2] / 100
        if device.kind not in (*CONSUMERS, "battery"):
            share = -abs(share)  # generators deliver
        orders.append(Order(device.p_max_w * share, interval[1], due_ms))
    return lower(orders)


def follow_grid(device: Device, signals: Signals, now_ms: int) -> Order | None:
    """Spare the grid: consumers at half their power when it is amber, off when it is red."""
    interval = None if signals.grid is None else signals.grid.interval(now_ms)
    if interval is None or signals.grid is None or device.kind not in CONSUMERS:
        return None
    percent = _LEVEL_PERCENT[interval[2]]
    if percent is None:
        return None
    due_ms = max(interval[0], signals.grid.issued_ms, device.since_ms)
    return Order(device.p_max_w * percent / 100, interval[1], due_ms)


def follow_price(device: Device, signals: Signals, now_ms: int) -> Order | None:
    """Draw when it is cheap: vehicles in the cheapest hours until they leave, batteries from
    the grid where the difference to a later price pays for their losses.
    """
    if device.kind == "ev":
        return _cheapest(device, signals.prices, now_ms)
    return _arbitrage(device, signals.prices, now_ms) if device.kind == "battery" else None


def _cheapest(device: Device, prices: Prices, now_ms: int) -> Order | None:
    """Return the order that has a vehicle wait for cheaper hours, None where this is one.

    Full power in the cheapest steps that suffice is the least cost of a sum-constrained load with
    one upper bound; of equal prices the earliest is taken.
    """
    if not device.missing_wh or device.missing_wh <= 0 or device.p_max_w <= 0:
        return None
    steps = prices.steps(now_ms, device.departure_ms)
    left_ms = device.missing_wh / device.p_max_w * HOUR_MS - _ENOUGH_MS
    begins: list[int] = []
    for begin_ms, end_ms, _ in sorted(steps, key=lambda step: (step[2], step[0])):
        if left_ms <= 0:
            break
        begins.append(begin_ms)
        left_ms -= end_ms - begin_ms
    if not begins or left_ms > 0 or min(begins) <= now_ms:
        return None  # no time to wait, no prices, or it is time
    due_ms = max(device.since_ms, prices.issued_ms(now_ms))
    return Order(0.0, min(begins), due_ms)


def _arbitrage(device: Device, prices: Prices, now_ms: int) -> Order | None:
    """Return the order that fills a battery at the lowest known price, None at all others."""
    steps = prices.steps(now_ms, _EVER_MS)
    if not steps:
        return None
    price, later = steps[0][2], [step[2] for step in steps[1:]]
    pays = bool(later) and max(later) * device.efficiency**2 > price
    if not pays or price > min(later):
        return None
    same = list(takewhile(lambda step: step[2] == price, steps))
    return Order(device.p_max_w, same[-1][1], max(now_ms, prices.issued_ms(now_ms)))


STRATEGIES: dict[str, Strategy] = {
    "command": follow_commands,
    "price": follow_price,
    "grid": follow_grid,
}
OBEYED: dict[str, tuple[str, ...]] = {name: (name,) for name in STRATEGIES} | {
    "all": tuple(STRATEGIES),
    "none": (),
}
"""What a setting of ``services.control.signal`` stands for."""


def lower(orders: Sequence[Order]) -> Order | None:
    """Return the lowest of several orders, until the first of them ends; None for none."""
    if not orders:
        return None
    lowest = min(orders, key=lambda order: order.p_w)
    return Order(lowest.p_w, min(order.until_ms for order in orders), lowest.due_ms)


def decide(signal: str, device: Device, signals: Signals, now_ms: int) -> Order | None:
    """Return what a device is ordered that obeys ``signal`` (a key of ``OBEYED``)."""
    made = [STRATEGIES[name](device, signals, now_ms) for name in OBEYED[signal]]
    return lower([order for order in made if order is not None])
