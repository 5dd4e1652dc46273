"""Orders of the operator on their way down the tree, split among those below.

At the top an order begins at its time; units between pass it on to the child that leads to its
target, or, for their own area, split it among all children: limits of import by the number of
customers, limits of what is fed in by the generators' ratings. A substation writes the parts to its
meters (``load.set_point``, which the meter has for the customer's unit) and to the generators' own
units (``der.set_point``, ``der.command``, ``regulation.command``). Nothing here reaches what is
under a customer's unit: it is hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from controllers.unit.service import Notification, Result, UnitContext
from controllers.unit.shapes import fits

__all__ = ["Behind", "Order", "Orders"]

LIMIT, REGULATION = "area.set_point", "regulation.command"


@dataclass(frozen=True, slots=True)
class Order:
    """What the control centre orders; ``target`` empty: the whole grid, None: not ordered."""

    at_ms: int
    until_ms: int
    target: str
    import_max_w: float | None = None
    export_max_w: float | None = None
    run: bool | None = None
    regulate_pu: float | None = None


@dataclass(frozen=True, slots=True)
class Behind:
    """What is behind a child: customers, generators' ratings together [W], all its units."""

    customers: int
    p_max_w: float
    units: frozenset[str]


class Orders:
    """One unit's part: ``units`` pass on, ``meters`` and ``ders`` take."""

    name = "orders"

    __slots__ = ("_context", "_ders", "_meters", "_orders", "_unit", "_units", "_writes")

    _context: UnitContext

    def __init__(
        self,
        unit: str,
        units: Mapping[str, Behind],
        meters: Sequence[str],
        ders: Mapping[str, float],
        orders: Sequence[Order],
    ) -> None:
        self._unit, self._units, self._meters, self._ders = unit, units, tuple(meters), ders
        self._orders = sorted(orders, key=lambda order: (order.at_ms, order.target))
        self._writes: dict[str, tuple[str, str]] = {}

    def start(self, context: UnitContext) -> None:
        """Follow what the unit above writes here; begin with the first order at the top."""
        self._context = context
        for variable in (LIMIT, REGULATION):
            context.data.event(variable, context.unit)
        self._orders = [order for order in self._orders if order.at_ms >= context.now_ms]
        self._next()

    def notify(self, notification: Notification) -> None:
        """Pass on what came from above; note what could not be written."""
        written = self._writes.pop(notification.request, None)
        if written is not None:
            self._written(*written, notification)
            return
        own = notification.location == self._unit and notification.t_ms != -1
        value = notification.value
        if notification.result is not Result.OK or not own or not isinstance(value, dict):
            return
        if not fits(notification.variable, value):
            return
        if notification.variable == LIMIT:
            self._limit(value, notification.id)
        elif notification.variable == REGULATION:
            self._regulate(value, notification.id)

    def timer(self, name: str) -> None:
        """Give the orders that are due."""
        del name
        context = self._context
        while self._orders and self._orders[0].at_ms <= context.now_ms:
            order = self._orders.pop(0)
            told = {"until_ms": order.until_ms, "import_max_w": order.import_max_w,
                    "export_max_w": order.export_max_w, "run": order.run,
                    "regulate_pu": order.regulate_pu}  # fmt: skip
            cause = context.decide("order_given", order.target or self._unit, told, ())
            limit = {"target": order.target, "import_max_w": order.import_max_w,
                     "export_max_w": order.export_max_w, "run": order.run,
                     "until_ms": order.until_ms}  # fmt: skip
            if any(limit[key] is not None for key in ("import_max_w", "export_max_w", "run")):
                self._limit(limit, cause)
            if order.regulate_pu is not None:
                command = {"target": order.target, "active": True, "v_pu": order.regulate_pu,
                           "until_ms": order.until_ms}  # fmt: skip
                self._regulate(command, cause)
        self._next()

    def _next(self) -> None:
        if self._orders:
            self._context.set_timer("order", self._orders[0].at_ms)

    # -- passing on --------------------------------------------------------------------------

    def _limit(self, value: Mapping[str, Any], cause: str) -> None:
        target = value.get("target") or ""
        child = self._towards(target)
        if child:
            self._write(LIMIT, child, dict(value), cause)
        elif target in {"", self._unit}:
            self._split(value, cause)

    def _split(self, value: Mapping[str, Any], cause: str) -> None:
        """Give each child, meter and generator its part."""
        customers = sum(behind.customers for behind in self._units.values()) + len(self._meters)
        rated_w = sum(behind.p_max_w for behind in self._units.values()) + sum(self._ders.values())
        import_w, export_w = value.get("import_max_w"), value.get("export_max_w")
        until_ms, run = value.get("until_ms"), value.get("run")
        for child, behind in self._units.items():
            part = {"target": child, "until_ms": until_ms, "run": run}
            part["import_max_w"] = _part(import_w, behind.customers, customers)
            part["export_max_w"] = _part(export_w, behind.p_max_w, rated_w)
            self._write(LIMIT, child, part, cause)
        if import_w is not None:
            share_w = _part(import_w, 1, customers)
            limit = {"import_max_w": share_w, "export_max_w": None, "until_ms": until_ms}
            for meter in self._meters:
                self._write("load.set_point", meter, limit, cause)
        for unit, p_max_w in self._ders.items():
            if export_w is not None:
                part_w = _part(export_w, p_max_w, rated_w) or 0.0
                self._write("der.set_point", unit, {"p_w": -part_w, "until_ms": until_ms}, cause)
            if run is not None:
                self._write("der.command", unit, {"run": run}, cause)

    def _regulate(self, value: Mapping[str, Any], cause: str) -> None:
        target = value.get("target") or ""
        child = self._towards(target)
        if child:
            self._write(REGULATION, child, dict(value), cause)
        elif target in {"", self._unit}:
            for below in self._units:
                self._write(REGULATION, below, {**value, "target": below}, cause)
            for unit in self._ders:
                self._write(REGULATION, unit, {**value, "target": unit}, cause)

    def _towards(self, target: str) -> str:
        """Return the child that leads to ``target``, empty where that is here or nowhere."""
        if target in {"", self._unit}:
            return ""
        return next((child for child, it in self._units.items() if target in it.units), "")

    def _write(self, variable: str, unit: str, value: Any, cause: str) -> None:
        issued = self._context.data.write(variable, unit, value, cause=cause)
        if issued.result is Result.ISSUED:
            self._writes[issued.id] = (variable, unit)

    def _written(self, variable: str, unit: str, notification: Notification) -> None:
        if notification.result is not Result.OK:
            told = {"variable": variable, "result": notification.result.label}
            self._context.decide("order_not_taken", unit, told, (notification.id,))


def _part(total: float | None, weight: float, all_weights: float) -> float | None:
    if total is None:
        return None
    return round(total * weight / all_weights, 1) if all_weights else 0.0
