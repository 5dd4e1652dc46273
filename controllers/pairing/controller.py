"""Who controls a device that it was paired with: directly, whether the cloud is there or not."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from controllers.pairing.device import ORDER
from controllers.pairing.proofs import holds, prove, wrapped
from controllers.pairing.roster import ASK, TICKET
from controllers.unit.service import Notification, Result, UnitContext

__all__ = ["Controller"]

_AGAIN_MS = 60_000
_HELD = 3
"""A set-point holds for so many periods, so that a lost one does no harm."""


class Controller:
    """Gives one device a set-point, period by period."""

    name = "pairing"

    def __init__(self, cloud: str, device: str, key: bytes, period_ms: int, p_w: float) -> None:
        self._cloud, self._device, self._key = cloud, device, key
        self._period_ms, self._p_w = period_ms, p_w
        self._until_ms, self._secret, self._number = -1, b"", 0

    @classmethod
    def make(cls, params: Mapping[str, Any]) -> Controller:
        """Return the controller of ``cloud``, ``device``, ``key`` (hex), ``period_s``, ``p_w``."""
        period_ms = round(params.get("period_s", 60) * 1000)
        key = bytes.fromhex(params["key"])
        return cls(params["cloud"], params["device"], key, period_ms, float(params["p_w"]))

    def start(self, context: UnitContext) -> None:
        """Ask the cloud to be paired."""
        self._context = context
        context.data.event(TICKET, context.unit)
        self._ask()

    def timer(self, name: str) -> None:
        """Ask again, or give the next set-point."""
        context = self._context
        if name == "control":
            self._control()
        elif context.now_ms + _AGAIN_MS >= self._until_ms:
            self._ask()

    def notify(self, notification: Notification) -> None:
        """Take a ticket."""
        it, context = notification, self._context
        if it.variable != TICKET or it.result is not Result.OK or it.t_ms < 0:
            return
        secret = self._opened(it.value)
        if secret is None:
            context.decide("ticket_refused", context.unit, None, (it.id,))
            return
        if it.value["until_ms"] <= self._until_ms:
            return
        begins = not self._secret
        self._until_ms, self._secret, self._number = it.value["until_ms"], secret, 0
        context.decide("paired_with", self._device, self._until_ms, (it.id,))
        context.set_timer("ask", max(self._until_ms - _AGAIN_MS, context.now_ms + _AGAIN_MS))
        if begins:
            context.set_timer("control", context.now_ms + self._period_ms)

    def _opened(self, record: Any) -> bytes | None:
        """Return the key in a ticket, None where it is none for us."""
        if not holds(self._key, record) or record.get("device") != self._device:
            return None
        until_ms = record.get("until_ms")
        try:
            hidden = base64.b64decode(record.get("key_b64", ""), validate=True)
            return wrapped(self._key, self._device, until_ms, hidden)
        except (binascii.Error, TypeError, ValueError):
            return None

    def _ask(self) -> None:
        context = self._context
        ask = {"controller": context.unit, "device": self._device, "unit": context.unit,
               "t_ms": context.now_ms}  # fmt: skip
        context.data.write(ASK, self._cloud, prove(self._key, ask))
        context.set_timer("ask", context.now_ms + _AGAIN_MS)

    def _control(self) -> None:
        context = self._context
        if context.now_ms < self._until_ms:
            self._number += 1
            until_ms = context.now_ms + _HELD * self._period_ms
            order = {"number": self._number, "p_w": self._p_w, "until_ms": until_ms}
            context.data.write(ORDER, self._device, prove(self._secret, order))
        context.set_timer("control", context.now_ms + self._period_ms)
