"""Energies of meters whose registers may be read: what each has grown by in a slot."""

from __future__ import annotations

from collections.abc import Sequence

from controllers.aggregation.desk import Desk, Joining, Part, Question
from controllers.aggregation.settings import AggregationSettings
from controllers.unit.service import Notification, Result
from fernwatt.timebase import SLOT_MS

__all__ = ["REGISTERS", "Meters", "boundary_of"]

REGISTERS = ("energy.import", "energy.export")
_CLOCK_TOLERANCE_MS = 60_000
_SILENT_SLOTS = 3
_ROUNDING_WH = 1.0


def boundary_of(t_ms: int) -> int | None:
    """Return at which slot's begin a register was read, None where it was in between."""
    boundary = round(t_ms / SLOT_MS)
    return boundary if abs(t_ms - boundary * SLOT_MS) <= _CLOCK_TOLERANCE_MS else None


class Meters:
    """Subscribes to registers by ``event``; the first value is asked for by ``query``."""

    __slots__ = (
        "_absent",
        "_desk",
        "_edges",
        "_first_slot",
        "_followed",
        "_meters",
        "_most_wh",
        "_silent",
        "joining",
    )

    def __init__(self, meters: Sequence[str], settings: AggregationSettings) -> None:
        self._meters, self._most_wh = tuple(meters), settings.most_wh
        self.joining = Joining(
            self._meters, self._follow, join_ms=settings.join_ms, check=settings.check
        )
        # (meter, register) -> slot boundary -> (value [Wh], what brought it)
        self._edges: dict[tuple[str, str], dict[int, tuple[float, str]]] = {
            (meter, register): {} for meter in meters for register in REGISTERS
        }
        self._first_slot = 0
        # subscriptions by meter; who is followed and known to be lost
        self._followed: dict[str, list[str]] = {}
        self._absent: set[str] = set()
        self._silent: dict[str, int] = {}  # slots of which a meter has not reported by itself

    def __bool__(self) -> bool:
        """Tell whether there are any."""
        return bool(self._meters)

    def start(self, desk: Desk, *, wait: bool = False) -> None:
        """Have the meters join, or ``wait`` for each to be added."""
        self._desk = desk
        self._first_slot = desk.context.now_ms // SLOT_MS
        self.joining.start(desk, wait=wait)
        if wait:
            self._absent = set(self._meters)

    def add(self, meter: str) -> None:
        """Follow a meter that is there (again), and perhaps belongs elsewhere."""
        if meter not in self._meters:
            self._meters = (*self._meters, meter)
            for register in REGISTERS:
                self._edges[meter, register] = {}
        self._absent.discard(meter)
        if meter not in self._followed:
            self._followed[meter] = []
            self.joining.add(meter)

    def miss(self, meter: str) -> None:
        """Do not ask a meter that is lost for what it does not send."""
        self._absent.add(meter)

    def drop(self, meter: str) -> None:
        """Follow a meter no longer that is somebody else's now."""
        if meter not in self._meters:
            return
        self.joining.drop(meter)
        for subscription in self._followed.pop(meter, ()):
            self._desk.context.data.unsubscribe(subscription, meter)
        self._meters = tuple(one for one in self._meters if one != meter)
        self._absent.discard(meter)
        for register in REGISTERS:
            del self._edges[meter, register]

    def _follow(self, meter: str) -> None:
        data, desk = self._desk.context.data, self._desk
        for register in REGISTERS:
            issued = data.event(register, meter)
            self._followed.setdefault(meter, []).append(issued.id)
            desk.expect(issued, self, "register", meter, register)
            desk.expect(data.query(register, meter), self, "value", meter, register, once=True)

    def take(self, question: Question, notification: Notification) -> None:
        """Take a register's value."""
        meter, register = question.child, question.variable
        if (meter, register) not in self._edges:
            return  # it was dropped
        if question.purpose == "register" and self._desk.failed(question, notification):
            if notification.result is not Result.DENIED:
                self.joining.again(meter)
            return
        if notification.result is not Result.OK or notification.t_ms == -1:
            return
        self._heard(meter, by_itself=question.purpose == "register")
        boundary, value = boundary_of(notification.t_ms), notification.value
        if boundary is None or boundary < self._first_slot:
            return
        if not isinstance(value, bool | dict | list | str):
            edges = self._edges[meter, register]
            edges.setdefault(boundary, (float(value), notification.id))

    def _heard(self, meter: str, *, by_itself: bool) -> None:
        """Subscribe again at a meter that answers but does not report: it may have been reset."""
        if by_itself:
            self._silent.pop(meter, None)
        elif self._silent.get(meter, 0) >= _SILENT_SLOTS:
            del self._silent[meter]
            self.joining.again(meter)

    def ask_late(self, slot: int) -> None:
        """Ask for what has not come of a slot: reports are not acknowledged, one may be lost."""
        data = self._desk.context.data
        for meter in self._meters:
            if all(slot + 1 not in self._edges[meter, register] for register in REGISTERS):
                self._silent[meter] = self._silent.get(meter, 0) + 1
        for (meter, register), edges in self._edges.items():
            if slot + 1 not in edges and meter not in self._absent:
                issued = data.query(register, meter)
                self._desk.expect(issued, self, "value", meter, register, once=True)

    def close(self, slot: int, part: Part) -> dict[str, tuple[float, float]]:
        """Add to ``part`` what the meters' registers grew by; return it by meter, too."""
        found: dict[str, tuple[float, float]] = {}
        self._first_slot = slot + 1
        for meter in self._meters:
            taken, given = (self._growth(meter, one, slot, part.causes) for one in REGISTERS)
            if taken is None or given is None:
                part.missing += 1
                continue
            part.meters += 1
            part.imports.append(taken)
            part.exports.append(given)
            found[meter] = (taken, given)
        return found

    def _growth(self, meter: str, register: str, slot: int, causes: list[str]) -> float | None:
        """Return a register's growth over a slot; None where a boundary is missing.

        None, too, and noted, where no customer can have taken that much, or a register has run
        backwards: what was read was changed on its way, or the register was.
        """
        edges = self._edges[meter, register]
        begin = edges.pop(slot, None)
        end = edges.get(slot + 1)
        if begin is None or end is None:
            return None
        growth_wh = end[0] - begin[0]
        if not -_ROUNDING_WH <= growth_wh <= self._most_wh:
            detail = {"slot": slot, "register": register, "growth_wh": growth_wh}
            self._desk.context.decide("reading_refused", meter, detail, (begin[1], end[1]))
            return None
        causes.append(end[1])
        return growth_wh
