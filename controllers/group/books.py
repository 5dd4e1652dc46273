"""How group management tells of what changes: event, row, and an instance that others follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controllers.unit.groupvariables import MEMBER, PARENT
from controllers.unit.membership import GroupContext

__all__ = ["Books"]


class Books:
    """One unit's."""

    __slots__ = ("_context",)

    def __init__(self, context: GroupContext) -> None:
        self._context = context

    def member(
        self,
        name: str,
        kind: str,
        state: str,
        *,
        why: str = "",
        silent_ms: int = 0,
        causes: Sequence[str] = (),
    ) -> str:
        """Tell of a ``unit`` or ``sensor`` below; return the decision's name."""
        event = "join_refused" if state == "refused" else f"{_EVENT[kind]}_{state}"
        return self._tell(MEMBER, event, (name, kind, state, why, silent_ms), causes)

    def again(self, unit: str, *, lost: bool) -> None:
        """Write what was known of a member before a restart, for those who follow it."""
        state = "lost" if lost else "joined"
        value = {"unit": unit, "state": state, "why": "restart", "kind": "unit", "silent_ms": 0}
        self._context.data.write(MEMBER, self._context.unit, value)

    def parent(
        self,
        name: str,
        state: str,
        *,
        why: str = "",
        silent_ms: int = 0,
        causes: Sequence[str] = (),
    ) -> str:
        """Tell of the unit above; return the decision's name."""
        return self._tell(
            PARENT, f"parent_{state}", (name, "parent", state, why, silent_ms), causes
        )

    def _tell(
        self,
        variable: str,
        event: str,
        told: tuple[str, str, str, str, int],
        causes: Sequence[str],
    ) -> str:
        context = self._context
        name, kind, state, why, silent_ms = told
        detail: dict[str, Any] = {"by": context.unit, "why": why, "silent_ms": silent_ms}
        decision = context.decide(event, name, detail, causes)
        value: dict[str, Any] = {"unit": name, "state": state, "why": why}
        if variable == MEMBER:
            value |= {"kind": kind, "silent_ms": silent_ms}
        context.data.write(variable, context.unit, value, cause=decision)
        context.record(
            "membership",
            {
                "t_ms": context.now_ms,
                "id": decision,
                "unit": context.unit,
                "member": name,
                "kind": kind,
                "state": state,
                "why": why,
                "silent_ms": silent_ms,
            },
        )
        return decision


_EVENT = {"unit": "member", "sensor": "sensor"}
