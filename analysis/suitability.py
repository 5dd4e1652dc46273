"""Whether a setting of the network is enough for an application, over several seeds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from analysis.requirement_classes import RequirementClass

__all__ = ["Enough", "Estimate", "Service", "verdict"]


class Enough(StrEnum):
    """Whether what is asked is there, as far as the seeds can tell."""

    YES = "yes"
    NO = "no"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over seeds, and half of its 95 % confidence interval (None for one seed)."""

    mean: float
    half: float | None


@dataclass(frozen=True, slots=True)
class Service:
    """One flow of messages over one setting, against one class.

    ``in_time`` is the share [%] of its messages that were there within the limit, or within the
    network's own part of it (``network``).
    """

    setting: str
    flow: str
    asked: RequirementClass
    first: bool
    network: bool
    in_time: Estimate
    p95_ms: Estimate | None
    delivered: Estimate | None

    @property
    def limit_ms(self) -> float:
        """The limit that ``in_time`` is of."""
        return self.asked.network_ms if self.network else self.asked.limit_ms

    @property
    def enough(self) -> Enough:
        """Whether the class is met."""
        return verdict(self.in_time, self.asked.delivered_percent)


def verdict(share: Estimate, asked_percent: float) -> Enough:
    """Return whether a share is as large as asked: with its whole interval, with none of it."""
    half = share.half or 0.0
    if share.mean - half >= asked_percent:
        return Enough.YES
    return Enough.NO if share.mean + half < asked_percent else Enough.OPEN
