"""Service ``detection``: notices what is not usual, and tells the top of it over the network.

It is blind to what an adversary does: it sees the Data Interface and its unit's own notes, and
judges them by fixed limits. An alarm is an event, its causes what led to it, and is written to the
variable ``alarm`` of the unit above, whose detection hands it on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controllers.balancing.subscriptions import Subscriptions
from controllers.detection.audit import Audit
from controllers.detection.finding import Check, Finding, Source
from controllers.unit.securityvariables import ALARM
from controllers.unit.service import Notification, Result, UnitContext
from fernwatt.timebase import SLOT_MS

__all__ = ["Detection"]

_AGAIN_MS = 900_000
_RETRY_MS = 60_000
_LOOK_MS = 240_000
_AUDIT_MS = 60_000
_AUDIT_SPAN_MS = 600_000
_MOST_WAITING = 50
_DONE = (Result.OK, Result.DENIED, Result.MALFORMED)


class Detection:
    """The checks of one unit; ``above`` are who is told, the nearest first, none at the top.

    The same class and suspect raise one alarm within a quarter of an hour. An alarm goes round
    whom it suspects: to the unit above that one.
    """

    name = "detection"

    def __init__(
        self, unit: str, above: Sequence[str], checks: Sequence[Check], audit: Audit | None = None
    ) -> None:
        self._unit, self._above, self._audit = unit, tuple(above), audit
        self._checks: list[Check] = [*checks, *([audit] if audit is not None else [])]
        self._takers: dict[Source, list[Check]] = {}
        self._raised: dict[tuple[str, str], tuple[int, int]] = {}
        self._sending: dict[str, tuple[dict[str, Any], str]] = {}
        self._waiting: list[tuple[dict[str, Any], str]] = []
        self._meters: list[str] = []

    def start(self, context: UnitContext) -> None:
        """Subscribe to what the checks want, and to alarms from below."""
        self._context, self._subscriptions = context, Subscriptions(context)
        for check in self._checks:
            for source in check.wants():
                self._takers.setdefault(source, []).append(check)
        for variable, location in sorted(self._takers):
            self._subscriptions.want(variable, location)
        self._subscriptions.want(ALARM, self._unit)
        self._set("look", _LOOK_MS)
        if self._audit is not None:
            self._set("audit", _AUDIT_MS)

    def timer(self, name: str) -> None:
        """Look at the slot that is over, audit, or send what could not be sent."""
        now_ms, audit = self._context.now_ms, self._audit
        if name == "look":
            for check in self._checks:
                self._raise(check.slot(now_ms))
            self._set("look", _LOOK_MS)
        elif name == "audit" and audit is not None:
            self._meters = list(reversed(audit.due(now_ms)))
            self._ask()
            self._set("audit", _AUDIT_MS)
        elif name == "ask":
            self._ask()
        elif name == "send":
            waiting, self._waiting = self._waiting, []
            for record, cause in waiting:
                self._send(record, cause)
        else:
            self._subscriptions.timer()

    def notify(self, notification: Notification) -> None:
        """Take a value, an alarm from below, or what became of one that was sent."""
        if self._audit is not None and self._audit.answered(notification):
            return
        sent = self._sending.pop(notification.request, None)
        if sent is not None:
            if notification.result not in _DONE:
                self._later(*sent)
            return
        if not self._subscriptions.is_value(notification) or notification.value is None:
            return
        if notification.variable == ALARM:
            self._hand_on(notification)
            return
        for check in self._takers.get((notification.variable, notification.location), ()):
            self._raise(check.take(notification, self._context.now_ms))

    def _set(self, name: str, after_ms: int) -> None:
        slot = (self._context.now_ms - after_ms) // SLOT_MS + 1
        self._context.set_timer(name, slot * SLOT_MS + after_ms)

    def _ask(self) -> None:
        """Ask one meter after another: they share a medium."""
        if self._meters and self._audit is not None:
            self._audit.ask(self._meters.pop(), self._context.data)
            gap_ms = _AUDIT_SPAN_MS // (len(self._meters) + 1)
            if self._meters:
                self._context.set_timer("ask", self._context.now_ms + min(gap_ms, 15_000))

    # -- alarms --------------------------------------------------------------------------------

    def _raise(self, findings: Sequence[Finding]) -> None:
        now_ms = self._context.now_ms
        for finding in findings:
            key = (finding.kind, finding.suspect)
            since_ms, number = self._raised.get(key, (-_AGAIN_MS, 0))
            self._raised[key] = (since_ms, number + 1)
            if now_ms - since_ms < _AGAIN_MS:
                continue
            self._raised[key] = (now_ms, 1)
            record = {
                "class": finding.kind,
                "suspect": finding.suspect,
                "unit": self._unit,
                "raised_ms": now_ms,
                "number": number,
                "detail": finding.detail,
            }
            cause = self._context.decide("alarm", finding.suspect, record, finding.causes)
            self._send(record, cause)

    def _hand_on(self, notification: Notification) -> None:
        record = notification.value
        if isinstance(record, dict) and {"class", "suspect", "unit"} <= record.keys():
            self._send(record, notification.id)

    def _send(self, record: dict[str, Any], cause: str) -> None:
        """Tell the unit above; at the top, the operator."""
        suspect = record["suspect"]
        trusted = [unit for unit in self._above if unit != suspect]
        if not trusted:
            self._context.decide("alarm_at_top", str(suspect), record, (cause,))
            return
        issued = self._context.data.write(ALARM, trusted[0], record, cause=cause)
        if issued.result is Result.ISSUED:
            self._sending[issued.id] = (record, cause)
        else:
            self._later(record, cause)

    def _later(self, record: dict[str, Any], cause: str) -> None:
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append((record, cause))
        self._context.set_timer("send", self._context.now_ms + _RETRY_MS)
