"""Hears what the control centre's tools are to be given, and records each value as it came.

It follows the units below by the Data Interface, under their policies, so a tool is given what the
network brought, when it brought it: table ``export`` of the run, of which the files are made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from controllers.unit.follow import FOLLOW, Follower, Wanted
from controllers.unit.service import Notification, UnitContext

__all__ = ["Exports"]


class Exports:
    """``wanted``: what is followed at whom, and for which interfaces."""

    name = "exports"

    __slots__ = ("_context", "_follower", "_interfaces", "_seen")

    _context: UnitContext

    def __init__(self, wanted: Mapping[Wanted, Sequence[str]], join_ms: int) -> None:
        self._follower = Follower(list(wanted), join_ms)
        self._interfaces: dict[tuple[str, str], set[str]] = {}
        for one, interfaces in wanted.items():
            self._interfaces.setdefault((one.variable, one.unit), set()).update(interfaces)
        # newest value of each, to know one that is asked for and told
        self._seen: dict[tuple[str, str], tuple[int, str]] = {}

    def start(self, context: UnitContext) -> None:
        """Follow all, one after another."""
        self._context = context
        self._follower.start(context)

    def notify(self, notification: Notification) -> None:
        """Record what came, once for each interface."""
        if not self._follower.take(notification):
            return
        key = (notification.variable, notification.location)
        text = json.dumps(notification.value, sort_keys=True, separators=(",", ":"))
        if self._seen.get(key) == (notification.t_ms, text):
            return  # asked for, and told as well
        self._seen[key] = (notification.t_ms, text)
        for interface in sorted(self._interfaces.get(key, ())):
            self._context.record(
                "export",
                {
                    "t_ms": self._context.now_ms,
                    "id": notification.id,
                    "interface": interface,
                    "variable": notification.variable,
                    "unit": notification.location,
                    "owner": notification.owner,
                    "value_ms": notification.t_ms,
                    "value": text,
                },
            )

    def timer(self, name: str) -> None:
        """Follow the next."""
        if name == FOLLOW:
            self._follower.timer()
