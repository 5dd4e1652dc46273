"""What all sections of a scenario share: strict types, no unknown keys, units in the names."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

__all__ = ["Name", "Positive", "Section", "Share", "Zone"]

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


def _known(zone: str) -> str:
    if "/" in zone:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"there is no time zone {zone}; take Z, +01:00 or such") from None
    return zone


Zone = Annotated[
    str,
    Field(pattern=r"^(Z|UTC|[+-]\d\d:\d\d|[A-Z]\w+(/[A-Z][\w+-]*)+)$"),
    AfterValidator(_known),
]
"""A time zone: of a fixed offset, or by its name."""


class Section(BaseModel):
    """A part of a scenario: unknown keys, loose types, NaN and infinities are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
