"""Variables of sums that who adds them cannot read, of held sums and of policies (codes 70 to 79).

A hidden value is a customer's as the register is that it was made from. What was summed over
customers and is not yet the operator's belongs to the customers of an area together.
"""

from __future__ import annotations

from controllers.unit.policy import READ, READ_WRITE, WRITE, Grant
from controllers.unit.variable import OPERATOR, Variable

__all__ = ["ACCESS_POLICY", "PRIVATE_VARIABLES"]

ACCESS_POLICY = "access.policy"
"""What an owner writes to have a policy hold for a variable from now on."""

_SUMMED = (Grant(OPERATOR, "aggregation", READ),)
_ASKED = (Grant(OPERATOR, "aggregation", WRITE),)
_HELD = (Grant(OPERATOR, "aggregation", READ_WRITE),)

PRIVATE_VARIABLES = (
    Variable("energy.hidden", 70, "record", "1", "customer", _SUMMED,
             fields=("slot", "v", "v_b64")),
    Variable("energy.missing", 71, "record", "1", "customer", _ASKED, fields=("slot", "missing")),
    Variable("energy.unmask", 72, "record", "1", "customer", _SUMMED,
             fields=("slot", "missing", "v")),
    Variable("area.hidden", 73, "record", "1", "customers", _HELD,
             fields=("t_ms", "v", "missing", "v_b64")),
    Variable("area.held", 74, "record", "1", "customers", _HELD,
             fields=("t_ms", "import_wh", "export_wh", "meters", "missing", "top_import_wh",
                     "top_export_wh")),
    Variable(ACCESS_POLICY, 75, "record", "1", "customer", fields=("variable", "grants")),
    Variable("access.conflict", 76, "record", "1", "customer",
             fields=("variable", "operation", "stakeholder", "service", "request", "result")),
)  # fmt: skip
