"""A device that may be paired: it takes orders of its controller directly, and logs to the cloud.

An order is authentic by the pairing's key, fresh by its number, and as old as the ticket allows.
It becomes a write to the device's own set-point, in the name of its owner. What its instruments
read is collected and written to the cloud now and then; a log that did not arrive is written
again with the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.pairing.proofs import holds, pair_key, prove
from controllers.pairing.roster import ASK, LOG, TICKET
from controllers.unit.service import Notification, Result, UnitContext

__all__ = ["ORDER", "Device"]

ORDER = "pairing.order"
_LOGGED = ("device.energy", "battery.soc", "device.power", "thermal.temperature")
_AGAIN_MS = 60_000
_MOST = 500
_AHEAD_MS = 10_000


class Device:
    """Paired with one controller at a time."""

    name = "pairing"

    def __init__(self, cloud: str, controller: str, key: bytes, log_ms: int) -> None:
        self._cloud, self._controller, self._key = cloud, controller, key
        self._log_ms = log_ms
        self._until_ms, self._secret, self._number = -1, b"", 0
        self._logs: dict[str, list[tuple[int, float]]] = {}
        self._batches: dict[str, dict[str, Any]] = {}
        self._written: dict[str, str] = {}
        self._asked = ""
        self._log_number = 0

    @classmethod
    def make(cls, params: Mapping[str, Any]) -> Device:
        """Return the device of ``cloud``, ``controller``, ``key`` (hex), ``log_s``."""
        log_ms = round(params.get("log_s", 3600) * 1000)
        return cls(params["cloud"], params["controller"], bytes.fromhex(params["key"]), log_ms)

    def start(self, context: UnitContext) -> None:
        """Follow what is written here, and ask the cloud."""
        self._context = context
        for variable in (TICKET, ORDER, *_LOGGED):
            context.data.event(variable, context.unit)
        self._ask()
        context.set_timer("log", (context.now_ms // self._log_ms + 1) * self._log_ms)

    def timer(self, name: str) -> None:
        """Ask again, or write the logs."""
        context = self._context
        if name == "log":
            for variable in sorted(self._logs):
                self._log(variable)
            context.set_timer("log", context.now_ms + self._log_ms)
        elif context.now_ms + _AGAIN_MS >= self._until_ms:
            self._ask()

    def notify(self, notification: Notification) -> None:
        """Take a ticket, an order, a reading, or how a log fared."""
        it = notification
        if it.request in self._written:
            variable = self._written.pop(it.request)
            if it.result is Result.OK:
                del self._logs[variable][: len(self._batches.pop(variable)["values"])]
        elif it.result is not Result.OK or it.t_ms < 0 or it.location != self._context.unit:
            return
        elif it.variable == TICKET:
            self._ticket(it)
        elif it.variable == ORDER:
            self._order(it)
        elif it.variable in _LOGGED and type(it.value) in {int, float}:
            self._logs.setdefault(it.variable, []).append((it.t_ms, float(it.value)))

    # -- pairing -----------------------------------------------------------------------------

    def _ask(self) -> None:
        context = self._context
        ask = {"controller": self._controller, "device": context.unit, "unit": context.unit,
               "t_ms": context.now_ms}  # fmt: skip
        context.data.write(ASK, self._cloud, prove(self._key, ask))
        context.set_timer("ask", context.now_ms + _AGAIN_MS)

    def _ticket(self, it: Notification) -> None:
        record, context = it.value, self._context
        mine = isinstance(record, dict) and record.get("device") == context.unit
        until_ms = record.get("until_ms") if mine else None
        if not mine or not holds(self._key, record) or type(until_ms) is not int:
            context.decide("ticket_refused", context.unit, None, (it.id,))
            return
        if record.get("controller") != self._controller or until_ms <= self._until_ms:
            return
        self._until_ms, self._number = until_ms, 0
        self._secret = pair_key(self._key, self._controller, until_ms)
        context.decide("paired_with", self._controller, until_ms, (it.id,))
        context.set_timer("ask", max(until_ms - _AGAIN_MS, context.now_ms + _AGAIN_MS))

    def _order(self, it: Notification) -> None:
        """Do what an authentic, fresh order says."""
        context, why = self._context, self._refusal(it.value)
        if why:
            context.decide("order_refused", context.unit, why, (it.id,))
            return
        self._number = it.value["number"]
        order = {"p_w": float(it.value["p_w"]), "until_ms": it.value["until_ms"]}
        context.data.write("set_point", context.unit, order, cause=it.id)

    def _refusal(self, record: Any) -> str:
        if not self._secret or self._context.now_ms >= self._until_ms:
            return "not paired"
        if not holds(self._secret, record):
            return "proof"
        number, until_ms = record.get("number"), record.get("until_ms")
        if type(number) is not int or number <= self._number:
            return "repeated"
        late = type(until_ms) is not int or until_ms <= self._context.now_ms - _AHEAD_MS
        return "malformed" if late or type(record.get("p_w")) not in {int, float} else ""

    # -- logs --------------------------------------------------------------------------------

    def _log(self, variable: str) -> None:
        """Write what was read since, the oldest first; it is forgotten when it has arrived.

        What has not is written again under the same number: it may have, but for the answer.
        """
        entries = self._logs[variable][:_MOST]
        if variable in self._written.values() or not entries:
            return
        if variable not in self._batches:
            self._log_number += 1
            self._batches[variable] = {
                "unit": self._context.unit,
                "variable": variable,
                "number": self._log_number,
                "times_ms": [t_ms for t_ms, _ in entries],
                "values": [value for _, value in entries],
            }
        issued = self._context.data.write(LOG, self._cloud, self._batches[variable])
        self._written[issued.id] = variable
