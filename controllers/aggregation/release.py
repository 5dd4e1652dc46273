"""When a sum over customers becomes the operator's; until then it goes up as theirs.

What is not over enough customers, or of which one has too large a part, is written to
``area.held``, which is the customers' own and may be read for one purpose, to be summed with
others'. The unit above holds the same rule to what it gets of all its areas together: only what
is held counts, since the rest is known already and could be taken off. With a minimum of time,
held sums over the same customers are added up until they are over enough of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controllers.aggregation.areas import AREA, Areas
from controllers.aggregation.desk import Desk, Part
from controllers.aggregation.settings import AggregationSettings
from controllers.security.disclosure import Disclosure, Rule, Verdict
from fernwatt.timebase import SLOT_MS

__all__ = ["HELD", "Release"]

HELD = "area.held"


@dataclass(slots=True)
class _Held:
    """What is held of one slot: energies, the largest of one customer, of how many."""

    import_wh: float
    export_wh: float
    top_import_wh: float
    top_export_wh: float
    customers: int
    of: tuple[str, ...]


class Release:
    """Decides of each slot; follows what the areas below have held."""

    __slots__ = ("_desk", "_held", "_names", "_rule", "_said", "_span")

    def __init__(self, rule: Rule, areas: Sequence[str], settings: AggregationSettings) -> None:
        self._rule, self._said = rule, Disclosure(rule)
        self._held, self._names = Areas(areas, settings, HELD), tuple(areas)
        self._span: list[tuple[int, _Held]] = []

    def start(self, desk: Desk) -> None:
        """Follow the areas."""
        self._desk = desk
        self._held.start(desk)

    def close(
        self, slot: int, values: Mapping[str, tuple[float, float]], own: Part, part: Part
    ) -> None:
        """Add to ``part`` what may be given out of a slot.

        ``values`` [Wh] are import and export of the meters below, ``own`` what of them there is.
        """
        start_ms = slot * SLOT_MS
        part.missing += own.missing
        part.causes += own.causes
        held = self._gather(slot, values, part)
        if held.customers == 0:
            return
        verdict = self._verdict(values, held, start_ms)
        if verdict is Verdict.RELEASED:
            part.imports.append(held.import_wh)
            part.exports.append(held.export_wh)
            part.meters += held.customers
            below = held.customers - len(values)  # those had been reported as suppressed
            part.missing -= below
            part.suppressed -= below
            return
        part.missing += len(values)
        part.suppressed += len(values)
        self._hold(start_ms, held, str(verdict), part)

    def _gather(self, slot: int, values: Mapping[str, tuple[float, float]], part: Part) -> _Held:
        imports, exports = ([pair[n] for pair in values.values()] for n in (0, 1))
        top_import_wh, top_export_wh = max(imports, default=0.0), max(exports, default=0.0)
        customers, of = len(values), list(values)
        for area in self._names:
            record, cause = self._held.pop(area, slot)
            if record is None:
                continue
            part.causes.append(cause)
            imports.append(record["import_wh"])
            exports.append(record["export_wh"])
            top_import_wh = max(top_import_wh, record.get("top_import_wh", imports[-1]))
            top_export_wh = max(top_export_wh, record.get("top_export_wh", exports[-1]))
            customers += record["meters"]
            of.append(f"{area}:{record['meters']}")
        return _Held(
            math.fsum(imports),
            math.fsum(exports),
            top_import_wh,
            top_export_wh,
            customers,
            tuple(of),
        )

    def _verdict(
        self, values: Mapping[str, tuple[float, float]], held: _Held, start_ms: int
    ) -> Verdict:
        if len(values) == held.customers:
            columns = [{name: pair[n] for name, pair in values.items()} for n in (0, 1)]
            self._said.forget(start_ms)
            return self._said.decide_all(columns, start_ms, start_ms + SLOT_MS)
        sums = (held.top_import_wh, held.import_wh), (held.top_export_wh, held.export_wh)
        verdicts = [self._rule.admits(held.customers, top, total) for top, total in sums]
        return next((one for one in verdicts if one is not Verdict.RELEASED), Verdict.RELEASED)

    def _hold(self, start_ms: int, held: _Held, why: str, part: Part) -> None:
        desk = self._desk
        told = {"t_ms": start_ms, "meters": held.customers, "why": why}
        decision = desk.decide("sum_suppressed", told, part.causes)
        record = {
            "t_ms": start_ms,
            "import_wh": held.import_wh,
            "export_wh": held.export_wh,
            "meters": held.customers,
            "missing": part.missing,
            "top_import_wh": held.top_import_wh,
            "top_export_wh": held.top_export_wh,
        }
        desk.context.data.write(HELD, desk.context.unit, record, cause=decision)
        if self._rule.min_span_ms:
            self._spanning(start_ms, held)

    def _spanning(self, start_ms: int, held: _Held) -> None:
        """Add up what is held of the same customers; release it once it is over enough time."""
        if self._span and self._span[-1][1].of != held.of:
            self._span.clear()
        self._span.append((start_ms, held))
        span_ms = len(self._span) * SLOT_MS
        if span_ms < self._rule.min_span_ms:
            return
        total = {
            "t_ms": self._span[0][0],
            "import_wh": math.fsum(one.import_wh for _, one in self._span),
            "export_wh": math.fsum(one.export_wh for _, one in self._span),
            "meters": held.customers,
            "missing": 0,
            "span_ms": span_ms,
        }
        self._span.clear()
        desk = self._desk
        decision = desk.decide("area_energy_of_a_time", total, ())
        desk.context.data.write(AREA, desk.context.unit, total, cause=decision)
