"""The cloud's side: who may be paired, and what devices log.

Both ends ask. When both have, and the roster has them as a pair, each gets a ticket. Logs are
kept as instances of ``log.bulk``; nothing else of a pair ever comes here.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from controllers.pairing.proofs import holds, pair_key, prove, wrapped
from controllers.unit.service import Notification, Result, UnitContext

__all__ = ["Roster"]

ASK, TICKET, LOG = "pairing.ask", "pairing.ticket", "log.bulk"
_WINDOW_MS = 300_000


class Roster:
    """Pairs (controller, device) and the keys of all units in them."""

    name = "pairing"

    __slots__ = ("_asked", "_context", "_keys", "_pairs", "_ticket_ms")

    _context: UnitContext

    def __init__(
        self, pairs: Iterable[tuple[str, str]], keys: Mapping[str, bytes], ticket_ms: int
    ) -> None:
        self._pairs, self._keys, self._ticket_ms = frozenset(pairs), dict(keys), ticket_ms
        self._asked: dict[tuple[str, str], dict[str, int]] = {}

    @classmethod
    def make(cls, params: Mapping[str, Any]) -> Roster:
        """Return the roster of ``pairs: [[controller, device]], keys: {unit: hex}, ticket_s``."""
        pairs = [(controller, device) for controller, device in params["pairs"]]
        keys = {unit: bytes.fromhex(key) for unit, key in params["keys"].items()}
        return cls(pairs, keys, round(params.get("ticket_s", 86_400) * 1000))

    def start(self, context: UnitContext) -> None:
        """Wait for those who ask."""
        self._context = context
        context.data.event(ASK, context.unit)

    def timer(self, name: str) -> None:
        """Expect none."""

    def notify(self, notification: Notification) -> None:
        """Take a request for pairing."""
        it = notification
        if it.variable != ASK or it.result is not Result.OK or it.t_ms < 0:
            return
        why = self._refusal(it.value)
        if why:
            self._context.decide("pairing_refused", self._context.unit, why, (it.id,))
            return
        pair = (it.value["controller"], it.value["device"])
        asked = self._asked.setdefault(pair, {})
        asked[it.value["unit"]] = self._context.now_ms
        if set(asked) == set(pair):
            del self._asked[pair]
            self._pair(*pair, it.id)

    def _refusal(self, record: Any) -> str:
        """Return why a request is refused, "" where it is not."""
        texts = ("controller", "device", "unit")
        if not isinstance(record, dict) or any(type(record.get(key)) is not str for key in texts):
            return "malformed"
        key = self._keys.get(record["unit"])
        if key is None or not holds(key, record):
            return "proof"
        t_ms = record.get("t_ms")
        if type(t_ms) is not int or abs(t_ms - self._context.now_ms) > _WINDOW_MS:
            return "time"
        pair = (record["controller"], record["device"])
        return "" if pair in self._pairs and record["unit"] in pair else "no pair"

    def _pair(self, controller: str, device: str, cause: str) -> None:
        """Hand out tickets."""
        context = self._context
        until_ms = context.now_ms + self._ticket_ms
        told = {"controller": controller, "device": device, "until_ms": until_ms}
        decision = context.decide("paired", device, told, (cause,))
        secret = pair_key(self._keys[device], controller, until_ms)
        hidden = wrapped(self._keys[controller], device, until_ms, secret)
        for unit, more in (
            (device, {}),
            (controller, {"key_b64": base64.b64encode(hidden).decode()}),
        ):
            ticket = prove(self._keys[unit], told | more)
            context.data.write(TICKET, unit, ticket, cause=decision)
