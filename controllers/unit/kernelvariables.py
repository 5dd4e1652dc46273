"""Variables of every unit's platform itself."""

from __future__ import annotations

from controllers.unit.policy import ALL, READ, READ_WRITE, Grant
from controllers.unit.variable import Variable

__all__ = ["AUDIT_LOG", "KERNEL_VARIABLES", "SECAUD", "TRANSIT"]

# the role of IEC 62351-8 that reads audit logs, as a stakeholder
SECAUD = "secaud"
TRANSIT, AUDIT_LOG = "transit", "audit.log"

KERNEL_VARIABLES = (
    # whose policy says who may pass the unit; it has no instances
    Variable(TRANSIT, 80, "any", "1", "unit", (Grant(ALL, ALL, READ_WRITE),)),
    # made when it is asked for, a block of entries an instance
    Variable(AUDIT_LOG, 81, "record", "1", "unit", (Grant(SECAUD, ALL, READ),), only="audit"),
)
