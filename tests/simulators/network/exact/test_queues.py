"""Links against the exact results of queueing theory, and against the same made 5 % slower."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import expm1
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from simpy.events import Timeout

from simulators.network.carrier import Clock, Fabric
from simulators.network.link import Link
from simulators.network.message import Message, Node
from simulators.network.technologies import LinkTechnology

Floats = NDArray[np.float64]
SLOWER = 1.05
SERVICE_US, OWN_BYTES = 10_000, 24  # a byte takes a microsecond, Ethernet adds 24
PLAIN = LinkTechnology(
    name="test",
    title="test",
    phy="ethernet",
    mtu_bytes=10**9,
    frame_header_bytes=0,
    queue_frames=10**6,
    rate_up_bps=8e6,
    rate_down_bps=8e6,
)


# What an error of almost never makes of a cable: a transmitter that draws each service.
DRAWN = replace(PLAIN, ber=1e-18)


def slowed(technology: LinkTechnology, stretch: float) -> LinkTechnology:
    return replace(technology, rate_up_bps=technology.rate_up_bps / stretch)


class Lanes:
    """Links side by side, each fed with its own arrivals; what came of every message."""

    def __init__(self, technology: LinkTechnology, seed: int, lanes: int) -> None:
        self.clock = Clock()
        self.on_passed: Callable[[Message], None] = self._passed
        self.on_lost: Callable[[Message, str], None] = self._lost
        fabric = Fabric(self.clock, seed, self._over, self._died)
        self.links = [
            Link(fabric, f"l{n}", technology, (Node("a"), Node("b"))) for n in range(lanes)
        ]
        self.waits = self.totals = self.tries = np.empty(0)

    def run(
        self, arrivals_us: Floats, services_us: Floats, classes: Sequence[int] | None = None
    ) -> None:
        """Offer messages, lane by row; what is lost waits NaN."""
        lanes, count = arrivals_us.shape
        self.waits, self.totals = np.full(lanes * count, np.nan), np.full(lanes * count, np.nan)
        self.tries = np.zeros(lanes * count)
        for lane in range(lanes):
            _Feeder(self, lane, arrivals_us[lane], services_us[lane], classes)
        self.clock.run()
        self.waits = self.waits.reshape(lanes, count)
        self.totals = self.totals.reshape(lanes, count)

    def _over(self, message: Message) -> None:
        self.on_passed(message)

    def _died(self, message: Message, cause: str) -> None:
        self.on_lost(message, cause)

    def _passed(self, message: Message) -> None:
        self.waits[message.serial] = message.queue_us
        self.totals[message.serial] = self.clock.now - message.t_send_us
        self.tries[message.serial] = message.attempts

    def _lost(self, message: Message, cause: str) -> None:
        assert cause in ("queue-full", "retries"), cause
        self.tries[message.serial] = message.attempts


class _Feeder:
    """Offers the messages of one lane, one event for each."""

    def __init__(
        self,
        bench: Lanes,
        lane: int,
        arrivals_us: Floats,
        services_us: Floats,
        classes: Sequence[int] | None,
    ) -> None:
        self._bench, self._base, self._place = bench, lane * len(arrivals_us), 0
        self._times = arrivals_us.astype(int).tolist()
        self._sizes = (services_us.astype(int) - OWN_BYTES).tolist()
        self._classes = classes or [0] * len(self._times)
        link = bench.links[lane]
        self._port, self._path = link.up, ((link.up, link.b),)
        self._next()

    def _next(self) -> None:
        clock = self._bench.clock
        Timeout(clock, self._times[self._place] - clock.now).callbacks.append(self._offer)

    def _offer(self, event: Any) -> None:
        place, now = self._place, self._bench.clock.now
        message = Message(
            self._base + place, "a", "b", self._sizes[place], self._classes[place], now
        )
        message.path = self._path
        self._port.offer(message)
        self._place += 1
        if self._place < len(self._times):
            self._next()


def arrivals(rng: np.random.Generator, load: float, lanes: int, count: int) -> Floats:
    """Return Poisson arrivals [whole µs] at a load, lane by row."""
    gaps = rng.exponential(SERVICE_US / load, (lanes, count))
    return np.floor(np.cumsum(gaps, axis=1))


def services(rng: np.random.Generator, lanes: int, count: int, exponential: bool) -> Floats:
    """Return service times [whole µs]."""
    if not exponential:
        return np.full((lanes, count), float(SERVICE_US))
    drawn = np.rint(rng.exponential(SERVICE_US, (lanes, count)))
    return np.maximum(drawn, OWN_BYTES)


def lindley(gaps: Floats, served: Floats, first: float = 0.0) -> Floats:
    """Return waits by Lindley's recursion: the next = max(0, this + its service - the gap)."""
    walk = np.cumsum(served - gaps, axis=-1) + first
    return walk - np.minimum(np.minimum.accumulate(walk, axis=-1), 0.0)


def long_wait(
    rng: np.random.Generator, load: float, exponential: bool, count: int, mean: Any
) -> Any:
    """Return the mean wait [services] of Lindley's recursion over ``count`` arrivals."""
    batches, size, last = [], count // 50, 0.0
    for _ in range(50):
        steps = rng.exponential(1.0 / load, size)
        np.subtract(rng.exponential(1.0, size) if exponential else 1.0, steps, out=steps)
        walk = np.cumsum(steps, out=steps)
        walk += last
        walk -= np.minimum(np.minimum.accumulate(walk), 0.0)
        batches.append(walk.mean())
        last = float(walk[-1])
    return mean.of(batches)


def waiting(load: float, exponential: bool, stretch: float, seed: int, mean: Any) -> list[Any]:
    """M/D/1 and M/M/1: the mean wait in service times."""
    rng = np.random.default_rng([seed, 1, int(100 * load), exponential])
    lanes, count = 40, 1000
    at, served = arrivals(rng, load, lanes, count), services(rng, lanes, count, exponential)
    bench = Lanes(slowed(DRAWN if exponential else PLAIN, stretch), seed, lanes)
    bench.run(at, served)
    theory = np.zeros_like(at)
    theory[:, 1:] = lindley(np.diff(at), served[:, :-1])
    more = mean.of((bench.waits - theory).mean(axis=1) / SERVICE_US)
    spread = (1.0 + exponential) / (1.0 - load) ** 2
    long = long_wait(rng, load, exponential, int(min(1e8, 5e6 + 1.5e5 * spread)), mean)
    exact = load / (1 - load) * (1.0 if exponential else 0.5)
    return [(more + long).figure(f"wait at {load}", exact)]


def finite(at: Floats, served: Floats, places: int) -> Floats:
    """Return the waits of a queue of ``places`` (with the server), lane by row, NaN if lost."""
    lanes, count = at.shape
    leaves = np.full((places, lanes), -np.inf)  # of the last accepted ones, a ring for each lane
    oldest, free = np.zeros(lanes, int), np.full(lanes, -np.inf)
    row, waits = np.arange(lanes), np.empty((count, lanes))
    for step in range(count):
        now = at[:, step]
        taken = leaves[oldest, row] <= now
        begin = np.maximum(now, free)
        waits[step] = np.where(taken, begin - now, np.nan)
        free = np.where(taken, begin + served[:, step], free)
        leaves[oldest[taken], row[taken]] = free[taken]
        oldest = np.where(taken, (oldest + 1) % places, oldest)
    return waits.T


def finite_queue(
    load: float,
    places: int,
    exponential: bool,
    expected: tuple[float, float | None],
    stretch: float,
    seed: int,
    mean: Any,
) -> list[Any]:
    """M/M/1/K and M/D/1/K: the share that is lost, the mean wait of what is not."""
    rng = np.random.default_rng([seed, 2, int(100 * load), places, exponential])
    lanes, count = 50, 2000
    at, served = arrivals(rng, load, lanes, count), services(rng, lanes, count, exponential)
    bench = Lanes(replace(slowed(PLAIN, stretch), queue_frames=places - 1), seed, lanes)
    bench.run(at, served)
    theory = finite(at, served, places)
    wide, deep, warm = 2_000 + min(int(280 / expected[0]), 18_000), 900, 300
    rest = finite(arrivals(rng, load, wide, deep), services(rng, wide, deep, exponential), places)[
        :, warm:
    ]
    more = mean.of(np.isnan(bench.waits).mean(axis=1) - np.isnan(theory).mean(axis=1))
    limit = 0.02 if expected[0] > 0.01 else 0.1
    figures = [(more + mean.of(np.isnan(rest).mean(axis=1))).figure("lost", expected[0], limit)]
    if expected[1] is not None:
        more = mean.of(np.nanmean(bench.waits, axis=1) - np.nanmean(theory, axis=1))
        kept, total = (~np.isnan(rest)).sum(axis=1), np.nansum(rest, axis=1)
        share = kept.mean()  # a ratio of means; its linear error by lane
        ratio = total.mean() / share
        long = mean.of(ratio + (total - ratio * kept) / share)
        figures.append((more + long).times(1 / SERVICE_US).figure("wait", expected[1]))
    return figures


class _Cycle:
    """One busy cycle of M/M/1/K in the kernel, its start tilted towards a full queue.

    Until the queue is full, arrivals come at the rate of services and services last as long as
    gaps between arrivals would; ``weight`` is the likelihood ratio that puts this right. What
    waits when it fills has not begun, so its services are drawn anew, as they should be.
    """

    def __init__(self, bench: Lanes, rng: np.random.Generator, load: float, places: int) -> None:
        self._bench, self._rng, self._load, self._places = bench, rng, load, places
        self._link = bench.links[0]
        self._there = self._arrived = self._served = 0
        self._gaps = self._work = 0.0
        self._tilted = True
        self.weight, self.lost = 0.0, 0
        bench.on_passed, bench.on_lost = self._passed, self._lost
        self._sizes: dict[int, float] = {}
        self._arrive(None)
        while self._there:
            bench.clock.step()

    def _service(self) -> float:
        return float(self._rng.exponential(1.0 / self._load if self._tilted else 1.0))

    def _arrive(self, event: Any) -> None:
        if event is not None and not self._there:
            return  # the cycle is over
        bench, serial = self._bench, self._arrived
        self._sizes[serial] = self._service()
        message = Message(serial, "a", "b", _bytes(self._sizes[serial]), 0, bench.clock.now)
        message.path = ((self._link.up, self._link.b),)
        self._arrived += 1
        self._there += 1
        self._link.up.offer(message)
        if self._tilted and self._there == self._places:
            self._fill()
        gap = float(self._rng.exponential(1.0 if self._tilted else 1.0 / self._load))
        self._gaps += gap
        Timeout(bench.clock, round(gap * SERVICE_US)).callbacks.append(self._arrive)

    def _fill(self) -> None:
        self._tilted = False
        waiting, _ = self._link.up.held()
        begun = self._arrived - len(waiting)
        work = sum(self._sizes[serial] for serial in range(begun))
        power = (self._arrived - 1) - begun
        self.weight = self._load**power * np.exp((1.0 - self._load) * (self._gaps - work))
        for message in waiting:
            message.size = _bytes(self._service())

    def _passed(self, message: Message) -> None:
        self._there -= 1

    def _lost(self, message: Message, cause: str) -> None:
        self._there -= 1
        self.lost += 1


def _bytes(service: float) -> int:
    return max(round(service * SERVICE_US), OWN_BYTES) - OWN_BYTES


def rare_loss(cycles: int, stretch: float, seed: int, mean: Any) -> list[Any]:
    """M/M/1/50 at load 0.8 loses 2.9 in a million: by importance sampling, cycle by cycle."""
    load, places = 0.8, 50
    technology = replace(slowed(PLAIN, stretch), queue_frames=places - 1)
    rng = np.random.default_rng([seed, 4])
    lost = []
    for _ in range(cycles):
        cycle = _Cycle(Lanes(technology, seed, 1), rng, load, places)
        lost.append(cycle.weight * cycle.lost)
    at = arrivals(rng, load, 50, 1500)
    bench = Lanes(technology, seed, 50)
    bench.run(at, services(rng, 50, 1500, exponential=True))
    idle = mean.of((bench.waits == 0).mean(axis=1))  # one arrival of a cycle finds nobody
    rate = mean.over(lost, 100)
    exact = (1 - load) * load**places / (1 - load ** (places + 1))
    both = rate.variance * idle.value**2 + idle.variance * rate.value**2
    return [type(idle)(rate.value * idle.value, both, rate.batches).figure("lost", exact, 0.1)]


def priorities(stretch: float, seed: int, mean: Any) -> list[Any]:
    """Non-preemptive priorities: W1 = R / (1 - r1), W2 = R / ((1 - r1)(1 - r1 - r2)), R = 0.3.

    The kernel's means by class, with the wait first come, first served (whose mean is known
    from Lindley's recursion) as a control variate.
    """
    rng = np.random.default_rng([seed, 3])
    count, batches = 600_000, 100
    at, served = arrivals(rng, 0.6, 1, count), services(rng, 1, count, exponential=False)
    classes = (rng.random(count) < 2 / 3).astype(int) * 3
    bench = Lanes(slowed(PLAIN, stretch), seed, 1)
    bench.run(at, served, classes.tolist())
    fifo = np.zeros(count)
    fifo[1:] = lindley(np.diff(at[0]), served[0, :-1])
    control = fifo.reshape(batches, -1).mean(axis=1) / SERVICE_US
    known = long_wait(rng, 0.6, False, 20_000_000, mean)
    figures = []
    for level, exact in ((0, 0.375), (3, 0.9375)):
        mine = np.where(classes == level, bench.waits[0], np.nan).reshape(batches, -1)
        means = np.nanmean(mine, axis=1) / SERVICE_US
        slope = np.cov(means, control)[0, 1] / control.var(ddof=1)
        figures.append(
            (mean.of(means - slope * control) + known.times(slope)).figure(f"W{level}", exact)
        )
    return figures


def repetition(error: float, retries: int, stretch: float, seed: int, mean: Any) -> list[Any]:
    """Stop-and-wait: the share delivered, the mean number of tries, the mean time they take."""
    lanes, count, pause_us = 50, 3000, 5_000
    technology = replace(slowed(PLAIN, stretch), error=error, retries=retries, retry_us=pause_us)
    bench = Lanes(technology, seed, lanes)
    at = np.tile(np.arange(1, count + 1) * 1e6, (lanes, 1))
    bench.run(at, np.full((lanes, count), float(SERVICE_US)))
    tries = bench.tries.reshape(lanes, count).mean(axis=1)
    delivered, mean_tries = 1 - error ** (retries + 1), (1 - error ** (retries + 1)) / (1 - error)
    # Of those that get through, try k does so with probability (1 - p) p^(k-1) / delivered.
    shares = (1 - error) * error ** np.arange(retries + 1) / delivered
    spent = float(shares @ (SERVICE_US + np.arange(retries + 1) * (SERVICE_US + pause_us)))
    figures = [
        mean.of(tries).figure("tries", mean_tries),
        mean.of(np.nanmean(bench.totals, axis=1)).figure("time", spent),
        mean.of(1.0 - np.isnan(bench.waits).mean(axis=1)).figure("delivered", delivered),
    ]
    if error ** (retries + 1) > 0.005:
        lost = np.isnan(bench.waits).mean(axis=1)
        figures.append(mean.of(lost).figure("lost", error ** (retries + 1), 0.1))
    return figures


def bursts(stretch: float, seed: int, mean: Any) -> list[Any]:
    """Gilbert-Elliott: frames back to back, the share in bad spells, the mean run of them."""
    good_ms, bad_ms, lanes, count = 30.0, 10.0, 40, 15_000
    technology = replace(
        slowed(PLAIN, stretch), good_ms=good_ms, bad_ms=bad_ms, error=0.0, error_bad=1.0, retries=0
    )
    fates: list[list[bool]] = [[] for _ in range(lanes)]
    clock = Clock()

    def send(lane: int) -> None:
        if len(fates[lane]) < count:
            message = Message(lane, "a", "b", SERVICE_US // 2 - OWN_BYTES, 0, clock.now)
            message.path = ((links[lane].up, links[lane].b),)
            links[lane].up.offer(message)

    def over(message: Message, lost: bool) -> None:
        fates[message.serial].append(lost)
        send(message.serial)

    fabric = Fabric(clock, seed, partial(over, lost=False), lambda message, _: over(message, True))
    links = [Link(fabric, f"l{n}", technology, (Node("a"), Node("b"))) for n in range(lanes)]
    for lane in range(lanes):
        send(lane)
    clock.run()
    bad = np.array(fates)
    ends = (bad[:, :-1] & ~bad[:, 1:]).mean(axis=1)
    share = bad.mean(axis=1)
    run = share.mean() / ends.mean()
    run_by_lane = run + (share - run * ends) / ends.mean()
    frame_ms = SERVICE_US / 2000
    leave = -good_ms / (good_ms + bad_ms) * expm1(-(1 / good_ms + 1 / bad_ms) * frame_ms)
    return [
        mean.of(share).figure("lost", bad_ms / (good_ms + bad_ms)),
        mean.of(run_by_lane).figure("run", 1 / leave),
    ]


def store_and_forward(stretch: float, seed: int, mean: Any) -> list[Any]:
    """Four hops, nothing else on the way: the sum of the air times and of the propagation."""
    technology = replace(slowed(PLAIN, stretch), length_km=20.0)
    clock = Clock()
    nodes = [Node(f"n{n}") for n in range(5)]
    done: list[int] = []

    def passed(message: Message) -> None:
        message.position += 1
        if message.position < len(message.path):
            message.path[message.position][0].offer(message)
        else:
            done.append(clock.now - message.t_send_us)

    fabric = Fabric(clock, seed, passed, lambda *_: None)
    links = [Link(fabric, f"l{n}", technology, (nodes[n], nodes[n + 1])) for n in range(4)]
    for size in (76, 376, 976):
        message = Message(size, "n0", "n4", size, 0, clock.now)
        message.path = tuple((link.up, link.b) for link in links)
        links[0].up.offer(message)
        clock.run()
    return [
        mean.of([took, took]).figure(f"{size} B", 4 * (size + OWN_BYTES + 100))
        for size, took in zip((76, 376, 976), done, strict=True)
    ]


Row = Callable[[float, int, Any], list[Any]]
LOADS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
MM1K = {(0.8, 5): 0.08882, (0.8, 10): 0.02349, (1.0, 10): 0.09091, (1.2, 10): 0.19259}
MD1K = {
    (0.5, 3): (0.02724, 0.37095),
    (0.8, 2): (0.19957, 0.31166),
    (0.8, 5): (0.03529, 1.20967),
    (0.8, 11): (0.002353, 1.87827),
}
ARQ = ((0.1, 3), (0.3, 3), (0.3, 5), (0.5, 3), (0.5, 5))
ROWS: dict[str, Row] = {
    **{f"M/D/1 {load}": partial(waiting, load, False) for load in LOADS},
    **{f"M/M/1 {load}": partial(waiting, load, True) for load in LOADS},
    **{
        f"M/M/1/{k} {load}": partial(finite_queue, load, k, True, (lost, None))
        for (load, k), lost in MM1K.items()
    },
    **{
        f"M/D/1/{k} {load}": partial(finite_queue, load, k, False, expected)
        for (load, k), expected in MD1K.items()
    },
    "priorities": priorities,
    **{f"repetition {p} {r}": partial(repetition, p, r) for p, r in ARQ},
    "bursts": bursts,
    "store and forward": store_and_forward,
}


QUICK = ("M/D/1 0.1", "M/D/1 0.3", "M/D/1 0.5", "M/D/1 0.7", "M/D/1 0.8", "M/M/1 0.5",
         "M/D/1/2 0.8", "repetition 0.3 3", "store and forward")  # fmt: skip
PARAMETERS = [pytest.param(name, marks=() if name in QUICK else pytest.mark.slow) for name in ROWS]


@pytest.mark.slow
def test_a_rare_loss_is_as_rare_as_theory_has_it(
    seed: int, mean: Any, agrees: Callable[[list[Any]], None]
) -> None:
    agrees(rare_loss(30_000, 1.0, seed, mean))


@pytest.mark.slow
def test_a_rare_loss_with_five_percent_longer_services_is_told(
    seed: int, mean: Any, differs: Callable[[list[Any]], None]
) -> None:
    differs(rare_loss(1_000, SLOWER, seed, mean))


@pytest.mark.requirement("NW-07")
@pytest.mark.parametrize("row", PARAMETERS)
def test_the_kernel_agrees_with_theory(
    row: str, seed: int, mean: Any, agrees: Callable[[list[Any]], None]
) -> None:
    agrees(ROWS[row](1.0, seed, mean))


@pytest.mark.parametrize("row", PARAMETERS)
def test_five_percent_longer_is_told(
    row: str, seed: int, mean: Any, differs: Callable[[list[Any]], None]
) -> None:
    differs(ROWS[row](SLOWER, seed, mean))
