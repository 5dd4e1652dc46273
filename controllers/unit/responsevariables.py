"""Variables of demand response by contract (codes 200 to 209); see ``docs/models/response.md``.

A request may be written to a customer's unit by whom its policy names: that is the contract, and
there is none by default. Within a substation's unit the service of demand response and the one of
balancing, and nobody else, tell each other what members are to draw, and what they have agreed to.
"""

from __future__ import annotations

from controllers.unit.policy import ALL, READ_WRITE, WRITE, Grant
from controllers.unit.signalvariables import AGGREGATOR
from controllers.unit.variable import AUTHORS, Variable
from fernwatt.timebase import DAY_MS

__all__ = ["RESPONSE_VARIABLES"]

_ASKED = (Grant(AGGREGATOR, "response", READ_WRITE),)
_TOLD = (Grant(AGGREGATOR, "response", READ_WRITE), Grant(ALL, "response", WRITE))
_WITHIN = (Grant(ALL, "response", READ_WRITE), Grant(ALL, "balancing", READ_WRITE))

RESPONSE_VARIABLES = (
    Variable("response.request", 200, "record", "1", "unit", _ASKED, 3 * DAY_MS, critical=True,
             fields=("id", "issued_ms", "issuer", "percent", "begins_ms", "ends_ms")),
    Variable("response.call", 201, "record", "1", "customer", (), 3 * DAY_MS, critical=True,
             fields=("id", "issued_ms", "issuer", "percent", "begins_ms", "ends_ms", "to")),
    Variable("response.answer", 202, "record", "1", AUTHORS, _TOLD, 3 * DAY_MS,
             fields=("id", "unit", "follows", "why")),
    Variable("response.promise", 203, "record", "1", "unit", _TOLD, 3 * DAY_MS,
             fields=("id", "unit", "baseline_wh", "asked_wh", "promised_wh", "following",
                     "refused", "silent", "why")),
    Variable("response.delivery", 204, "record", "1", "unit", _TOLD, 3 * DAY_MS,
             fields=("id", "unit", "asked_wh", "promised_wh", "delivered_wh", "rebound_wh",
                     "unmetered", "paid_cent")),
    Variable("response.choice", 205, "record", "1", "customer",
             (Grant(ALL, "display", READ_WRITE),), 30 * DAY_MS, fields=("follows",)),
    Variable("balancing.windows", 206, "record", "1", "unit", _WITHIN, 3 * DAY_MS, only="response"),
    Variable("balancing.agreed", 207, "record", "1", "unit", _WITHIN, 3 * DAY_MS, only="balancing"),
)  # fmt: skip
