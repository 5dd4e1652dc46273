"""Check of a group's members: certificates that were refused, members that are lost."""

from __future__ import annotations

from collections.abc import Sequence

from controllers.detection.finding import Finding, Source
from controllers.unit.groupvariables import MEMBER
from controllers.unit.service import Notification

__all__ = ["Members"]

_CLASSES = {"refused": "certificate", "lost": "silence"}


class Members:
    """What group management tells of those below (``certificate``, ``silence``)."""

    def __init__(self, unit: str) -> None:
        self._unit = unit

    def wants(self) -> Sequence[Source]:
        """Return what is told of members."""
        return [(MEMBER, self._unit)]

    def take(self, notification: Notification, now_ms: int) -> Sequence[Finding]:  # noqa: ARG002
        """Pass on what is wrong with a member; a restart of this unit is no news."""
        value = notification.value
        kind = _CLASSES.get(value["state"])
        if kind is None or value["why"] == "restart":
            return ()
        return (Finding(kind, value["unit"], {"why": value["why"]}, (notification.id,)),)

    def slot(self, now_ms: int) -> Sequence[Finding]:  # noqa: ARG002 - of the protocol
        """Find nothing."""
        return ()
