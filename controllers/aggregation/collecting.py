"""Sums of meters that hide what they measure: added by a unit that cannot read them.

A slot goes through rounds. First all meters report; who is late is asked once. Where members are
missing and the scheme needs it, those beside them on the ring are told who is missing (a write
to their ``energy.missing``), and disclose what they had put in for them (``energy.unmask``). Who
does not answer in a round counts as missing in the next. What cannot be resolved, or is over too
few, is not forwarded: ``area.hidden`` then has no sum in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.aggregation.desk import Desk, Joining, Question
from controllers.aggregation.settings import AggregationSettings, Hiding
from controllers.security.aggregator import Aggregator, Group, as_fields, from_fields
from controllers.security.errors import RefusedError
from controllers.unit.service import Notification, Result
from fernwatt.timebase import SLOT_MS

__all__ = ["HIDDEN_SUM", "Collector"]

SHARE, MISSING, UNMASK = "energy.hidden", "energy.missing", "energy.unmask"
HIDDEN_SUM = "area.hidden"
_GAP_MS = 250


class _Slot:
    """One slot on its way: what came of whom, who is missing, what was disclosed of them."""

    __slots__ = ("causes", "given_up", "missing", "round", "shares", "waiting")

    def __init__(self) -> None:
        self.shares: dict[str, list[Any]] = {}
        self.causes: dict[str, str] = {}
        self.missing: list[str] = []
        # member -> its missing neighbours -> what it disclosed of them
        self.given_up: dict[str, dict[tuple[str, ...], list[Any]]] = {}
        self.waiting: list[str] = []
        self.round = 0


class Collector:
    """Adds hidden energies of the meters below, slot by slot."""

    __slots__ = (
        "_absent",
        "_adder",
        "_desk",
        "_followed",
        "_group",
        "_hiding",
        "_settings",
        "_slots",
        "joining",
    )

    def __init__(self, group: Group, hiding: Hiding, settings: AggregationSettings) -> None:
        self._group, self._hiding, self._settings = group, hiding, settings
        self.joining = Joining(
            sorted(group.members), self._follow, join_ms=settings.join_ms, check=settings.check
        )
        self._slots: dict[int, _Slot] = {}
        self._followed: dict[str, list[str]] = {}
        self._absent: set[str] = set()

    def start(self, desk: Desk, *, wait: bool = False) -> None:
        """Have the meters join, or ``wait`` for each to be added."""
        self._desk = desk
        self._adder: Aggregator = desk.context.aggregator(self._hiding.scheme)
        self._slots[desk.context.now_ms // SLOT_MS] = _Slot()
        self.joining.start(desk, wait=wait)
        self._absent = set(self._group.members) if wait else set()

    def add(self, meter: str) -> None:
        """Follow a member that is there (again); what is not of the group cannot be summed."""
        if meter in self._group:
            self._absent.discard(meter)
            if meter not in self._followed:
                self._followed[meter] = []
                self.joining.add(meter)

    def miss(self, meter: str) -> None:
        """Do not ask a meter that is lost for what it does not send."""
        self._absent.add(meter)

    def drop(self, meter: str) -> None:
        """Follow a meter no longer that is somebody else's now."""
        self.joining.drop(meter)
        for subscription in self._followed.pop(meter, ()):
            self._desk.context.data.unsubscribe(subscription, meter)
        self._absent.add(meter)

    def _follow(self, meter: str) -> None:
        data, desk = self._desk.context.data, self._desk
        for variable in (SHARE, UNMASK) if self._adder.resolves else (SHARE,):
            issued = data.event(variable, meter)
            self._followed.setdefault(meter, []).append(issued.id)
            desk.expect(issued, self, "register", meter, variable)

    # -- what comes --------------------------------------------------------------------------

    def take(self, question: Question, notification: Notification) -> None:
        """Take what a meter hid, or disclosed."""
        meter = question.child
        if question.purpose == "register" and self._desk.failed(question, notification):
            if notification.result is not Result.DENIED:
                self.joining.again(meter)
            return
        value = notification.value
        if notification.result is not Result.OK or type(value) is not dict:
            return
        number, v = value.get("slot"), from_fields(value)
        slot = self._slots.get(number) if type(number) is int else None
        if slot is None or v is None:
            return
        if not self._adder.is_sound(v):
            self._refuse(meter, question.variable, notification.id)
            return
        if question.variable == SHARE:
            if slot.round == 0 and meter not in slot.shares:
                slot.shares[meter], slot.causes[meter] = v, notification.id
                self._work("add")
        elif question.variable == UNMASK:
            missing = self._names(value.get("missing"))
            beside = tuple(self._beside_missing(meter, missing))
            told = slot.given_up.setdefault(meter, {})
            told[beside] = told.get(beside) or v
            slot.causes[meter] = notification.id

    def _refuse(self, meter: str, variable: str, cause: str) -> None:
        """Note that what a meter sent cannot be added: it is missing."""
        detail = {"variable": variable}
        self._desk.context.decide("share_refused", meter, detail, (cause,))

    def _names(self, places: Any) -> list[str]:
        members = self._group.members
        if type(places) is not list:
            return []
        return [members[n] for n in places if type(n) is int and 0 <= n < len(members)]

    def _beside_missing(self, meter: str, missing: list[str]) -> list[str]:
        gone = set(missing)
        return sorted(other for other in self._group.beside(meter) if other in gone)

    # -- rounds ------------------------------------------------------------------------------

    def ask_late(self, slot: int) -> None:
        """Ask those whose report of a slot has not come."""
        state = self._slots.setdefault(slot, _Slot())
        if not self._group.allows(()):
            return  # of so few, none sends anything
        data = self._desk.context.data
        for meter in sorted(self._group.members):
            if meter not in state.shares and meter not in self._absent:
                issued = data.query(SHARE, meter, condition=f"value.slot == {slot}")
                self._desk.expect(issued, self, "late", meter, SHARE, once=True)

    def close(self, slot: int) -> None:
        """End the reports of a slot: forward the sum, or ask the survivors."""
        state = self._slots.setdefault(slot, _Slot())
        self._slots.setdefault(slot + 1, _Slot())
        self._resolve(slot, state)

    def timer(self, name: str) -> None:
        """Go on asking the survivors of a slot, ask late ones again, or end a round."""
        what, _, number = name.partition("/")
        slot = int(number)
        state = self._slots.get(slot)
        if state is None:
            return
        if what == "tell":
            self._tell(slot, state)
        elif what == "again":
            self._ask_unmasks(slot, state)
        else:
            silent = [name for name in state.waiting if self._given_up(state, name) is None]
            for meter in silent:
                del state.shares[meter]
            self._resolve(slot, state)

    def _resolve(self, slot: int, state: _Slot) -> None:
        """Forward the sum if it can be made, ask for what it takes if there is a round left."""
        group = self._group
        state.missing = [name for name in group.members if name not in state.shares]
        if not group.allows(state.missing):
            self._forward(slot, state, None, "too-few")
            return
        open_ones: list[str] = []
        if self._adder.resolves and state.missing:
            concerned = group.concerned(state.missing)
            open_ones = [name for name in concerned if self._given_up(state, name) is None]
        if not open_ones:
            self._forward(slot, state, self._add(state), "")
        elif state.round >= self._hiding.rounds:
            self._forward(slot, state, None, "unresolved")
        else:
            state.round += 1
            state.waiting = open_ones
            self._ask(slot)

    def _ask(self, slot: int) -> None:
        """Begin a round: tell the survivors concerned one after another who is missing."""
        context, hiding = self._desk.context, self._hiding
        context.set_timer(f"tell/{slot}", context.now_ms)
        context.set_timer(f"again/{slot}", context.now_ms + hiding.round_ms - hiding.ask_ms)
        context.set_timer(f"round/{slot}", context.now_ms + hiding.round_ms)

    def _tell(self, slot: int, state: _Slot) -> None:
        told = state.given_up
        left = [name for name in state.waiting if self._key(state, name) not in told.get(name, {})]
        for meter in left[:1]:
            told.setdefault(meter, {})[self._key(state, meter)] = []
            value = {"slot": slot, "missing": self._places(state)}
            self._desk.context.data.write(MISSING, meter, value)
        if left[1:]:
            context = self._desk.context
            context.set_timer(f"tell/{slot}", context.now_ms + _GAP_MS)

    def _ask_unmasks(self, slot: int, state: _Slot) -> None:
        data = self._desk.context.data
        for meter in state.waiting:
            if self._given_up(state, meter) is None:
                issued = data.query(UNMASK, meter, condition=f"value.slot == {slot}")
                self._desk.expect(issued, self, "late", meter, UNMASK, once=True)

    def _key(self, state: _Slot, meter: str) -> tuple[str, ...]:
        return tuple(self._beside_missing(meter, state.missing))

    def _given_up(self, state: _Slot, meter: str) -> list[Any] | None:
        """Return what a meter disclosed of those who are missing beside it."""
        return state.given_up.get(meter, {}).get(self._key(state, meter)) or None

    def _places(self, state: _Slot) -> list[int]:
        return sorted(self._group.place(name) for name in state.missing)

    def _add(self, state: _Slot) -> list[Any] | None:
        shares = [state.shares[name] for name in sorted(state.shares)]
        gone = self._group.concerned(state.missing) if self._adder.resolves else []
        given_up = [self._given_up(state, name) or [] for name in gone]
        try:
            return self._adder.add(shares, given_up, self._group)
        except RefusedError:
            return None  # what a meter sent was nothing that can be added

    def _forward(self, slot: int, state: _Slot, total: list[Any] | None, why: str) -> None:
        """Write the hidden sum for who may read it, or that there is none."""
        del self._slots[slot]
        desk, start_ms = self._desk, slot * SLOT_MS
        told: Mapping[str, Any] = {
            "t_ms": start_ms,
            "meters": len(state.shares),
            "missing": len(state.missing),
            "rounds": state.round,
            "absent": sorted(state.missing),
        }
        causes = [state.causes[name] for name in sorted(state.shares)]
        if total is None:
            why = why or "malformed"
            decision = desk.decide("sum_suppressed", {**told, "why": why}, causes)
        else:
            decision = desk.decide("hidden_sum", told, causes)
        value = {"t_ms": start_ms, "missing": self._places(state)}
        value |= {} if total is None else as_fields(total)
        desk.context.data.write(HIDDEN_SUM, desk.context.unit, value, cause=decision)

    def _work(self, what: str) -> None:
        kind, count = self._adder.work(self._group)[what]
        if count:
            self._desk.context.work(kind, count)
