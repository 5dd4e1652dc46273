"""Section on an auction of power between houses and supply."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scenarios.schema.base import Section

__all__ = ["Auction"]

_Power = Annotated[float, Field(ge=-1e9, le=1e9)]


class Auction(Section):
    """Bids of houses are cleared against a supply that rises with the price, slot by slot."""

    supply_w: Annotated[list[_Power], Field(min_length=2, max_length=2)] = Field(
        description="What is supplied at the lowest and at the highest price of the ladder [W], "
        "straight between them: below the first nobody is asked for anything, and to what is "
        "beyond the second only must-run loads remain.",
    )
    root: Literal["lvgmu", "mvgmu", "tlgmu"] = Field(
        default="lvgmu",
        description="The kind of unit that clears: each substation for its own houses, or those "
        "above it for all that is below them; units in between add up bids and pass on prices.",
    )
    deadline_s: Annotated[float, Field(ge=5, le=300)] = Field(
        default=30.0,
        description="Bids that are not there so long after a quarter-hour began count as they "
        "were [s]; each level above waits half as long again.",
    )

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.supply_w[0] > self.supply_w[1]:
            raise ValueError("supply_w: must not fall with the price; the smaller one comes first")
        return self
