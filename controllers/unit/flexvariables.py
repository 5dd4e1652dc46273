"""Variables of flexibility and of generators' flows (codes 210 to 224).

See ``docs/models/flexibility.md`` and ``docs/models/derflows.md``.

Flex-offers of customers, and the roles of USEF: prognosis, request, bid, order, settlement. A
customer's unit takes an assignment from whom its policy names: that is the contract, and there is
none by default.
"""

from __future__ import annotations

from controllers.unit.policy import ALL, READ, WRITE, Grant
from controllers.unit.signalvariables import AGGREGATOR
from controllers.unit.variable import OPERATOR, Variable
from fernwatt.timebase import DAY_MS

__all__ = ["FLEX_VARIABLES"]

_OFFERED = (Grant(ALL, "flexibility", WRITE),)
_BY_OPERATOR = (Grant(OPERATOR, "flexibility", WRITE),)
_BY_AGGREGATOR = (Grant(AGGREGATOR, "flexibility", WRITE),)
_TRADE = ("id", "request", "bid", "area", "slot", "wh", "cent", "until_ms", "serial", "customers")

FLEX_VARIABLES = (
    Variable("flex.offer", 210, "record", "1", "unit", _OFFERED,
             fields=("customer", "serial", "slot", "wh", "offers")),
    Variable("flex.assignment", 211, "record", "1", "customer", (), critical=True,
             fields=("order", "serial", "offers")),
    Variable("flex.prognosis", 212, "record", "1", "unit", _BY_AGGREGATOR, fields=_TRADE),
    Variable("flex.request", 213, "record", "1", "unit", _BY_OPERATOR, fields=_TRADE),
    Variable("flex.bid", 214, "record", "1", "unit", _BY_AGGREGATOR, fields=_TRADE),
    Variable("flex.order", 215, "record", "1", "unit", _BY_OPERATOR, fields=_TRADE),
    Variable("flex.settlement", 216, "record", "1", "unit", _BY_OPERATOR, 30 * DAY_MS,
             fields=("id", "area", "orders", "cent", "missing")),
    Variable("flex.statement", 217, "record", "1", "customer", (), 30 * DAY_MS,
             fields=("id", "wh", "cent")),
    Variable("der.summary", 218, "record", "1", "unit", (Grant(ALL, "derflows", READ),),
             30 * DAY_MS, field="DRCS",
             fields=("t_ms", "units", "available", "silent", "alarms", "problems", "fed_w",
                     "drawn_w", "more_w", "less_w", "reactive_var", "found")),
)  # fmt: skip
