"""Tables of a report about messages: each flow against what is asked of it, and its books."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.kpis.flows import Flow, flows
from analysis.kpis.requirements import met
from analysis.requirement_classes import RequirementClass
from analysis.text import delay_text, number

if TYPE_CHECKING:
    from analysis.run import Run

__all__ = ["BookRow", "RequirementRow", "books", "requirements"]

_SHARES = (0.50, 0.95, 0.99, 0.999)


@dataclass(frozen=True, slots=True)
class BookRow:
    """What became of the messages of a flow; ``closes``: none is missing."""

    flow: str
    cells: tuple[str, ...]
    closes: bool


@dataclass(frozen=True, slots=True)
class RequirementRow:
    """A flow against one class; ``first``: the one that its application is judged by."""

    flow: str
    asked: str
    title: str
    cells: tuple[str, ...]
    met: bool
    network_met: bool
    first: bool


def books(run: Run) -> list[BookRow]:
    """Return what was sent, delivered, lost and is in flight, with delays, by flow and in all."""
    found = list(flows(run))
    by_name: Mapping[str, Any] = run.kpis.get("experience", {}).get("by", {})
    rows = [_book(flow, _score(flow, by_name)) for flow in found]
    if len(found) > 1:
        total = Flow(
            "all",
            sent=sum(flow.sent for flow in found),
            delivered=sum(flow.delivered for flow in found),
            lost=sum(flow.lost for flow in found),
            in_flight=sum(flow.in_flight for flow in found),
            delays_ms=np.sort(np.concatenate([flow.delays_ms for flow in found])),
        )
        rows.append(_book(total, ""))
    return rows


def _score(flow: Flow, by_name: Mapping[str, Any]) -> str:
    score = by_name.get(flow.application.name) if flow.application else None
    return "–" if score is None else f"{score:.3f}"


def _book(flow: Flow, score: str) -> BookRow:
    delays = (
        [delay_text(1e3 * float(q)) for q in np.quantile(flow.delays_ms, _SHARES)]
        if flow.delivered
        else ["–"] * len(_SHARES)
    )
    share = f"{100 * flow.delivered / flow.known:.4g} %" if flow.known else "–"
    cells = (
        *(number(count) for count in (flow.sent, flow.delivered, flow.lost, flow.in_flight)),
        share, *delays, score,
    )  # fmt: skip
    return BookRow(flow.name, cells, flow.sent == flow.known + flow.in_flight)


def requirements(run: Run) -> list[RequirementRow]:
    """Return each flow of a known application against all classes it is held against."""
    rows = []
    for flow in flows(run):
        if flow.application is None or not flow.known:
            continue
        own = flow.application.requirement
        rows += [
            _requirement(flow, asked, first=asked is own) for asked in flow.application.classes
        ]
    return rows


def _requirement(flow: Flow, asked: RequirementClass, *, first: bool) -> RequirementRow:
    cells = (
        _limit(asked.limit_ms), _share(flow, asked.limit_ms), f"{asked.delivered_percent:g} %",
        *(("", "") if asked.network_ms == asked.limit_ms else
          (_limit(asked.network_ms), _share(flow, asked.network_ms))),
    )  # fmt: skip
    good, network = met(flow, asked), met(flow, asked, network=True)
    return RequirementRow(
        flow.name, asked.name, f"{asked.what}. {asked.source}", cells, good, network, first
    )


def _limit(limit_ms: float) -> str:
    return delay_text(1e3 * limit_ms) if math.isfinite(limit_ms) else "none"


def _share(flow: Flow, limit_ms: float) -> str:
    share = 100.0 * flow.within(limit_ms) / flow.known
    text = f"{share:.4g}"
    return f"{text if text != '100' or share == 100.0 else '> 99.99'} %"
