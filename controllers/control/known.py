"""What a deciding unit knows of one device: what it announced, and its readings since."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from controllers.balancing.registers import Register
from controllers.control.strategies import Device, Order
from controllers.signals.records import KINDS

__all__ = ["Capability", "Known"]

_AT_PLUG_MS = 10_000
_LONGEST = 200
_ORDERS = ("set_point", "device.limit")


@dataclass(frozen=True, slots=True)
class Capability:
    """What a device can do: kind, rated power, how it saves, what may be ordered of it.

    ``method`` is ``reduce`` (to any power) or ``off`` (on or off); ``order`` the variable to write,
    ``to`` the unit that has it, empty: the device's. What plans move too is given a ceiling, its
    ``device.limit``, at the unit that controls it.
    """

    device: str
    unit: str
    customer: str
    kind: str
    p_max_w: float
    p_min_w: float = 0.0
    efficiency: float = 1.0
    method: str = "reduce"
    order: str = "set_point"
    to: str = ""

    @classmethod
    def of(cls, value: Any) -> Capability | None:
        """Return the capability of a record, None where it is none."""
        record: Any = value if isinstance(value, dict) else {}
        texts = [record.get(name) for name in ("device", "unit", "customer", "kind")]
        if not all(isinstance(text, str) and len(text) < _LONGEST for text in texts):
            return None
        numbers: list[Any] = [record.get(name, usual) for name, usual in _NUMBERS.items()]
        if not all(type(n) in (int, float) and math.isfinite(n) and n >= 0 for n in numbers):
            return None
        device, unit, customer, kind = texts
        order, to = record.get("order", "set_point"), record.get("to", "")
        if kind not in KINDS or order not in _ORDERS or type(to) is not str or len(to) >= _LONGEST:
            return None  # what this unit does not know how to order
        p_max_w, p_min_w, efficiency = (float(n) for n in numbers)
        method = str(record.get("method", "reduce"))
        return cls(device, unit, customer, kind, p_max_w, p_min_w, efficiency, method, order, to)

    def plain(self) -> dict[str, Any]:
        """Return the record."""
        return {
            "device": self.device,
            "unit": self.unit,
            "customer": self.customer,
            "kind": self.kind,
            "p_max_w": self.p_max_w,
            "p_min_w": self.p_min_w,
            "efficiency": self.efficiency,
            "method": self.method,
            "order": self.order,
        } | ({"to": self.to} if self.to else {})

    def value(self, p_w: float, until_ms: int) -> dict[str, Any]:
        """Return what is written to have a power hold."""
        value: dict[str, Any] = {"p_w": p_w, "until_ms": until_ms}
        return value if self.order == "set_point" else {"device": self.device} | value


_NUMBERS = {"p_max_w": None, "p_min_w": 0.0, "efficiency": 1.0}


@dataclass(slots=True)
class Known:
    """One device: ``refused`` says that its owner's policy does not let this unit move it."""

    capability: Capability
    refused: bool = False
    ordered: Order | None = None
    request: str = ""  # the order that is on its way
    session: dict[str, Any] | None = None
    since_ms: int = 0
    heard_ms: int = -1
    energy: Register = field(default_factory=Register)
    causes: dict[str, str] = field(default_factory=dict)

    def take(self, variable: str, value: Any, t_ms: int, cause: str) -> bool:
        """Take a reading; tell whether it calls for a decision at once."""
        self.causes[variable] = cause
        if variable == "device.energy":
            self.energy.add(t_ms, float(value))
            return False
        if variable != "ev.session" or t_ms < self.heard_ms:
            return False
        self.heard_ms = t_ms
        before = None if self.session is None else self.session.get("session")
        self.session = value if isinstance(value, dict) else None
        if self.session is None:
            self.ordered = None  # what was ordered went with the vehicle
            return False
        if self.session.get("session") != before:
            self.since_ms, self.ordered = t_ms, None
            return True
        return False

    def device(self, now_ms: int) -> Device | None:
        """Return the device as strategies see it; None while there is nothing to order."""
        known = self.capability
        if known.kind != "ev":
            return Device(known.kind, known.p_max_w, known.efficiency)
        session = self.session
        if session is None or session["departure_ms"] <= now_ms:
            return None
        most_w = session.get("p_max_w") or known.p_max_w
        return Device(
            "ev",
            min(known.p_max_w, float(most_w)),
            missing_wh=self._missing_wh(float(session["energy_wh"])),
            departure_ms=int(session["departure_ms"]),
            since_ms=self.since_ms,
        )

    def _missing_wh(self, asked_wh: float) -> float:
        """Return what the vehicle still needs, as far as its register tells."""
        newest_ms, newest_wh = self.energy.newest_ms, self.energy.newest_wh
        at_plug_wh = self.energy.before(self.since_ms + _AT_PLUG_MS)
        if newest_ms is None or newest_wh is None or at_plug_wh is None:
            return asked_wh
        if newest_ms <= self.since_ms:
            return asked_wh
        return max(asked_wh - (newest_wh - at_plug_wh), 0.0)
