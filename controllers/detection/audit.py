"""Audit: an upper unit reads an area's meters itself, and holds the area's sums against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controllers.detection.finding import Finding, Source
from controllers.detection.limits import Limits
from controllers.unit.service import DataInterface, Notification, Result
from fernwatt.timebase import SLOT_MS

__all__ = ["Audit"]

_AREA = "area.energy"
_SIGNS = {"energy.import": 1.0, "energy.export": -1.0}
_KEPT_SLOTS = 200
_TOLERANCE_MS = 60_000


class Audit:
    """``areas`` names the meters of each area below (class ``audit``).

    At the end of every ``every_slots`` all registers of an area are asked for. Between two such
    readings without a gap, the registers' growth and the area's sums are the same energy.
    """

    def __init__(
        self, areas: Mapping[str, Sequence[str]], every_slots: int, limits: Limits
    ) -> None:
        self._areas, self._every, self._limits = areas, every_slots, limits
        self._sums: dict[str, dict[int, tuple[float, str]]] = {area: {} for area in areas}
        self._asked: dict[str, tuple[str, str]] = {}
        self._reading: dict[str, dict[tuple[str, str], float]] = {}
        self._last: dict[str, tuple[int, float]] = {}
        self._boundary = -1

    def wants(self) -> Sequence[Source]:
        """Return the areas' sums."""
        return [(_AREA, area) for area in self._areas]

    def take(self, notification: Notification, now_ms: int) -> Sequence[Finding]:  # noqa: ARG002
        """Keep a sum."""
        sums, area = notification.value, notification.location
        if not sums["missing"]:
            kept = self._sums[area]
            kept[sums["t_ms"] // SLOT_MS] = (
                sums["import_wh"] - sums["export_wh"], notification.id,
            )  # fmt: skip
            while len(kept) > _KEPT_SLOTS:
                del kept[min(kept)]
        return ()

    def slot(self, now_ms: int) -> Sequence[Finding]:
        """Close the reading that was begun, if all of it came."""
        boundary, found = now_ms // SLOT_MS, list[Finding]()
        if self._boundary >= 0 and boundary > self._boundary:
            for area, meters in self._areas.items():
                if len(self._reading.get(area, {})) == len(_SIGNS) * len(meters):
                    found += self._close(area)
            self._boundary = -1
        return found

    def due(self, now_ms: int) -> list[str]:
        """Return the meters to ask now, at the end of the slots of an audit."""
        boundary = now_ms // SLOT_MS
        if boundary % self._every or boundary == self._boundary:
            return []
        self._boundary, self._asked = boundary, {}
        self._reading = {area: {} for area in self._areas}
        return [meter for meters in self._areas.values() for meter in meters]

    def ask(self, meter: str, data: DataInterface) -> None:
        """Ask a meter for its registers."""
        area = next(area for area, meters in self._areas.items() if meter in meters)
        for variable in _SIGNS:
            self._asked[data.query(variable, meter).id] = (area, variable)

    def answered(self, notification: Notification) -> bool:
        """Take what a meter answered; return False for what was not asked for here."""
        asked = self._asked.pop(notification.request, None)
        if asked is None:
            return False
        late_ms = abs(notification.t_ms - self._boundary * SLOT_MS)
        if notification.result is Result.OK and late_ms <= _TOLERANCE_MS:
            area, variable = asked
            self._reading[area][notification.location, variable] = float(notification.value)
        return True

    def _close(self, area: str) -> Sequence[Finding]:
        reading, end = self._reading[area], self._boundary
        net_wh = sum(_SIGNS[variable] * wh for (_, variable), wh in reading.items())
        begin = self._last.get(area)
        self._last[area] = (end, net_wh)
        if begin is None:
            return ()
        sums = [self._sums[area].get(slot) for slot in range(begin[0], end)]
        told = [item for item in sums if item is not None]
        if len(told) < len(sums):
            return ()
        grown_wh, told_wh = net_wh - begin[1], sum(wh for wh, _ in told)
        flow_wh = sum(abs(wh) for wh, _ in told)
        if abs(grown_wh - told_wh) <= self._limits.balance_wh + self._limits.audit_share * flow_wh:
            return ()
        detail = {"registers_wh": round(grown_wh, 1), "told_wh": round(told_wh, 1)}
        return (Finding("audit", area, detail, tuple(cause for _, cause in told)),)
