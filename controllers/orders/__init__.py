"""Service ``orders``: limits, starts, stops and voltage regulation on their way down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controllers.orders.service import Behind, Order, Orders

__all__ = ["Behind", "Order", "Orders", "make_service"]


def make_service(
    unit_spec: Mapping[str, Any], params: Mapping[str, Any], directory: object = None
) -> Orders:
    """Return the service.

    ``params``: ``units`` (children that pass orders on: ``{child: {customers, p_max_w, units}}``),
    ``meters``, ``ders`` (``{unit: p_max_w}``), and at the top ``orders``: ``[{at_ms, until_ms,
    target, import_max_w, export_max_w, run, regulate_pu}]``.
    """
    del directory
    behind = {
        child: Behind(int(item["customers"]), float(item["p_max_w"]), frozenset(item["units"]))
        for child, item in params.get("units", {}).items()
    }
    orders = [Order(**item) for item in params.get("orders", ())]
    return Orders(
        unit_spec["id"],
        behind,
        tuple(params.get("meters", ())),
        {unit: float(p_w) for unit, p_w in params.get("ders", {}).items()},
        orders,
    )
