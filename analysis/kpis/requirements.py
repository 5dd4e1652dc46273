"""Communication against what applications ask of it: deadlines, classes, experience."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from analysis.kpis.flows import Flow, flows
from analysis.kpis.registry import Outcome, Up, kpi, nothing
from analysis.requirement_classes import NETWORK_SHARE, RequirementClass, application_of

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["judged", "met", "opinion"]

_FAMILY = "communication"
_NONE = "no message of a known application has come to its end"
_TABLE = "classes and applications of docs/models/experience.md, with their sources"
_OPINION = (
    "logarithmic opinion as ITU-T G.1030 Annex A, scale of ITU-T P.800, mean over messages as "
    "Hoßfeld et al. 2020 (docs/models/experience.md)"
)
_BEST, _WORST = 5.0, 1.0
_FAILED = ("timeout", "unreachable", "overloaded")  # results of requests


def judged(run: Run) -> Iterator[tuple[Flow, RequirementClass]]:
    """Yield the flows of known applications that have messages at their end, with their class."""
    for flow in flows(run):
        if flow.application is not None and flow.known:
            yield flow, flow.application.requirement


def met(flow: Flow, asked: RequirementClass, *, network: bool = False) -> bool:
    """Tell whether enough messages were there in time; ``network``: in its own part of it."""
    limit_ms = asked.network_ms if network else asked.limit_ms
    return flow.within(limit_ms) >= asked.delivered_percent / 100.0 * flow.known


def _misses(run: Run, limit: Callable[[RequirementClass], float]) -> Outcome:
    late, known, by = 0, 0, {}
    for flow, asked in judged(run):
        missed = flow.known - flow.within(limit(asked))
        by[flow.name] = 100.0 * missed / flow.known
        late, known = late + missed, known + flow.known
    return Outcome(100.0 * late / known, by=by) if known else nothing(_NONE)


@kpi("%", _FAMILY, Up.BAD, source=_TABLE)
def deadline_misses_percent(run: Run) -> Outcome:
    """Share of messages lost, or later than the limit of the class that their application is
    judged by, of those whose fate is known, by flow.
    """
    return _misses(run, lambda asked: asked.limit_ms)


@kpi("%", _FAMILY, Up.BAD, source=f"{_TABLE}; IEC 61850-10: 20 % of a transfer time")
def network_deadline_misses_percent(run: Run) -> Outcome:
    """The same against the network's own part of the limit: a fifth of it for the classes of
    IEC 61850, all of it for the others.
    """
    return _misses(run, lambda asked: asked.network_ms)


def _met(run: Run, *, network: bool) -> Outcome:
    passed, count, by = 0, 0, {}
    for flow, _ in judged(run):
        assert flow.application is not None
        asked = flow.application.classes
        good = sum(met(flow, item, network=network) for item in asked)
        by[flow.name] = 100.0 * good / len(asked)
        passed, count = passed + good, count + len(asked)
    return Outcome(100.0 * passed / count, by=by) if count else nothing(_NONE)


@kpi("%", _FAMILY, Up.GOOD, source=_TABLE)
def requirements_met_percent(run: Run) -> Outcome:
    """Share of the classes that the applications are held against which are met: of all messages
    whose fate is known, at least the share the class asks for was there within its limit; by
    flow.
    """
    return _met(run, network=False)


@kpi("%", _FAMILY, Up.GOOD, source=f"{_TABLE}; IEC 61850-10: 20 % of a transfer time")
def network_requirements_met_percent(run: Run) -> Outcome:
    """The same against the network's own part of the limits."""
    return _met(run, network=True)


@kpi("%", _FAMILY, Up.GOOD, source=_TABLE)
def in_time_percent(run: Run) -> Outcome:
    """Share of messages there within the limit of each class that their application is held
    against, of those whose fate is known, by flow and class, and where the network has a part of
    the limit of its own, within that (``network``); the value is the lowest among the classes that
    applications are judged by.
    """
    by: dict[str, float] = {}
    own = []
    for flow, judge in judged(run):
        assert flow.application is not None
        for asked in flow.application.classes:
            by[f"{flow.name} {asked.name}"] = 100.0 * flow.within(asked.limit_ms) / flow.known
            if asked.network_ms < asked.limit_ms:
                share = 100.0 * flow.within(asked.network_ms) / flow.known
                by[f"{flow.name} {asked.name} network"] = share
        own.append((by[f"{flow.name} {judge.name}"], flow.name))
    if not own:
        return nothing(_NONE)
    value, name = min(own)
    return Outcome(value, by=by, element=name)


def opinion(delay_ms: npt.ArrayLike, limit_ms: float) -> npt.NDArray[np.float64]:
    """Return what a delay is worth, 1 to 5: 5 up to a fifth of the limit, 3 at it, 1 from five.

    The logarithm of a time as in ITU-T G.1030 Annex A, its ends set by the limit: the fifth is
    the share of a transfer time that is the network's (IEC 61850-10).
    """
    good_ms, bad_ms = NETWORK_SHARE * limit_ms, limit_ms / NETWORK_SHARE
    clipped = np.clip(np.asarray(delay_ms, dtype=np.float64), good_ms, bad_ms)
    share: npt.NDArray[np.float64] = np.log(clipped / good_ms) / np.log(bad_ms / good_ms)
    return _BEST - (_BEST - _WORST) * share


@kpi("1", _FAMILY, Up.GOOD, source=_OPINION)
def experience(run: Run) -> Outcome:
    """Quality of experience from 1 (bad) to 5 (excellent): mean over the messages of an
    application whose fate is known of 5 for a delay up to a fifth of its limit, 3 for the limit,
    1 from five times the limit or where it was lost, by the logarithm of the delay between;
    mean over the applications, by application.
    """
    sums: dict[str, tuple[float, int]] = {}
    for flow, asked in judged(run):
        assert flow.application is not None
        total, count = sums.get(flow.application.name, (0.0, 0))
        worth = float(opinion(flow.delays_ms, asked.limit_ms).sum()) + _WORST * flow.lost
        sums[flow.application.name] = (total + worth, count + flow.known)
    if not sums:
        return nothing(_NONE)
    by = {name: total / count for name, (total, count) in sums.items()}
    return Outcome(sum(by.values()) / len(by), by=by)


@kpi("1", _FAMILY, Up.GOOD, source=_OPINION)
def request_experience(run: Run) -> Outcome:
    """The same of requests instead of messages, as the service that asked saw them: the time to
    the outcome, against the limit of its application; 1 where none came in time, or where the
    data were out of reach.
    """
    frame = run.columns("request", "service", "result", "latency_ms")
    by: dict[str, float] = {}
    for service, some in frame.groupby("service", observed=True):
        application = application_of(str(service))
        if application is not None:
            worth = opinion(some["latency_ms"], application.requirement.limit_ms)
            failed = some["result"].isin(_FAILED).to_numpy()
            by[str(service)] = float(np.where(failed, _WORST, worth).mean())
    if not by:
        return nothing("no service of a known application asked for anything")
    return Outcome(sum(by.values()) / len(by), by=by)
