"""Limits of the grid that balancing keeps within."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from scenarios.schema.base import Section

__all__ = ["GridLimit"]


class GridLimit(Section):
    """A hard limit of what may be drawn at a unit's place in the grid, as the operator sets it."""

    at: str = Field(description="The unit (lvgmu/…, mvgmu/…, tlgmu/top), or a kind of them: each.")
    from_h: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="From when on, after the scenario's start [h]."
    )
    until_h: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="Until when [h]; null: to the end."
    )
    upper_w: float | None = Field(default=None, description="Most that may be drawn [W].")
    lower_w: float | None = Field(
        default=None, description="Least, [W]; negative: most that may be fed in."
    )

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.upper_w is None and self.lower_w is None:
            raise ValueError("upper_w, lower_w: one of them is needed")
        if None not in (self.upper_w, self.lower_w) and self.lower_w > self.upper_w:  # type: ignore[operator]
            raise ValueError("lower_w: above upper_w")
        if self.until_h is not None and self.until_h <= self.from_h:
            raise ValueError("until_h: not after from_h")
        return self
