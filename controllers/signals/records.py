"""The signals as records, checked: prices, the state of the grid, commands.

    signal.price    {issued_ms, start_ms, step_ms, cent_per_mwh[], feed_in_cent_per_mwh[]}
    signal.grid     {issued_ms, times_ms[n + 1], level[n]}         0 green, 1 amber, 2 red
    signal.command  {id, issued_ms, issuer, action, kinds[], times_ms[n + 1], percent[n]}

Times are milliseconds from the scenario's start; each says by itself until when it is valid.
``percent`` is of a device's rated power: at most so much (``limit``), or just that (``set``,
negative: delivered); null leaves the device free in that interval. A command with the ``id`` of an
earlier one replaces it; without any interval it takes it back. Commandable and informational
signals: DREAM, A Survey of Smart Grid Communication (2014), Control Intelligence.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

__all__ = [
    "COMMAND",
    "CONSUMERS",
    "GRID",
    "KINDS",
    "PRICE",
    "RESPONSE",
    "Answer",
    "Command",
    "GridState",
    "Price",
    "is_grid_state",
    "is_price",
]

PRICE, GRID = "signal.price", "signal.grid"
COMMAND, RESPONSE = "signal.command", "signal.response"
CONSUMERS = ("ev", "heat_pump", "boiler", "fridge", "appliance")
KINDS = (*CONSUMERS, "battery", "pv", "wind", "chp")
_MOST, _LONGEST = 10_000, 200
_LEVELS = 3


@dataclass(frozen=True, slots=True)
class Price:
    """Prices per step [cent/MWh], of what is drawn and of what is fed in."""

    issued_ms: int
    start_ms: int
    step_ms: int
    cent_per_mwh: tuple[int, ...]
    feed_in_cent_per_mwh: tuple[int, ...]

    @classmethod
    def of(cls, value: Any) -> Price | None:
        """Return the prices of a record, None where it is none."""
        record = _record(value)
        times: list[Any] = [record.get(name) for name in ("issued_ms", "start_ms", "step_ms")]
        drawn, fed_in = record.get("cent_per_mwh"), record.get("feed_in_cent_per_mwh", [])
        if not (_all_int(times) and _ints(drawn) and isinstance(fed_in, list) and drawn):
            return None
        if times[2] <= 0 or (fed_in and not (_ints(fed_in) and len(fed_in) == len(drawn))):
            return None
        issued_ms, start_ms, step_ms = times
        return cls(issued_ms, start_ms, step_ms, tuple(drawn), tuple(fed_in or [0] * len(drawn)))

    @property
    def end_ms(self) -> int:
        """Until when it says something."""
        return self.start_ms + self.step_ms * len(self.cent_per_mwh)

    def at(self, t_ms: int) -> int | None:
        """Return the price of what is drawn at ``t_ms``, None where nothing is said."""
        step = (t_ms - self.start_ms) // self.step_ms
        return self.cent_per_mwh[step] if 0 <= step < len(self.cent_per_mwh) else None

    def steps(self, from_ms: int, until_ms: int) -> list[tuple[int, int, int]]:
        """Return (begin, end, price) of the steps within a span, cut to it."""
        first = max((from_ms - self.start_ms) // self.step_ms, 0)
        out = []
        for step in range(first, len(self.cent_per_mwh)):
            begin_ms = self.start_ms + step * self.step_ms
            if begin_ms >= until_ms:
                break
            end_ms = min(begin_ms + self.step_ms, until_ms)
            out.append((max(begin_ms, from_ms), end_ms, self.cent_per_mwh[step]))
        return out


@dataclass(frozen=True, slots=True)
class GridState:
    """Traffic light of the grid: 0 green, 1 amber, 2 red, in each interval."""

    issued_ms: int
    times_ms: tuple[int, ...]
    level: tuple[int, ...]

    @classmethod
    def of(cls, value: Any) -> GridState | None:
        """Return the state of a record, None where it is none."""
        record = _record(value)
        times, level = record.get("times_ms"), record.get("level")
        if type(record.get("issued_ms")) is not int:
            return None
        if not _intervals(times, level) or not _ints(level):
            return None
        if not all(0 <= one < _LEVELS for one in level):
            return None
        return cls(record["issued_ms"], tuple(times), tuple(level))

    def interval(self, t_ms: int) -> tuple[int, int, int] | None:
        """Return (begin, end, level) of the interval around ``t_ms``, None outside of all."""
        at = _find(self.times_ms, t_ms)
        return None if at is None else (self.times_ms[at], self.times_ms[at + 1], self.level[at])


@dataclass(frozen=True, slots=True)
class Command:
    """Direct control of devices of some kinds, interval by interval."""

    id: str
    issued_ms: int
    issuer: str
    action: Literal["limit", "set"]
    kinds: tuple[str, ...]
    times_ms: tuple[int, ...]
    percent: tuple[int | None, ...]

    @classmethod
    def of(cls, value: Any) -> Command | None:
        """Return the command of a record, None where it is none."""
        record = _record(value)
        kinds, times, percent = (record.get(name) for name in ("kinds", "times_ms", "percent"))
        if not _is_head(record):
            return None
        if not isinstance(kinds, list) or not all(kind in KINDS for kind in kinds):
            return None
        if not (times == percent == [] or _intervals(times, percent)):
            return None
        lowest = 0 if record["action"] == "limit" else -100
        if not all(p is None or (type(p) is int and lowest <= p <= 100) for p in percent):
            return None
        return cls(
            record["id"], record["issued_ms"], record["issuer"], record["action"], tuple(kinds),
            tuple(times), tuple(percent),
        )  # fmt: skip

    @property
    def end_ms(self) -> int:
        """When it is over; at once where it takes an earlier one back."""
        return self.times_ms[-1] if self.times_ms else self.issued_ms

    def interval(self, t_ms: int) -> tuple[int, int, int | None] | None:
        """Return (begin, end, percent) of the interval around ``t_ms``, None outside of all."""
        at = _find(self.times_ms, t_ms)
        return None if at is None else (self.times_ms[at], self.times_ms[at + 1], self.percent[at])

    @property
    def reduction_percent(self) -> int:
        """How far it lowers a device at most, of its rated power."""
        return max((100 - max(p, 0) for p in self.percent if p is not None), default=0)

    def plain(self) -> dict[str, Any]:
        """Return the record."""
        return {
            "id": self.id,
            "issued_ms": self.issued_ms,
            "issuer": self.issuer,
            "action": self.action,
            "kinds": list(self.kinds),
            "times_ms": list(self.times_ms),
            "percent": list(self.percent),
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """Who follows a command, who does not, who has not been heard: customers."""

    id: str
    unit: str
    opted_in: tuple[str, ...] = ()
    opted_out: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()

    @classmethod
    def of(cls, value: Any) -> Answer | None:
        """Return the answer of a record, None where it is none."""
        record = _record(value)
        texts = [record.get("id"), record.get("unit")]
        if not all(isinstance(text, str) and text for text in texts):
            return None
        lists: list[Any] = [record.get(name) for name in ("opted_in", "opted_out", "silent")]
        if not all(_names(names) for names in lists):
            return None
        return cls(record["id"], record["unit"], *(tuple(names) for names in lists))

    def plain(self) -> dict[str, Any]:
        """Return the record."""
        return {
            "id": self.id,
            "unit": self.unit,
            "opted_in": list(self.opted_in),
            "opted_out": list(self.opted_out),
            "silent": list(self.silent),
        }


def _record(value: Any) -> Any:
    """Return a value that is a record, else an empty one."""
    return value if isinstance(value, dict) else {}


def _is_head(value: Any) -> bool:
    """Tell whether what a command begins with is there."""
    texts = [value.get(name) for name in ("id", "issuer", "action")]
    named = all(isinstance(text, str) and 0 < len(text) < _LONGEST for text in texts)
    return named and type(value.get("issued_ms")) is int and texts[2] in ("limit", "set")


def is_price(value: Any) -> bool:
    """Tell whether a value is a record of prices."""
    return Price.of(value) is not None


def is_grid_state(value: Any) -> bool:
    """Tell whether a value is a record of the grid's state."""
    return GridState.of(value) is not None


def _names(values: Any) -> bool:
    return (
        isinstance(values, list)
        and len(values) <= _MOST
        and all(isinstance(name, str) for name in values)
    )


def _find(times_ms: Sequence[int], t_ms: int) -> int | None:
    at = bisect_right(times_ms, t_ms) - 1
    return at if 0 <= at < len(times_ms) - 1 else None


def _all_int(values: Sequence[Any]) -> bool:
    return all(type(value) is int for value in values)


def _ints(values: Any) -> bool:
    return isinstance(values, list) and len(values) <= _MOST and _all_int(values)


def _intervals(times: Any, values: Any) -> bool:
    """Tell whether ``times`` rise and bound as many intervals as there are ``values``."""
    if not (_ints(times) and isinstance(values, list) and len(values) == len(times) - 1):
        return False
    return len(values) > 0 and all(a < b for a, b in pairwise(times))
