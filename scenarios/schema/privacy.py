"""Section on what of customers' data may be known, by whom and how."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from scenarios.schema.base import Section

__all__ = ["Privacy"]


class Privacy(Section):
    """Sums over customers: hidden from who adds them, and from whom there are too few for."""

    scheme: Literal["masking", "elgamal"] = Field(
        default="masking",
        description="At the level with-privacy, how meters hide their energies: masked (8 bytes a "
        "value; survivors are asked where some are missing) or encrypted (64 bytes a value).",
    )
    neighbours: Annotated[int, Field(ge=0, le=256)] = Field(
        default=16,
        description="With how many others each meter shares masks; 0: with all of its area.",
    )
    rounds: Annotated[int, Field(ge=1, le=3)] = Field(
        default=2, description="How often survivors are asked before a masked sum is given up."
    )
    disclosure: bool = Field(
        default=False,
        description="Whether sums in plain text become the operator's only by the rule below; "
        "until then they are passed up as the customers'.",
    )
    min_customers: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=15, description="Least number of customers of a sum."
    )
    max_share: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.15,
        description="Largest share of one customer in a sum in plain text; of a hidden one nobody "
        "can tell.",
    )
    min_span_h: Annotated[float, Field(ge=0, le=8784)] = Field(
        default=0.0,
        description="A sum in plain text over so many hours may be of fewer [h]; 0: never.",
    )
