"""Variables of what customers have done with their devices (codes 180 to 189).

All are the customer's: what a person does at a device, what device control above sets for one that
balancing plans (who may, the contract says), and how far a device was from its plan. See
``docs/models/balancing.md``.
"""

from __future__ import annotations

from controllers.unit.variable import Variable
from fernwatt.timebase import DAY_MS

__all__ = ["CUSTOMER_VARIABLES"]

CUSTOMER_VARIABLES = (
    Variable("device.override", 180, "record", "1", "customer", (), 8 * DAY_MS, critical=True,
             fields=("device", "action", "until_ms")),
    Variable("device.limit", 181, "record", "1", "customer", (), 3 * DAY_MS, critical=True,
             fields=("device", "p_w", "until_ms")),
    Variable("device.deviation", 182, "record", "1", "customer", (), 3 * DAY_MS,
             fields=("t_ms", "device", "planned_w", "ordered_w", "measured_w", "why")),
)  # fmt: skip
