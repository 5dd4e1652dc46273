"""Flow models: when a message leaves, by recursion; what access and repetition cost, by formula.

A link serves in the order of arrival: departure = max(now, last departure) + service. A station
on a medium with contention meets the mean field of all others (``contention.py``): from the rate
at which frames are begun follow how often sensing finds the medium busy and how often a
transmission meets another, and with these each message draws its way. Cells are in ``cell.py``.
"""

from __future__ import annotations

from simulators.network.draws import Draws
from simulators.network.fidelity.carrier import FluidPort, Outcome
from simulators.network.fidelity.contention import Contention, Field
from simulators.network.fidelity.rate import Rate
from simulators.network.message import Message
from simulators.network.technologies import LinkTechnology, MediumTechnology
from simulators.network.technology import Technology

__all__ = ["LinkFlow", "MediumFlow", "frame_error"]


def frame_error(technology: Technology, size: int) -> float:
    """Return the mean probability that noise destroys a frame of ``size`` bytes."""
    bad = technology.error
    if technology.bad_ms > 0:
        share = technology.bad_ms / (technology.good_ms + technology.bad_ms)
        bad = (1.0 - share) * technology.error + share * technology.error_bad
    return 1.0 - (1.0 - bad) * (1.0 - technology.ber) ** (8 * size)


def _tries(draws: Draws, error: float, most: int) -> tuple[int, bool]:
    """Return how often something is sent until it gets through, and whether it does."""
    for number in range(1, most + 1):
        if not error or draws.uniform() >= error:
            return number, True
    return most, False


class LinkFlow:
    """Both directions of a link; first come, first served."""

    def __init__(self, technology: LinkTechnology, draws: Draws) -> None:
        self._technology, self._draws = technology, draws
        self._delay_us = technology.propagation_us

    def passage_us(self, port: FluidPort, size: int) -> int:
        """Return air time and propagation."""
        return port.costs[size].air_us + self._delay_us

    def outcome(self, port: FluidPort, message: Message, now_us: int) -> Outcome:
        """Return wait, repetitions, air time, and the way through the core."""
        technology, draws = self._technology, self._draws
        cost = port.costs[message.size]
        air_us = retry_us = attempts = errors = wire = 0
        through = True
        for size, frame_us in zip(cost.sizes, cost.airs_us, strict=True):
            error = frame_error(technology, size)
            number, through = _tries(draws, error, technology.retries + 1)
            attempts += number
            wire += number * size
            errors += number - through
            retry_us += (number - 1) * (frame_us + technology.retry_us)
            if not through:
                retry_us += frame_us
                break
            air_us += frame_us
        begin_us = max(now_us, port.free_us)
        port.free_us = begin_us + air_us + retry_us
        core_us = self._delay_us if through else 0
        if through and technology.core_median_us:
            core_us += int(draws.lognormal(technology.core_median_us, technology.core_sigma) + 0.5)
        cause = "" if through else "retries" if technology.retries else "noise"
        return Outcome(
            begin_us - now_us, 0, air_us, retry_us, core_us, cause, attempts, errors, wire
        )


class MediumFlow:
    """A medium with CSMA/CA whose stations meet the mean of all others.

    The rate of frames is that of late, over as long as a hundred of them last.
    """

    def __init__(self, technology: MediumTechnology, draws: Draws) -> None:
        self._technology, self._draws = technology, draws
        self._contention = Contention(technology)
        answer_us = technology.ack_gap_us + technology.ack_us if technology.ack_us else 0
        self._answer_us = answer_us
        self._typical_us = float(technology.air_us()(technology.frame_header_bytes + 60))
        self._rate = Rate(100.0 * (self._typical_us + answer_us))
        self._own: dict[FluidPort, Rate] = {}
        self._least_us = technology.cca_us + technology.turnaround_us

    def passage_us(self, port: FluidPort, size: int) -> int:
        """Return sensing, turnaround and air time of all frames."""
        cost = port.costs[size]
        return cost.air_us + len(cost.sizes) * self._least_us

    def outcome(self, port: FluidPort, message: Message, now_us: int) -> Outcome:
        """Draw backoffs, busy findings and collisions of all frames of a message."""
        technology, cost = self._technology, port.costs[message.size]
        begin_us = max(now_us, port.free_us)
        rate = self._met(port, now_us)
        access_us = air_us = retry_us = attempts = errors = wire = 0
        cause, free_us = "", begin_us
        for place, (size, frame_us) in enumerate(zip(cost.sizes, cost.airs_us, strict=True)):
            self._note(port, now_us)
            self._typical_us += 0.02 * (frame_us - self._typical_us)
            mean = self._contention.at(self._typical_us, rate)
            if place:  # the next frame of a message waits for the acknowledgement of the last
                access_us += self._answer_us + technology.ifs_us
            waited_us, spent_us, number, cause = self._frame(mean, message, size, frame_us)
            access_us += waited_us
            retry_us += spent_us
            attempts += number
            wire += number * size
            errors += number - (not cause)
            if cause:
                break
            air_us += frame_us
        free_us += access_us + air_us + retry_us
        port.free_us = free_us + self._answer_us + technology.ifs_us
        return Outcome(
            begin_us - now_us, access_us, air_us, retry_us, 0, cause, attempts, errors, wire
        )

    def _met(self, port: FluidPort, now_us: int) -> float:
        """Return the rate of others' frames within the time that is not taken by one's own."""
        all_of_them = self._rate.at(now_us)
        mine = self._own.get(port)
        if mine is None:
            return all_of_them
        own = min(mine.at(now_us), all_of_them)
        taken = own * (self._typical_us + self._answer_us)
        return (all_of_them - own) / max(1.0 - taken, 0.1)

    def _note(self, port: FluidPort, now_us: int) -> None:
        self._rate.add(now_us)
        mine = self._own.get(port)
        if mine is None:
            mine = self._own[port] = Rate(self._rate.span_us)
        mine.add(now_us)

    def _frame(
        self, mean: Field, message: Message, size: int, frame_us: int
    ) -> tuple[int, int, int, str]:
        """Return access [µs], time lost by repetition [µs], transmissions, why it died.

        Two that met once draw from the same window again, and meet again if they draw alike.
        """
        technology, draws = self._technology, self._draws
        noise, again = frame_error(technology, size), 0.0
        least = technology.min_be + technology.be_per_priority * message.priority
        access_us = retry_us = 0
        for attempt in range(technology.retries + 1):
            grown = attempt if technology.be_growth != "busy" else 0
            exponent = min(least + grown, technology.max_be)
            waited_us = self._access(mean, exponent)
            if waited_us < 0:
                access_us -= waited_us
                return (access_us, retry_us, attempt, "access")
            if attempt:
                retry_us += waited_us
            else:
                access_us += waited_us
            meets = mean.collision + again * (1.0 - mean.collision) / (1 << exponent)
            if draws.uniform() < meets:
                again = 1.0
            elif not noise or draws.uniform() >= noise:
                return access_us, retry_us, attempt + 1, ""
            else:
                again = 0.0
            retry_us += frame_us
            if attempt < technology.retries:
                retry_us += max(technology.ack_timeout_us, technology.ifs_us)
        cause = "retries" if technology.retries else "noise"
        return access_us, retry_us, technology.retries + 1, cause

    def _access(self, mean: Field, exponent: int) -> int:
        """Return the time until a frame is on the air [µs]; negative if access failed."""
        technology, draws = self._technology, self._draws
        spent_us, still = 0, False
        for _ in range(technology.max_backoffs + 1):
            slots = int(draws.uniform() * (1 << exponent))
            waited_us = slots * technology.unit_backoff_us + technology.cca_us
            spent_us += waited_us
            busy = mean.busy
            if still:  # what was heard before may be heard still
                left = max(0.0, 1.0 - waited_us / mean.held_us)
                busy = left + (1.0 - left) * busy
            if draws.uniform() >= busy:
                return spent_us + technology.turnaround_us
            still = True
            if technology.be_growth != "retry":
                exponent = min(exponent + 1, technology.max_be)
        return -spent_us
