"""Variables of signals and device control (codes 140 to 159); see ``docs/models/control.md``.

Informational ones are their issuer's wherever a copy is, and open to whoever passes them on,
decides by them or shows them. A command may be written to a unit by whom its policy names: on a
customer's, that is the contract, and there is none by default.
"""

from __future__ import annotations

from controllers.unit.policy import ALL, READ, READ_WRITE, WRITE, Grant
from controllers.unit.variable import OPERATOR, SUPPLIER, Variable
from fernwatt.timebase import DAY_MS

__all__ = ["AGGREGATOR", "SIGNAL_VARIABLES"]

AGGREGATOR = "aggregator"

_TOLD = tuple(
    Grant(ALL, service, READ) for service in ("signals", "control", "display", "balancing")
)
_ANSWERS = (Grant(ALL, "signals", WRITE), Grant(ALL, "openadr", READ))
_ANNOUNCED = (Grant(ALL, "control", WRITE),)

SIGNAL_VARIABLES = (
    Variable("signal.price", 140, "record", "1", SUPPLIER, _TOLD, 3 * DAY_MS,
             fields=("issued_ms", "start_ms", "step_ms", "cent_per_mwh", "feed_in_cent_per_mwh")),
    Variable("signal.grid", 141, "record", "1", OPERATOR, _TOLD, 3 * DAY_MS,
             fields=("issued_ms", "times_ms", "level")),
    Variable("signal.command", 142, "record", "1", "customer", (), 3 * DAY_MS, critical=True,
             fields=("id", "issued_ms", "issuer", "action", "kinds", "times_ms", "percent")),
    Variable("signal.response", 143, "record", "1", "unit", _ANSWERS, 3 * DAY_MS,
             fields=("id", "unit", "opted_in", "opted_out", "silent")),
    Variable("control.capability", 144, "record", "1", "unit", _ANNOUNCED, 3 * DAY_MS,
             fields=("device", "unit", "customer", "kind", "p_max_w", "p_min_w", "efficiency",
                     "method", "order", "to")),
    Variable("control.devices", 149, "record", "1", "unit",
             (Grant(AGGREGATOR, "control", READ_WRITE),), 30 * DAY_MS),
    Variable("openadr.payload", 145, "record", "1", "unit", fields=("document",)),
    Variable("openadr.answer", 146, "record", "1", "unit", fields=("document",)),
    Variable("customer.strategy", 147, "record", "1", "customer", retention_ms=30 * DAY_MS,
             fields=("follow", "max_percent", "max_h", "weights", "limits")),
    Variable("display.page", 148, "record", "1", "customer",
             fields=("t_ms", "import_wh", "export_wh", "cost_cent", "v_min_v", "v_max_v", "outages",
                     "outage_s", "advice", "saving_wh", "saving_cent")),
)  # fmt: skip
