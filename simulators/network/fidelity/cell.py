"""Flow model of a cell: units in the order of asking; access, paging and HARQ by formula."""

from __future__ import annotations

from math import exp
from typing import NamedTuple

from simulators.network.cell_technology import CellTechnology
from simulators.network.draws import Draws
from simulators.network.fidelity.carrier import FluidPort, Outcome
from simulators.network.fidelity.rate import Rate
from simulators.network.message import Message
from simulators.network.stack import frame_sizes

__all__ = ["CellFlow"]

_LONG = 10**18
_LONG_AGO = -_LONG


class _Need(NamedTuple):
    """What a message needs: bytes on the air, units, blocks, the least time on the air [µs]."""

    wire_bytes: int
    units: int
    blocks: int
    air_us: int


class CellFlow:
    """Each direction's units, lane by lane, are given away as messages ask for them.

    All subscribers stand to the base station as the technology has it. Who is idle joins with
    the collisions that the rate of joining of late makes.
    """

    def __init__(self, technology: CellTechnology, draws: Draws, station: str) -> None:
        self._technology, self._draws, self._station = technology, draws, station
        self._free = {up: [0] * technology.lanes(up) for up in (True, False)}
        self._joins = Rate(max(1e6, 20.0 * technology.access_period_us))
        self._seen: dict[str, int] = {}
        self._connected: dict[str, int] = {}
        self._sent: dict[str, int] = {}
        self._granted: dict[str, int] = {}
        self._paged: set[str] = set()
        self._needs: dict[tuple[int, bool], _Need] = {}

    def _need(self, size: int, up: bool) -> _Need:
        found = self._needs.get((size, up))
        if found is None:
            technology = self._technology
            wire, times = sum(frame_sizes(technology, size)), technology.repetitions(up)
            unit_bits = technology.unit_bits(up, technology.snr_db(up))
            units = -(-8 * wire // unit_bits) * times
            intervals = -(-units // technology.width(up))
            if technology.limit_bits(up):
                intervals = max(intervals, -(-8 * wire * times // technology.limit_bits(up)))
            blocks = units if technology.phy == "gprs" else -(-intervals // times)
            found = _Need(wire, units, blocks, intervals * technology.tti_us)
            self._needs[size, up] = found
        return found

    def passage_us(self, port: FluidPort, size: int) -> int:
        """Return the time on the air and for decoding."""
        return self._need(size, port.node.id != self._station).air_us + self._technology.decode_us

    def outcome(self, port: FluidPort, message: Message, now_us: int) -> Outcome:
        """Return access, wait for resources, air time, repetitions and decoding."""
        technology = self._technology
        up = port.node.id != self._station
        subscriber = port.node.id if up else message.receiver.id
        access_us, failed = self._access_us(subscriber, now_us, up)
        if failed:
            return Outcome(0, access_us, 0, 0, 0, "access", 0, 0, 0)
        need, ready_us = self._need(message.size, up), now_us + access_us
        queue_us, begin_us, end_us = self._take(need, now_us, ready_us, up)
        rounds = self._rounds(need.blocks)
        through = rounds <= technology.retries
        retry_us = min(rounds, technology.retries) * (technology.harq_us + technology.tti_us)
        self._seen[subscriber] = end_us + retry_us
        if up:
            self._sent[subscriber] = end_us
        cause = "" if through else "retries" if technology.retries else "noise"
        return Outcome(
            queue_us,
            begin_us - queue_us - now_us,
            end_us - begin_us + technology.decode_us,
            retry_us,
            0,
            cause,
            1 + min(rounds, technology.retries),
            rounds,
            need.wire_bytes,
        )

    def _take(self, need: _Need, now_us: int, ready_us: int, up: bool) -> tuple[int, int, int]:
        """Take units of the first free lane; return the wait, when they begin and end [µs].

        Units are counted when a message asks, not when it is ready for them, so that one that
        needs long for access keeps no other waiting; the wait is what it would have been then.
        """
        lanes, width = self._free[up], self._technology.width(up)
        tti_us = self._technology.tti_us
        unit = min(lanes)
        lane, first = lanes.index(unit), -(-now_us // tti_us) * width
        begin = max(unit, first)
        lanes[lane] = begin + need.units
        wait = (begin - first) // width
        begin_us = (-(-ready_us // tti_us) + wait) * tti_us
        within = (begin - first) % width
        return (
            wait * tti_us,
            begin_us,
            begin_us + max(-(-(within + need.units) // width) * tti_us, need.air_us),
        )

    def _rounds(self, blocks: int) -> int:
        """Draw how many repetitions the unluckiest block needs; more than there are is a loss."""
        technology = self._technology
        if not technology.error:
            return 0
        drawn, lost = self._draws.uniform(), technology.error
        for number in range(technology.retries + 1):
            if drawn < (1.0 - lost) ** blocks:
                return number
            lost *= technology.error_again
        return technology.retries + 1

    def _access_us(self, subscriber: str, now_us: int, up: bool) -> tuple[int, bool]:
        """Return the time until resources may be had [µs], and whether access failed."""
        technology, draws = self._technology, self._draws
        pending_us = self._connected.get(subscriber, _LONG_AGO) - now_us
        if pending_us > 0 and not (up and subscriber in self._paged):
            return pending_us, False
        idle_us = now_us - self._seen.get(subscriber, _LONG_AGO) if pending_us <= 0 else _LONG
        if technology.setup_us and idle_us > technology.hold_us:
            spent_us, failed = 0, False
            pages = not up and technology.paging_us and idle_us > technology.known_us
            self._paged.discard(subscriber)
            if pages:
                self._paged.add(subscriber)  # until then it may come by itself
                spent_us += int(draws.uniform() * technology.paging_us)
            if up or pages:
                joined_us, failed = self._join_us(now_us)
                spent_us += joined_us
            spent_us += technology.setup_us
            if not failed:
                self._connected[subscriber] = now_us + spent_us
            return spent_us, failed
        if not up:
            return 0, False
        if now_us >= self._sent.get(subscriber, _LONG_AGO):
            wait_us = int(draws.uniform() * technology.request_us) + technology.grant_us
            self._granted[subscriber] = now_us + wait_us
        return max(0, self._granted.get(subscriber, 0) - now_us), False

    def _join_us(self, now_us: int) -> tuple[int, bool]:
        """Return the time of random access [µs], and whether all its tries failed."""
        technology, draws = self._technology, self._draws
        rate = self._joins.at(now_us)
        collides = 0.0
        if technology.preambles:
            collides = 1.0 - exp(-rate * technology.access_period_us / technology.preambles)
        spent_us = 0
        for number in range(1, technology.access_tries + 1):
            self._joins.add(now_us)
            spent_us += int(draws.uniform() * technology.access_period_us) + 1
            loud = not technology.ramp or draws.uniform() < 1.0 - exp(-technology.ramp * number)
            if loud and draws.uniform() >= collides:
                return spent_us, False
            spent_us += technology.resolve_us if loud else technology.answer_us
            spent_us += int(draws.uniform() * technology.backoff_us)
        return spent_us, True
