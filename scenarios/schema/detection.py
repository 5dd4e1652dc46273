"""Section on the service that notices attacks."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from scenarios.schema.base import Section

__all__ = ["Detection"]


class Detection(Section):
    """A service in every unit that raises alarms, and sends them up to the top."""

    audit_h: Annotated[float, Field(ge=0, le=168)] = Field(
        default=1.0,
        description="How often medium-voltage units read all meters of an area themselves, to "
        "hold its sums against them [h]; 0: never.",
    )
    limits: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="Other limits than the usual ones (controllers/detection/limits.py).",
    )
