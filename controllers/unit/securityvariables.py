"""What a unit notices of its own traffic, and alarms: variables of the service ``detection``."""

from __future__ import annotations

from controllers.unit.policy import ALL, READ_WRITE, Grant
from controllers.unit.variable import Variable
from fernwatt.timebase import DAY_MS

__all__ = ["ALARM", "ORDERED", "REFUSED", "SECURITY_VARIABLES", "TRAFFIC", "UNREADABLE"]

REFUSED, UNREADABLE = "security.refused", "security.malformed"
TRAFFIC, ORDERED, ALARM = "security.traffic", "security.ordered", "alarm"
_WATCH = "watch"

SECURITY_VARIABLES = (
    Variable(REFUSED, 85, "record", "1", "unit", field="IEC 62351-14", fields=("src", "why"),
             only=_WATCH),
    Variable(UNREADABLE, 86, "record", "1", "unit", fields=("src", "why"), only=_WATCH),
    Variable(TRAFFIC, 87, "record", "1", "unit",
             fields=("t_ms", "frames", "src", "most", "strays", "denied"), only=_WATCH),
    Variable(ORDERED, 88, "record", "1", "unit", fields=("location", "variable", "value"),
             only=_WATCH),
    Variable(ALARM, 89, "record", "1", "unit", (Grant(ALL, "detection", READ_WRITE),),
             30 * DAY_MS, field="CALH.GrAlm",
             fields=("class", "suspect", "unit", "raised_ms", "number", "detail")),
)  # fmt: skip
