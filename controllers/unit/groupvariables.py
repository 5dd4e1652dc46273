"""What units of a group tell each other, and what is told of it: service ``group``."""

from __future__ import annotations

from controllers.unit.policy import ALL, READ, WRITE, Grant
from controllers.unit.variable import OPERATOR, Variable
from fernwatt.timebase import DAY_MS

__all__ = [
    "ADMIT",
    "BEAT",
    "GROUP_VARIABLES",
    "JOIN",
    "LEAVE",
    "MEMBER",
    "MEMBERS",
    "PARENT",
    "REFUSED",
    "REVOCATIONS",
]

JOIN, ADMIT, BEAT, LEAVE = "group.join", "group.admit", "group.beat", "group.leave"
REVOCATIONS = "group.revocations"
MEMBER, MEMBERS, PARENT, REFUSED = "group.member", "group.members", "group.parent", "group.refused"
_MESSAGE = (Grant(ALL, "group", WRITE),)
_TOLD = (Grant(OPERATOR, ALL, READ),)
_BRIEF_MS = 60_000  # a message is read when it comes
_SERVICE, _PLATFORM = "group", "platform"

GROUP_VARIABLES = (
    Variable(JOIN, 50, "record", "1", "unit", _MESSAGE, _BRIEF_MS, fields=("up_to",)),
    Variable(ADMIT, 51, "record", "1", "unit", _MESSAGE, _BRIEF_MS,
             fields=("why", "generation", "step", "key_b64")),
    Variable(BEAT, 52, "record", "1", "unit", _MESSAGE, _BRIEF_MS,
             fields=("generation", "step", "tag", "up_to")),
    Variable(LEAVE, 53, "record", "1", "unit", _MESSAGE, _BRIEF_MS),
    Variable(REVOCATIONS, 54, "record", "1", "unit", _MESSAGE, _BRIEF_MS, fields=("list_b64",)),
    Variable(MEMBER, 55, "record", "1", "unit", _TOLD, 8 * DAY_MS, field="IEC 62351-7 MU status",
             fields=("unit", "kind", "state", "why", "silent_ms"), only=_SERVICE),
    Variable(MEMBERS, 56, "record", "1", "unit", _TOLD, 8 * DAY_MS,
             fields=("members", "suspected", "lost", "sensors", "generation", "step"),
             only=_SERVICE),
    Variable(PARENT, 57, "record", "1", "unit", _TOLD, 8 * DAY_MS,
             fields=("unit", "state", "why"), only=_SERVICE),
    Variable(REFUSED, 58, "record", "1", "unit", fields=("src", "why"), only=_PLATFORM),
)  # fmt: skip
